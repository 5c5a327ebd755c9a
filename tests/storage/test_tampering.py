"""Messages' rows that somebody has changed by SQL: reading and verifying tell of it, and nobody is
shown a wrong transcript."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.decoding import UnreadableMessageError
from storage.reading import TranscriptError
from storage.verifying import Kind, problems
from tests.storage.damage import drop_foreign_keys, execute
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


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_changed_row_is_an_error_in_every_transcript_that_holds_it(
    database: Database, position: int, change: str
) -> None:
    rows = await conversation(database)
    if position == 0 and change == "parent_id = NULL":
        return  # The first one has none.
    await set_in(database, rows[position], change)
    reader = another_process(database)
    with pytest.raises((TranscriptError, UnreadableMessageError), match="thread 't'"):
        await reader.aget_tuple(on("t"))
    with pytest.raises((TranscriptError, UnreadableMessageError), match="thread 't'"):
        _ = [item async for item in reader.alist(on("t"))]
    # What it can't read, a process doesn't write on top of.
    before = await fetch(database, "SELECT count(*) FROM checkpoints")
    with pytest.raises((TranscriptError, UnreadableMessageError)):
        await say(graph_of(reader), "t", "more")
    assert await fetch(database, "SELECT count(*) FROM checkpoints") == before
    found = await problems(database.pool)
    assert str(rows[position]["id"]) in {problem.about for problem in found}
    assert {problem.thread_id for problem in found} == {"t"}


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
    (problem,) = await problems(database.pool)
    assert (problem.kind, problem.about) == (Kind.COLUMNS, str(rows[1]["id"]))


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_a_deleted_row_is_an_error_in_every_transcript_that_held_it(
    database: Database, position: int
) -> None:
    rows = await conversation(database)
    await drop_foreign_keys(database)
    gone = rows[position]["id"]
    await execute(database, "DELETE FROM messages WHERE id = %s", gone)
    with pytest.raises(TranscriptError, match="thread 't'"):
        await another_process(database).aget_tuple(on("t"))
    assert str(gone) in {problem.about for problem in await problems(database.pool)}


async def test_two_rows_that_changed_places_are_an_error(database: Database) -> None:
    rows = await conversation(database)
    await execute(
        database,
        "UPDATE messages SET payload = other.payload, content = other.content, role = other.role,"
        " tool_calls = other.tool_calls FROM messages other"
        " WHERE (messages.id, other.id) IN ((%s, %s), (%s, %s))",
        rows[0]["id"],
        rows[2]["id"],
        rows[2]["id"],
        rows[0]["id"],
    )
    with pytest.raises(TranscriptError, match="thread 't'"):
        await another_process(database).aget_tuple(on("t"))
    found = {problem.about for problem in await problems(database.pool)}
    assert {str(rows[0]["id"]), str(rows[2]["id"])} <= found
