"""A fork that is stored while the checkpoint that it builds on goes: it is whole all the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from storage.deleting import delete_runs
from storage.pruning import prune_thread
from tests.storage.damage import execute
from tests.storage.support import Graph, assert_rows_are_the_state, assert_tree_is_whole, fetch, on

WAITING = """
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
#: What another transaction does to the conversation for which both wait.
HELD = [
    "SELECT FROM conversations FOR UPDATE",
    "UPDATE conversations SET updated_at = clock_timestamp()",
]

#: A step that is about to be committed waits for lock 1.
SLOW_COMMIT = (
    """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'
    """,
    """
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON checkpoints DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait()
    """,
)


class Noting(MessagesState):
    notes: Annotated[list[str], lambda old, new: old + new]
    lengths: list[int]


def noting_graph(saver: Any) -> Graph:
    """Two steps a turn, each of which says and notes something."""

    def note(state: Noting) -> dict[str, Any]:
        length = len(state["messages"])
        return {"messages": [AIMessage(f"{length}")], "notes": ["x"], "lengths": [length]}

    builder = StateGraph(Noting)
    builder.add_node("first", note)
    builder.add_node("second", note)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    return builder.compile(checkpointer=saver)


@pytest.fixture(params=["read committed", "repeatable read"])
async def isolated(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Database]:
    """A database whose transactions have this level, where they don't say another."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = psycopg.sql.Identifier(connection.info.dbname)
        level = psycopg.sql.Literal(request.param)
        connection.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(
                name, level
            )
        )
    async with connect(database_url) as database:
        yield database


async def three_turns(graph: Graph) -> tuple[RunnableConfig, dict[str, Any]]:
    """A thread of the runs 1, 2 and 3; a checkpoint in the middle of run 2, and its values."""
    for run in ("1", "2", "3"):
        config: RunnableConfig = {**on("t"), "metadata": {"run_id": run}}
        await graph.ainvoke({"messages": [("user", run)]}, config)
    states = [state async for state in graph.aget_state_history(on("t"))]
    old = next(state for state in states[4:] if state.next == ("second",))
    return old.config, old.values


async def fork(graph: Graph, old: RunnableConfig) -> None:
    config: RunnableConfig = {**old, "metadata": {"run_id": "4"}}
    await graph.aupdate_state(config, {"notes": ["forked"]}, as_node="first")


async def assert_is_forked(database: Database, values: dict[str, Any]) -> None:
    """The thread's state is that of the fork, to a process that has just begun as well."""
    saver = TranscriptSaver(database.pool)
    graph = noting_graph(saver)
    state = await graph.aget_state(on("t"))
    assert state.values == {**values, "notes": [*values["notes"], "forked"]}
    await assert_rows_are_the_state(database, graph, "t")
    await assert_tree_is_whole(database, saver, "t")


async def waiting(database: Database, number: int, *tasks: asyncio.Task[Any]) -> None:
    """Until so many wait for a lock."""
    async with asyncio.timeout(30):
        while len(await fetch(database, WAITING)) < number:
            for task in tasks:
                assert not task.done(), task


@asynccontextmanager
async def transaction(database_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """Of a connection that is nobody else's."""
    async with (
        await AsyncConnection.connect(database_url, autocommit=True) as connection,
        connection.transaction(),
    ):
        yield connection


async def prune(connection: AsyncConnection[Any]) -> None:
    await prune_thread(connection, "t")


async def delete_run(connection: AsyncConnection[Any]) -> None:
    async with connection.cursor(row_factory=dict_row) as cur:
        await delete_runs(cur, ["2"])


@pytest.mark.parametrize("delete", [prune, delete_run])
@pytest.mark.parametrize("is_known", [True, False])
async def test_a_fork_that_waits_for_a_deletion_of_what_it_builds_on_keeps_all_values(
    isolated: Database,
    database_url: str,
    delete: Callable[[AsyncConnection[Any]], Awaitable[None]],
    is_known: bool,
) -> None:
    graph = noting_graph(TranscriptSaver(isolated.pool))
    old, values = await three_turns(graph)
    if not is_known:
        graph = noting_graph(TranscriptSaver(isolated.pool))
    async with transaction(database_url) as connection:
        await delete(connection)
        forking = asyncio.create_task(fork(graph, old))
        await waiting(isolated, 1, forking)
    await forking
    await assert_is_forked(isolated, values)


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("forks_first", [True, False])
@pytest.mark.parametrize("prunes", [True, False])
async def test_a_fork_and_a_deletion_that_wait_for_a_third_lose_no_values(
    isolated: Database, database_url: str, held: str, forks_first: bool, prunes: bool
) -> None:
    graph = noting_graph(TranscriptSaver(isolated.pool))
    old, values = await three_turns(graph)

    async def delete() -> None:
        other = TranscriptSaver(isolated.pool)
        await (other.aprune(["t"]) if prunes else other.adelete_for_runs(["2"]))

    both = [fork(graph, old), delete()]
    if not forks_first:
        both.reverse()
    tasks = []
    async with transaction(database_url) as connection:
        await connection.execute(held)
        for number, work in enumerate(both):
            tasks.append(asyncio.create_task(work))
            await waiting(isolated, number + 1, *tasks)
    await asyncio.gather(*tasks)
    await assert_is_forked(isolated, values)


@pytest.mark.parametrize("prunes", [True, False])
@pytest.mark.parametrize("saver", [TranscriptSaver, AsyncPostgresSaver])
async def test_a_deletion_that_waits_for_a_fork_leaves_it_its_values(
    isolated: Database, database_url: str, prunes: bool, saver: Any
) -> None:
    old, values = await three_turns(noting_graph(saver(isolated.pool)))
    graph = noting_graph(TranscriptSaver(isolated.pool))
    other = TranscriptSaver(isolated.pool)
    for statement in SLOW_COMMIT:
        await execute(isolated, statement)
    async with transaction(database_url) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(1)")
        forking = asyncio.create_task(fork(graph, old))
        await waiting(isolated, 1, forking)
        work = other.aprune(["t"]) if prunes else other.adelete_for_runs(["2"])
        deleting = asyncio.create_task(work)
        await waiting(isolated, 2, forking, deleting)
    await forking
    await deleting
    await assert_is_forked(isolated, values)


@pytest.mark.parametrize("delete", [prune, delete_run])
async def test_the_first_step_on_a_thread_of_the_plain_saver_keeps_what_is_deleted_meanwhile(
    isolated: Database,
    database_url: str,
    delete: Callable[[AsyncConnection[Any]], Awaitable[None]],
) -> None:
    old, values = await three_turns(noting_graph(AsyncPostgresSaver(isolated.pool)))
    graph = noting_graph(TranscriptSaver(isolated.pool))
    async with transaction(database_url) as connection:
        await delete(connection)
        forking = asyncio.create_task(fork(graph, old))
        await waiting(isolated, 1, forking)
    await forking
    await assert_is_forked(isolated, values)
