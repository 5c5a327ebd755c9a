"""Whatever is done to threads, in any order: the tree shows what LangGraph's memory saver shows."""

import asyncio
import copy
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, StateUpdate

from storage.transcript import is_transcript
from tests.storage.everything import Deed, said
from tests.storage.seen import checkpoints
from tests.storage.side_by_side import Durability, Saver, SideBySide
from tests.storage.support import on

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))

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


class Threads(SideBySide):
    """Some threads, in the tree and in memory."""

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

    @rule(
        name=names, process=processes, durability=durabilities,
        word=st.none() | st.sampled_from("yn"),
    )  # fmt: skip
    def go_on(self, name: str, process: int, durability: Durability, word: str | None) -> None:
        """Resume what was interrupted, with an answer, or what failed."""
        put_in: Any = None if word is None else Command(resume=word)
        self.run_both(name, process, durability, put_in)

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

    def has_much(self) -> bool:
        return max(self.lengths.values()) > 6

    @precondition(has_much)
    @rule(chosen=st.lists(names, unique=True, min_size=1, max_size=3), process=processes)
    def prune(self, chosen: list[str], process: int) -> None:
        self.touched |= set(chosen)
        threads = [self.thread(name) for name in chosen]
        self.both(process, lambda saver: saver.aprune(threads, strategy="keep_latest"))

    @precondition(has_much)
    @rule(
        chosen=st.lists(names, unique=True, min_size=1, max_size=2), process=processes,
        at_once=st.booleans(),
    )  # fmt: skip
    def delete(self, chosen: list[str], process: int, at_once: bool) -> None:
        threads = [self.thread(name) for name in chosen]

        async def do(saver: Saver) -> None:
            if at_once:
                await saver.aprune(threads, strategy="delete")
                return
            for thread_id in threads:
                await saver.adelete_thread(thread_id)

        self.touched |= set(chosen)
        self.both(process, do)


@pytest.mark.timeout(5_400 if LONG else 180)
def test_the_tree_shows_what_the_memory_saver_shows(database_url: str) -> None:
    class OnThisDatabase(Threads):
        url = database_url

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=300 if LONG else 12,
            stateful_step_count=40 if LONG else 25,
            deadline=None,
            # To find the shortest failing sequence takes longer than the test may.
            phases=[phase for phase in Phase if LONG or phase is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
