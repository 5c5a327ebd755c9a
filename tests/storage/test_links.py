"""Links to the database that break, and statements that it refuses: what passes is done again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import MessagesState
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.checkpointer import TranscriptSaver
from storage.connections import ATTEMPTS
from storage.database import Database, connect
from storage.errors import DatabaseFailedError
from storage.settings import DatabaseSettings, libpq_uri, parse_url
from tests.storage.relay import Relay, relayed
from tests.storage.support import (
    TABLES,
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
)

RUN = "0b5e3a3e-0000-0000-0000-00000000000"


@pytest.fixture
def relay(database_url: str) -> Iterator[Relay]:
    with relayed(database_url) as relay:
        yield relay


@pytest.fixture
async def distant(relay: Relay) -> AsyncIterator[Database]:
    """The database by way of the relay. It may be silent for less than a second."""
    settings = DatabaseSettings(answer_timeout=0.5, prepare=False)
    async with connect(relay.uri, settings) as database:
        yield database


async def refuse(database: Database, table: str, action: str, deed: str, times: int) -> None:
    """The first `times` that rows of the table are written, do `deed` instead."""
    async with database.pool.connection() as connection:
        await connection.execute("CREATE SEQUENCE refusals")
        await connection.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF nextval('refusals') <= {times} THEN {deed} END IF;"
            f" RETURN coalesce(NEW, OLD); END $$"
        )
        await connection.execute(
            f"CREATE TRIGGER refuse BEFORE {action} ON {table} FOR EACH ROW"
            " EXECUTE FUNCTION refuse()"
        )


async def refusals(database: Database) -> int:
    (row,) = await fetch(database, "SELECT last_value FROM refusals")
    return int(row["last_value"])


async def deadlocks(database: Database) -> int:
    """How many there were. A victim's session counts it before it does anything else."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    (row,) = await fetch(database, query)
    return int(row["deadlocks"])


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.01)


async def fill(database: Database) -> None:
    """Let the pool open all the connections that it may."""
    async with AsyncExitStack() as stack:
        for _ in range(database.pool.max_size):
            await stack.enter_async_context(database.pool.connection())
    await until(
        lambda: database.pool.get_stats()["pool_available"] == database.pool.max_size,
        "all connections are back",
    )


SERIALISATION = "RAISE EXCEPTION 'refused by the test' USING ERRCODE = '40001';"
DEADLOCK = "RAISE EXCEPTION 'refused by the test' USING ERRCODE = '40P01';"
TERMINATED = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5);"


# Operations, each with the table that it writes to last


async def _turn(saver: TranscriptSaver) -> None:
    await say(chat_graph(saver), "t", "two", durability="sync")


async def _first_turn(saver: TranscriptSaver) -> None:
    await say(chat_graph(saver), "new", "one", durability="sync")


async def _copy(saver: TranscriptSaver) -> None:
    await saver.acopy_thread("t", "copy")


async def _copy_of_nothing_but_checkpoints(saver: TranscriptSaver) -> None:
    await saver.acopy_thread("bare", "copy")


async def _delete(saver: TranscriptSaver) -> None:
    await saver.adelete_thread("t")


async def _delete_run(saver: TranscriptSaver) -> None:
    await saver.adelete_for_runs([f"{RUN}1"])


async def _prune(saver: TranscriptSaver) -> None:
    await saver.aprune(["t"], strategy="keep_latest")


OPERATIONS: list[tuple[Callable[[TranscriptSaver], Awaitable[None]], str, str]] = [
    (_first_turn, "conversations", "INSERT"),
    (_turn, "conversations", "UPDATE"),
    (_turn, "messages", "INSERT"),
    (_turn, "checkpoints", "INSERT"),
    (_turn, "checkpoint_writes", "INSERT"),
    (_copy, "checkpoint_writes", "INSERT"),
    (_copy_of_nothing_but_checkpoints, "checkpoint_writes", "INSERT"),
    (_delete, "checkpoint_writes", "DELETE"),
    (_delete_run, "checkpoint_blobs", "DELETE"),
    (_prune, "checkpoints", "DELETE"),
]


async def prepare(database: Database) -> None:
    """A thread of two runs, and one that the plain saver left with checkpoints only."""
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one", config_run=f"{RUN}0")
    await say(graph, "t", "one and a half", config_run=f"{RUN}1")
    await say(graph, "bare", "one")
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM conversations WHERE thread_id = 'bare'")


async def shape(database: Database) -> dict[str, Any]:
    """What there is, without the ids and times that differ from run to run."""
    shape: dict[str, Any] = {table: await count(database, table) for table in TABLES}
    for thread_id in ("t", "new", "copy"):
        branch = await active_branch(database, thread_id)
        shape[thread_id] = [(row["role"], row["content"]) for row in branch]
    shape["titles"] = await fetch(
        database, "SELECT thread_id, title FROM conversations ORDER BY thread_id"
    )
    return shape


@pytest.mark.parametrize("deed", [SERIALISATION, DEADLOCK, TERMINATED])
@pytest.mark.parametrize(("operation", "table", "action"), OPERATIONS)
async def test_what_was_refused_for_a_reason_that_passes_is_done_again(
    database: Database,
    operation: Callable[[TranscriptSaver], Awaitable[None]],
    table: str,
    action: str,
    deed: str,
) -> None:
    await prepare(database)
    await refuse(database, table, action, deed, times=2)
    await operation(TranscriptSaver(database.pool))
    assert await refusals(database) > 2
    if operation in (_turn, _first_turn, _copy):
        thread_id = {_turn: "t", _first_turn: "new", _copy: "copy"}[operation]
        await assert_rows_are_the_state(
            database, chat_graph(TranscriptSaver(database.pool)), thread_id
        )
    disturbed = await shape(database)
    async with database.pool.connection() as connection:
        await connection.execute("DROP FUNCTION refuse CASCADE")
        for name in ("users", *TABLES):
            await connection.execute(f"TRUNCATE {name} CASCADE")
    await prepare(database)
    await operation(TranscriptSaver(database.pool))
    assert disturbed == await shape(database)


@pytest.mark.parametrize(
    "operation",
    [
        _first_turn,
        _turn,
        _copy,
        _copy_of_nothing_but_checkpoints,
        _delete,
        _delete_run,
        _prune,
    ],
)
async def test_what_was_done_without_an_answer_is_not_done_twice(
    database: Database,
    distant: Database,
    relay: Relay,
    operation: Callable[[TranscriptSaver], Awaitable[None]],
) -> None:
    await prepare(database)
    await operation(TranscriptSaver(database.pool))
    undisturbed = await shape(database)
    for answers in range(100):
        async with database.pool.connection() as connection:
            for name in ("users", *TABLES):
                await connection.execute(f"TRUNCATE {name} CASCADE")
        await prepare(database)
        await fetch(distant, "SELECT 1")
        relay.lose_answer(after=answers)
        await operation(TranscriptSaver(distant.pool))
        assert await shape(database) == undisturbed
        if not relay.lost:
            assert answers > 0
            return
    pytest.fail("the operation waits for more than a hundred answers")


async def test_a_statement_that_breaks_its_link_every_time_is_told_with_what_to_do(
    database_url: str, database: Database
) -> None:
    settings = DatabaseSettings(pool_timeout=0.3, answer_timeout=0.3)
    async with connect(database_url, settings) as hasty:
        graph = chat_graph(TranscriptSaver(hasty.pool, answer_timeout=0.3))
        await say(graph, "t", "one")
        await refuse(database, "messages", "INSERT", TERMINATED, times=1000)
        with pytest.raises(DatabaseFailedError, match="resume"):
            await say(graph, "t", "two", durability="sync")
        assert 1 < await refusals(database) <= ATTEMPTS
        assert len(await active_branch(database, "t")) == 4
        async with database.pool.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE")
        await say(graph, "t", "three")
        await assert_rows_are_the_state(database, graph, "t")


@pytest.mark.parametrize(
    ("code", "error"), [("53100", DatabaseFailedError), ("P0001", psycopg.errors.RaiseException)]
)
async def test_what_does_not_pass_is_not_tried_again(
    database: Database, code: str, error: type[Exception]
) -> None:
    deed = f"RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{code}';"
    await refuse(database, "messages", "INSERT", deed, times=1000)
    with pytest.raises(error, match="refused by the test"):
        await say(chat_graph(TranscriptSaver(database.pool)), "t", "one", durability="sync")
    assert await refusals(database) == 1


async def test_the_victim_of_a_deadlock_is_done_again(
    database_url: str, database: Database
) -> None:
    saver = TranscriptSaver(database.pool)
    await say(chat_graph(saver), "t", "one")
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        # Longer than the checkpointer's, so that this one wins.
        await other.execute("SET deadlock_timeout = '1min'")
        await other.execute("SELECT 1 FROM checkpoints FOR UPDATE")
        deleting = asyncio.create_task(saver.adelete_thread("t"))
        waiting = (
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await fetch(database, waiting):
            assert not deleting.done()
        before = await deadlocks(database)
        await other.execute("SELECT 1 FROM conversations FOR UPDATE")
        await other.commit()
    await deleting
    assert await deadlocks(database) == before + 1
    assert await count(database, "checkpoints") == await count(database, "conversations") == 0


async def test_processes_on_one_thread_get_along_in_serialisable_transactions(
    database_url: str,
) -> None:
    url = parse_url(database_url).update_query_dict(
        {"options": "-c default_transaction_isolation=serializable"}
    )
    async with connect(libpq_uri(url)) as database:
        savers = [TranscriptSaver(database.pool) for _ in range(4)]
        await say(chat_graph(savers[0]), "t", "first")
        await asyncio.gather(
            *(say(chat_graph(saver), "t", f"from {n}") for n, saver in enumerate(savers))
        )
        await assert_rows_are_the_state(database, chat_graph(savers[0]), "t")


# Idle links


async def test_links_that_were_cut_while_idle_are_replaced_unseen(
    database: Database, distant: Database, relay: Relay
) -> None:
    saver = TranscriptSaver(distant.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    for number in range(3):
        await fill(distant)
        relay.cut()
        await say(graph, "t", f"turn {number}", durability="sync")
        await fill(distant)
        relay.cut()
        assert (await graph.aget_state(on("t"))).values["messages"]
        await fill(distant)
        relay.cut()
        async with distant.session() as session:
            connection = await session.connection()
            assert (await connection.execute(text("SELECT 42"))).scalar_one() == 42
        await fill(distant)
        relay.cut()
        await distant.check()
    await assert_rows_are_the_state(database, graph, "t")
    assert len(await active_branch(database, "t")) == 16


async def test_links_that_fell_silent_are_given_up_and_replaced(
    database: Database, distant: Database, relay: Relay
) -> None:
    saver = TranscriptSaver(distant.pool, answer_timeout=0.5)
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "u", "one")
    await fill(distant)
    relay.silence()

    async def use_session() -> Any:
        async with distant.session() as session:
            connection = await session.connection()
            return (await connection.execute(text("SELECT 42"))).scalar_one()

    async with asyncio.timeout(20):
        _, state, answer = await asyncio.gather(
            say(graph, "t", "two", durability="sync"), graph.aget_state(on("u")), use_session()
        )
    assert (len(state.values["messages"]), answer) == (4, 42)
    await assert_rows_are_the_state(database, graph, "t")
    assert len(await active_branch(database, "t")) == 8


async def test_a_healthy_link_is_not_asked_before_it_is_used(
    distant: Database, relay: Relay
) -> None:
    saver = TranscriptSaver(distant.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    requests = relay.requests
    assert (await graph.aget_state(on("t"))).values["messages"]
    # The messages themselves are in the cache.
    assert relay.requests == requests + 1


# The pool


async def test_a_session_whose_link_breaks_costs_the_pool_no_connection(
    database_url: str, relay: Relay
) -> None:
    async def ask(session: AsyncSession) -> int:
        connection = await session.connection()
        return int((await connection.execute(text("SELECT 42"))).scalar_one())

    async with connect(relay.uri, DatabaseSettings(pool_size=2, pool_timeout=5)) as small:
        for _ in range(5):
            async with small.session() as session:
                await ask(session)
                relay.cut()
                with pytest.raises(OperationalError):
                    await ask(session)
        async with small.session() as one, small.session() as other:
            assert await ask(one) == await ask(other) == 42
        assert small.pool.get_stats()["pool_size"] == 2


async def test_who_finds_the_pool_exhausted_waits(database_url: str) -> None:
    async with connect(database_url, DatabaseSettings(pool_size=1)) as database:
        graph = chat_graph(TranscriptSaver(database.pool))
        async with database.pool.connection():
            turn = asyncio.create_task(say(graph, "t", "one"))
            await until(
                lambda: database.pool.get_stats().get("requests_waiting", 0) > 0, "somebody waits"
            )
        await turn
        await assert_rows_are_the_state(database, graph, "t")


async def test_a_pool_that_stays_exhausted_is_told_and_nothing_is_half_written(
    database_url: str, database: Database
) -> None:
    settings = DatabaseSettings(pool_size=2, pool_timeout=0.2)
    async with connect(database_url, settings) as small:
        stack = AsyncExitStack()

        async def take_all(state: MessagesState) -> dict[str, Any]:
            for _ in range(2):
                await stack.enter_async_context(small.pool.connection())
            return {"messages": [AIMessage("taken", id="taken")]}

        graph = chat_graph(TranscriptSaver(small.pool), take_all)
        async with stack:
            with pytest.raises(DatabaseFailedError, match=r"all 2 .*TASK_AGENT_POOL_SIZE"):
                await say(graph, "t", "one", durability="sync")
            with pytest.raises(DatabaseFailedError, match="TASK_AGENT_POOL_SIZE"):
                await graph.aget_state(on("t"))
            with pytest.raises(DatabaseFailedError, match="TASK_AGENT_POOL_SIZE"):
                async with small.session() as session:
                    await session.connection()
        # The step before is whole, and the run goes on from there.
        assert [row["content"] for row in await active_branch(database, "t")] == ["one"]
        other = chat_graph(TranscriptSaver(database.pool), take_all)
        await assert_rows_are_the_state(database, other, "t")
        async with stack:
            await other.ainvoke(None, on("t"))
        await assert_rows_are_the_state(database, other, "t")
        assert len(await active_branch(database, "t")) == 2


async def test_a_server_that_comes_back_is_found_by_those_who_wait(relay: Relay) -> None:
    async with connect(relay.uri, DatabaseSettings(pool_size=1)) as database:
        graph = chat_graph(TranscriptSaver(database.pool))
        await say(graph, "t", "one")
        relay.close()
        turn = asyncio.create_task(say(graph, "t", "two"))
        # The pool by itself tries again after 1, 2, 4 and 8 seconds.
        await until(
            lambda: database.pool.get_stats().get("connections_errors", 0) >= 4,
            "it was tried often",
        )
        relay.open()
        back_at = time.monotonic()
        await turn
        assert time.monotonic() - back_at < 5
        await assert_rows_are_the_state(database, graph, "t")


async def test_the_turns_of_threads_overlap_in_their_commits(database_url: str) -> None:
    """All the first commits wait for each other: whoever lets in one at a time never gets on."""
    threads = 8
    async with connect(database_url, DatabaseSettings(pool_size=threads)) as database:
        graph = chat_graph(TranscriptSaver(database.pool))
        # All threads are of one user, who has to be there.
        await say(graph, "first", "hello")
        async with database.pool.connection() as connection:
            await connection.execute("CREATE TABLE arrivals (thread_id text)")
            await connection.execute(
                f"""
                CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM pg_advisory_xact_lock_shared(hashtext(NEW.thread_id));
                    FOR attempt IN 1..1000 LOOP
                        IF (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                            AND database = (SELECT oid FROM pg_database
                                            WHERE datname = current_database())) >= {threads}
                            OR EXISTS (SELECT FROM arrivals)
                        THEN
                            INSERT INTO arrivals VALUES (NEW.thread_id);
                            RETURN NEW;
                        END IF;
                        PERFORM pg_sleep(0.01);
                    END LOOP;
                    RAISE EXCEPTION 'no more than a few threads commit at once';
                END $$
                """
            )
            await connection.execute(
                "CREATE CONSTRAINT TRIGGER meet AFTER INSERT ON checkpoints"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                " WHEN (NEW.metadata ->> 'source' = 'input') EXECUTE FUNCTION meet()"
            )
        await asyncio.gather(*(say(graph, f"t{number}", "hello") for number in range(threads)))
        assert await count(database, "messages") == 4 * (threads + 1)
