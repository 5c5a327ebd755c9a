"""`repair` mends what follows from what is there, and says what doesn't."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from psycopg.types.json import Jsonb

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.repairing import Repaired, repair
from storage.transcript import redaction_of
from storage.verifying import Kind, problems, verify
from tests.storage.damage import drop_foreign_keys, execute
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    fetch,
    on,
    say,
)

TABLES = ("users", "conversations", "messages", "checkpoints", "checkpoint_blobs")

Rows = list[dict[str, Any]]


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


@pytest.fixture
async def branch(database: Database, saver: TranscriptSaver) -> Rows:
    """The rows of thread `t`, two turns: user, call, tool, answer. Thread `other` is beside it."""
    graph = chat_graph(saver)
    await say(graph, "other", "something else")
    for text in ("one", "two"):
        said = {"messages": [HumanMessage(text, id=f"said-{text}")]}
        await graph.ainvoke(said, on("t"))
    await drop_foreign_keys(database)
    return await active_branch(database, "t")


async def everything(database: Database) -> dict[str, Rows]:
    return {
        table: await fetch(database, f"SELECT * FROM {table} AS t ORDER BY t") for table in TABLES
    }


async def repaired(database: Database, **options: Any) -> list[Repaired]:
    return [done async for done in repair(database.pool, **options)]


async def assert_mends(database: Database, before: dict[str, Rows]) -> list[Repaired]:
    """Repairing makes the database what it was, says what it mended, and does it once."""
    found = await problems(database.pool)
    assert found != []
    damaged = await everything(database)
    told = await repaired(database, dry_run=True)
    assert await everything(database) == damaged
    done = await repaired(database)
    assert done == told
    assert [problem for one in done for problem in one.left] == []
    assert {(f.kind, f.about) for f in found if f.thread_id} <= {
        (f.kind, f.about) for one in done for f in one.mended
    }
    assert await problems(database.pool) == []
    assert await repaired(database) == []
    assert await everything(database) == before
    return done


async def assert_stays(database: Database, *kinds: Kind) -> None:
    """Repairing can't mend it, says so, and leaves it as it is."""
    damaged = await everything(database)
    done = await repaired(database)
    assert {problem.kind for one in done for problem in one.left} == set(kinds)
    assert all(problem.advice for one in done for problem in one.left)
    assert await everything(database) == damaged


async def test_a_healthy_database_is_left_alone(database: Database, branch: Rows) -> None:
    before = await everything(database)
    assert await repaired(database) == []
    assert await everything(database) == before


# What the rest of the data says


@pytest.mark.parametrize(
    ("place", "column", "value"),
    [
        (0, "role", "assistant"),
        (0, "content", "uno"),
        (0, "tool_calls", Jsonb([])),
        (1, "tool_calls", None),
        (6, "tool_calls", Jsonb([{"id": "x"}])),
        (2, "content", "not counted"),
        (2, "redacted_at", datetime(2026, 11, 25, tzinfo=UTC)),
        (7, "user_id", uuid4()),
        (7, "id", uuid4()),
        (0, "parent_id", uuid4()),
        (3, "parent_id", None),
    ],
)
async def test_columns_that_follow_from_the_payload_are_mended(
    database: Database, branch: Rows, place: int, column: str, value: Any
) -> None:
    if (place, column) == (6, "tool_calls"):
        # The time of a call stands nowhere else; that of the write is as good.
        record = branch[place]["tool_calls"][0]
        value = Jsonb([{**record, "result": "forged", "arguments": {}}])
    before = await everything(database)
    id_ = branch[place]["id"]
    await execute(database, f"UPDATE messages SET {column} = %s WHERE id = %s", value, id_)
    if column == "id":
        await execute(
            database, "UPDATE conversations SET leaf_id = %s WHERE leaf_id = %s", value, id_
        )
    await assert_mends(database, before)


@pytest.mark.parametrize("place", range(8))
async def test_a_digest_and_what_refers_to_it_is_mended(
    database: Database, branch: Rows, place: int
) -> None:
    before = await everything(database)
    id_ = branch[place]["id"]
    await execute(database, "UPDATE messages SET digest = %s WHERE id = %s", b"x" * 32, id_)
    await assert_mends(database, before)


async def test_parents_that_run_in_a_circle_are_mended(database: Database, branch: Rows) -> None:
    before = await everything(database)
    await execute(
        database,
        "UPDATE messages SET parent_id = %s WHERE id = %s",
        branch[6]["id"],
        branch[2]["id"],
    )
    await assert_mends(database, before)


@pytest.mark.parametrize(
    "change",
    [
        "leaf_id = NULL",
        "leaf_checkpoint_id = NULL",
        "leaf_checkpoint_id = 'zzz'",
        "title = NULL",
        "title = 'what nobody said'",
        "leaf_id = NULL, leaf_checkpoint_id = NULL, title = NULL",
    ],
)
async def test_a_conversation_is_mended(database: Database, branch: Rows, change: str) -> None:
    before = await everything(database)
    await execute(database, f"UPDATE conversations SET {change} WHERE thread_id = 't'")
    await assert_mends(database, before)


async def test_the_messages_of_the_latest_checkpoint_are_mended_from_the_conversation(
    database: Database, branch: Rows
) -> None:
    before = await everything(database)
    await execute(database, "DELETE FROM checkpoint_blobs WHERE blob = %s", branch[7]["digest"])
    await assert_mends(database, before)


async def test_a_conversation_whose_messages_are_there_is_made_anew(
    database: Database, saver: TranscriptSaver, branch: Rows
) -> None:
    await saver.acopy_thread("t", "copy")
    before = await everything(database)
    id_ = branch[0]["conversation_id"]
    for thread in ("t", "copy"):
        await execute(database, "DELETE FROM conversations WHERE thread_id = %s", thread)
    await repaired(database)
    assert await problems(database.pool) == []
    after = await everything(database)
    assert after["messages"] == before["messages"]
    columns = ("id", "user_id", "title", "leaf_id", "leaf_checkpoint_id")
    for name in columns:
        # Of two copies that are gone it can't be told which was which.
        assert {row[name] for row in after["conversations"]} == {
            row[name] for row in before["conversations"]
        }
    assert id_ in {row["id"] for row in after["conversations"]}


async def test_values_and_writes_that_nothing_uses_are_deleted(
    database: Database, branch: Rows
) -> None:
    before = await everything(database)
    await execute(
        database,
        "INSERT INTO checkpoint_blobs SELECT thread_id, checkpoint_ns, channel, version || 'x',"
        " type, blob FROM checkpoint_blobs WHERE thread_id = 't'",
    )
    (done,) = await repaired(database)
    assert [finding.kind for finding in done.mended] == [Kind.UNUSED]
    assert await everything(database) == before
    assert [found async for found in verify(database.pool)] == []


# What is stored elsewhere as well


def changed(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 1])


@pytest.mark.parametrize("place", range(8))
async def test_a_changed_payload_is_put_back_from_a_copy_of_the_thread(
    database: Database, saver: TranscriptSaver, branch: Rows, place: int
) -> None:
    await saver.acopy_thread("t", "copy")
    await forget_writes(database)
    before = await everything(database)
    row = branch[place]
    await execute(
        database,
        "UPDATE messages SET payload = %s, content = 'x', role = 'x' WHERE id = %s",
        changed(row["payload"]),
        row["id"],
    )
    await assert_mends(database, before)


@pytest.mark.parametrize("places", [[0], [3], [7], [2, 3], [0, 1, 2, 3, 4, 5, 6, 7]])
async def test_missing_messages_are_put_back_from_a_copy_of_the_thread(
    database: Database, saver: TranscriptSaver, branch: Rows, places: list[int]
) -> None:
    await saver.acopy_thread("t", "copy")
    await forget_writes(database)
    before = await everything(database)
    gone = [branch[place]["id"] for place in places]
    await execute(database, "DELETE FROM messages WHERE id = ANY(%s)", gone)
    await assert_mends(database, before)


@pytest.mark.parametrize("place", range(8))
async def test_a_changed_payload_is_put_back_from_what_tasks_wrote(
    database: Database, branch: Rows, place: int
) -> None:
    before = await everything(database)
    row = branch[place]
    await execute(
        database,
        "UPDATE messages SET payload = %s WHERE id = %s",
        changed(row["payload"]),
        row["id"],
    )
    await assert_mends(database, before)


@pytest.mark.parametrize(
    "places", [[0], [1], [2], [3], [4], [7], [2, 3], [0, 1], [0, 1, 2, 3, 4, 5, 6, 7]]
)
async def test_missing_messages_are_put_back_from_what_tasks_wrote(
    database: Database, branch: Rows, places: list[int]
) -> None:
    gone = [branch[place]["id"] for place in places]
    await execute(database, "DELETE FROM messages WHERE id = ANY(%s)", gone)
    (done,) = await repaired(database)
    assert done.left == []
    assert await problems(database.pool) == []
    # When a message was written, and a call was made, is lost with the row.
    assert [
        (row["id"], row["parent_id"], row["digest"], row["payload"], row["role"], row["content"])
        for row in await active_branch(database, "t")
    ] == [
        (row["id"], row["parent_id"], row["digest"], row["payload"], row["role"], row["content"])
        for row in branch
    ]
    ordered = await fetch(
        database,
        "SELECT id FROM messages WHERE conversation_id = %s ORDER BY created_at, id",
        branch[0]["conversation_id"],
    )
    assert places[0] in (0, 4, 7) or [row["id"] for row in ordered] == [r["id"] for r in branch]


async def test_a_leaf_of_another_thread_brings_its_messages(
    database: Database, branch: Rows
) -> None:
    foreign = await active_branch(database, "other")
    await execute(
        database,
        "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = 't' AND blob = %s",
        foreign[-1]["digest"],
        branch[5]["digest"],
    )
    assert [problem.kind for problem in await problems(database.pool)] == [Kind.FOREIGN]
    (done,) = await repaired(database)
    assert (len(done.mended), done.left) == (1, [])
    assert await problems(database.pool) == []


# What can't be mended


async def forget_writes(database: Database) -> None:
    """Leave the messages in the rows only."""
    await execute(database, "DELETE FROM checkpoint_writes")
    await execute(database, "UPDATE checkpoint_blobs SET blob = '\\x80' WHERE type <> 'transcript'")


async def test_a_changed_payload_that_is_nowhere_else_is_told(
    database: Database, branch: Rows
) -> None:
    await forget_writes(database)
    await execute(
        database,
        "UPDATE messages SET payload = %s WHERE id = %s",
        changed(branch[3]["payload"]),
        branch[3]["id"],
    )
    await assert_stays(database, Kind.PAYLOAD)


async def test_a_missing_message_that_is_nowhere_else_is_told(
    database: Database, branch: Rows
) -> None:
    await forget_writes(database)
    await execute(database, "DELETE FROM messages WHERE id = %s", branch[3]["id"])
    await assert_stays(database, Kind.MISSING)


async def test_a_damaged_copy_is_not_copied(
    database: Database, saver: TranscriptSaver, branch: Rows
) -> None:
    await saver.acopy_thread("t", "copy")
    await forget_writes(database)
    await execute(
        database,
        "UPDATE messages SET payload = %s WHERE digest = %s",
        changed(branch[3]["payload"]),
        branch[3]["digest"],
    )
    await assert_stays(database, Kind.PAYLOAD)


async def test_a_conversation_without_messages_is_told(database: Database, branch: Rows) -> None:
    await execute(database, "DELETE FROM messages WHERE id = ANY(%s)", [r["id"] for r in branch])
    await execute(database, "DELETE FROM conversations WHERE thread_id = 't'")
    await assert_stays(database, Kind.NO_CONVERSATION)


async def test_the_rest_is_mended_where_something_cannot_be(
    database: Database, branch: Rows
) -> None:
    await forget_writes(database)
    await execute(
        database,
        "UPDATE messages SET payload = %s WHERE id = %s",
        changed(branch[3]["payload"]),
        branch[3]["id"],
    )
    await execute(database, "UPDATE messages SET content = 'x' WHERE id = %s", branch[5]["id"])
    await execute(database, "UPDATE conversations SET title = 'x' WHERE thread_id = 'other'")
    done = await repaired(database)
    assert {one.thread_id: [f.kind for f in one.mended] for one in done} == {
        "other": [Kind.TITLE],
        "t": [Kind.COLUMNS],
    }
    assert [problem.kind for problem in await problems(database.pool)] == [Kind.PAYLOAD]


# Others at the thread


async def test_repairing_waits_for_what_holds_the_conversation(
    database: Database, branch: Rows
) -> None:
    await execute(database, "UPDATE conversations SET leaf_id = NULL WHERE thread_id = 't'")
    async with database.pool.connection() as connection, connection.transaction():
        # As a step does that is being stored.
        await connection.execute("SELECT FROM conversations WHERE thread_id = 't' FOR UPDATE")
        repairing = asyncio.create_task(repaired(database, thread_id="t"))
        waiting = (
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await fetch(database, waiting):
            assert not repairing.done()
    assert [len(one.mended) for one in await repairing] == [1]
    assert await problems(database.pool) == []


async def test_turns_go_on_while_their_thread_is_repaired(
    database: Database, saver: TranscriptSaver, branch: Rows
) -> None:
    graph = chat_graph(saver)

    async def talk() -> None:
        for number in range(5):
            await say(graph, "t", f"number {number}")

    talking = asyncio.create_task(talk())
    while not talking.done():
        await execute(database, "UPDATE messages SET content = 'x' WHERE id = %s", branch[2]["id"])
        await execute(database, "UPDATE conversations SET title = 'x' WHERE thread_id = 't'")
        (done,) = await repaired(database, thread_id="t")
        assert (len(done.mended), done.left) == (2, [])
    await talking
    assert await problems(database.pool) == []
    await assert_rows_are_the_state(database, graph, "t")


# What was forgotten


async def test_what_was_redacted_does_not_come_back(
    database: Database, saver: TranscriptSaver, branch: Rows
) -> None:
    await saver.acopy_thread("t", "copy")
    payload_type, payload = saver.serde.dumps_typed(HumanMessage("", id="said-two"))
    row = branch[4]
    await execute(
        database,
        "UPDATE messages SET payload_type = %s, payload = %s, content = '', redacted_at = now(),"
        " redaction = %s WHERE id = %s",
        payload_type,
        payload,
        redaction_of(row["digest"], payload),
        row["id"],
    )
    assert await problems(database.pool) == []
    await execute(
        database,
        "UPDATE messages SET payload = %s WHERE id = %s",
        changed(payload),
        row["id"],
    )
    # The copy and what the run was given have it as it was.
    await assert_stays(database, Kind.REDACTION)
