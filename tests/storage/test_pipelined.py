"""Statements that are sent together, and whose answer is whose."""

import asyncio

import pytest
from psycopg.errors import DivisionByZero

from storage.connections import Connections
from storage.database import Database
from tests.storage.support import fetch


@pytest.mark.parametrize("way", ["fetchone", "fetchmany", "fetchall", "iteration"])
async def test_an_answer_that_comes_while_the_next_statement_is_sent_is_not_taken_for_its_own(
    database: Database, way: str
) -> None:
    async with Connections(database.pool).transaction() as cur:
        await cur.execute("SET LOCAL lock_timeout = 0")
        # As a server or a pooler may do by itself.
        cur.connection.pgconn.send_flush_request()
        cur.connection.pgconn.flush()
        ready = asyncio.Event()
        asyncio.get_running_loop().add_reader(cur.connection.fileno(), ready.set)
        async with asyncio.timeout(10):
            await ready.wait()
        asyncio.get_running_loop().remove_reader(cur.connection.fileno())
        await cur.execute("SELECT length(%s::text) AS length", ("x" * 10_000_000,))
        if way == "iteration":
            rows = [row async for row in cur]
        else:
            found = await getattr(cur, way)()
            rows = [found] if way == "fetchone" else found
    assert rows == [{"length": 10_000_000}]


async def test_statements_with_and_without_rows_take_turns(database: Database) -> None:
    async with Connections(database.pool).transaction() as cur:
        for number in range(3):
            await cur.execute("SET LOCAL lock_timeout = 0")
            await cur.execute("SELECT generate_series(1, %s) AS n", (number,))
            assert await cur.fetchall() == [{"n": n + 1} for n in range(number)]
            assert await cur.fetchone() is None


async def test_what_was_sent_before_a_failure_is_rolled_back(database: Database) -> None:
    async def insert_and_fail() -> None:
        async with Connections(database.pool).transaction() as cur:
            await cur.execute("INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'ann')")
            await cur.execute("SELECT id FROM users")
            assert len(await cur.fetchall()) == 1
            await cur.execute("SELECT 1 / 0")
            await cur.execute("SELECT 1")
            await cur.fetchone()

    with pytest.raises(DivisionByZero):
        await insert_and_fail()
    assert await fetch(database, "SELECT FROM users") == []
