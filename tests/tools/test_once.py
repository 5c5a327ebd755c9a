"""A call with a key is carried out once, and answered alike ever after."""

import asyncio

import psycopg
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from tests.tools.support import counts, person, rows
from tools.changing.adding import add_task
from tools.changing.call import each, once
from tools.context import Caller, always
from tools.shapes.arguments import NewTask
from tools.zones import time_zone


async def add_one(session: AsyncSession, caller: Caller) -> None:
    tasks = [NewTask(title="x")]
    await once(
        session, caller, "add_tasks", {"tasks": tasks}, lambda call: each(call, tasks, add_task)
    )


async def test_a_repeated_call_is_answered_as_the_first_time_and_changes_nothing(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        # Hours later and elsewhere: a resumed run.
        later = ann.at("2026-11-18T15:00:00+01:00").saying({"task-agent/time-zone": "UTC"})
        new = [{"title": "Buy milk", "due": "tomorrow at 9"}, {"title": "x", "due": "soonish"}]
        first = await ann.call("a").answer("add_tasks", tasks=new)
        assert await later.call("a").answer("add_tasks", tasks=new) == first
        done = await ann.call("b").answer("complete_tasks", tasks=["milk"])
        await ann.add("More milk")
        # Without the key, "milk" would now be the other task.
        assert await later.call("b").answer("complete_tasks", tasks=["milk"]) == done
        gone = await ann.call("c").answer("delete_tasks", tasks=[1])
        assert await later.call("c").answer("delete_tasks", tasks=[1]) == gone
        undone = await ann.call("d").answer("undo_changes")
        assert await later.call("d").answer("undo_changes") == undone
        assert await ann.titles(state="all") == ["Buy milk", "More milk"]
    assert len(rows(database_url, "SELECT 1 FROM task_calls")) == 5


async def test_a_call_that_failed_whole_is_answered_alike_when_it_would_not_any_more(
    database: Database,
) -> None:
    async with person(database) as ann:
        failed = await ann.call("a").error("complete_tasks", tasks=["milk"])
        await ann.add("Buy milk")
        assert await ann.call("a").error("complete_tasks", tasks=["milk"]) == failed
        assert await ann.titles() == ["Buy milk"]


async def test_a_call_that_changed_nothing_is_answered_alike_when_it_would(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        await ann.named("complete_tasks", 1)
        same = await ann.call("a").answer("complete_tasks", tasks=[1])
        assert same["results"][0]["status"] == "unchanged"
        await ann.named("reopen_tasks", 1)
        assert await ann.call("a").answer("complete_tasks", tasks=[1]) == same
        assert await ann.titles() == ["Buy milk"]


async def test_the_same_call_at_the_same_time_is_carried_out_once(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        answers = await asyncio.gather(
            *(ann.call("a").answer("add_tasks", tasks=["Buy milk"]) for _ in range(5))
        )
    assert answers == [answers[0]] * 5
    assert counts(database_url) == (1, 1)


async def test_calls_of_a_new_user_at_the_same_time_get_different_numbers(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await asyncio.gather(*(ann.add(f"task {n}", f"another {n}") for n in range(8)))
    numbers = rows(database_url, "SELECT number FROM tasks ORDER BY 1")
    assert [row["number"] for row in numbers] == list(range(1, 17))
    positions = rows(database_url, "SELECT position FROM task_events ORDER BY 1")
    assert [row["position"] for row in positions] == list(range(1, 17))


@pytest.mark.parametrize("recorded_only", [False, True])
async def test_a_key_stands_for_one_call_and_another_with_it_is_refused(
    database: Database, database_url: str, recorded_only: bool
) -> None:
    async with person(database) as ann:
        await ann.call("a").answer("add_tasks", tasks=["Buy milk"])
        again = ann.call("a", recorded_only=recorded_only)
        for tool, arguments in (
            ("add_tasks", {"tasks": ["Buy bread"]}),
            ("complete_tasks", {"tasks": ["Buy milk"]}),
            ("undo_changes", {}),
        ):
            assert "key of its own" in await again.error(tool, **arguments)
        # It is the same call however it is written.
        await again.answer("add_tasks", tasks=[{"title": "Buy milk", "due": None}])
        assert await ann.titles() == ["Buy milk"]
    assert counts(database_url) == (1, 1)


async def test_the_same_key_of_another_user_is_another_call(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann, person(database, "bob") as bob:
        await ann.call("a").answer("add_tasks", tasks=["Ann's"])
        answer = await bob.call("a").answer("add_tasks", tasks=["Bob's"])
        assert answer["results"][0]["task"]["title"] == "Bob's"
    assert counts(database_url) == (2, 2)


async def test_whoever_asks_after_a_call_is_told_what_it_answered(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        first = await ann.call("a").answer("add_tasks", tasks=["Buy milk"])
        asked = ann.call("a", recorded_only=True)
        assert await asked.answer("add_tasks", tasks=["Buy milk"]) == first
        failed = await ann.call("b").error("complete_tasks", tasks=["zebra"])
        again = ann.call("b", recorded_only=True)
        assert await again.error("complete_tasks", tasks=["zebra"]) == failed
    assert counts(database_url) == (1, 1)


async def test_a_call_that_was_not_carried_out_is_said_not_to_have_been_and_never_is(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        for person_ in (ann.call("a", recorded_only=True), ann.call("a"), ann.call("a")):
            result = await person_.ask("add_tasks", tasks=["Buy milk"])
            assert result.isError
            assert result.structuredContent == {"executed": False}
            assert result.content[0].text.startswith("Not executed:")  # type: ignore[union-attr]
        # The same again under another key is another call.
        await ann.call("b").answer("add_tasks", tasks=["Buy milk"])
    assert counts(database_url) == (1, 1)


async def test_nothing_is_recorded_of_what_only_reads(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        asked = ann.call("a", recorded_only=True)
        for tool, arguments in (
            ("find_tasks", {}),
            ("get_tasks", {"tasks": [1]}),
            ("find_activity", {}),
            ("find_lists", {}),
            ("get_overview", {}),
        ):
            result = await asked.ask(tool, **arguments)
            assert result.isError
            assert result.structuredContent == {"executed": False}


async def test_a_call_without_a_key_cannot_be_asked_after(database: Database) -> None:
    async with person(database) as ann:
        asked = ann.saying({"task-agent/recorded-only": True})
        assert "idempotency key" in await asked.error("add_tasks", tasks=["Buy milk"])


async def test_a_change_that_is_not_committed_leaves_nothing(
    database: Database, database_url: str
) -> None:
    caller = await always("ann", time_zone("UTC"))({"task-agent/idempotency-key": "a"})
    async with database.session() as session:
        await add_one(session, caller)
        await session.flush()
    assert counts(database_url) == (0, 0)
    assert rows(database_url, "SELECT 1 FROM task_calls") == []
    async with person(database) as ann:
        assert (await ann.add("Buy milk"))["number"] == 1


async def test_a_change_does_not_keep_others_from_referring_to_the_user(
    database: Database, database_url: str
) -> None:
    caller = await always("ann", time_zone("UTC"))({})
    async with person(database) as ann:
        await ann.add("Buy milk")
    async with database.session() as session:
        await add_one(session, caller)
        await session.flush()
        # The checkpointer stores a step meanwhile.
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SET lock_timeout = '5s'")
            await other.execute(
                "INSERT INTO conversations (id, user_id, thread_id) "
                "SELECT gen_random_uuid(), id, 'thread' FROM users"
            )
        await session.commit()


async def test_the_ledger_tells_of_each_change_where_it_came_from(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        call = ann.saying(
            {
                "task-agent/thread": "t",
                "task-agent/message": "m",
                "task-agent/turn": "u",
            }
        ).call("k")
        await call.answer("add_tasks", tasks=["Buy milk", "", "Buy bread"])
        await ann.call("l").answer("complete_tasks", tasks=[1])
    events = rows(
        database_url,
        "SELECT position, key, item, turn_id, thread_id, message_id, action, task_number,"
        " before IS NULL AS new FROM task_events ORDER BY position",
    )
    names = ("position", "key", "item", "turn_id", "thread_id", "message_id", "action")
    assert [tuple(event[name] for name in names) for event in events] == [
        (1, "k", 1, "u", "t", "m", "added"),
        (2, "k", 3, "u", "t", "m", "added"),
        (3, "l", 1, "l", None, None, "completed"),
    ]
    assert [event["new"] for event in events] == [True, True, False]
    # The moment of the call is that of its events.
    times = rows(database_url, "SELECT DISTINCT created_at FROM task_events")
    assert len(times) == 1
