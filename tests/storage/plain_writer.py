"""Writes threads of every kind with LangGraph's plain savers, whichever version is installed.

`python tests/storage/plain_writer.py URL FILE` runs under old versions too, from an environment of
its own, and needs nothing of this project: that is how `tests/storage/data/` was made. What it
writes is dumped to FILE, for tests to load.
"""

import asyncio
import base64
import gzip
import json
import operator
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psycopg
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.constants import START
from langgraph.graph import MessagesState, StateGraph

try:
    from langgraph.types import Send
except ImportError:  # Before 0.2.50 or so.
    from langgraph.constants import Send  # type: ignore[no-redef]

#: The tables, each with the columns that hold bytes.
TABLES = {
    "checkpoints": (),
    "checkpoint_blobs": ("blob",),
    "checkpoint_writes": ("blob",),
}


class State(MessagesState):
    """Messages, and other things beside them: small ones, large ones, and ones that are summed."""

    notes: Annotated[list[str], operator.add]
    turns: int
    about: dict[str, Any]


class Texts(TypedDict):
    """Has a channel `messages` that holds none."""

    messages: Annotated[list[str], operator.add]


class Counted(TypedDict):
    """Has no channel `messages`."""

    turns: int


def _ask(state: State) -> dict[str, Any]:
    count = len(state["messages"])
    call = {"name": "count", "args": {"count": count}, "id": f"call-{count}"}
    return {
        "messages": [AIMessage("", tool_calls=[call], id=f"ask-{count}")],
        "turns": state.get("turns", 0) + 1,
        "about": {"asked": {"at": count}},
    }


def _answer(state: State) -> dict[str, Any]:
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    told = [
        ToolMessage("counted", tool_call_id=call["id"] or "", id=f"tool-{call['id']}")
        for call in calls
    ]
    number = len(state["messages"])
    return {
        "messages": [*told, AIMessage(f"done at {number}", id=f"say-{number}")],
        "notes": ["answered"],
    }


def _each(state: State) -> list[Send]:
    return [Send("work", {"messages": state["messages"], "about": {"part": n}}) for n in (1, 2)]


def _work(state: State) -> dict[str, Any]:
    part = state["about"]["part"]
    return {"messages": [AIMessage(f"part {part}", id=f"part-{part}")], "notes": [f"part {part}"]}


def _builder() -> Any:
    builder = StateGraph(State)
    builder.add_node("ask", _ask)
    builder.add_node("answer", _answer)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "answer")
    return builder


def chat(saver: BaseCheckpointSaver[Any], **compile: Any) -> Any:
    """A turn: an assistant's call, a tool's answer, an assistant's words."""
    return _builder().compile(checkpointer=saver, **compile)


def sending(saver: BaseCheckpointSaver[Any]) -> Any:
    """Two tasks at once, which are still to be done when it stops."""
    builder = StateGraph(State)
    builder.add_node("ask", _ask)
    builder.add_node("work", _work)
    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", _each, ["work"])
    return builder.compile(checkpointer=saver, interrupt_before=["work"])


def nested(saver: BaseCheckpointSaver[Any]) -> Any:
    """A graph with a sub-graph that has messages of its own, and stops in the middle of it."""
    inner = _builder().compile(interrupt_before=["answer"])
    builder = StateGraph(State)
    builder.add_node("inner", inner)
    builder.add_node("answer", _answer)
    builder.add_edge(START, "inner")
    builder.add_edge("inner", "answer")
    return builder.compile(checkpointer=saver)


def uttering(saver: BaseCheckpointSaver[Any]) -> Any:
    """A graph whose channel `messages` holds texts."""
    builder = StateGraph(Texts)
    builder.add_node("utter", lambda state: {"messages": ["and so on"]})
    builder.add_edge(START, "utter")
    return builder.compile(checkpointer=saver)


def silent(saver: BaseCheckpointSaver[Any]) -> Any:
    """A graph that says nothing."""
    builder = StateGraph(Counted)
    builder.add_node("count", lambda state: {"turns": state["turns"] + 1})
    builder.add_edge(START, "count")
    return builder.compile(checkpointer=saver)


GRAPHS: dict[str, Callable[[BaseCheckpointSaver[Any]], Any]] = {
    "stopped": lambda saver: chat(saver, interrupt_before=["answer"]),
    "sending": sending,
    "nested": nested,
    "texts": uttering,
    "silent": silent,
}


def graph_of(thread_id: str, saver: BaseCheckpointSaver[Any]) -> Any:
    """The graph that wrote a thread."""
    return GRAPHS.get(thread_id.split("-")[0], chat)(saver)


def on(thread_id: str, **configurable: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, **configurable}}


def said(text: str, id: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text, id=id)]}


def write_sync(saver: Any) -> None:
    """The threads that `PostgresSaver` writes."""
    graph = chat(saver)
    for number, text in enumerate(("Buy milk", "And bread", "What is on my list?")):
        graph.invoke(said(text, f"h{number}"), on("turns"))
    graph.invoke(said("Mine", "h0"), on("owned", langgraph_auth_user_id="ada"))
    for number, text in enumerate(("One way", "Another")):
        graph.invoke(said(text, f"h{number}"), on("forked"))
    history = list(graph.get_state_history(on("forked")))
    # From the end of the first turn, twice: with other words, and as it was.
    old = history[-4].config
    graph.invoke(said("A third", "h9"), old)
    graph.invoke(None, history[-3].config)
    graph.update_state(old, {"notes": ["beside it"]}, as_node="answer")
    for thread in ("stopped", "sending", "nested"):
        graph_of(thread, saver).invoke(said(f"Go on, {thread}", "h0"), on(thread))
    uttering(saver).invoke({"messages": ["one"]}, on("texts"))
    silent(saver).invoke({"turns": 3}, on("silent"))
    graph.update_state(on("emptied"), {"messages": [HumanMessage("Gone", id="h0")]}, as_node="ask")
    graph.update_state(on("emptied"), {"messages": [RemoveMessage(id="h0")]}, as_node="ask")


async def write_async(saver: Any) -> None:
    """The threads that `AsyncPostgresSaver` writes."""
    graph = chat(saver)
    for number, text in enumerate(("Write it down", "Once more")):
        await graph.ainvoke(said(text, f"h{number}"), on("edited"))
    # In the middle, at the end, and gone.
    await graph.aupdate_state(on("edited"), said("Write them down", "h0"), as_node="ask")
    await graph.aupdate_state(on("edited"), {"messages": [RemoveMessage(id="say-6")]})
    await graph.ainvoke(said("Thanks", "h2"), on("edited"))
    await graph.ainvoke(said("Nul \x00, naïve ☂ 😀", "h0"), on("characters"))
    if version("langgraph-checkpoint") < "2.0.20":
        # Half of a surrogate pair, which only versions before that could write, as JSON.
        await graph.ainvoke(said("Half \ud83d", "h0"), on("halved"))


async def _write_async(url: str) -> None:
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await write_async(saver)


def write(url: str) -> None:
    """Make the tables, where they are not there yet, and write every thread."""
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        write_sync(saver)
    asyncio.run(_write_async(url))


def dump(url: str) -> dict[str, Any]:
    """The rows of LangGraph's tables, in a form that JSON has."""
    with psycopg.connect(url) as connection:
        found: dict[str, Any] = {
            table: [row for (row,) in connection.execute(_SELECT.format(table=table))]
            for table in TABLES
        }
    for table, binary in TABLES.items():
        for row in found[table]:
            for column in binary:
                if row[column] is not None:
                    # Postgres shows bytes as \x and their hexadecimal digits.
                    data = bytes.fromhex(row[column].removeprefix("\\x"))
                    row[column] = base64.b64encode(data).decode()
    return {
        "versions": {
            name: version(name)
            for name in ("langgraph", "langgraph-checkpoint", "langgraph-checkpoint-postgres")
        },
        **found,
    }


_SELECT = 'SELECT to_jsonb(t) FROM {table} t ORDER BY t::text COLLATE "C"'


def main(url: str, file: str) -> None:
    write(url)
    text = json.dumps(dump(url), separators=(",", ":"))
    Path(file).write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
