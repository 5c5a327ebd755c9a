"""A step's checkpoint and its rows commit together: a commit is made to fail at each statement."""

from typing import Any

import psycopg
import pytest

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import (
    TABLES,
    Graph,
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
    texts,
)

#: A statement of the step's transaction: what it does to which table. `COMMIT` is a constraint
#: that is checked when everything has been written.
FIRST_STEP = [
    ("INSERT", "users"),
    ("INSERT", "conversations"),
    ("INSERT", "messages"),
    ("INSERT", "checkpoint_blobs"),
    ("INSERT", "checkpoints"),
    ("UPDATE", "conversations"),
    ("COMMIT", "messages"),
    ("COMMIT", "checkpoints"),
]
LATER_STEP = [statement for statement in FIRST_STEP[2:] if statement != ("INSERT", "users")]

BREAK = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'refused by the test'; END $$;
"""


async def refuse(database: Database, action: str, table: str, when: str = "true") -> None:
    """From now on, this statement fails."""
    trigger = (
        f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
        if action == "COMMIT"
        else f"CREATE TRIGGER refuse BEFORE {action} ON {table}"
    )
    async with database.pool.connection() as connection:
        await connection.execute(BREAK)
        await connection.execute(f"{trigger} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()")


async def allow(database: Database) -> None:
    """Nothing fails any more."""
    async with database.pool.connection() as connection:
        await connection.execute("DROP FUNCTION refuse CASCADE")


async def stored(database: Database) -> dict[str, Any]:
    """What a step of the root graph writes, whole. Pending writes are no part of it."""
    tables = [table for table in TABLES if table != "checkpoint_writes"]
    return {
        table: await fetch(database, f"SELECT * FROM {table} t ORDER BY t::text")
        for table in ("users", *tables)
    }


@pytest.mark.parametrize(("action", "table"), FIRST_STEP)
async def test_a_first_step_that_fails_at_any_statement_leaves_nothing(
    database: Database, action: str, table: str
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    # The very first checkpoint holds no message yet; `exit` writes one checkpoint with all of them.
    empty = await stored(database)
    await refuse(database, action, table)
    with pytest.raises(psycopg.errors.RaiseException):
        await say(graph, "t", "one", durability="exit")
    assert await stored(database) == empty
    await allow(database)
    # What failed is not remembered as done.
    await say(graph, "t", "two", durability="exit")
    assert await count(database, "messages") == 4
    await assert_rows_are_the_state(database, graph, "t")


@pytest.mark.parametrize(("action", "table"), LATER_STEP)
async def test_a_later_step_that_fails_at_any_statement_leaves_the_step_before(
    database: Database, action: str, table: str
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    before = await stored(database)
    when = "NEW.metadata ->> 'source' = 'loop'" if table == "checkpoints" else "true"
    await refuse(database, action, table, when)
    with pytest.raises(psycopg.errors.RaiseException):
        await say(graph, "t", "two", durability="exit")
    assert await stored(database) == before
    await allow(database)
    await assert_rows_are_the_state(database, graph, "t")
    await say(graph, "t", "three")
    await assert_rows_are_the_state(database, graph, "t")
    assert await count(database, "messages") == 8


@pytest.mark.parametrize("table", ["messages", "checkpoint_blobs", "checkpoints"])
async def test_each_step_of_a_run_is_whole_or_absent(database: Database, table: str) -> None:
    saver = TranscriptSaver(database.pool)
    graph: Graph = chat_graph(saver)
    when = {
        "messages": "NEW.role = 'tool'",
        "checkpoint_blobs": "NEW.channel = 'messages' AND NEW.version > lpad('4', 32, '0')",
        "checkpoints": "(NEW.metadata ->> 'step')::int = 2",
    }[table]
    await refuse(database, "INSERT", table, when)
    with pytest.raises(psycopg.errors.RaiseException):
        await say(graph, "t", "one", durability="sync")
    # The last step that committed is what both show. (`get_state` would add the failed step's
    # pending writes, which LangGraph keeps apart from checkpoints until the step is complete.)
    checkpoint = await TranscriptSaver(database.pool).aget_tuple(on("t"))
    assert checkpoint is not None
    messages = checkpoint.checkpoint["channel_values"]["messages"]
    assert [message.type for message in messages] == ["human", "ai"]
    rows = await active_branch(database, "t")
    assert [row["content"] for row in rows] == texts(messages)
    # Resumed, the run goes on from there.
    await allow(database)
    await graph.ainvoke(None, on("t"))
    await assert_rows_are_the_state(database, graph, "t")
    assert await count(database, "messages") == 4


async def test_rows_and_checkpoint_of_a_step_have_the_same_transaction(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one", durability="sync")
    steps = await fetch(
        database,
        "SELECT m.xmin AS row, c.xmin AS checkpoint FROM messages m"
        " JOIN checkpoint_blobs b ON b.blob = m.digest AND b.type = 'transcript'"
        " JOIN checkpoints c ON c.checkpoint -> 'channel_versions' ->> 'messages' = b.version"
        " ORDER BY c.checkpoint_id",
    )
    assert len(steps) == 3
    assert all(step["row"] == step["checkpoint"] for step in steps)


async def test_deleting_a_thread_that_fails_half_way_deletes_nothing(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    before = await stored(database)
    async with database.pool.connection() as connection:
        await connection.execute(BREAK)
        await connection.execute(
            "CREATE TRIGGER refuse BEFORE DELETE ON checkpoint_writes FOR EACH ROW"
            " EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(psycopg.errors.RaiseException):
        await saver.adelete_thread("t")
    assert await stored(database) == before
    await allow(database)
    await saver.adelete_thread("t")
    assert await count(database, "messages") == 0
