"""A process that has tasks changed on several threads at once, and is killed at some call.

The turns: `work` adds tasks in two batches and a list, then completes, changes and deletes them;
`undo` takes back the turn before.
"""

import asyncio
import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from graph.toolbox import Toolbox
from storage.database import Database, connect
from storage.settings import DatabaseSettings
from tests.storage.forking import serve, tell
from tests.storage.talking import Conversations, Tell, calling, items, turn

WORK, UNDO = "work", "undo"
#: How many calls of a turn `work` change something, before one that looks at it.
WRITES = 6
#: Which call the one of `undo` is, right after that.
UNDOES = WRITES + 2


@dataclass(frozen=True)
class Kill:
    """At which instant a process kills itself."""

    #: The call before or after which it does: the first that it makes is 1.
    call: int
    #: Whether the change is committed, and only its answer not yet stored.
    committed: bool
    #: Seconds that pass from there.
    delay: float = 0


@dataclass(frozen=True)
class Talk:
    """What a process does until it is killed."""

    threads: Sequence[str]
    #: What is said on each thread; none: anything, for ever.
    words: Sequence[str] | None = None
    #: Whether a turn that was begun is ended first. Else new words may come in between.
    resume: bool = True
    kill: Kill | None = None


class Deadly:
    """A toolbox whose process kills itself at a call."""

    def __init__(self, toolbox: Toolbox, kill: Kill) -> None:
        self._toolbox, self._kill = toolbox, kill
        self._calls = {False: 0, True: 0}

    async def tools(self) -> Sequence[BaseTool]:
        return [self._deadly(tool) for tool in await self._toolbox.tools()]

    def _deadly(self, tool: BaseTool) -> BaseTool:
        assert isinstance(tool, StructuredTool)
        call = tool.coroutine
        assert call is not None

        @wraps(call)
        async def kill_around(*args: Any, **arguments: Any) -> Any:
            self._passed(committed=False)
            answer = await call(*args, **arguments)
            self._passed(committed=True)
            return answer

        return tool.model_copy(update={"coroutine": kill_around})

    def _passed(self, *, committed: bool) -> None:
        self._calls[committed] += 1
        if committed is not self._kill.committed or self._calls[committed] != self._kill.call:
            return
        if self._kill.delay:
            threading.Timer(self._kill.delay, _die).start()
        else:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer(messages: list[BaseMessage]) -> AIMessage:
    """The next step of a turn."""
    said, since = turn(messages)
    subject = str(said.id)
    steps = [message for message in since if isinstance(message, AIMessage)]
    results = [message for message in since if isinstance(message, ToolMessage)]
    match str(said.text), len(steps):
        case "work", 0:
            several = [
                {"title": f"{subject} a", "notes": "n"},
                {"title": ""},
                {"title": f"{subject} b", "due": "tomorrow at 9", "repeats": "every day"},
            ]
            return calling(
                subject,
                "adds",
                ("add_tasks", {"tasks": several}),
                ("save_lists", {"lists": [f"{subject} list"]}),
                ("add_tasks", {"tasks": [f"{subject} c", f"{subject} d"]}),
            )
        case "work", 1:
            first, _, second = (items(result) for result in results)
            a, b = first[0]["task"]["number"], first[2]["task"]["number"]
            c, d = (item["task"]["number"] for item in second)
            change = {"task": d, "priority": "urgent", "list": f"{subject} list"}
            return calling(
                subject,
                "changes",
                ("complete_tasks", {"tasks": [b, a]}),
                ("update_tasks", {"tasks": [change]}),
                ("delete_tasks", {"tasks": [c]}),
                ("find_tasks", {"text": subject, "state": "all"}),
            )
        case "undo", 0:
            return calling(subject, "undoes", ("undo_changes", {}))
    return AIMessage("Done.", id=f"{subject} says")


class Changing(Conversations):
    """Conversations that change tasks until the process is killed."""

    def __init__(self, database: Database, tell: Tell, kill: Kill | None = None) -> None:
        super().__init__(
            database,
            answer,
            tell,
            toolbox=lambda tools: tools if kill is None else Deadly(tools, kill),
            # The answers that new words in between left out are shown before they are stored.
            kept=lambda _, message_id: not message_id.startswith("result-"),
        )

    async def change(self, thread_id: str, words: Sequence[str] | None, *, resume: bool) -> None:
        if resume:
            await self.resume(thread_id)
        for said in words or ():
            await self.say(thread_id, _words(thread_id, said))
        while words is None:
            await self.say(thread_id, _words(thread_id, random.choice([WORK, WORK, UNDO])))


def _words(thread_id: str, said: str) -> HumanMessage:
    return HumanMessage(said, id=f"{thread_id}:{uuid4().hex[:8]}")


@asynccontextmanager
async def changing(
    database: Database, tell: Tell, kill: Kill | None = None
) -> AsyncIterator[Changing]:
    """The agent on a database, its session with the tools closed at the end."""
    conversations = Changing(database, tell, kill)
    try:
        yield conversations
    finally:
        await conversations.aclose()


def work_of(talk: Talk) -> dict[str, Any]:
    """As a process is told it."""
    return asdict(talk)


async def _warm_up(uri: str) -> None:
    async with connect(uri) as database, changing(database, tell) as conversations:
        await conversations.change("chat first", [WORK, UNDO], resume=False)


async def _work(uri: str, task: dict[str, Any]) -> None:
    talk = Talk(**{**task, "kill": Kill(**task["kill"]) if task["kill"] else None})
    # A fork has its parent's chance, and would say the same.
    random.seed()
    async with (
        connect(uri, DatabaseSettings(pool_size=8)) as database,
        changing(database, tell, talk.kill) as conversations,
    ):
        await asyncio.gather(
            *(
                conversations.change(thread_id, talk.words, resume=talk.resume)
                for thread_id in talk.threads
            )
        )


if __name__ == "__main__":
    serve(_warm_up, _work)
