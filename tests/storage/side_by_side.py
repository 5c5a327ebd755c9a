"""The tree and LangGraph's memory saver, driven side by side.

The tree is driven through two savers on one database, as two processes would have it, so that no
cache may be trusted too much; a third one, which has seen nothing yet, reads.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Literal, TypeVar
from uuid import uuid4

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from langchain_core.runnables import RunnableConfig

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from tests.storage.everything import Deed, Kind, Plan, graphs
from tests.storage.reference import ReferenceSaver
from tests.storage.seen import assert_same, seen, states
from tests.storage.support import Graph, assert_tree_is_whole, fetch, on

Durability = Literal["sync", "async", "exit"]
Saver = TranscriptSaver | ReferenceSaver
T = TypeVar("T")

#: Threads, and what kind of graph each begins with. Copies take the names that are free.
KINDS: dict[str, Kind] = {"a": "chat", "b": "chat", "c": "raw", "d": "texts", "e": "mixed"}

ROWS = """
    WITH rows AS (
        SELECT c.thread_id, c::text AS row FROM conversations c
        UNION ALL SELECT c.thread_id, m::text FROM messages m
            JOIN conversations c ON c.id = m.conversation_id
        UNION ALL SELECT thread_id, t::text FROM checkpoints t
        UNION ALL SELECT thread_id, t::text FROM checkpoint_blobs t
        UNION ALL SELECT thread_id, t::text FROM checkpoint_writes t
    )
    SELECT thread_id, md5(string_agg(row, '' ORDER BY row)) AS digest FROM rows
    WHERE thread_id = ANY(%s) GROUP BY thread_id
"""


class SideBySide(RuleBasedStateMachine):
    """Some threads, in the tree and in memory."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = connect(self.url)
        self.database: Database = self.await_(self.opened.__aenter__())
        self.memory = ReferenceSaver()
        self.example = uuid4().hex
        self.kinds = dict(KINDS)
        self.numbers = 0
        #: How many checkpoints of its root graph a thread has.
        self.lengths = dict.fromkeys(KINDS, 0)
        #: What the rows of each thread were after the step before.
        self.stored: dict[str, str] = {}
        #: The threads that the last step may have changed.
        self.touched: set[str] = set()

    @initialize(cache_bytes=st.sampled_from([0, 6_000, 2**26]))
    def open(self, cache_bytes: int) -> None:
        async def savers() -> list[TranscriptSaver]:
            return [
                TranscriptSaver(self.database.pool),
                TranscriptSaver(self.database.pool, cache_bytes=cache_bytes),
            ]

        self.processes = self.await_(savers())
        self.graphs = {saver: graphs(saver) for saver in (self.memory, *self.processes)}

    def teardown(self) -> None:
        self.await_(self.opened.__aexit__(None, None, None))
        self.runner.close()

    # How both are done the same to

    def await_(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def thread(self, name: str) -> str:
        return f"{self.example}-{name}"

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def graph(self, saver: Saver, name: str) -> Graph:
        return self.graphs[saver][self.kinds[name]]

    async def place(self, saver: Saver, name: str, back: int) -> RunnableConfig:
        """The config of one of a thread's checkpoints."""
        found = [item async for item in saver.alist(on(self.thread(name), checkpoint_ns=""))]
        return found[back % len(found)].config

    def both(self, process: int, do: Callable[[Saver], Awaitable[Any]]) -> None:
        """Do it to the tree and to the memory. What one refuses, the other has to refuse."""

        async def outcome(saver: Saver) -> str:
            try:
                await do(saver)
            except AssertionError:
                raise
            except Exception as error:
                return type(error).__name__
            return "done"

        async def compare() -> str:
            ours = await outcome(self.processes[process])
            theirs = await outcome(self.memory)
            assert ours == theirs
            return ours

        event(self.await_(compare()))

    def run_both(
        self,
        name: str,
        process: int,
        durability: Durability,
        put_in: Any,
        *,
        back: int | None = None,
        broken: bool = False,
    ) -> None:
        run = f"run {self.number()} of {self.example}"

        async def do(saver: Saver) -> None:
            config = on(self.thread(name))
            if back is not None:
                config = await self.place(saver, name, back)
            config = on(**{**config["configurable"], "broken": broken})
            config["metadata"] = {"run_id": run}
            # Each has objects of its own, since nodes may change them.
            given = copy.deepcopy(put_in)
            await self.graph(saver, name).ainvoke(given, config, durability=durability)

        self.touched.add(name)
        self.both(process, do)

    def plan(self, deed: Deed, times: int) -> Plan:
        return Plan(deed=deed, number=self.number(), times=times)

    def update_both(
        self,
        name: str,
        process: int,
        back: int | None,
        node: str | None,
        values: Callable[[list[Any]], dict[str, Any] | None],
    ) -> None:
        """Change the state by hand: `values` makes the change from the messages there are."""

        async def do(saver: Saver) -> None:
            graph = self.graph(saver, name)
            config = on(self.thread(name))
            if back is not None:
                config = await self.place(saver, name, back)
            state = await graph.aget_state(config)
            change = values(state.values.get("messages", []))
            if change is not None:
                await graph.aupdate_state(config, copy.deepcopy(change), as_node=node)

        self.touched.add(name)
        self.both(process, do)

    # What has to be true after each of them

    @invariant()
    def the_tree_shows_what_the_memory_shows(self) -> None:
        touched, self.touched = self.touched, set()
        self.await_(self.compare(touched))

    async def compare(self, touched: set[str]) -> None:
        rows = await self.rows()
        for name in self.kinds.keys() - touched:
            # What nothing was done to shows what it showed, and is as whole as it was.
            assert rows.get(self.thread(name)) == self.stored.get(self.thread(name))
        self.stored = rows
        for name in sorted(touched):
            await self.compare_thread(name)

    async def compare_thread(self, name: str) -> None:
        thread_id, kind = self.thread(name), self.kinds[name]
        expected = await seen(self.memory, thread_id)
        self.lengths[name] = sum(item["place"].startswith(" #") for item in expected)
        fresh = TranscriptSaver(self.database.pool)
        for saver in (fresh, *self.processes):
            assert_same(await seen(saver, thread_id), expected)
        reader = self.processes[self.numbers % 2]
        assert_same(
            await states(reader, self.graphs[reader][kind], thread_id),
            await states(self.memory, self.graphs[self.memory][kind], thread_id),
        )
        await assert_tree_is_whole(self.database, fresh, thread_id)

    async def rows(self) -> dict[str, str]:
        """A digest of all the rows of each thread that has some."""
        threads = [self.thread(name) for name in self.kinds]
        found = await fetch(self.database, ROWS, threads)
        return {row["thread_id"]: row["digest"] for row in found}
