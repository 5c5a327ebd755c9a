"""Runs taken back and checkpoints pruned, one after the other and while somebody writes."""

import asyncio
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import (
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

UNUSED = """
    SELECT b.channel, b.version FROM checkpoint_blobs b WHERE NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    ) UNION ALL
    SELECT w.channel, w.checkpoint_id FROM checkpoint_writes w WHERE NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
        AND c.checkpoint_id = w.checkpoint_id
    )
"""


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


def another_process(database: Database) -> TranscriptSaver:
    """A saver that remembers nothing."""
    return TranscriptSaver(database.pool)


class Remembering(MessagesState):
    #: Set once, in the first turn, and needed ever after.
    profile: Annotated[list[str], lambda old, new: new or old]


def remembering_graph(
    saver: TranscriptSaver, *, gate: asyncio.Event, reached: asyncio.Event
) -> Any:
    """A graph that waits at the gate when it is told to."""

    async def work(state: Remembering) -> dict[str, Any]:
        if state["messages"][-1].text == "wait":
            reached.set()
            await gate.wait()
        return {"messages": [AIMessage(f"for {state['profile'][0]}")]}

    builder = StateGraph(Remembering)
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    return builder.compile(checkpointer=saver)


async def parents(graph: Graph, thread_id: str) -> list[tuple[str, str | None]]:
    """Checkpoints, newest first, each with its parent."""
    return [
        (
            state.config["configurable"]["checkpoint_id"],
            (state.parent_config or on(thread_id))["configurable"].get("checkpoint_id"),
        )
        async for state in graph.aget_state_history(on(thread_id))
    ]


# Runs


@pytest.mark.parametrize("gone", [["second"], ["second", "third"], ["first"], ["first", "third"]])
async def test_runs_deleted_from_the_middle_leave_one_history(
    database: Database, saver: TranscriptSaver, gone: list[str]
) -> None:
    graph = chat_graph(saver)
    names = ["first", "second", "third", "fourth"]
    for name in names:
        await say(graph, "t", name, config_run=name)
    before = [state.values async for state in graph.aget_state_history(on("t"))]
    await saver.adelete_for_runs(gone)
    left = [number for number, name in enumerate(reversed(names)) if name not in gone]
    after = [state.values async for state in graph.aget_state_history(on("t"))]
    assert after == [values for run in left for values in before[4 * run : 4 * run + 4]]
    linked = await parents(graph, "t")
    assert [parent for _, parent in linked] == [id_ for id_, _ in linked[1:]] + [None]
    await assert_rows_are_the_state(database, graph, "t")
    assert await fetch(database, UNUSED) == []
    assert await count(database, "messages") == 16


async def test_a_fork_of_a_deleted_run_stays_where_it_forked(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="first")
    fork = (await graph.aget_state(on("t"))).config
    await say(graph, "t", "two", config_run="second")
    middle = [state async for state in graph.aget_state_history(on("t"))][1]
    third: RunnableConfig = {**middle.config, "metadata": {"run_id": "third"}}
    await graph.ainvoke({"messages": [("user", "three")]}, third)
    await saver.adelete_for_runs(["second"])
    linked = await parents(graph, "t")
    assert len(linked) == 8
    assert linked[3][1] == fork["configurable"]["checkpoint_id"]
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_run_id_that_is_a_text_is_not_taken_for_a_list_of_letters(
    saver: TranscriptSaver,
) -> None:
    with pytest.raises(TypeError, match="'run'"):
        await saver.adelete_for_runs("run")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_run_whose_beginning_is_deleted_under_it_keeps_what_it_knows(
    database: Database, saver: TranscriptSaver, durability: Any
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    graph = remembering_graph(saver, gate=gate, reached=reached)
    first: dict[str, Any] = {"messages": [("user", "one")], "profile": ["Ada"]}
    await graph.ainvoke(first, {**on("t"), "metadata": {"run_id": "first"}})
    second = asyncio.create_task(
        say(graph, "t", "wait", config_run="second", durability=durability)
    )
    await reached.wait()
    await another_process(database).adelete_for_runs(["first"])
    gate.set()
    await second
    for at in (saver, another_process(database)):
        state = await remembering_graph(at, gate=gate, reached=reached).aget_state(on("t"))
        assert state.values["profile"] == ["Ada"]
        assert texts(state.values["messages"]) == ["one", "for Ada", "wait", "for Ada"]
    await assert_rows_are_the_state(database, graph, "t")
    await say(graph, "t", "three", config_run="third")
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_fork_whose_beginning_is_deleted_under_it_keeps_what_it_knows(
    database: Database, saver: TranscriptSaver
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    graph = remembering_graph(saver, gate=gate, reached=reached)
    first: dict[str, Any] = {"messages": [("user", "one")], "profile": ["Ada"]}
    await graph.ainvoke(first, {**on("t"), "metadata": {"run_id": "first"}})
    old = (await graph.aget_state(on("t"))).config
    other: dict[str, Any] = {"messages": [("user", "two")], "profile": ["Bob"]}
    await graph.ainvoke(other, {**on("t"), "metadata": {"run_id": "second"}})
    fork = asyncio.create_task(
        graph.ainvoke({"messages": [("user", "wait")]}, old, durability="exit")
    )
    await reached.wait()
    # Pruning keeps the latest checkpoint, and the fork builds on an older one.
    await another_process(database).aprune(["t"])
    gate.set()
    await fork
    state = await graph.aget_state(on("t"))
    assert state.values["profile"] == ["Ada"]
    assert texts(state.values["messages"]) == ["one", "for Ada", "wait", "for Ada"]
    await assert_rows_are_the_state(database, graph, "t")


# Pruning


async def test_pruning_many_threads_keeps_each_one_s_state_leaf_and_rows(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    names = [f"t{number}" for number in range(12)]
    for name in names:
        await say(graph, name, f"one {name}")
        fork = (await graph.aget_state(on(name))).config
        await say(graph, name, "two")
        await graph.ainvoke({"messages": [("user", "instead")]}, fork)
    states = {name: (await graph.aget_state(on(name))).values for name in names}
    conversations = await fetch(database, "SELECT * FROM conversations ORDER BY id")
    messages = await count(database, "messages")
    await saver.aprune(names[:-1])
    for name in names:
        assert (await graph.aget_state(on(name))).values == states[name]
        await assert_rows_are_the_state(database, graph, name)
    assert await count(database, "checkpoints") == len(names) - 1 + 12
    assert await fetch(database, UNUSED) == []
    # Pruning is about checkpoints: what was said on other branches stays in the tree, and nothing
    # that a person would call a change has happened.
    assert await count(database, "messages") == messages
    assert await fetch(database, "SELECT * FROM conversations ORDER BY id") == conversations
    again = chat_graph(another_process(database))
    await say(again, names[0], "three")
    await assert_rows_are_the_state(database, again, names[0])


async def test_pruning_twice_changes_nothing_more(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await saver.aprune(["t", "t", "unknown"])
    before = await fetch(database, "SELECT * FROM checkpoints")
    await saver.aprune(["t"])
    assert await fetch(database, "SELECT * FROM checkpoints") == before


async def test_pruning_while_turns_are_written_loses_nothing(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    done = asyncio.Event()
    turns, pruned = ["turn 0"], 0
    await say(graph, "t", turns[0])

    async def write() -> None:
        # However slow the machine is: so many prunings come in between.
        while len(turns) < 10 or pruned < 3:
            turns.append(f"turn {len(turns)}")
            await say(graph, "t", turns[-1])
        done.set()

    async def prune() -> None:
        nonlocal pruned
        other = another_process(database)
        while not done.is_set():
            await other.aprune(["t"])
            pruned += 1

    await asyncio.gather(write(), prune())
    branch = await active_branch(database, "t")
    assert [row["content"] for row in branch][::4] == turns
    await assert_rows_are_the_state(database, graph, "t")
    await assert_rows_are_the_state(database, chat_graph(another_process(database)), "t")


async def test_deleting_runs_while_turns_are_written_loses_no_other_run(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    finished: asyncio.Queue[str | None] = asyncio.Queue()

    async def write() -> None:
        for number in range(10):
            await say(graph, "t", f"turn {number}", config_run=f"run {number}")
            finished.put_nowait(f"run {number}")
        finished.put_nowait(None)

    async def delete() -> None:
        other = another_process(database)
        while (run := await finished.get()) is not None:
            await other.adelete_for_runs([run])

    await asyncio.gather(write(), delete())
    # The last run may be gone as well; what is left is a state that the rows show.
    await assert_rows_are_the_state(database, graph, "t")
    await assert_rows_are_the_state(database, chat_graph(another_process(database)), "t")
    await say(graph, "t", "afterwards")
    await assert_rows_are_the_state(database, graph, "t")
