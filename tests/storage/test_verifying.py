"""`verify`: a healthy database is clean, whatever was done to it, and while more is done."""

import asyncio
import os
import tracemalloc
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, TypedDict
from uuid import uuid4

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import interrupt

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.plain.adopting import adopt_threads
from storage.plain.ejecting import eject_threads
from storage.transcript import EXECUTED_AT
from storage.verifying import Finding, Kind, Progress, problems, verify
from tests.storage.bulk import write_conversation
from tests.storage.damage import execute
from tests.storage.support import ask, assert_rows_are_the_state, chat_graph, fetch, on, say

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))

#: Turns of the conversation whose verifying is measured.
MANY = 100_000 if LONG else 12_500


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


async def everything(database: Database, thread_id: str | None = None) -> list[Finding]:
    return [found async for found in verify(database.pool, thread_id)]


async def test_an_empty_database_is_clean(database: Database) -> None:
    assert await everything(database) == []
    assert await everything(database, "unknown") == []


async def test_a_conversation_with_tools_is_clean(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "t", "two")
    assert await everything(database) == []
    assert await everything(database, "t") == []


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
    assert await everything(database) == []
    await saver.acopy_thread("t", "copy")
    await saver.acopy_thread("t", "pruned")
    await saver.aprune(["pruned"])
    await saver.adelete_for_runs([runs[1]])
    await say(graph, "rolled-back", "never said", config_run=runs[2])
    await saver.adelete_for_runs([runs[2]])
    await say(graph, "emptied", "one")
    all_said = RemoveMessage(REMOVE_ALL_MESSAGES)
    await graph.aupdate_state(on("emptied"), {"messages": [all_said]}, as_node="answer")
    for durability in ("sync", "async", "exit"):
        await say(graph, durability, "hello", durability=durability)
    await say(graph, "", "a thread without a name")
    await say(graph, "deleted", "one")
    await saver.adelete_thread("deleted")
    assert await problems(database.pool) == []
    told = {(finding.thread_id, finding.kind) for finding in await everything(database)}
    assert told == {
        ("pruned", Kind.LEFT_BRANCHES),
        ("t", Kind.LEFT_BRANCHES),
        ("rolled-back", Kind.LEFT_BRANCHES),
    }


async def test_all_threads_are_verified_however_few_at_a_time(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    for number in range(7):
        await say(graph, f"t{number}", "one")
    await execute(database, "UPDATE conversations SET title = 'x'")
    seen: list[int] = []

    def tell(progress: Progress) -> None:
        seen.append(progress.messages)

    for batch in (1, 2, 7, 100):
        found = [f async for f in verify(database.pool, batch=batch, tell=tell)]
        assert sorted(str(f.thread_id) for f in found) == [f"t{number}" for number in range(7)]
        assert seen[-1] == 28


# Other graphs, and other savers


async def test_threads_of_the_plain_saver_are_told_to_be_not_adopted(
    database: Database, saver: TranscriptSaver
) -> None:
    plain = AsyncPostgresSaver(database.pool)
    await say(chat_graph(plain), "t", "one")
    assert [(f.thread_id, f.kind) for f in await everything(database)] == [("t", Kind.NOT_ADOPTED)]
    late = await plain.aget_tuple(on("t"))
    assert late is not None
    await say(chat_graph(saver), "t", "two")
    assert await everything(database) == []
    # A run of the plain saver that was under way stores a step.
    late.checkpoint["id"] = str(uuid6())
    late.checkpoint["channel_versions"]["messages"] = f"{99:032}.5"
    await plain.aput(late.config, late.checkpoint, late.metadata, {"messages": f"{99:032}.5"})
    assert [(f.thread_id, f.kind) for f in await everything(database)] == [("t", Kind.NOT_ADOPTED)]


async def test_the_messages_of_a_plain_checkpoint_are_compared_with_the_rows_made_of_them(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(AsyncPostgresSaver(database.pool)), "t", "one")
    # The rows are written with the first step of any kind.
    graph = chat_graph(saver)
    await graph.aupdate_state(on("t"), None, as_node="answer")
    await assert_rows_are_the_state(database, graph, "t")
    assert await everything(database) == []
    await execute(
        database,
        "UPDATE conversations SET leaf_id = (SELECT id FROM messages WHERE parent_id IS NULL)",
    )
    assert [found.kind for found in await problems(database.pool)] == [Kind.LEAF]


async def test_threads_that_were_adopted_and_ejected_are_clean(
    database: Database, saver: TranscriptSaver
) -> None:
    plain = chat_graph(AsyncPostgresSaver(database.pool))
    await say(plain, "t", "one")
    first = await plain.aget_state(on("t"))
    await plain.ainvoke({"messages": [("user", "forked")]}, first.config)
    gone = RemoveMessage(REMOVE_ALL_MESSAGES)
    await plain.aupdate_state(on("t"), {"messages": [gone]}, as_node="answer")
    await say(plain, "t", "again")
    done = [one async for one in adopt_threads(database.pool, lambda thread_id, named: "ann")]
    assert sum(one.messages for one in done) == 12
    assert await everything(database) == []
    await say(chat_graph(saver), "t", "two")
    assert await everything(database) == []
    ejected = [one async for one in eject_threads(database.pool, keep_rows=True)]
    assert sum(one.messages for one in ejected) == 0
    assert [one.left for one in ejected] == [None]
    assert await problems(database.pool) == []


async def test_sub_graphs_and_interrupts_are_clean(
    database: Database, saver: TranscriptSaver
) -> None:
    def pause(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("more?"), id="resumed")]}

    inner = StateGraph(MessagesState)
    inner.add_node("ask", ask)
    inner.add_node("pause", pause)
    inner.add_edge(START, "ask")
    inner.add_edge("ask", "pause")
    outer = StateGraph(MessagesState)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    await say(outer.compile(checkpointer=saver), "t", "one")
    spaces = await fetch(database, "SELECT DISTINCT checkpoint_ns FROM checkpoints")
    assert len(spaces) == 2
    assert await everything(database) == []


class Texts(TypedDict):
    messages: list[str]
    other: list[str]


class LastMessages(TypedDict, total=False):
    messages: list[BaseMessage]
    other: list[str]


class NoMessages(TypedDict):
    other: list[str]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (Texts, {"messages": ["text"], "other": []}),
        (LastMessages, {"other": []}),
        (LastMessages, {"messages": [], "other": []}),
        (LastMessages, {"messages": [HumanMessage("one", id="1")], "other": []}),
        (NoMessages, {"other": []}),
    ],
)
async def test_other_graphs_are_clean(
    database: Database, saver: TranscriptSaver, state: type[Any], said: dict[str, Any]
) -> None:
    builder = StateGraph(state)
    builder.add_node("node", lambda state: {"other": ["x"]})
    builder.add_edge(START, "node")
    graph = builder.compile(checkpointer=saver)
    for _ in range(2):
        await graph.ainvoke(said, on("t"))
    assert await everything(database) == []


# Odd messages


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


ODD: list[list[BaseMessage]] = [
    [HumanMessage("\x00 and half a pair \ud800", id="h")],
    [HumanMessage([{"type": "text", "text": "a"}, "b", {"type": "image", "url": "x"}], id="h")],
    [HumanMessage("", id="h"), HumanMessage("  \u00a0 ", id="i")],
    [HumanMessage("word " * 200, id="h")],
    [ChatMessage(content="x", role="critic", id="c"), HumanMessage("y", id="h")],
    [
        AIMessage(
            "",
            id="a",
            tool_calls=[
                {
                    "name": "n\x00",
                    "args": {"f": 1e23, "n": float("nan"), "z": -0.0, "i": 10**15, "t": True},
                    "id": "c\x00",
                },
                {"name": "m", "args": {"k\x00": [None, {}, [1.5, 1e-7]]}, "id": None},
            ],
            invalid_tool_calls=[{"name": "i", "args": "{", "id": "c2", "error": "cut"}],
        ),
        ToolMessage("1", tool_call_id="c\x00", id="1", artifact={"structured_content": [1e23]}),
        ToolMessage("2", tool_call_id="c2", id="2", status="error"),
        ToolMessage("3", tool_call_id="c3", id="3", additional_kwargs={EXECUTED_AT: "yesterday"}),
    ],
    [
        AIMessage("", id="a", tool_calls=[{"name": "n", "args": {"x": 1}, "id": "c"}]),
        AIMessage("", id="b", tool_calls=[{"name": "m", "args": {"y": 1}, "id": "d"}]),
        ToolMessage("late", tool_call_id="c", id="t1"),
        AIMessage("", id="e", tool_calls=[{"name": "n", "args": {"x": 2}, "id": "c"}]),
        ToolMessage("the same id again", tool_call_id="c", id="t2"),
        ToolMessage("in time", tool_call_id="d", id="t3"),
    ],
    [ToolMessage("answers nothing", tool_call_id="c", id="t")],
    # The payload doesn't keep these as they are.
    *(
        [
            AIMessage("", id="a", tool_calls=[{"name": "n", "args": {"x": value}, "id": "c"}]),
            ToolMessage("1", tool_call_id="c", id="1", artifact={"structured_content": [value]}),
        ]
        for value in (Colour.RED, Point(1), HumanMessage("x", id="x"), {1}, date.max)
    ),
    [AIMessage("", id="a", additional_kwargs={"set": {1, 2}, "bytes": b"x", "tuple": (1,)})],
]


@pytest.mark.parametrize("messages", ODD)
async def test_odd_messages_are_clean(
    database: Database, saver: TranscriptSaver, messages: list[BaseMessage]
) -> None:
    def speak(state: MessagesState) -> dict[str, Any]:
        return {"messages": messages}

    graph = chat_graph(saver, speak)
    await say(graph, "t", "hello")
    edited = HumanMessage("edited", id=messages[0].id)
    await graph.aupdate_state(on("t"), {"messages": [edited]}, as_node="speak")
    assert await everything(database) == []


async def test_calls_are_found_though_rows_lie_in_another_order(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "t", "two")
    await execute(database, "UPDATE messages SET created_at = '2020-01-01' WHERE role = 'tool'")
    assert await everything(database) == []
    await execute(
        database,
        "UPDATE messages SET created_at = '2020-01-01'::timestamptz"
        " - (created_at - '2020-01-01'::timestamptz)",
    )
    assert await everything(database) == []


# While others write


async def test_turns_that_are_written_meanwhile_give_no_false_alarm(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    done = asyncio.Event()

    async def talk(thread_id: str) -> None:
        for number in range(6):
            await say(graph, thread_id, f"{number}", config_run=f"{thread_id}-{number}")
        await saver.adelete_for_runs([f"{thread_id}-5"])
        await saver.acopy_thread(thread_id, f"{thread_id}-copy")
        await saver.adelete_thread(thread_id)

    passes = 0

    async def watch() -> None:
        nonlocal passes
        while not done.is_set():
            found = [f async for f in verify(database.pool, batch=2)]
            assert [f for f in found if f.kind is not Kind.LEFT_BRANCHES] == []
            passes += 1

    watching = asyncio.create_task(watch())
    # However slow the machine is, one pass at least is begun and ended meanwhile.
    rounds = 0
    while passes < 2 and not watching.done():
        await asyncio.gather(*(talk(f"t{rounds}-{number}") for number in range(4)))
        rounds += 1
    done.set()
    await watching
    assert await problems(database.pool) == []


# Many


@pytest.mark.timeout(3_600 if LONG else 600)
async def test_memory_has_a_bound_however_long_a_conversation_is(database: Database) -> None:
    await write_conversation(database, "short", 1_000)
    await write_conversation(database, "long", MANY)

    async def peak(thread_id: str) -> int:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert await problems(database.pool, thread_id) == []
        return tracemalloc.get_traced_memory()[1] - before

    await peak("short")
    tracemalloc.start()
    try:
        short, long = await peak("short"), await peak("long")
    finally:
        tracemalloc.stop()
    # What is kept of a call is its id.
    assert long - short < 8 * 2**20 + 400 * MANY
