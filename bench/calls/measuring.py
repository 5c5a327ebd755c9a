"""Calls of each way, one of each after the other, and what was to be reached."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph

from storage.database import Database

from .ways import (
    AGENT,
    PLAIN,
    READ,
    STDIO,
    WRITE,
    Operation,
    Way,
    adding,
    all_ways,
    plainly,
    seconds,
)

#: The agent's time to that of the adapters over stdio, at most.
RATIO = 0.02
#: Milliseconds that the agent's call may take longer than the plain one.
OVERHEAD = 3.0


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    #: Calls of each kind, one after the other.
    calls: int
    #: How often calls are made at the same time, and how many.
    crowds: int
    crowd: int = 32
    #: Calls of each way before those that count: they plan statements, and fill caches.
    warming: int = 3


@dataclass(frozen=True)
class Row:
    """One way to make one call, in milliseconds."""

    operation: str
    way: str
    p50: float
    p95: float
    #: Until all of the calls at once are answered, and how many of them failed.
    crowd: float
    failed: int = 0


class State(TypedDict):
    """Nothing."""

    done: bool


async def measure(
    database: Database,
    url: str,
    amount: Amount,
    operations: Sequence[Operation] = (WRITE, READ),
) -> list[Row]:
    """Measure everything, in a node of a graph that runs: a tool node is to be called in one."""
    found: list[Row] = []

    async def bench(state: State, config: RunnableConfig) -> State:
        await plainly(database)(Operation("", WRITE.tool, adding("Find the needle")))
        async with all_ways(database, url, config) as ways:
            for operation in operations:
                await _measure(ways, operation, amount)
            found.extend(_rows(ways))
        return {"done": True}

    builder = StateGraph(State)
    builder.add_node("bench", bench)
    builder.add_edge(START, "bench")
    thread: RunnableConfig = {"configurable": {"thread_id": "bench"}}
    await builder.compile().ainvoke({"done": False}, thread)
    return found


async def _measure(ways: Sequence[Way], operation: Operation, amount: Amount) -> None:
    for way in ways:
        for _ in range(amount.warming):
            await way.make(operation)
        way.alone[operation.name] = []
        way.crowd[operation.name] = []
        way.failed[operation.name] = 0
    for number in range(amount.calls):
        start = number % len(ways)
        for way in (*ways[start:], *ways[:start]):
            way.alone[operation.name].append(await seconds(way.make(operation)))
    for _ in range(amount.crowds):
        for way in ways:
            calls = [asyncio.ensure_future(way.make(operation)) for _ in range(amount.crowd)]
            way.crowd[operation.name].append(await seconds(asyncio.wait(calls)))
            errors = [error for call in calls if (error := call.exception())]
            if errors and way.name in (PLAIN, AGENT):
                raise errors[0]
            way.failed[operation.name] += len(errors)


def _rows(ways: Sequence[Way]) -> list[Row]:
    return [
        Row(
            name,
            way.name,
            statistics.median(way.alone[name]) * 1e3,
            p95(way.alone[name]) * 1e3,
            statistics.median(way.crowd[name]) * 1e3,
            way.failed[name],
        )
        for name in ways[0].alone
        for way in ways
    ]


def p95(values: Sequence[float]) -> float:
    """What all but one of twenty are below; of one value, that."""
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def verdicts(found: Sequence[Row]) -> list[str]:
    """What was to be reached, and whether it is."""
    said = []
    p50 = {(row.operation, row.way): row.p50 for row in found}
    for name in dict.fromkeys(row.operation for row in found):
        ratio = p50[name, AGENT] / p50[name, STDIO]
        over = p50[name, AGENT] - p50[name, PLAIN]
        for value, bound, words in (
            (ratio, RATIO, f"{ratio:.4f} of the adapters over stdio, at most {RATIO} wanted"),
            (over, OVERHEAD, f"{over:.1f} ms over the plain call, at most {OVERHEAD:g} wanted"),
        ):
            said.append(f"{name}: {words}{'' if value <= bound else ' (missed)'}")
    return said
