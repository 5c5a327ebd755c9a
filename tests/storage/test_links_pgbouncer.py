"""Through a PgBouncer in transaction mode, which lends a connection for no longer than that."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import text

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from storage.errors import DatabaseFailedError
from storage.settings import DatabaseSettings
from tests.storage.pgbouncer_support import needs_pgbouncer, pgbouncer, version
from tests.storage.relay import relayed
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    on,
    say,
    texts,
)

pytestmark = needs_pgbouncer

THREADS = 12


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    with pgbouncer(database_url, default_pool_size=3) as uri:
        yield uri


@pytest.fixture
async def pooled(pooled_url: str) -> AsyncIterator[Database]:
    """More connections than PgBouncer has to the server, so that they change all the time."""
    settings = DatabaseSettings(database_url=pooled_url, pool_size=THREADS)
    async with connect(pooled_url, settings) as database:
        yield database


async def converse(database: Database, thread_id: str) -> None:
    """All that a thread may go through."""
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    run = f"0b5e3a3e-0000-0000-0000-{abs(hash(thread_id)) % 10**12:012}"
    await say(graph, thread_id, "one")
    earlier = await graph.aget_state(on(thread_id))
    await say(graph, thread_id, "two", config_run=run, durability="sync")
    await assert_rows_are_the_state(database, graph, thread_id)
    await graph.ainvoke({"messages": [("user", "zwei")]}, earlier.config)
    await saver.acopy_thread(thread_id, f"copy of {thread_id}")
    await saver.adelete_for_runs([run])
    await saver.aprune([thread_id], strategy="keep_latest")
    again = chat_graph(TranscriptSaver(database.pool))
    assert texts((await again.aget_state(on(thread_id))).values["messages"])[4] == "zwei"
    await assert_rows_are_the_state(database, again, thread_id)
    await assert_rows_are_the_state(database, again, f"copy of {thread_id}")
    async with database.session() as session:
        connection = await session.connection()
        assert (await connection.execute(text("SELECT 42"))).scalar_one() == 42
    await saver.adelete_thread(f"copy of {thread_id}")


async def test_threads_share_few_connections_to_the_server(pooled: Database) -> None:
    await asyncio.gather(*(converse(pooled, f"t{number}") for number in range(THREADS)))
    assert await count(pooled, "conversations") == THREADS
    assert pooled.pool.get_stats()["pool_size"] > 3


@pytest.mark.skipif(version() < (1, 21), reason="PgBouncer before 1.21 knows no prepared statement")
async def test_statements_may_be_prepared_where_pgbouncer_keeps_track(database_url: str) -> None:
    with pgbouncer(database_url, default_pool_size=3, max_prepared_statements=100) as uri:
        settings = DatabaseSettings(database_url=uri, pool_size=THREADS, prepare=True)
        async with connect(uri, settings) as database:
            await asyncio.gather(*(converse(database, f"t{number}") for number in range(THREADS)))
            assert await count(database, "conversations") == THREADS


async def test_statements_that_pgbouncer_mixes_up_are_told_with_what_to_do(
    database_url: str,
) -> None:
    limits = {"max_prepared_statements": 0} if version() >= (1, 21) else {}
    with pgbouncer(database_url, default_pool_size=3, **limits) as uri:
        settings = DatabaseSettings(database_url=uri, pool_size=THREADS, prepare=True)
        async with connect(uri, settings) as database:
            reads = (TranscriptSaver(database.pool).aget_tuple(on("t")) for _ in range(THREADS))
            answers = await asyncio.gather(*reads, return_exceptions=True)
    errors = [answer for answer in answers if answer is not None]
    assert {type(error) for error in errors} == {DatabaseFailedError}
    assert all("TASK_AGENT_PREPARE" in str(error) for error in errors)


async def test_sessions_that_are_terminated_behind_pgbouncer_are_not_noticed(
    pooled: Database, database_url: str
) -> None:
    turns = asyncio.gather(
        *(say(chat_graph(TranscriptSaver(pooled.pool)), f"t{n}", "hello") for n in range(THREADS))
    )
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as killer:
        for _ in range(20):
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.05)
    await turns
    async with connect(database_url) as database:
        for number in range(THREADS):
            graph = chat_graph(TranscriptSaver(database.pool))
            await assert_rows_are_the_state(database, graph, f"t{number}")
            assert len(await active_branch(database, f"t{number}")) == 4


async def test_a_server_that_restarts_behind_pgbouncer_is_waited_for(database_url: str) -> None:
    with relayed(database_url) as server, pgbouncer(server.uri, server_login_retry=1) as uri:
        async with connect(uri, DatabaseSettings(database_url=uri)) as database:
            graph = chat_graph(TranscriptSaver(database.pool))
            await say(graph, "t", "one")
            server.close()
            turn = asyncio.create_task(say(graph, "t", "two"))
            await asyncio.wait({turn}, timeout=1)
            assert not turn.done()
            server.open()
            await turn
            await assert_rows_are_the_state(database, graph, "t")
            assert len(await active_branch(database, "t")) == 8
