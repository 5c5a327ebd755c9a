"""Checkpoints that somebody has changed by SQL: reading and verifying tell of it, and repairing
loses nothing more."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import empty_checkpoint

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.reading import TranscriptError, UnreadableCheckpointError
from storage.repairing import repair
from storage.verifying import Kind, problems, verify
from tests.storage.damage import execute
from tests.storage.speaking import another_process, graph_of
from tests.storage.support import fetch, on, say

#: What of the latest checkpoint may be set, so that nobody can read it.
CHANGES = [
    "checkpoint = '{}'",
    "checkpoint = '[]'",
    "checkpoint = 'null'",
    "checkpoint = checkpoint - 'v'",
    "checkpoint = checkpoint - 'id'",
    "checkpoint = checkpoint - 'channel_versions'",
    "checkpoint = checkpoint - 'versions_seen'",
    """checkpoint = checkpoint || '{"v": "4"}'""",
    """checkpoint = checkpoint || '{"channel_versions": 5}'""",
    """checkpoint = checkpoint || '{"channel_values": [1]}'""",
    "metadata = 'null'",
    "metadata = '[]'",
]


async def conversation(database: Database) -> str:
    """Two messages, `hi` and `said`; the id of the latest checkpoint."""
    graph = graph_of(TranscriptSaver(database.pool), AIMessage("said", id="a"), beside=[1])
    await say(graph, "t", "hi")
    (row,) = await fetch(database, "SELECT max(checkpoint_id) AS latest FROM checkpoints")
    return str(row["latest"])


@pytest.mark.parametrize("change", CHANGES)
async def test_a_checkpoint_that_is_none_any_more_is_an_error_and_is_named(
    database: Database, change: str
) -> None:
    latest = await conversation(database)
    await execute(database, f"UPDATE checkpoints SET {change} WHERE checkpoint_id = %s", latest)
    reader = another_process(database)
    with pytest.raises(UnreadableCheckpointError):
        await reader.aget_tuple(on("t"))
    with pytest.raises(UnreadableCheckpointError):
        _ = [item async for item in reader.alist(on("t"))]
    (problem,) = await problems(database.pool)
    assert (problem.thread_id, problem.kind) == ("t", Kind.UNREADABLE_STATE)
    assert problem.about == latest
    assert not problem.mendable


@pytest.mark.parametrize("change", CHANGES)
async def test_the_values_of_a_checkpoint_that_cannot_be_read_are_not_taken_for_unused(
    database: Database, change: str
) -> None:
    latest = await conversation(database)
    before = await fetch(database, "SELECT * FROM checkpoint_blobs ORDER BY version, channel")
    await execute(database, f"UPDATE checkpoints SET {change} WHERE checkpoint_id = %s", latest)
    assert [found.kind async for found in verify(database.pool)] == [Kind.UNREADABLE_STATE]
    _ = [done async for done in repair(database.pool)]
    after = await fetch(database, "SELECT * FROM checkpoint_blobs ORDER BY version, channel")
    assert after == before
    (row,) = await fetch(database, "SELECT leaf_checkpoint_id AS leaf FROM conversations")
    assert row["leaf"] == latest


@pytest.mark.parametrize(
    "change", ["type = 'pickle'", "type = 'msgpack', blob = '\\xc1'", "type = 'json', blob = '{'"]
)
async def test_messages_of_a_form_that_there_is_not_are_an_error_and_are_named(
    database: Database, change: str
) -> None:
    latest = await conversation(database)
    await execute(
        database,
        f"UPDATE checkpoint_blobs b SET {change} FROM checkpoints k WHERE k.checkpoint_id = %s"
        " AND b.channel = 'messages'"
        " AND b.version = k.checkpoint -> 'channel_versions' ->> 'messages'",
        latest,
    )
    with pytest.raises(UnreadableCheckpointError, match=latest):
        await another_process(database).aget_tuple(on("t"))
    (problem,) = await problems(database.pool)
    assert (problem.kind, problem.about) == (Kind.UNREADABLE_STATE, latest)


@pytest.mark.parametrize("leaf", ["sha256('anything')", "''::bytea", "NULL"])
async def test_a_checkpoint_that_points_nowhere_is_an_error(database: Database, leaf: str) -> None:
    await conversation(database)
    await fetch(
        database,
        f"UPDATE checkpoint_blobs SET blob = {leaf} WHERE type = 'transcript' RETURNING 1",
    )
    with pytest.raises(TranscriptError, match="'t'"):
        await another_process(database).aget_tuple(on("t"))


async def test_a_checkpoint_does_not_show_the_messages_of_another_thread(
    database: Database,
) -> None:
    await conversation(database)
    await say(graph_of(TranscriptSaver(database.pool)), "u", "a secret")
    await fetch(
        database,
        "UPDATE checkpoint_blobs SET blob = secret.digest FROM messages secret"
        " WHERE type = 'transcript' AND thread_id = 't' AND secret.content = 'a secret'"
        " RETURNING 1",
    )
    with pytest.raises(TranscriptError, match="'t'"):
        await another_process(database).aget_tuple(on("t"))


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x93\x01", b"\xc1" * 120_000])
@pytest.mark.parametrize("table", ["checkpoint_writes", "checkpoint_blobs"])
async def test_a_value_that_is_garbage_is_an_error_that_names_the_checkpoint(
    database: Database, table: str, garbage: bytes
) -> None:
    saver = TranscriptSaver(database.pool)
    versions: Any = {"beside": "1"}
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"], checkpoint["channel_versions"] = {"beside": [1]}, versions
    config = await saver.aput(on("t", checkpoint_ns=""), checkpoint, {}, versions)
    await saver.aput_writes(config, [("beside", [2])], "task")
    if garbage != b"":
        await fetch(database, f"UPDATE {table} SET blob = %s RETURNING 1", garbage)
    else:
        await fetch(database, f"UPDATE {table} SET type = 'json' RETURNING 1")
    with pytest.raises(UnreadableCheckpointError, match=checkpoint["id"]):
        await another_process(database).aget_tuple(on("t"))
