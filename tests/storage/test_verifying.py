"""`verify`: a healthy database is clean, whatever was done to it."""

from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.verifying import problems, verify
from tests.storage.support import chat_graph, on, say


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


async def test_an_empty_database_is_clean(database: Database) -> None:
    assert [found async for found in verify(database.pool)] == []


async def test_a_conversation_with_tools_is_clean(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "t", "two")
    assert [found async for found in verify(database.pool)] == []
    assert [found async for found in verify(database.pool, "t")] == []


async def test_whatever_is_done_to_threads_leaves_them_clean(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    runs = [str(uuid4()) for _ in range(3)]
    await say(graph, "t", "one", config_run=runs[0])
    earlier = await graph.aget_state(on("t"))
    await say(graph, "t", "two", config_run=runs[1])
    await graph.ainvoke({"messages": [("user", "forked")]}, earlier.config)
    await graph.ainvoke(None, earlier.config)
    first = earlier.values["messages"][0]
    edited = HumanMessage("edited", id=first.id)
    await graph.aupdate_state(on("t"), {"messages": [edited]}, as_node="answer")
    gone = RemoveMessage(earlier.values["messages"][1].id)
    await graph.aupdate_state(on("t"), {"messages": [gone]}, as_node="answer")
    assert await problems(database.pool) == []
    await saver.acopy_thread("t", "copy")
    await saver.acopy_thread("t", "pruned")
    await saver.aprune(["pruned"])
    await saver.adelete_for_runs([runs[1]])
    await say(graph, "rolled-back", "never said", config_run=runs[2])
    await saver.adelete_for_runs([runs[2]])
    await say(graph, "emptied", "one")
    everything = RemoveMessage(REMOVE_ALL_MESSAGES)
    await graph.aupdate_state(on("emptied"), {"messages": [everything]}, as_node="answer")
    for durability in ("sync", "async", "exit"):
        await say(graph, durability, "hello", durability=durability)
    assert await problems(database.pool) == []
