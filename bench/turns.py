"""Turns of four messages on a thread of a given length, by every saver in alternation."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypedDict
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import _messages_delta_reducer
from langgraph.graph.state import CompiledStateGraph
from psycopg_pool import AsyncConnectionPool

from bench.messages import asked, conversation, said, words
from storage.checkpointer import TranscriptSaver

HISTORY = 70

Graph = CompiledStateGraph[Any, Any, Any, Any]


class DeltaState(TypedDict):
    """The state of a graph that stores what was added to its messages, as LangGraph's beta does."""

    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]


@dataclass(frozen=True)
class Kind:
    """What is compared: a saver, and the state that it is given."""

    name: str
    saver: Callable[[AsyncConnectionPool[Any]], BaseCheckpointSaver[Any]]
    state: type = MessagesState


PLAIN = Kind("plain saver", AsyncPostgresSaver)
DELTA = Kind("with DeltaChannel", AsyncPostgresSaver, DeltaState)
TREE = Kind("transcript tree", TranscriptSaver)
KINDS = (PLAIN, DELTA, TREE)


@dataclass
class Measured:
    """What one saver took: seconds and bytes, one entry for each repetition."""

    turn: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)
    warm_state: list[float] = field(default_factory=list)
    cold_state: list[float] = field(default_factory=list)
    history: list[float] = field(default_factory=list)


def _ask(state: MessagesState) -> dict[str, Any]:
    call = {"name": "add_task", "args": {"title": words(6)}, "id": f"call_{uuid4().hex}"}
    return {"messages": [said("", tool_calls=[call])]}


def _call(state: MessagesState) -> dict[str, Any]:
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    return {"messages": [ToolMessage(words(40), tool_call_id=last.tool_calls[0]["id"])]}


def _say(state: MessagesState) -> dict[str, Any]:
    return {"messages": [said(words(40))]}


def turn_graph(state: type, saver: BaseCheckpointSaver[Any] | None) -> Graph:
    """A graph whose turn is a question, a call, its result and an answer."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    for name, node in (("ask", _ask), ("call", _call), ("say", _say)):
        builder.add_node(name, node, input_schema=state)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "call")
    builder.add_edge("call", "say")
    return builder.compile(checkpointer=saver)


async def timed(action: Callable[[], Awaitable[Any]]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


class Contender:
    """One saver, its thread, and what it has taken so far."""

    def __init__(self, kind: Kind, pool: AsyncConnectionPool[Any]) -> None:
        self.kind, self.pool = kind, pool
        self.graph = turn_graph(kind.state, kind.saver(pool))
        self.config: RunnableConfig = {"configurable": {"thread_id": str(uuid4())}}
        self.measured = Measured()

    async def fill(self, length: int) -> None:
        """A conversation of so many messages, to begin with, and a turn to warm up."""
        said = {"messages": conversation(length)}
        await self.graph.aupdate_state(self.config, said, as_node="say")
        # It plans statements and fills caches.
        await self.turn()
        self.measured = Measured()

    async def turn(self) -> None:
        """A turn, with durability sync, and the log that it writes."""
        question = {"messages": [asked()]}
        before = await self._wal()
        self.measured.turn.append(
            await timed(lambda: self.graph.ainvoke(question, self.config, durability="sync"))
        )
        self.measured.wal.append(await self._wal() - before)

    async def warm_state(self) -> None:
        """The state, by a process that knows the thread."""
        self.measured.warm_state.append(await timed(lambda: self.graph.aget_state(self.config)))

    async def cold_state(self) -> None:
        """The state, by a process that has never seen the thread."""
        graph = turn_graph(self.kind.state, self.kind.saver(self.pool))
        self.measured.cold_state.append(await timed(lambda: graph.aget_state(self.config)))

    async def history(self) -> None:
        """The last checkpoints."""

        async def read() -> None:
            async for _ in self.graph.aget_state_history(self.config, limit=HISTORY):
                pass

        self.measured.history.append(await timed(read))

    async def _wal(self) -> float:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
            )
            row = await cursor.fetchone()
        assert row is not None
        return float(row[0])


async def measure(
    pool: AsyncConnectionPool[Any], length: int, turns: int, *, reading: bool = True
) -> dict[Kind, Measured]:
    """Each saver's measurements, on threads of `length` messages."""
    contenders = [Contender(kind, pool) for kind in KINDS]
    for contender in contenders:
        await contender.fill(length)
    actions = ("turn", "warm_state", "cold_state") if reading else ("turn",)
    for number in range(turns):
        start = number % len(contenders)
        for action in actions:
            for contender in contenders[start:] + contenders[:start]:
                await getattr(contender, action)()
    if reading:
        for _ in range(max(3, turns // 5)):
            for contender in contenders:
                await contender.history()
    return {contender.kind: contender.measured for contender in contenders}


async def graph_alone(length: int, turns: int) -> list[float]:
    """Seconds of the same turn without any saver: what is LangGraph's own share."""
    graph = turn_graph(MessagesState, None)
    taken = []
    for _ in range(turns):
        messages = {"messages": [*conversation(length), asked()]}
        taken.append(await timed(partial(graph.ainvoke, messages)))
    return taken
