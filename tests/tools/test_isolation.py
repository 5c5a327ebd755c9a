"""Two users at once, each of whom tries whatever the other has: neither notices the other.

What each is answered is what they are answered in a world where the other has never been.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import ClientSession
from mcp.types import CallToolResult, TextContent

from migrations.run import migrate
from storage.database import Database, connect
from tests.tools.support import ANN, NOW, client, rows
from tests.tools.test_any_changes import calls
from tools.context import (
    META_KEY,
    META_MESSAGE,
    META_RECORDED_ONLY,
    META_THREAD,
    META_TURN,
    META_USER,
    always,
)

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
EXAMPLES = settings(
    max_examples=300 if LONG else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
USERS = ("ann", "bob")
#: What is taken from an answer: names, numbers, and what stands for a place or a turn.
TAKEN = ("number", "title", "name", "turn", "thread", "next_cursor", "notes")
IDS = "SELECT id::text FROM tasks UNION ALL SELECT id::text FROM task_lists"


@dataclass(frozen=True)
class Loot:
    """One of the things that the other user has, whatever it is."""

    index: int

    def of(self, theirs: Sequence[Any]) -> Any:
        return theirs[self.index % len(theirs)] if theirs else "3"


@dataclass(frozen=True)
class Step:
    """A call, in whose arguments and `_meta` there may be loot."""

    #: The tool and its arguments.
    call: tuple[str, Any]
    meta: Mapping[str, Any]


loot = st.builds(Loot, st.integers(min_value=0, max_value=999))
references = loot | st.integers(min_value=1, max_value=6)
few = st.integers(min_value=1, max_value=3)


def arguments(tool: str, **optional: Any) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(tool), st.fixed_dictionaries({}, optional=optional))


def tasks(tool: str, required: Any, **optional: Any) -> st.SearchStrategy[tuple[str, Any]]:
    item = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(
        st.just(tool), st.fixed_dictionaries({"tasks": st.lists(item, min_size=1, max_size=2)})
    )


#: Calls that name what the other has wherever something can be named.
reaching = st.one_of(
    st.tuples(
        st.sampled_from(["get_tasks", "complete_tasks", "reopen_tasks", "delete_tasks"]),
        st.fixed_dictionaries({"tasks": st.lists(references, min_size=1, max_size=3)}),
    ),
    tasks("add_tasks", {"title": loot}, list=loot, parent=references, labels=st.just(["a"])),
    tasks(
        "update_tasks",
        {"task": references},
        title=loot,
        parent=references,
        list=loot,
        place=st.builds("after {}".format, st.integers(min_value=1, max_value=6)),
        archived=st.booleans(),
    ),
    tasks("reschedule_tasks", {"task": references, "due": st.just("friday")}),
    arguments(
        "find_tasks",
        text=loot,
        list=loot,
        parent=references,
        cursor=loot,
        limit=few,
        state=st.just("all"),
        sort=st.sampled_from(["due", "title", "place"]),
    ),
    arguments("find_tasks", cursor=loot, limit=few, state=st.just("all")),
    arguments("find_activity", task=references, turn=loot, cursor=loot, limit=few),
    arguments("find_activity", cursor=loot, limit=few),
    arguments("undo_changes", turn=loot),
    arguments("find_lists"),
    arguments("get_overview"),
    st.tuples(
        st.just("save_lists"),
        st.fixed_dictionaries(
            {"lists": st.lists(st.fixed_dictionaries({"list": loot, "name": loot}), min_size=1)}
        ),
    ),
    st.tuples(
        st.just("delete_lists"),
        st.fixed_dictionaries({"lists": st.lists(loot, min_size=1, max_size=2)}),
    ),
    st.tuples(
        st.sampled_from(["find_tasks", "undo_changes", "get_overview"]),
        st.dictionaries(
            st.sampled_from(["user", "user_id", "subject", META_USER]),
            st.sampled_from(USERS),
            min_size=1,
        ),
    ),
)
shared = st.sampled_from(["thread", "turn", "message"])
metas = st.fixed_dictionaries(
    {},
    optional={
        META_KEY: loot,
        META_THREAD: loot | shared,
        META_TURN: loot | shared,
        META_MESSAGE: loot | shared,
        META_RECORDED_ONLY: st.booleans(),
    },
)
plain = st.fixed_dictionaries({}, optional={META_THREAD: shared, META_TURN: shared})
steps = st.builds(Step, calls, plain) | st.builds(Step, reaching, metas)
#: What each of the two does, at the same time.
rounds = st.lists(st.tuples(steps, steps), min_size=2, max_size=12 if LONG else 6)


@dataclass
class World:
    """Where users live, each with what they have done and been answered."""

    sessions: Mapping[str, ClientSession]
    #: What each claims to be where nobody believes it.
    claims: Mapping[str, str]
    said: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = field(
        default_factory=lambda: {user: [] for user in USERS}
    )
    answers: dict[str, list[Any]] = field(default_factory=lambda: {user: [] for user in USERS})
    belongings: dict[str, list[Any]] = field(default_factory=lambda: {user: [] for user in USERS})

    async def call(
        self, user: str, tool: str, arguments: dict[str, Any], meta: dict[str, Any]
    ) -> None:
        self.said[user].append((tool, arguments, meta))
        whole = {**ANN, **meta, META_USER: self.claims.get(user, user)}
        result = await self.sessions[user].call_tool(tool, arguments, meta=whole)
        self.answers[user].append(_told(result))
        found = _taken(result.structuredContent)
        kept = self.belongings[user]
        kept += [one for one in [*found, meta[META_KEY]] if one not in kept]


def _told(result: CallToolResult) -> tuple[bool, Any, list[str]]:
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return result.isError, result.structuredContent, texts


def _taken(answer: Any) -> list[Any]:
    if isinstance(answer, list):
        return [found for part in answer for found in _taken(part)]
    if not isinstance(answer, dict):
        return []
    own = [answer[name] for name in TAKEN if name in answer]
    return own + [found for part in answer.values() for found in _taken(part)]


def _filled(value: Any, theirs: Sequence[Any]) -> Any:
    """The value with the loot itself in place of what stands for it."""
    match value:
        case Loot():
            return value.of(theirs)
        case dict():
            return {name: _filled(part, theirs) for name, part in value.items()}
        case list():
            return [_filled(part, theirs) for part in value]
        case _:
            return value


#: What there is before; titles that share words, and turns and threads of the same names.
BEFORE = [
    ("save_lists", {"lists": ["Work", "{} private"]}),
    ("add_tasks", {"tasks": [{"title": "{} secret", "list": "Work"}, {"title": "{} milk"}]}),
    ("add_tasks", {"tasks": [{"title": "part of {}", "parent": 1, "due": "tomorrow"}]}),
    ("find_tasks", {"limit": 1}),
    ("find_activity", {"limit": 1}),
]
#: What there is afterwards is all that a user can see.
AFTER: list[tuple[str, dict[str, Any]]] = [
    ("find_tasks", {"state": "all", "limit": 100}),
    ("find_activity", {"limit": 100}),
    ("find_lists", {}),
    ("get_overview", {}),
]


def _of(value: Any, user: str) -> Any:
    match value:
        case str():
            return value.format(user)
        case dict():
            return {name: _of(part, user) for name, part in value.items()}
        case list():
            return [_of(part, user) for part in value]
        case _:
            return value


async def live_together(world: World, url: str, played: Sequence[tuple[Step, Step]]) -> None:
    """Both do what they do at once, and know what the other has."""
    for number, (tool, given_) in enumerate(BEFORE):
        await asyncio.gather(
            *(
                world.call(
                    user,
                    tool,
                    _of(given_, user),
                    {META_KEY: f"{user} {number}", META_THREAD: "thread", META_TURN: f"t{number}"},
                )
                for user in USERS
            )
        )
    for number, both in enumerate(played):
        ids = [row["id"] for row in rows(url, IDS)]
        doing = []
        for user, other, step in zip(USERS, reversed(USERS), both, strict=True):
            theirs = [*world.belongings[other], *ids]
            meta = {META_KEY: f"{user} later {number}", **_filled(dict(step.meta), theirs)}
            meta = {name: v if name == META_RECORDED_ONLY else str(v) for name, v in meta.items()}
            tool, given_ = step.call
            doing.append(world.call(user, tool, _filled(given_, theirs), meta))
        await asyncio.gather(*doing)
    for number, (tool, given_) in enumerate(AFTER):
        await asyncio.gather(
            *(world.call(user, tool, given_, {META_KEY: f"{user} last {number}"}) for user in USERS)
        )


@asynccontextmanager
async def a_world(database: Database, *, foreign: bool) -> AsyncIterator[World]:
    """Users who share the session of the process, or have a server each that believes nothing."""
    if not foreign:
        async with client(database) as session:
            yield World(dict.fromkeys(USERS, session), {})
        return
    ann, bob = (
        always(user, ZoneInfo("Europe/Berlin"), clock=lambda: datetime.fromisoformat(NOW))
        for user in USERS
    )
    async with client(database, ann) as anns, client(database, bob) as bobs:
        yield World({"ann": anns, "bob": bobs}, {"ann": "bob", "bob": "ann"})


@pytest.mark.timeout(5_400 if LONG else 600)
@EXAMPLES
@given(played=rounds, foreign=st.booleans())
def test_two_users_at_once_are_answered_as_if_the_other_had_never_been(
    database_url: str, empty_database_url: str, played: list[tuple[Step, Step]], *, foreign: bool
) -> None:
    async def run() -> None:
        rows(database_url, "DELETE FROM users RETURNING id")
        async with (
            connect(database_url) as database,
            a_world(database, foreign=foreign) as together,
        ):
            await live_together(together, database_url, played)
        async with connect(empty_database_url) as database:
            for user in USERS:
                rows(empty_database_url, "DELETE FROM users RETURNING id")
                async with a_world(database, foreign=False) as alone:
                    for said in together.said[user]:
                        await alone.call(user, *said)
                assert alone.answers[user] == together.answers[user]

    if not rows(empty_database_url, "SELECT FROM pg_tables WHERE tablename = 'tasks'"):
        migrate(empty_database_url)
    asyncio.run(run())
