"""Finding tasks where one user has very many: by which indexes, and how many rows are looked at.

Not the time is what is asserted, which depends on what else the machine does. `make bench-calls`
tells times.
"""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from sqlmodel import col, select

from bench.calls.finding import CALLER, fill_with_tasks, kinds
from bench.crowd import vocabulary
from bench.plans import Plan, plans
from bench.task_crowd import HEAVY
from storage.database import Database, connect
from storage.models import User
from tests.cloning import cloned
from tools.finding.looking import COUNT_MAX, SORTED_MAX
from tools.finding.orders import ORDERS, Sort
from tools.finding.overview import get_overview
from tools.finding.tasks import Query, find_tasks
from tools.models import Task

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
TASKS, OTHERS = (100_000, 100_000) if LONG else (20_000, 5_000)

#: Rows that a page may look at; the user has several times as many.
ROWS_MAX = 8_000

pytestmark = pytest.mark.timeout(1_800 if LONG else 240)


@pytest.fixture(scope="module")
def many_url(server_uri: str, template: str) -> Iterator[str]:
    """A database in which one user has many tasks, and many have some."""
    with cloned(server_uri, template) as url:
        fill_with_tasks(url, TASKS, OTHERS)
        yield url


@pytest.fixture
async def many(many_url: str) -> AsyncIterator[Database]:
    async with connect(many_url) as database:
        yield database


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
    assert {name: count for name, count in looked_at.items() if count > ROWS_MAX} == {}
    for name in ("word: rare", "word: in none", "word: in one task", "a reference: rare words"):
        assert looked_at[name] <= 1_000, name


async def test_words_and_labels_are_found_in_their_index(many: Database) -> None:
    found = await kinds(many, TASKS)
    for name in ("word: rare", "word: its inside", "label: rare", "two words", "label and word"):
        used = set().union(*(plan.indexes for plan in await plans(many, found[name]())))
        assert "ix_tasks_pieces" in used, name


async def test_a_page_in_the_middle_costs_what_the_first_one_does(many: Database) -> None:
    found = await kinds(many, TASKS)
    for name in [name for name in found if name.endswith(", half way through all")]:
        sort = name.removeprefix("by ").removesuffix(", half way through all")
        seen = await plans(many, found[name]())
        assert f"ix_tasks_by_{sort}" in set().union(*(plan.indexes for plan in seen))
        assert rows(seen) <= COUNT_MAX + 500, name


async def test_what_others_have_is_not_looked_at(many: Database) -> None:
    caller = replace(CALLER, subject="user 7")
    for query in (
        Query(state="all"),
        Query(text="a", state="all"),
        Query(labels=("home",)),
        Query(priority="urgent", sort="title"),
        Query(due="overdue", list="Inbox"),
    ):
        found = await plans(
            many,
            lambda session, query=query: find_tasks(session, caller, query, limit=50),  # type: ignore[misc]
        )
        assert sum(plan.pages for plan in found) <= 500
        assert rows(found) <= 5 * OTHERS // 1_000 + 20
    found = await plans(many, lambda session: get_overview(session, caller))
    assert rows(found) <= 12 * OTHERS // 1_000 + 20


@pytest.mark.parametrize("sort", ["title", "due", "updated"])
async def test_what_is_met_and_what_is_sorted_is_what_fits(many: Database, sort: Sort) -> None:
    """Many hits are met along the index of the order, few are sorted."""
    order = ORDERS[sort]
    for word in (vocabulary()[0], vocabulary()[300]):
        async with many.session() as session:
            fitting = (
                await session.exec(
                    select(Task.number)
                    .join(User, col(User.id) == col(Task.user_id))
                    .where(col(User.subject) == HEAVY, col(Task.searched).contains(word))
                    .order_by(*order.clauses([key.expression for key in order.keys]))
                )
            ).all()
            query = Query(text=word, state="all", sort=sort)
            first = await find_tasks(session, CALLER, query, limit=10)
            second = await find_tasks(session, CALLER, query, limit=10, cursor=first.next_cursor)
        assert [task.number for task in (*first.tasks, *second.tasks)] == fitting[:20]
        assert first.total == min(len(fitting), COUNT_MAX)
    assert len(fitting) < COUNT_MAX < SORTED_MAX
