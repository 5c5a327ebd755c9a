"""Rows that somebody has changed by SQL: reading tells of it, and shows no wrong transcript."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.decoding import UnreadableMessageError
from storage.reading import TranscriptError, UnreadableCheckpointError
from tests.storage.speaking import another_process, graph_of
from tests.storage.support import active_branch, fetch, on, say, texts

#: What may be set in the row of one message of three. `other` is another row of the conversation.
CHANGES = {
    "its payload": "payload = other.payload",
    "its payload, to nothing": "payload = ''",
    "its payload, by a byte": "payload = set_byte(messages.payload, 99, 0)",
    "its parent": "parent_id = other.id",
    "its parent, to itself": "parent_id = messages.id",
    "its parent, to none": "parent_id = NULL",
    "its digest": "digest = sha256('anything')",
    "its form": "payload_type = 'json'",
    "its form, to bytes": "payload_type = 'bytes'",
    "its form, to one there is not": "payload_type = 'pickle'",
}


async def conversation(database: Database) -> list[dict[str, Any]]:
    """Three messages, `hi`, `asked` and `did`; their rows."""
    call = {"name": "n", "args": {"a": 1}, "id": "c"}
    graph = graph_of(
        TranscriptSaver(database.pool),
        AIMessage("asked", id="a", tool_calls=[call]),
        ToolMessage("did", id="t", tool_call_id="c"),
    )
    await say(graph, "t", "hi")
    rows = await active_branch(database, "t")
    # Another branch, so that there is another row to point at.
    await say(graph, "t", "again")
    return rows


async def set_in(database: Database, row: dict[str, Any], change: str) -> None:
    changed = await fetch(
        database,
        f"UPDATE messages SET {change} FROM messages other"
        " WHERE messages.id = %s AND other.content = 'again' RETURNING 1",
        row["id"],
    )
    assert len(changed) == 1


@pytest.mark.parametrize("position", [1, 2])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_changed_row_is_an_error_in_every_transcript_that_holds_it(
    database: Database, position: int, change: str
) -> None:
    rows = await conversation(database)
    await set_in(database, rows[position], change)
    reader = another_process(database)
    with pytest.raises((TranscriptError, UnreadableMessageError)):
        await reader.aget_tuple(on("t"))
    with pytest.raises((TranscriptError, UnreadableMessageError)):
        _ = [item async for item in reader.alist(on("t"))]
    # What it can't read, a process doesn't write on top of.
    before = await fetch(database, "SELECT count(*) FROM checkpoints")
    with pytest.raises((TranscriptError, UnreadableMessageError)):
        await say(graph_of(reader), "t", "more")
    assert await fetch(database, "SELECT count(*) FROM checkpoints") == before


@pytest.mark.parametrize(
    "change",
    ["content = 'never said'", "role = 'system'", "tool_calls = '[]'", "tool_calls = NULL"],
)
async def test_the_columns_for_people_do_not_change_the_transcript(
    database: Database, change: str
) -> None:
    rows = await conversation(database)
    await set_in(database, rows[1], change)
    state = await graph_of(another_process(database)).aget_state(on("t"))
    messages = state.values["messages"]
    assert texts(messages)[:3] == ["hi", "asked", "did"]
    assert (messages[1].type, messages[1].tool_calls[0]["args"]) == ("ai", {"a": 1})


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
