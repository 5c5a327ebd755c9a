"""Turns of four messages on a thread of a given length, by both savers in alternation."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from psycopg_pool import AsyncConnectionPool

from storage.checkpointer import TranscriptSaver
from storage.database import connect
from storage.settings import DatabaseSettings

HISTORY = 70

# Texts like people's, which compress as such texts do; the same in every run.
chance = random.Random(1)
SYLLABLES = [first + vowel for first in "bdfghklmnprstvwz" for vowel in ("a", "e", "i", "o", "un")]
VOCABULARY = ["".join(chance.choices(SYLLABLES, k=chance.choice((1, 2, 2, 3)))) for _ in range(900)]


def words(count: int) -> str:
    """So many words of no meaning."""
    return " ".join(chance.choices(VOCABULARY, k=count))


MakeSaver = Callable[[AsyncConnectionPool[Any]], BaseCheckpointSaver[Any]]
Graph = CompiledStateGraph[Any, Any, Any, Any]


@dataclass
class Measured:
    """What one saver took: seconds and bytes, one entry for each repetition."""

    turn: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)
    warm_state: list[float] = field(default_factory=list)
    cold_state: list[float] = field(default_factory=list)
    history: list[float] = field(default_factory=list)

    @property
    def turns(self) -> int:
        return len(self.turn)


def _said(text: str, **more: Any) -> AIMessage:
    """A model's message, with what a provider's client puts into it."""
    asked, answered = chance.randint(400, 9_000), chance.randint(20, 300)
    return AIMessage(
        text,
        id=f"lc_run--{uuid4()}",
        response_metadata={
            "token_usage": {
                "completion_tokens": answered,
                "prompt_tokens": asked,
                "total_tokens": asked + answered,
                "completion_tokens_details": {
                    "accepted_prediction_tokens": 0,
                    "audio_tokens": 0,
                    "reasoning_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
                "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            },
            "model_provider": "openai",
            "model_name": "gpt-5-mini-2025-08-07",
            "system_fingerprint": f"fp_{uuid4().hex[:10]}",
            "id": f"chatcmpl-{uuid4().hex}",
            "service_tier": "default",
            "finish_reason": "tool_calls" if more else "stop",
            "logprobs": None,
        },
        usage_metadata={
            "input_tokens": asked,
            "output_tokens": answered,
            "total_tokens": asked + answered,
            "input_token_details": {"audio": 0, "cache_read": 0},
            "output_token_details": {"audio": 0, "reasoning": 0},
        },
        **more,
    )


def _ask(state: MessagesState) -> dict[str, Any]:
    call = {"name": "add_task", "args": {"title": words(6)}, "id": f"call_{uuid4().hex}"}
    return {"messages": [_said("", tool_calls=[call])]}


def _call(state: MessagesState) -> dict[str, Any]:
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    return {"messages": [ToolMessage(words(40), tool_call_id=last.tool_calls[0]["id"])]}


def _say(state: MessagesState) -> dict[str, Any]:
    return {"messages": [_said(words(40))]}


def _graph(saver: BaseCheckpointSaver[Any]) -> Graph:
    builder = StateGraph(MessagesState)
    for name, node in (("ask", _ask), ("call", _call), ("say", _say)):
        builder.add_node(name, node)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "call")
    builder.add_edge("call", "say")
    return builder.compile(checkpointer=saver)


def _talk(length: int) -> list[AnyMessage]:
    """A conversation of so many messages, to begin with."""
    return [
        HumanMessage(words(12)) if number % 2 == 0 else _said(words(40)) for number in range(length)
    ]


async def _timed(action: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


class _Contender:
    """One saver, its thread, and what it has taken so far."""

    def __init__(self, name: str, make: MakeSaver, pool: AsyncConnectionPool[Any]) -> None:
        self.make, self.pool = make, pool
        self.graph = _graph(make(pool))
        self.config: RunnableConfig = {"configurable": {"thread_id": f"{name}-{uuid4()}"}}
        self.measured = Measured()

    async def fill(self, length: int) -> None:
        await self.graph.aupdate_state(self.config, {"messages": _talk(length)}, as_node="say")

    async def turn(self) -> None:
        question = {"messages": [HumanMessage(words(12))]}
        before = await self._wal()
        self.measured.turn.append(
            await _timed(lambda: self.graph.ainvoke(question, self.config, durability="sync"))
        )
        self.measured.wal.append(await self._wal() - before)

    async def warm_state(self) -> None:
        self.measured.warm_state.append(await _timed(lambda: self.graph.aget_state(self.config)))

    async def cold_state(self) -> None:
        graph = _graph(self.make(self.pool))
        self.measured.cold_state.append(await _timed(lambda: graph.aget_state(self.config)))

    async def history(self) -> None:
        async def read() -> None:
            async for _ in self.graph.aget_state_history(self.config, limit=HISTORY):
                pass

        self.measured.history.append(await _timed(read))

    async def _wal(self) -> float:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
            )
            row = await cursor.fetchone()
        assert row is not None
        return float(row[0])


async def measure(url: str, length: int, turns: int) -> tuple[Measured, Measured]:
    """The plain saver's measurements and the tree's, on threads of `length` messages."""
    async with connect(url, DatabaseSettings(database_url=None, prepare=True)) as database:
        plain = _Contender("plain", lambda pool: AsyncPostgresSaver(pool), database.pool)
        tree = _Contender("tree", lambda pool: TranscriptSaver(pool), database.pool)
        both = (plain, tree)
        for contender in both:
            await contender.fill(length)
            # The first turn plans statements and fills caches.
            await contender.turn()
            contender.measured = Measured()
        for number in range(turns):
            for action in ("turn", "warm_state", "cold_state"):
                for contender in both if number % 2 == 0 else reversed(both):
                    await getattr(contender, action)()
        for _ in range(max(3, turns // 3)):
            for contender in both:
                await contender.history()
    return plain.measured, tree.measured
