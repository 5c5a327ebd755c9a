"""Each kind of search in 100,000 tasks of one user, beside the tasks of others."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.crowd import vocabulary
from bench.plans import plans
from bench.task_crowd import HEAVY, LISTS, RARE_LABEL, fill
from storage.database import Database
from storage.models import User
from tools.context import Caller
from tools.errors import AmbiguousTaskError, TaskNotFoundError
from tools.finding import pages
from tools.finding.lists import find_lists
from tools.finding.orders import ORDERS, Sort
from tools.finding.overview import get_overview
from tools.finding.seeing import Seeing
from tools.finding.tasks import Query, find_tasks
from tools.finding.users import find_user
from tools.models import Task

from .measuring import p95

TASKS = 100_000
OTHERS = 100_000
#: Milliseconds in the server that a page may take, in the median.
BOUND = 10.0
LIMIT = 50

NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
CALLER = Caller(subject=HEAVY, zone=ZoneInfo("UTC"), now=NOW, key=None)

Read = Callable[[AsyncSession], Awaitable[Any]]
#: Makes the next reading of a kind: another word, another list.
Make = Callable[[], Read]


@dataclass(frozen=True)
class Found:
    """One kind of search, in milliseconds: p50 and p95 in the server, and of the function."""

    name: str
    times: tuple[float, float, float, float]

    @property
    def is_quick(self) -> bool:
        """Whether it is what is wanted."""
        return self.times[0] <= BOUND


def finding(cursor: str | None = None, **query: Any) -> Read:
    """A page of the tasks that a query asks for."""

    async def read(session: AsyncSession) -> Any:
        return await find_tasks(session, CALLER, Query(**query), limit=LIMIT, cursor=cursor)

    return read


def referring(words: str) -> Read:
    """The task that is meant by words, or that it may be several."""

    async def read(session: AsyncSession) -> Any:
        user_id = await find_user(session, HEAVY)
        assert user_id is not None
        with suppress(AmbiguousTaskError, TaskNotFoundError):
            await Seeing(session, user_id, CALLER.zone).find(words)

    return read


async def overview(session: AsyncSession) -> Any:
    """What there is to do."""
    return await get_overview(session, CALLER)


async def lists(session: AsyncSession) -> Any:
    """All lists, with the numbers of their open tasks."""
    return await find_lists(session, CALLER)


def fill_with_tasks(url: str, tasks: int = TASKS, others: int = OTHERS) -> None:
    """Fill an empty database."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, tasks=tasks, others=others)


async def kinds(database: Database, tasks: int = TASKS) -> dict[str, Make]:
    """Every kind of search, by name."""
    chance = random.Random(6)
    said = vocabulary()

    def word(least: int, most: int) -> str:
        return said[chance.randrange(least, most)]

    half_way = {sort: await _half_way(database, sort, tasks) for sort in ORDERS}
    return {
        "all open tasks": lambda: finding(),
        "word: common": lambda: finding(text=word(0, 50)),
        "word: middling": lambda: finding(text=word(50, 1_000)),
        "word: rare": lambda: finding(text=word(1_000, 30_000)),
        "word: in one task": lambda: finding(text=str(chance.randrange(tasks)), state="all"),
        "word: in none": lambda: finding(text="nobodysaysthis"),
        "word: its beginning": lambda: finding(text=word(50, 1_000)[:4]),
        "word: its inside": lambda: finding(text=word(50, 1_000)[1:5]),
        "two words": lambda: finding(text=f"{word(0, 50)} {word(50, 1_000)}"),
        "two common words": lambda: finding(text=f"{word(0, 20)} {word(0, 20)}"),
        "word, in all tasks by title": lambda: finding(text=word(0, 50), state="all", sort="title"),
        "word, in all tasks, the latest": lambda: finding(
            text=word(0, 50), state="all", sort="created"
        ),
        "word, archived": lambda: finding(text=word(0, 50), state="archived"),
        "label: common": lambda: finding(labels=("home",)),
        "label: rare": lambda: finding(labels=(RARE_LABEL,)),
        "label and word": lambda: finding(labels=("work",), text=word(0, 50)),
        "urgent": lambda: finding(priority="urgent"),
        "urgent and due this week": lambda: finding(priority="urgent", due="this week"),
        "completed, the latest": lambda: finding(state="completed", sort="completed"),
        "archived": lambda: finding(state="archived"),
        "due today": lambda: finding(due="today"),
        "overdue": lambda: finding(due="overdue"),
        "due in a month, by title": lambda: finding(due="2026-12-01/2026-12-31", sort="title"),
        "due in no time": lambda: finding(due="none"),
        "list: long": lambda: finding(list="List 1"),
        "list: any": lambda: finding(list=f"List {chance.randrange(LISTS) + 1}", sort="place"),
        "Inbox": lambda: finding(list="Inbox"),
        **{f"by {sort}": lambda sort=sort: finding(sort=sort) for sort in ORDERS},  # type: ignore[misc]
        **{
            f"by {sort}, half way through all": lambda sort=sort: finding(  # type: ignore[misc]
                half_way[sort], state="all", sort=sort
            )
            for sort in ORDERS
        },
        "a reference: rare words": lambda: referring(f"the {word(1_000, 30_000)} one"),
        "a reference: a middling word": lambda: referring(f"the {word(50, 1_000)} one"),
        "a reference: a common word": lambda: referring(word(0, 50)),
        "get_overview": lambda: overview,
        "find_lists": lambda: lists,
    }


async def _half_way(database: Database, sort: Sort, tasks: int) -> str:
    """The cursor in the middle of all tasks."""
    order = ORDERS[sort]
    async with database.session() as session:
        task = (
            await session.exec(
                select(Task)
                .join(User, col(User.id) == col(Task.user_id))
                .where(col(User.subject) == HEAVY)
                .order_by(*order.clauses([key.expression for key in order.keys]))
                .offset(tasks // 2)
                .limit(1)
            )
        ).one()
    return pages.write(order.place_of(task), Query(state="all", sort=sort))


async def measure(database: Database, times: int, tasks: int = TASKS) -> list[Found]:
    """Milliseconds in the server and of the function, of each kind."""
    found = []
    for name, make in (await kinds(database, tasks)).items():
        in_server, of_function = [], []
        for number in range(times + 1):
            read = make()
            async with database.session() as session:
                began = time.perf_counter()
                await read(session)
                took = (time.perf_counter() - began) * 1e3
            spent = sum(plan.milliseconds for plan in await plans(database, read))
            if number:  # The first fills caches.
                of_function.append(took)
                in_server.append(spent)
        found.append(Found(name, (*_middle_and_end(in_server), *_middle_and_end(of_function))))
    return found


def _middle_and_end(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), p95(values)
