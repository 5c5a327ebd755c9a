"""Copies of threads: complete, of one moment, and of their own."""

import asyncio
from functools import partial
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import MessagesState

from storage.checkpointer import TranscriptSaver
from storage.copying import ThreadExistsError
from storage.database import Database
from storage.verifying import problems
from tests.storage.damage import execute
from tests.storage.support import (
    TABLES,
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
    texts,
)

WAITING = """
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


async def sizes(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    return {table: await count(database, table) for table in TABLES}


async def test_a_copy_of_a_copy_is_the_same_and_its_runs_are_its_own(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="run")
    await saver.acopy_thread("t", "copy")
    await saver.acopy_thread("copy", "again")
    states = [(await graph.aget_state(on(name))).values for name in ("t", "copy", "again")]
    assert states[0] == states[1] == states[2]
    runs = await fetch(database, "SELECT DISTINCT metadata ->> 'run_id' AS run FROM checkpoints")
    assert len(runs) == 3
    await saver.adelete_for_runs(["run"])
    assert (await graph.aget_state(on("t"))).values == {}
    for name in ("copy", "again"):
        await say(graph, name, "two")
        await assert_rows_are_the_state(database, graph, name)
        assert len(await active_branch(database, name)) == 8


@pytest.mark.parametrize("target", ["there", "t"])
async def test_a_copy_to_a_thread_that_is_there_is_refused_and_changes_nothing(
    database: Database, saver: TranscriptSaver, target: str
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "there", "two")
    before = await sizes(database)
    with pytest.raises(ThreadExistsError, match=f"'{target}'"):
        await saver.acopy_thread("t", target)
    assert await sizes(database) == before
    await assert_rows_are_the_state(database, graph, target)


@pytest.mark.parametrize("plain", [True, False])
async def test_of_copies_to_one_thread_at_once_one_is_made_and_the_others_are_refused(
    database: Database, saver: TranscriptSaver, plain: bool
) -> None:
    graph = chat_graph(AsyncPostgresSaver(database.pool) if plain else saver)
    await say(graph, "t", "one")
    # Each has looked whether the target is there before any is done.
    await execute(
        database,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'",
    )
    for table in ("conversations", "checkpoints"):
        await execute(
            database,
            f"CREATE TRIGGER slow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION wait()",
        )
    async with database.pool.connection() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(1)")
        copies = [asyncio.create_task(saver.acopy_thread("t", "copy")) for _ in range(3)]
        while len(await fetch(database, WAITING)) < 3:
            assert not any(copy.done() for copy in copies)
    results = await asyncio.gather(*copies, return_exceptions=True)
    assert results.count(None) == 1
    refused = [result for result in results if result is not None]
    assert all(isinstance(result, ThreadExistsError) for result in refused), refused
    states = [(await graph.aget_state(on(name))).values for name in ("t", "copy")]
    assert states[0] == states[1]
    assert await problems(database.pool) == []


async def test_a_copy_of_nothing_is_nothing(database: Database, saver: TranscriptSaver) -> None:
    await saver.acopy_thread("unknown", "copy")
    assert set((await sizes(database)).values()) == {0}


async def test_a_copy_under_the_name_of_a_deleted_thread_goes_on(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "u", "two")
    # Another process deletes and copies; this one remembers the old thread.
    other = TranscriptSaver(database.pool)
    await other.adelete_thread("u")
    await other.acopy_thread("t", "u")
    await say(graph, "u", "three")
    await assert_rows_are_the_state(database, graph, "u")
    assert [row["content"] for row in await active_branch(database, "u")][::4] == ["one", "three"]


async def test_copies_made_while_the_source_is_written_are_of_one_moment(
    database: Database, saver: TranscriptSaver
) -> None:
    async def think(state: MessagesState) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"messages": [AIMessage(f"thought {len(state['messages'])}")]}

    graph = chat_graph(saver, think)
    done = asyncio.Event()
    names: list[str] = []

    async def write() -> None:
        for number in range(12):
            await say(graph, "t", f"turn {number}", durability="async")
        done.set()

    async def copy() -> None:
        other = TranscriptSaver(database.pool)
        while not done.is_set():
            name = f"copy {len(names)}"
            names.append(name)
            await other.acopy_thread("t", name)

    await say(graph, "t", "first")
    await asyncio.gather(write(), copy(), copy())
    whole = texts((await graph.aget_state(on("t"))).values["messages"])
    fresh = chat_graph(TranscriptSaver(database.pool), think)
    for name in names:
        history = [state async for state in fresh.aget_state_history(on(name))]
        said = texts(history[0].values["messages"])
        assert said == whole[: len(said)]
        # Each checkpoint has what it points at, and its parent.
        there = {state.config["configurable"]["checkpoint_id"] for state in history}
        assert all(
            state.parent_config is None
            or state.parent_config["configurable"]["checkpoint_id"] in there
            for state in history
        )
        rows = await active_branch(database, name)
        assert [row["content"] for row in rows] == said
    assert len(names) > 4


async def test_a_source_deleted_or_pruned_meanwhile_gives_a_whole_copy_or_none(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    for number in range(8):
        await say(graph, "t", "one", config_run=f"run {number}")
        await say(graph, "t", "two", config_run=f"second {number}")
        other = TranscriptSaver(database.pool)
        endings = [
            partial(other.adelete_thread, "t"),
            partial(other.aprune, ["t"]),
            partial(other.adelete_for_runs, [f"second {number}"]),
        ]
        await asyncio.gather(endings[number % 3](), saver.acopy_thread("t", f"copy {number}"))
        await assert_rows_are_the_state(database, graph, f"copy {number}")
        assert await saver.aget_tuple(on("t")) is None or number % 3
        found = await active_branch(database, f"copy {number}")
        assert len(found) in (0, 4, 8)
        await saver.adelete_thread("t")


async def test_redacted_rows_are_redacted_in_the_copy(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(saver), "t", "one")
    redacted = "SET redacted_at = now(), redaction = sha256(digest)"
    await fetch(database, f"UPDATE messages {redacted} WHERE role = 'user' RETURNING id")
    await fetch(database, "UPDATE conversations SET redacted_at = now() RETURNING id")
    await saver.acopy_thread("t", "copy")
    columns = "digest, payload, redacted_at, redaction, user_id, created_at"
    rows = f"""
        SELECT {columns} FROM messages m
        WHERE conversation_id = (SELECT id FROM conversations WHERE thread_id = %s) ORDER BY digest
    """
    assert await fetch(database, rows, "copy") == await fetch(database, rows, "t")
    assert len(await fetch(database, "SELECT DISTINCT redacted_at FROM conversations")) == 1
