"""Whatever is done to threads, in any order: the tree shows what LangGraph's memory saver shows.

The two are driven side by side. The tree is driven through two savers on one database, as two
processes would have it, so that no cache may be trusted too much; a third one, which has seen
nothing yet, reads.
"""

import asyncio
import copy
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Literal, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, StateUpdate

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from storage.transcript import is_transcript
from tests.storage.everything import Deed, Kind, Plan, graphs, said
from tests.storage.reference import ReferenceSaver
from tests.storage.seen import assert_same, checkpoints, seen, states
from tests.storage.support import Graph, assert_tree_is_whole, on

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))

Durability = Literal["sync", "async", "exit"]
Saver = TranscriptSaver | ReferenceSaver
T = TypeVar("T")

#: Threads, and what kind of graph each begins with. Copies take the names that are free.
KINDS: dict[str, Kind] = {"a": "chat", "b": "chat", "c": "raw", "d": "texts", "e": "mixed"}
names = st.sampled_from(["a", "a", "b", "b", "c", "d", "e"])
processes = st.integers(0, 1)
durabilities = st.sampled_from(["sync", "async", "exit"])
#: Which message, checkpoint or run, counted from the end and around.
places = st.integers(0, 30)
deeds = st.sampled_from(
    [
        "ask", "ask", "ask", "delegate", "approve", "scribble", "blocks", "twins", "rewrite",
        "forget", "nothing",
    ]
)  # fmt: skip
nodes = st.sampled_from([None, "answer", "ask", "tool", "nothing"])


def safe(durability: Durability, deed: Deed) -> Durability:
    """A durability in which it is sure what is stored: a message that a node changes in place may
    be changed while it is being stored, or before."""
    return "sync" if deed == "scribble" and durability == "async" else durability


class Threads(RuleBasedStateMachine):
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

    # What is done

    @rule(
        name=names, process=processes, durability=durabilities, deed=deeds,
        times=st.integers(1, 3), broken=st.booleans(),
    )  # fmt: skip
    def run(
        self, name: str, process: int, durability: Durability, deed: Deed, times: int, broken: bool
    ) -> None:
        durability = safe(durability, deed)
        put_in = said(self.kinds[name], self.plan(deed, times))
        self.run_both(name, process, durability, put_in, broken=broken)

    @rule(
        process=processes, durability=durabilities, deed=deeds, times=st.integers(1, 3),
        chosen=st.lists(names, min_size=2, max_size=4, unique=True),
    )  # fmt: skip
    def run_several_at_once(
        self, process: int, durability: Durability, deed: Deed, times: int, chosen: list[str]
    ) -> None:
        durability = safe(durability, deed)
        inputs = {name: said(self.kinds[name], self.plan(deed, times)) for name in chosen}

        async def do(saver: Saver) -> None:
            await asyncio.gather(
                *(
                    self.graph(saver, name).ainvoke(
                        copy.deepcopy(put_in), on(self.thread(name)), durability=durability
                    )
                    for name, put_in in inputs.items()
                )
            )

        self.touched |= set(chosen)
        self.both(process, do)

    @rule(name=names, process=processes, durability=durabilities, word=st.sampled_from("yn"))
    def resume(self, name: str, process: int, durability: Durability, word: str) -> None:
        self.run_both(name, process, durability, Command(resume=word))

    @rule(name=names, process=processes, durability=durabilities)
    def go_on(self, name: str, process: int, durability: Durability) -> None:
        self.run_both(name, process, durability, None)

    def has_some(self) -> bool:
        return any(self.lengths.values())

    def some(self, name: str) -> str:
        """This thread if it has checkpoints, else another that has."""
        return name if self.lengths[name] else max(self.lengths, key=self.lengths.__getitem__)

    @precondition(has_some)
    @rule(
        name=names, process=processes, durability=st.sampled_from(["sync", "exit"]), deed=deeds,
        times=st.integers(1, 3), back=places,
    )  # fmt: skip
    def fork(
        self, name: str, process: int, durability: Durability, deed: Deed, times: int, back: int
    ) -> None:
        name = self.some(name)
        put_in = said(self.kinds[name], self.plan(deed, times))
        self.run_both(name, process, durability, put_in, back=back)

    @precondition(has_some)
    @rule(name=names, process=processes, durability=st.sampled_from(["sync", "exit"]), back=places)
    def replay(self, name: str, process: int, durability: Durability, back: int) -> None:
        self.run_both(self.some(name), process, durability, None, back=back)

    @precondition(has_some)
    @rule(
        name=names, process=processes, which=places, node=nodes,
        back=st.none() | places, by=st.sampled_from([HumanMessage, AIMessage]),
    )  # fmt: skip
    def edit(
        self, name: str, process: int, which: int, node: str | None, back: int | None,
        by: type[HumanMessage] | type[AIMessage],
    ) -> None:  # fmt: skip
        text = f"edited {self.number()}"

        def change(messages: list[Any]) -> dict[str, Any] | None:
            if not is_transcript(messages):
                return None
            return {"messages": [by(text, id=messages[-1 - which % len(messages)].id)]}

        self.update_both(self.some(name), process, back, node, change)

    @precondition(has_some)
    @rule(name=names, process=processes, which=places, node=nodes, back=st.none() | places)
    def remove(
        self, name: str, process: int, which: int, node: str | None, back: int | None
    ) -> None:
        def change(messages: list[Any]) -> dict[str, Any] | None:
            if not is_transcript(messages):
                return None
            return {"messages": [RemoveMessage(str(messages[-1 - which % len(messages)].id))]}

        self.update_both(self.some(name), process, back, node, change)

    @precondition(has_some)
    @rule(name=st.sampled_from("ab"), process=processes, node=nodes, more=st.booleans())
    def clear(self, name: str, process: int, node: str | None, more: bool) -> None:
        after = [HumanMessage("anew", id=f"anew-{self.number()}")] if more else []
        change = {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *after]}
        self.update_both(name, process, None, node, lambda messages: change)

    @rule(name=names, process=processes, node=nodes, back=st.none() | places)
    def change_what_is_beside(
        self, name: str, process: int, node: str | None, back: int | None
    ) -> None:
        back = back if self.lengths[name] else None
        change = {"total": 7, "notes": {"by hand": self.number()}}
        self.update_both(name, process, back, node, lambda messages: change)

    @rule(name=st.sampled_from("ab"), process=processes, times=st.integers(1, 3))
    def import_steps(self, name: str, process: int, times: int) -> None:
        steps = [
            [StateUpdate(said("chat", self.plan("nothing", 1)), "__input__")]
            if number == 0
            else [
                StateUpdate({"messages": [AIMessage("was said", id=f"{self.number()}")]}, "answer")
            ]
            for number in range(times + 1)
        ]

        async def do(saver: Saver) -> None:
            await self.graph(saver, name).abulk_update_state(
                on(self.thread(name)), copy.deepcopy(steps)
            )

        self.touched.add(name)
        self.both(process, do)

    @precondition(has_some)
    @rule(name=names, process=processes, which=st.lists(places, min_size=1, max_size=2))
    def take_runs_back(self, name: str, process: int, which: list[int]) -> None:
        name = self.some(name)

        async def do(saver: Saver) -> None:
            found = await checkpoints(saver, self.thread(name))
            chosen = [found[back % len(found)].metadata.get("run_id") for back in which]
            await saver.adelete_for_runs([run for run in chosen if run is not None])

        self.touched.add(name)
        self.both(process, do)

    @precondition(has_some)
    @rule(name=names, process=processes)
    def copy_thread(self, name: str, process: int) -> None:
        name = self.some(name)
        free = [other for other, length in self.lengths.items() if not length]
        if not free:
            return
        # The kind of graph goes with the thread.
        target = free[0]
        self.kinds[target] = self.kinds[name]
        source_id, target_id = self.thread(name), self.thread(target)

        async def do(saver: Saver) -> None:
            if saver is not self.memory:
                # A conversation may be left of a thread that has no checkpoint any more.
                await saver.adelete_thread(target_id)
            await saver.acopy_thread(source_id, target_id)

        self.touched |= {name, target}
        self.both(process, do)

    @rule(chosen=st.lists(names, unique=True, min_size=1, max_size=3), process=processes)
    def prune(self, chosen: list[str], process: int) -> None:
        self.touched |= set(chosen)
        threads = [self.thread(name) for name in chosen]
        self.both(process, lambda saver: saver.aprune(threads, strategy="keep_latest"))

    @rule(chosen=st.lists(names, unique=True, min_size=1, max_size=2), process=processes)
    def prune_whole(self, chosen: list[str], process: int) -> None:
        self.touched |= set(chosen)
        threads = [self.thread(name) for name in chosen]
        self.both(process, lambda saver: saver.aprune(threads, strategy="delete"))

    @rule(name=names, process=processes)
    def delete(self, name: str, process: int) -> None:
        self.touched.add(name)
        self.both(process, lambda saver: saver.adelete_thread(self.thread(name)))

    # What has to be true after each of them

    @invariant()
    def the_tree_shows_what_the_memory_shows(self) -> None:
        touched, self.touched = self.touched, set()
        self.await_(self.compare(touched))

    async def compare(self, touched: set[str]) -> None:
        fresh = TranscriptSaver(self.database.pool)
        for name, kind in self.kinds.items():
            thread_id = self.thread(name)
            expected = await seen(self.memory, thread_id)
            self.lengths[name] = sum(item["place"].startswith(" #") for item in expected)
            assert_same(await seen(fresh, thread_id), expected)
            if name not in touched:
                continue
            for saver in self.processes:
                assert_same(await seen(saver, thread_id), expected)
            reader = self.processes[self.numbers % 2]
            assert_same(
                await states(reader, self.graphs[reader][kind], thread_id),
                await states(self.memory, self.graphs[self.memory][kind], thread_id),
            )
            await assert_tree_is_whole(self.database, fresh, thread_id)


@pytest.mark.timeout(5_400 if LONG else 180)
def test_the_tree_shows_what_the_memory_saver_shows(database_url: str) -> None:
    class OnThisDatabase(Threads):
        url = database_url

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=300 if LONG else 12,
            stateful_step_count=40 if LONG else 20,
            deadline=None,
            # To find the shortest failing sequence takes longer than the test may.
            phases=[phase for phase in Phase if LONG or phase is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
