"""Whatever somebody has done to one thread by SQL, verify and repair go on to the next."""

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.reading import TranscriptError, UnreadableCheckpointError
from storage.repairing import repair
from storage.verifying import Kind, problems, verify
from tests.storage.damage import execute
from tests.storage.speaking import another_process, graph_of
from tests.storage.support import assert_rows_are_the_state, chat_graph, fetch, on, say

GARBAGE = [
    "checkpoint_blobs SET type = 'msgpack', blob = '\\xc1c1'",
    "checkpoint_blobs SET type = 'nonsense', blob = '\\x00'",
    "checkpoint_blobs SET type = 'json', blob = '\\xff'",
    "checkpoint_blobs SET type = 'msgpack', blob = NULL",
    "checkpoint_blobs SET type = 'transcript', blob = '\\x00'",
    "checkpoint_blobs SET blob = NULL",
    "checkpoints SET checkpoint = 'null'",
    "checkpoints SET checkpoint = '5'",
    "checkpoints SET checkpoint = '[]'",
    """checkpoints SET checkpoint = checkpoint || '{"channel_versions": 5}'""",
    """checkpoints SET checkpoint = checkpoint || '{"channel_versions": [[]]}'""",
    """checkpoints SET checkpoint = checkpoint || '{"channel_versions": {"messages": {}}}'""",
    """checkpoints SET checkpoint = checkpoint || '{"updated_channels": 5}'""",
    """checkpoints SET checkpoint = checkpoint || '{"channel_values": 5}'""",
    "checkpoints SET metadata = '[]'",
    """checkpoints SET metadata = metadata || '{"counters_since_delta_snapshot": 5}'""",
]
#: Where the latest checkpoint can be read all the same.
HARMLESS = [change for change in GARBAGE if "updated" in change or "counters" in change]
CONTENT = "SELECT 1 FROM messages WHERE content = 'changed'"


@pytest.mark.parametrize("change", GARBAGE)
@pytest.mark.parametrize("plain", [True, False])
async def test_garbage_is_named_and_the_threads_after_it_are_looked_at(
    database: Database, change: str, plain: bool
) -> None:
    saver = TranscriptSaver(database.pool)
    if plain:
        await say(chat_graph(AsyncPostgresSaver(database.pool)), "a", "one")
        await chat_graph(saver).aupdate_state(on("a"), None, as_node="answer")
    else:
        await say(graph_of(saver, AIMessage("said"), beside=[1]), "a", "one")
    await say(chat_graph(saver), "b", "two")
    only = " AND channel = 'messages'" if change.startswith("checkpoint_blobs") else ""
    await execute(database, f"UPDATE {change} WHERE thread_id = 'a'{only}")
    await execute(
        database,
        "UPDATE messages m SET content = 'changed' FROM conversations c"
        " WHERE c.id = m.conversation_id AND c.thread_id = 'b' AND m.role = 'user'",
    )
    before = await fetch(database, "SELECT * FROM checkpoint_blobs t ORDER BY t")
    found = await problems(database.pool)
    assert [problem.kind for problem in found if problem.thread_id == "b"] == [Kind.COLUMNS]
    assert change in HARMLESS or "a" in {problem.thread_id for problem in found}
    _ = [done async for done in repair(database.pool)]
    assert await fetch(database, CONTENT) == []
    after = await fetch(database, "SELECT * FROM checkpoint_blobs t ORDER BY t")
    assert [row for row in before if row not in after] == []
    if change not in HARMLESS:
        with pytest.raises((UnreadableCheckpointError, TranscriptError)):
            await another_process(database).aget_tuple(on("a"))
        assert "a" in {problem.thread_id for problem in await problems(database.pool)}


async def test_what_the_checkpoints_used_is_kept_until_they_are_restored(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one")
    state = (await graph.aget_state(on("t"))).values
    await execute(database, "CREATE TABLE backup AS SELECT * FROM checkpoints")
    await execute(database, "DELETE FROM checkpoints")
    for _ in range(2):
        _ = [done async for done in repair(database.pool)]
    (unused,) = [found async for found in verify(database.pool) if found.kind is Kind.UNUSED]
    assert not unused.mendable
    await execute(database, "INSERT INTO checkpoints SELECT * FROM backup")
    _ = [done async for done in repair(database.pool)]
    fresh = chat_graph(another_process(database))
    assert (await fresh.aget_state(on("t"))).values == state
    await assert_rows_are_the_state(database, fresh, "t")
    assert [found async for found in verify(database.pool)] == []


async def test_what_is_unused_is_kept_while_something_else_is_wrong_with_the_thread(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one")
    await execute(database, "CREATE TABLE backup AS SELECT * FROM checkpoints")
    await execute(
        database,
        "DELETE FROM checkpoints WHERE checkpoint_id ="
        " (SELECT max(checkpoint_id) FROM checkpoints)",
    )
    lost = "UPDATE messages SET payload = '\\x00' WHERE parent_id IS NULL"
    await execute(database, lost)
    blobs = await fetch(database, "SELECT * FROM checkpoint_blobs t ORDER BY t")
    _ = [done async for done in repair(database.pool)]
    assert await fetch(database, "SELECT * FROM checkpoint_blobs t ORDER BY t") == blobs
    (unused,) = [found async for found in verify(database.pool) if found.kind is Kind.UNUSED]
    assert not unused.mendable


@pytest.mark.parametrize("payload", [b"\xc1", b"", b"\x93\x01"])
async def test_rows_made_of_a_list_of_the_plain_saver_are_named_where_they_are_garbage(
    database: Database, payload: bytes
) -> None:
    await say(chat_graph(AsyncPostgresSaver(database.pool)), "t", "one")
    await chat_graph(TranscriptSaver(database.pool)).aupdate_state(on("t"), None, as_node="answer")
    changed = "UPDATE messages SET payload = %s WHERE role = 'user'"
    await execute(database, changed, payload)
    assert [found.kind for found in await problems(database.pool)] == [Kind.PAYLOAD]
    _ = [done async for done in repair(database.pool)]
    assert await problems(database.pool) == []
    (row,) = await fetch(database, "SELECT leaf_id FROM conversations")
    assert row["leaf_id"] is not None
