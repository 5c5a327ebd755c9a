"""A process that talks on several threads at once until it is killed, and operates on others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.graph import MessagesState

from storage.database import Database, connect
from storage.settings import DatabaseSettings
from tests.storage.forking import serve, tell
from tests.storage.support import chat_graph
from tests.storage.talking import Conversations, Tell, calling, items, turn


def answer(messages: list[BaseMessage]) -> AIMessage:
    """Add tasks, complete one of them, and say so."""
    said, since = turn(messages)
    subject = str(said.id)
    results = [message for message in since if isinstance(message, ToolMessage)]
    if not results:
        titles = [f"{subject} {number}" for number in range(3)]
        adding = [("add_tasks", {"tasks": [{"title": title}]}) for title in titles]
        return calling(subject, "adds", *adding)
    if len(results) == 3 and results[0].status == "success":
        [added] = items(results[0])
        return calling(
            subject, "completes", ("complete_tasks", {"tasks": [added["task"]["number"]]})
        )
    return AIMessage("Done.", id=f"{subject} says")


class Talks(Conversations):
    """Conversations that go on until the process is killed."""

    def __init__(self, database: Database, tell: Tell) -> None:
        super().__init__(
            database,
            answer,
            tell,
            # Threads that are operated on lose messages.
            kept=lambda thread_id, _: thread_id.startswith("chat"),
        )

    async def chat(self, thread_id: str, turns: int | None = None) -> None:
        """Go on where the thread was left, and then say something again and again."""
        await self.resume(thread_id)
        while turns is None or turns > 0:
            turns = None if turns is None else turns - 1
            await self.say(thread_id, _hello(thread_id))

    async def operate(self) -> None:
        """Copy threads, take back their runs, prune and delete them."""
        # Without tools, so that most of the time goes into this.
        graph = chat_graph(self.saver, _reply)
        while True:
            source, copy = f"source {uuid4()}", f"copy {uuid4()}"
            runs = [str(uuid4()), str(uuid4())]
            first = await self.say(source, _hello(source), graph=graph, run_id=runs[0])
            both = await self.say(source, _hello(source), graph=graph, run_id=runs[1])
            self._tell("allows", copy, [both, []])
            await self.saver.acopy_thread(source, copy)
            self._tell("allows", copy, [both])
            self._tell("allows", source, [both, first])
            await self.saver.adelete_for_runs([runs[1]])
            self._tell("allows", source, [first])
            await self.saver.aprune([source], strategy="keep_latest")
            self._tell("allows", source, [first, []])
            await self.saver.adelete_thread(source)
            self._tell("allows", source, [[]])


def _hello(thread_id: str) -> HumanMessage:
    return HumanMessage("hello", id=f"{thread_id}:{uuid4().hex[:8]}")


def _reply(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Hello.", id=f"{state['messages'][-1].id} reply")]}


@asynccontextmanager
async def conversations(database: Database, tell: Tell) -> AsyncIterator[Talks]:
    """The agent on a database, its session with the tools closed at the end."""
    talks = Talks(database, tell)
    try:
        yield talks
    finally:
        await talks.aclose()


async def _warm_up(uri: str) -> None:
    async with connect(uri) as database, conversations(database, tell) as talks:
        await talks.chat("chat first", turns=1)


async def _work(uri: str, threads: list[str]) -> None:
    settings = DatabaseSettings(pool_size=8)
    async with connect(uri, settings) as database, conversations(database, tell) as talks:
        work: list[Awaitable[None]] = [talks.chat(thread_id) for thread_id in threads]
        await asyncio.gather(*work, talks.operate())


if __name__ == "__main__":
    serve(_warm_up, _work)
