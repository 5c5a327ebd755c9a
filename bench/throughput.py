"""Turns per second with many threads at once in one process."""

import asyncio
from typing import Any
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from psycopg_pool import AsyncConnectionPool

from bench.messages import asked, conversation
from bench.turns import KINDS, Graph, Kind, timed, turn_graph

THREADS = 32


class _Crowd:
    """Threads of one saver, which all have a turn at once."""

    def __init__(self, kind: Kind, pool: AsyncConnectionPool[Any]) -> None:
        self.graph: Graph = turn_graph(kind.state, kind.saver(pool))
        self.configs: list[RunnableConfig] = [
            {"configurable": {"thread_id": str(uuid4())}} for _ in range(THREADS)
        ]

    async def fill(self, length: int) -> None:
        for config in self.configs:
            said = {"messages": conversation(length)}
            await self.graph.aupdate_state(config, said, as_node="say")

    async def turn(self) -> None:
        await asyncio.gather(
            *(
                self.graph.ainvoke({"messages": [asked()]}, config, durability="sync")
                for config in self.configs
            )
        )


async def throughput(
    pool: AsyncConnectionPool[Any], length: int, rounds: int
) -> dict[Kind, list[float]]:
    """Turns per second of each saver, an entry for each round."""
    crowds = {kind: _Crowd(kind, pool) for kind in KINDS}
    for crowd in crowds.values():
        await crowd.fill(length)
        await crowd.turn()
    taken: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        start = number % len(KINDS)
        for kind in KINDS[start:] + KINDS[:start]:
            taken[kind].append(THREADS / await timed(crowds[kind].turn))
    return taken
