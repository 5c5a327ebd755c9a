"""How a process reads a thread of which it knows nothing."""

from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import chat_graph, on, say


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the server from now on."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noting(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noting)
    return sent


async def test_checkpoint_and_messages_come_in_one_round_trip(
    database: Database, statements: list[str]
) -> None:
    known = chat_graph(TranscriptSaver(database.pool))
    for text in ("one", "two"):
        await say(known, "t", text)
    states = [state async for state in known.aget_state_history(on("t"))]
    forked = await known.aupdate_state(states[3].config, {"messages": [HumanMessage("a fork")]})
    latest = await known.aget_state(on("t"))
    assert latest.values["messages"][-1].content == "a fork"
    earlier = await known.aget_state(states[0].config)
    for config, state in [(on("t"), latest), (forked, latest), (states[0].config, earlier)]:
        cold = chat_graph(TranscriptSaver(database.pool))
        statements.clear()
        assert (await cold.aget_state(config)).values == state.values
        assert len(statements) == 1


async def test_a_thread_that_is_not_there_is_read_as_none(database: Database) -> None:
    await say(chat_graph(TranscriptSaver(database.pool)), "t", "one")
    saver = TranscriptSaver(database.pool)
    assert await saver.aget_tuple(on("another")) is None
    assert await saver.aget_tuple(on("t", checkpoint_id="another")) is None
    assert await saver.aget_tuple(on("t")) is not None


async def test_a_thread_whose_checkpoints_have_no_messages_is_read(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    config = on("t", checkpoint_ns="")
    await saver.aput(config, empty_checkpoint(), {"source": "input", "step": -1}, {})
    found = await TranscriptSaver(database.pool).aget_tuple(on("t"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {}
