"""The synchronous half of the contract, from a thread beside the event loop."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    on,
    say,
    texts,
)


async def test_every_method_of_the_contract_has_an_implementation(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    left_out = {
        name
        for name, method in inspect.getmembers(BaseCheckpointSaver, inspect.isfunction)
        if not name.startswith("_")
        and "NotImplementedError" in inspect.getsource(method)
        and getattr(type(saver), name) is method
    }
    assert left_out == set()


async def test_a_graph_runs_in_another_thread(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)

    def talk() -> None:
        graph.invoke({"messages": [("user", "one")]}, on("t"))
        graph.update_state(on("t"), {"messages": [("user", "two")]}, as_node="__start__")
        graph.invoke(Command(goto="ask"), on("t"))

    await asyncio.to_thread(talk)
    assert texts((await graph.aget_state(on("t"))).values["messages"])[4] == "two"
    await assert_rows_are_the_state(database, graph, "t")


async def test_threads_are_copied_pruned_and_deleted_from_another_thread(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="first")
    await say(graph, "t", "two", config_run="second")

    def change() -> None:
        saver.copy_thread("t", "copy")
        saver.delete_for_runs(["second"])
        assert len(list(saver.list(on("copy")))) == 8
        saver.prune(["copy"])
        assert len(list(saver.list(on("copy")))) == 1
        found = saver.get_tuple(on("t"))
        assert found is not None
        history = saver.get_delta_channel_history(config=found.config, channels=["messages"])
        assert texts(history["messages"]["seed"]) == ["one", ""]

    await asyncio.to_thread(change)
    assert len(await active_branch(database, "t")) == 4
    assert len(await active_branch(database, "copy")) == 8
    await asyncio.to_thread(saver.delete_thread, "t")
    await asyncio.to_thread(saver.prune, ["copy"], strategy="delete")
    assert await count(database, "messages") == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda saver: saver.get_tuple(on("t")),
        lambda saver: list(saver.list(on("t"))),
        lambda saver: saver.put(on("t"), None, None, {}),
        lambda saver: saver.put_writes(on("t"), [], "task"),
        lambda saver: saver.copy_thread("t", "u"),
        lambda saver: saver.delete_for_runs(["run"]),
        lambda saver: saver.delete_thread("t"),
        lambda saver: saver.prune(["t"]),
        lambda saver: saver.get_delta_channel_history(config=on("t"), channels=["messages"]),
    ],
)
async def test_the_event_loop_is_told_to_use_the_other_half_and_does_not_hang(
    database: Database, call: Callable[[TranscriptSaver], Any]
) -> None:
    with pytest.raises(asyncio.InvalidStateError, match="await"):
        call(TranscriptSaver(database.pool))
