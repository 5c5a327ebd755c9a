"""Messages in a `DeltaChannel`, LangGraph's own way to write only what is new, and threads that
change from one way to the other."""

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, MessagesState, StateGraph, add_messages
from typing_extensions import TypedDict

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import Graph, active_branch, assert_rows_are_the_state, count, on, texts


def add_many(messages: list[AnyMessage], writes: list[Any]) -> list[AnyMessage]:
    """The reducer of a `DeltaChannel` takes all writes of a step."""
    for write in writes:
        messages = add_messages(messages, write)  # type: ignore[assignment, arg-type]
    return messages


class DeltaState(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(add_many, snapshot_frequency=1000)]


def graph_of(state: Any, saver: BaseCheckpointSaver[Any]) -> Graph:
    """A graph that answers, with its messages in one kind of channel or the other."""

    def answer(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(f"heard {state['messages'][-1].text}")]}

    builder = StateGraph(state)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    return builder.compile(checkpointer=saver)


async def said(graph: Graph, thread_id: str) -> list[str]:
    """What the latest state shows."""
    return texts((await graph.aget_state(on(thread_id))).values["messages"])


async def test_a_thread_of_rows_goes_on_in_a_delta_channel_and_back(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    rows, delta = graph_of(MessagesState, saver), graph_of(DeltaState, saver)
    await rows.ainvoke({"messages": [("user", "one")]}, on("t"))
    assert await said(delta, "t") == ["one", "heard one"]
    await delta.ainvoke({"messages": [("user", "two")]}, on("t"))
    whole = ["one", "heard one", "two", "heard two"]
    for saver_now in (saver, TranscriptSaver(database.pool)):
        assert await said(graph_of(DeltaState, saver_now), "t") == whole
    found = await saver.aget_tuple(on("t"))
    assert found is not None
    history = await saver.aget_delta_channel_history(config=found.config, channels=["messages"])
    assert texts(history["messages"]["seed"]) == ["one", "heard one"]
    # As the base class, which the server's wrapper uses, finds it.
    slowly = await BaseCheckpointSaver.aget_delta_channel_history(
        saver, config=found.config, channels=["messages"]
    )
    assert slowly == history


async def test_pruning_refuses_a_thread_with_a_delta_channel_and_deletes_nothing(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)
    rows, delta = graph_of(MessagesState, saver), graph_of(DeltaState, saver)
    await rows.ainvoke({"messages": [("user", "one")]}, on("rows"))
    await delta.ainvoke({"messages": [("user", "one")]}, on("delta"))
    before = await count(database, "checkpoints")
    with pytest.raises(NotImplementedError, match="delta"):
        await saver.aprune(["rows", "delta"])
    assert await count(database, "checkpoints") == before
    await saver.aprune(["delta"], strategy="delete")
    assert await said(rows, "rows") == ["one", "heard one"]
    await assert_rows_are_the_state(database, rows, "rows")


async def test_a_run_that_later_ones_in_a_delta_channel_build_on_is_not_deleted(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)
    delta = graph_of(DeltaState, saver)
    for run, text in (("first", "one"), ("second", "two")):
        await delta.ainvoke(
            {"messages": [("user", text)]}, {**on("t"), "metadata": {"run_id": run}}
        )
    whole = ["one", "heard one", "two", "heard two"]
    with pytest.raises(NotImplementedError, match="'t'"):
        await saver.adelete_for_runs(["first"])
    assert await said(delta, "t") == whole
    # The last one can be taken back, and both together.
    await saver.adelete_for_runs(["second"])
    assert await said(delta, "t") == whole[:2]
    await saver.adelete_for_runs(["first"])
    assert await count(database, "checkpoints") == 0


async def test_a_copy_of_a_delta_channel_is_complete(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    rows, delta = graph_of(MessagesState, saver), graph_of(DeltaState, saver)
    await rows.ainvoke({"messages": [("user", "one")]}, on("t"))
    await delta.ainvoke({"messages": [("user", "two")]}, on("t"))
    await saver.acopy_thread("t", "copy")
    await saver.adelete_thread("t")
    assert await said(delta, "copy") == ["one", "heard one", "two", "heard two"]
    # The rows are what the tree has of it: not what a delta channel keeps in its own way.
    assert await active_branch(database, "copy") == []
