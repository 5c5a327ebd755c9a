"""Pages and searches in a big database: by which indexes, and how much of it they look at.

Not the time is what is asserted, which depends on what else the machine does, but the pages of 8 KB
that a plan looks at. `make bench-reading` tells times.
"""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import TextClause
from sqlalchemy.dialects import postgresql
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.crowd import fill, vocabulary
from bench.plans import Plan, Read, plans
from storage import search
from storage.conversations import find_conversation, last_messages, recent_conversations
from storage.database import Database, connect
from storage.search import FARTHER, search_messages
from storage.search_query import Query
from storage.search_sql import LOOK_UP, WALK, page
from tests.cloning import cloned
from tests.storage.support import fetch

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
MESSAGES = 1_000_000 if LONG else 30_000

#: As a fifth of all that is said is theirs, it is more than a page in every case.
HEAVY = "user 1"

pytestmark = pytest.mark.timeout(1_800 if LONG else 180)


@pytest.fixture(scope="module")
def crowd_url(server_uri: str, template: str) -> Iterator[str]:
    """A database in which many have said much."""
    with cloned(server_uri, template) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            fill(
                connection,
                messages=MESSAGES,
                conversations=MESSAGES // 50,
                users=MESSAGES // 500,
            )
        yield url


@pytest.fixture
async def crowd(crowd_url: str) -> AsyncIterator[Database]:
    async with connect(crowd_url) as database:
        yield database


async def explained(database: Database, read: Read) -> list[Plan]:
    """The plans of a page; none of them reads a table as a whole, or sorts more than some pages."""
    found = await plans(database, read)
    for plan in found:
        assert plan.scanned <= {"users"}, plan.explained
        assert plan.sorted_rows <= 1_000, plan.explained
    return found


def pages(found: list[Plan]) -> int:
    return sum(plan.pages for plan in found)


def indexes(found: list[Plan]) -> set[str]:
    return set().union(*(plan.indexes for plan in found))


async def test_a_users_conversations_are_read_in_the_order_of_the_index(crowd: Database) -> None:
    async with crowd.session() as session:
        ten = await recent_conversations(session, user=HEAVY, limit=60)
    for after in (None, ten[-1].cursor):
        found = await explained(
            crowd,
            lambda session, after=after: recent_conversations(  # type: ignore[misc]
                session, user=HEAVY, limit=20, after=after
            ),
        )
        assert "ix_conversations_user_id" in indexes(found)
        assert max(plan.sorted_rows for plan in found) == 0
        # The rest is to count messages, up to a thousand for each.
        assert pages(found) <= 20 * 30


async def test_everybodys_conversations_are_read_in_the_order_of_the_index(crowd: Database) -> None:
    found = await explained(crowd, lambda session: recent_conversations(session, limit=20))
    assert "ix_conversations_updated_at" in indexes(found)
    assert pages(found) <= 20 * 30


async def test_the_last_messages_cost_the_same_wherever_they_are(crowd: Database) -> None:
    async with crowd.session() as session:
        longest = (await find_conversation(session, "thread 1")).id
        before = None
        for _ in range(2):
            before = (await last_messages(session, longest, limit=50, before=before))[0].cursor
    for cursor in (None, before):
        found = await explained(
            crowd,
            lambda session, cursor=cursor: last_messages(  # type: ignore[misc]
                session, longest, limit=50, before=cursor
            ),
        )
        assert indexes(found) <= {
            "conversations_pkey",
            "messages_pkey",
            "ix_messages_conversation_id",
        }
        assert pages(found) <= 50 * 10


def searched(words: str, user: str = HEAVY) -> Read:
    async def read(session: AsyncSession) -> object:
        return await search_messages(session, user, words)

    return read


@pytest.mark.parametrize("rank", [0, 5, 20])
async def test_a_common_word_is_found_by_going_back(crowd: Database, rank: int) -> None:
    for words in (f"{vocabulary()[rank]}.", vocabulary()[rank][:3]):
        found = await explained(crowd, searched(words))
        assert "ix_messages_user_id" in indexes(found)
        assert "ix_messages_words" not in indexes(found)
        assert pages(found) <= 600


@pytest.mark.parametrize("rank", [2_000, 20_000])
async def test_a_rare_word_is_found_in_the_index_of_words(crowd: Database, rank: int) -> None:
    for words in (f"{vocabulary()[rank]}.", vocabulary()[rank]):
        found = await explained(crowd, searched(words))
        assert "ix_messages_words" in indexes(found)
        assert pages(found) <= 700


@pytest.mark.parametrize("rank", [60, 150, 400, 1_000])
async def test_a_word_neither_common_nor_rare_costs_little_more(crowd: Database, rank: int) -> None:
    for words in (
        f"{vocabulary()[rank]}.",
        vocabulary()[rank][:4],
        f"{vocabulary()[5]} {vocabulary()[rank]}.",
    ):
        found = await explained(crowd, searched(words))
        assert pages(found) <= 1_500


@pytest.mark.parametrize(("first", "second"), [(5, 12), (20, 30), (40, 15)])
async def test_a_phrase_of_common_words_is_found_period_by_period(
    crowd: Database, first: int, second: int
) -> None:
    """The index has many messages with both words, and doesn't know their order."""
    words = f'"{vocabulary()[first]} {vocabulary()[second]}"'
    found = await explained(crowd, searched(words))
    assert "ix_messages_words" in indexes(found)
    assert pages(found) <= 2_500


async def test_the_words_of_a_user_who_said_little_are_found_by_going_back(crowd: Database) -> None:
    async with crowd.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT subject, count(*) FROM users u JOIN messages m ON m.user_id = u.id"
            " GROUP BY subject HAVING count(*) < 250 ORDER BY count(*) DESC LIMIT 1"
        )
        row = await cursor.fetchone()
    assert row is not None
    for words in ("nobodysaysthis", f"{vocabulary()[0]}.", vocabulary()[400]):
        found = await explained(crowd, searched(words, row[0]))
        assert "ix_messages_words" not in indexes(found)
        assert pages(found) <= 600


async def prepared(database: Database, statement: TextClause, values: dict[str, Any]) -> Plan:
    """The plan that Postgres makes of a statement whatever the values, carried out with these."""
    dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = statement.bindparams(**values).compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    assert compiled.positiontup is not None
    arguments = [sql.Literal(values[name]) for name in compiled.positiontup]
    async with database.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE search AS {compiled}".encode())
        cursor = await connection.execute(
            sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE search ({})").format(
                sql.SQL(", ").join(arguments)
            )
        )
        ((explained,),) = await cursor.fetchall()
        await connection.execute("DEALLOCATE search")
    return Plan(explained[0])


async def test_a_statement_prepared_for_any_user_goes_back_and_sorts_nothing(
    crowd: Database,
) -> None:
    """Postgres plans it for somebody who has said as much as people do on average."""
    values = {
        "user_id": (await fetch(crowd, "SELECT id FROM users WHERE subject = %s", HEAVY))[0]["id"],
        "at": datetime.now(UTC),
        "id": UUID(int=0),
        "words": f"'{vocabulary()[0]}'",
        "patterns": [f"%{vocabulary()[0]}%"],
        "plain": [],
        "short": 0,
        "count": FARTHER,
        "limit": 20,
    }
    plan = await prepared(crowd, page(WALK, "ALL"), values)
    assert plan.sorted_rows <= 20
    assert plan.pages <= 600


async def looked_up(database: Database, *words: str, limit: int) -> Plan:
    """The plan of going through the periods of the last 400 days for a word, or a phrase."""
    owner = (await fetch(database, "SELECT id FROM users WHERE subject = %s", HEAVY))[0]["id"]
    oldest = datetime.now(UTC) - timedelta(days=400)
    periods = range(search._period(datetime.now(UTC)), search._period(oldest), -1)
    text = " <-> ".join(f"'{word}'" for word in words)
    query = Query(text, text)
    values = {
        "user_id": owner,
        "at": datetime.now(UTC),
        "id": UUID(int=0),
        "words": query.text,
        "queries": [query.among(search._letter(owner, period)) for period in periods],
        "marks": [search._mark(owner, period) for period in periods],
        "limit": limit,
    }
    if query.has_phrase:
        plain, short = query.plain()
        told_by = {"patterns": query.patterns(), "adjacent": query.adjacent()}
        values |= told_by | {"plain": plain, "short": short}
    return await prepared(database, page(LOOK_UP, has_phrase=query.has_phrase), values)


def times_looked(plan: Plan) -> int:
    (found,) = (node for node in plan.nodes() if node.get("Index Name") == "ix_messages_words")
    return int(found["Actual Loops"])


async def test_what_is_left_of_the_periods_is_not_looked_at_when_the_page_is_filled(
    crowd: Database,
) -> None:
    assert times_looked(await looked_up(crowd, vocabulary()[20], limit=20)) < 7


async def test_no_more_messages_are_looked_through_for_a_phrase_than_the_page_takes(
    crowd: Database,
) -> None:
    plan = await looked_up(crowd, vocabulary()[0], vocabulary()[1], limit=10)
    (checked,) = (node for node in plan.nodes() if node.get("Alias") == "newest")
    (candidates,) = checked["Plans"]
    looked_through = checked["Actual Rows"] + checked["Rows Removed by Filter"]
    assert looked_through < candidates["Plans"][0]["Actual Rows"]
