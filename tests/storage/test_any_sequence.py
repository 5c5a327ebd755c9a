"""Whatever is done to threads, in any order: the tree shows what LangGraph's memory saver shows.

The two are driven side by side. Half of the steps go through a second saver on the same database,
as another process would have it, so that no cache may be trusted too much.
"""

import asyncio
import os
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from tests.storage.support import Graph, assert_rows_are_the_state, chat_graph, on

EXAMPLES = 400 if os.environ.get("TASK_AGENT_LONG_TESTS") else 12

Kind = Literal["run", "edit", "remove", "clear", "fork", "replay", "delete", "read"]


@dataclass(frozen=True)
class Step:
    """One thing that happens to one thread."""

    kind: Kind
    thread: int
    #: Which message or checkpoint, counted from the end and around.
    which: int
    process: int
    durability: Literal["sync", "async", "exit"]


steps = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(
            ["run", "run", "run", "edit", "remove", "clear", "fork", "fork", "replay", "delete",
             "read"]
        ),
        thread=st.integers(0, 1),
        which=st.integers(0, 40),
        process=st.integers(0, 1),
        durability=st.sampled_from(["sync", "async", "exit"]),
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip


async def do(graph: Graph, step: Step, thread_id: str, number: int) -> Any:
    """Do it; None, or the kind of error where LangGraph refuses it."""
    config = on(thread_id)
    said = {"messages": [HumanMessage(f"words {number}", id=f"human-{number}")]}
    messages = (await graph.aget_state(config)).values.get("messages", [])
    history = [state async for state in graph.aget_state_history(config)]
    chosen = messages[step.which % len(messages)] if messages else None
    place = history[step.which % len(history)].config if history else None
    try:
        match step.kind:
            case "run":
                await graph.ainvoke(said, config, durability=step.durability)
            case "edit" if chosen is not None:
                edited = HumanMessage(f"edited {number}", id=chosen.id)
                await graph.aupdate_state(config, {"messages": [edited]}, as_node="answer")
            case "remove" if chosen is not None:
                gone = RemoveMessage(chosen.id)
                await graph.aupdate_state(config, {"messages": [gone]}, as_node="answer")
            case "clear" if chosen is not None:
                gone = RemoveMessage(REMOVE_ALL_MESSAGES)
                await graph.aupdate_state(config, {"messages": [gone]}, as_node="answer")
            case "fork" if place is not None:
                await graph.ainvoke(said, place, durability=step.durability)
            case "replay" if place is not None:
                await graph.ainvoke(None, place, durability=step.durability)
            case "delete":
                saver = graph.checkpointer
                assert isinstance(saver, (TranscriptSaver, InMemorySaver))
                await saver.adelete_thread(thread_id)
    except AssertionError:
        raise
    except Exception as error:
        return type(error)
    return None


async def seen(graph: Graph, thread_id: str) -> list[Any]:
    """All that can be seen of a thread: every checkpoint's messages and what comes next."""
    return [
        (state.values.get("messages"), state.next, state.metadata and state.metadata["source"])
        async for state in graph.aget_state_history(on(thread_id))
    ]


async def compare(database: Database, sequence: list[Step]) -> None:
    memory = chat_graph(InMemorySaver())
    processes = [chat_graph(TranscriptSaver(database.pool)) for _ in range(2)]
    example = uuid4().hex
    for number, step in enumerate(sequence):
        thread_id = f"{example}-{step.thread}"
        ours = processes[step.process]
        assert await do(ours, step, thread_id, number) == await do(memory, step, thread_id, number)
        expected = await seen(memory, thread_id)
        for graph in (*processes, chat_graph(TranscriptSaver(database.pool))):
            assert await seen(graph, thread_id) == expected
        if expected and expected[0][0] is not None:
            await assert_rows_are_the_state(database, ours, thread_id)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=steps)
def test_the_tree_shows_what_the_memory_saver_shows(
    database_url: str, sequence: list[Step]
) -> None:
    async def run() -> None:
        async with connect(database_url) as database:
            await compare(database, sequence)

    asyncio.run(run())
