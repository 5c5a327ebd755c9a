"""Finding tasks where one user has very many: by which indexes, and how many rows are looked at.

Not the time is what is asserted, which depends on what else the machine does. `make bench-calls`
tells times.
"""

import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import ScalarSelect, event
from sqlmodel import col, select

from bench.calls.finding import CALLER, fill_with_tasks, kinds
from bench.crowd import vocabulary
from bench.plans import Plan, Read, plans
from bench.task_crowd import HEAVY, LISTS
from storage.database import Database, connect
from storage.models import User
from tests.cloning import cloned
from tools.context import Caller
from tools.findable import pieces_of
from tools.finding import pages
from tools.finding.looking import COUNT_MAX, FAR, FAR_FALLING, NEAR, NEAR_FALLING
from tools.finding.orders import ORDERS, Sort
from tools.finding.overview import get_overview
from tools.finding.tasks import Query, find_tasks
from tools.models import Task

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
TASKS, OTHERS = (100_000, 100_000) if LONG else (20_000, 5_000)

#: Rows that a page may look at; the user has several times as many.
ROWS_MAX = 8_000
#: The same of a page of what has a word, in all states: those that are counted, those that are met
#: in vain, those that are looked up after that, and the page.
WORD_ROWS_MAX = COUNT_MAX + NEAR + FAR + COUNT_MAX
WORD_ROWS_MAX_FALLING = COUNT_MAX + NEAR_FALLING + FAR_FALLING + COUNT_MAX

#: A user, and a word that the last of their tasks have in the order of titles.
LOPSIDED, LATE = "lopsided", "mango"
EARLIER, LATER = 3_000, 3_500

pytestmark = pytest.mark.timeout(1_800 if LONG else 240)


@pytest.fixture(scope="module")
def many_url(server_uri: str, template: str) -> Iterator[str]:
    """A database in which one user has many tasks, and many have some."""
    with cloned(server_uri, template) as url:
        fill_with_tasks(url, TASKS, OTHERS)
        add_lopsided(url)
        yield url


def add_lopsided(url: str, subject: str = LOPSIDED) -> None:
    """Tasks of which those with a word are together in the order of titles, not in the table."""
    titles = [f"apple {number}" for number in range(EARLIER)]
    titles += [f"{LATE} {number}" for number in range(LATER)]
    random.Random(8).shuffle(titles)
    user = uuid4()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO users (id, subject) VALUES (%s, %s)", (user, subject))
        with connection.cursor().copy(
            "COPY tasks (id, user_id, number, title, place, searched, pieces) FROM STDIN"
        ) as copy:
            for number, title in enumerate(titles, 1):
                pieces = pieces_of(title, ())
                copy.write_row((uuid4(), user, number, title, number, title, pieces))
        connection.execute("ANALYZE tasks")


@pytest.fixture
async def many(many_url: str) -> AsyncIterator[Database]:
    async with connect(many_url) as database:
        yield database


def caller(subject: str) -> Caller:
    return replace(CALLER, subject=subject)


def finding(query: Query, subject: str = HEAVY) -> Read:
    """A page of what somebody's query asks for."""
    return lambda session: find_tasks(session, caller(subject), query, limit=50)


def owner(subject: str) -> ScalarSelect[UUID]:
    return select(User.id).where(col(User.subject) == subject).scalar_subquery()


async def numbers(many: Database, subject: str, word: str, sort: Sort) -> list[int]:
    """The numbers of somebody's tasks that have a word, in an order."""
    keys = [key.expression for key in ORDERS[sort].keys]
    async with many.session() as session:
        found = await session.exec(
            select(Task.number)
            .where(col(Task.user_id) == owner(subject), col(Task.searched).contains(word))
            .order_by(*ORDERS[sort].clauses(keys))
        )
        return list(found.all())


async def task(many: Database, subject: str, number: int) -> Task:
    async with many.session() as session:
        found = await session.exec(
            select(Task).where(col(Task.user_id) == owner(subject), col(Task.number) == number)
        )
        return found.one()


def rows(found: list[Plan]) -> int:
    """How many rows of tables were looked at."""
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        int(sum(node.get(kind, 0) for kind in counted) * node["Actual Loops"])
        for plan in found
        for node in plan.nodes()
        if node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Seq Scan")
    )


async def test_every_kind_of_search_goes_by_an_index_and_looks_at_few_rows(many: Database) -> None:
    looked_at = {}
    for name, make in (await kinds(many, TASKS)).items():
        found = await plans(many, make())
        assert not set().union(*(plan.scanned for plan in found)), name
        looked_at[name] = rows(found)
    # All that have the word are compared with the reference: nothing near may be missed.
    looked_at.pop("a reference: a common word")
    # Each list's open tasks are counted to a limit, and the Inbox's.
    assert looked_at.pop("find_lists") <= (LISTS + 1) * (COUNT_MAX + 2)
    assert {name: count for name, count in looked_at.items() if count > ROWS_MAX} == {}
    for name in ("word: rare", "word: in none", "word: in one task", "a reference: rare words"):
        assert looked_at[name] <= 1_000, name


async def test_words_and_labels_are_found_in_their_index(many: Database) -> None:
    found = await kinds(many, TASKS)
    for name in ("word: rare", "word: its inside", "label: rare", "two words", "label and word"):
        used = set().union(*(plan.indexes for plan in await plans(many, found[name]())))
        assert "ix_tasks_pieces" in used, name


async def test_the_open_tasks_of_lists_are_counted_in_their_index(many: Database) -> None:
    found = await plans(many, (await kinds(many, TASKS))["find_lists"]())
    [counting] = [plan for plan in found if "ix_tasks_open" in plan.indexes]
    [counted] = [node for node in counting.nodes() if node.get("Index Name") == "ix_tasks_open"]
    assert counted["Node Type"] == "Index Only Scan"
    assert rows([counting]) <= (LISTS + 1) * (COUNT_MAX + 1)


async def test_a_page_in_the_middle_costs_what_the_first_one_does(many: Database) -> None:
    found = await kinds(many, TASKS)
    for name in [name for name in found if name.endswith(", half way through all")]:
        sort = name.removeprefix("by ").removesuffix(", half way through all")
        seen = await plans(many, found[name]())
        assert f"ix_tasks_by_{sort}" in set().union(*(plan.indexes for plan in seen))
        assert rows(seen) <= COUNT_MAX + 500, name


async def test_what_others_have_is_not_looked_at(many: Database) -> None:
    for query in (
        Query(state="all"),
        Query(text="a", state="all"),
        Query(labels=("home",)),
        Query(priority="urgent", sort="title"),
        Query(due="overdue", list="Inbox"),
    ):
        found = await plans(many, finding(query, "user 7"))
        assert sum(plan.pages for plan in found) <= 500
        assert rows(found) <= 5 * OTHERS // 1_000 + 20
    found = await plans(many, lambda session: get_overview(session, caller("user 7")))
    assert rows(found) <= 12 * OTHERS // 1_000 + 20


@pytest.mark.parametrize("sort", ["title", "due", "created"])
async def test_a_word_is_found_with_few_rows_however_common_it_is(
    many: Database, sort: Sort
) -> None:
    most = WORD_ROWS_MAX_FALLING if ORDERS[sort].falling else WORD_ROWS_MAX
    looked_at = {}
    for word in vocabulary()[:60:4]:
        query = Query(text=word, state="all", sort=sort)
        looked_at[word] = rows(await plans(many, finding(query)))
    assert {word: count for word, count in looked_at.items() if count > most} == {}


async def test_a_word_among_tasks_of_a_rare_state_is_found_by_both(many: Database) -> None:
    found = await plans(many, finding(Query(text=vocabulary()[0], state="archived")))
    assert "BitmapAnd" in {node["Node Type"] for plan in found for node in plan.nodes()}
    assert rows(found) <= TASKS // 20


async def test_what_is_far_in_an_order_is_looked_up_not_walked_to(many: Database) -> None:
    found = await plans(many, finding(Query(text=LATE, sort="title"), LOPSIDED))
    assert any({"ix_tasks_pieces", "ix_tasks_by_title"} <= plan.indexes for plan in found)
    assert rows(found) <= COUNT_MAX + NEAR + 500


@pytest.mark.parametrize("sort", ["title", "place", "created"])
async def test_all_pages_together_are_all_that_fits(many: Database, sort: Sort) -> None:
    query = Query(text=LATE, sort=sort)
    fitting = await numbers(many, LOPSIDED, LATE, sort)
    assert len(fitting) == LATER
    for limit, first in ((100, 0), (1, LATER - 30)):
        seen = fitting[:first]
        cursor = None
        if seen:
            cursor = pages.write(ORDERS[sort].place_of(await task(many, LOPSIDED, seen[-1])), query)
        async with many.session() as session:
            while cursor or not seen:
                page = await find_tasks(
                    session, caller(LOPSIDED), query, limit=limit, cursor=cursor
                )
                assert page.total == COUNT_MAX
                seen += [found.number for found in page.tasks]
                cursor = page.next_cursor
        assert seen == fitting


async def test_a_page_is_full_though_some_of_it_goes_while_it_is_found(
    many: Database, many_url: str
) -> None:
    add_lopsided(many_url, "torn")
    fitting = await numbers(many, "torn", LATE, "title")
    # More than were counted of those that come first.
    gone, left = fitting[:500], fitting[500:]

    def go(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "WITH found AS" in statement:
            with psycopg.connect(many_url) as connection:
                deleted = connection.execute(
                    "DELETE FROM tasks USING users WHERE users.id = user_id AND subject = 'torn'"
                    " AND number = ANY(%s)",
                    (gone,),
                )
            assert deleted.rowcount == len(gone)

    event.listen(many.engine.sync_engine, "after_cursor_execute", go)
    try:
        async with many.session() as session:
            query = Query(text=LATE, sort="title")
            page = await find_tasks(session, caller("torn"), query, limit=50)
    finally:
        event.remove(many.engine.sync_engine, "after_cursor_execute", go)
    assert [found.number for found in page.tasks] == left[:50]
    assert page.next_cursor is not None


@pytest.mark.parametrize("sort", ["title", "due", "updated"])
async def test_what_is_met_and_what_is_sorted_is_what_fits(many: Database, sort: Sort) -> None:
    """Many hits are met along the index of the order, few are sorted."""
    for word in (vocabulary()[0], vocabulary()[8], vocabulary()[300]):
        fitting = await numbers(many, HEAVY, word, sort)
        query = Query(text=word, state="all", sort=sort)
        async with many.session() as session:
            first = await find_tasks(session, CALLER, query, limit=10)
            second = await find_tasks(session, CALLER, query, limit=10, cursor=first.next_cursor)
        assert [found.number for found in (*first.tasks, *second.tasks)] == fitting[:20]
        assert first.total == min(len(fitting), COUNT_MAX)
    assert len(fitting) < COUNT_MAX
