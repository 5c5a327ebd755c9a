"""A process that talks on several threads at once until it is killed.

It says on its standard output what it has been told is stored, each line in one write. `Worker` is
the process's other end.

The process that imports everything, which takes a second, is never killed. It forks those that are.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.graph import MessagesState
from pydantic import PrivateAttr

from graph.agent import build_graph, task_origin
from graph.clock import call_time
from graph.settings import AgentSettings
from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from storage.settings import DatabaseSettings
from tests.storage.support import Graph, chat_graph
from tools.client import TaskTools

#: Told of the ids of messages that are stored.
Tell = Callable[[list[str]], None]


class Talker(BaseChatModel):
    """Adds tasks, completes one of them, and says so: always the same for the same message.

    What it is shown has been stored, since the step before it was, with durability `sync`.
    """

    _tell: Tell = PrivateAttr()

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    @property
    def _llm_type(self) -> str:
        return "talker"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._tell([str(m.id) for m in messages if not isinstance(m, SystemMessage)])
        return ChatResult(generations=[ChatGeneration(message=_answer(messages))])


def _answer(messages: list[BaseMessage]) -> AIMessage:
    asked = max(n for n, message in enumerate(messages) if isinstance(message, HumanMessage))
    subject = str(messages[asked].id)
    results = [message for message in messages[asked:] if isinstance(message, ToolMessage)]
    calls: list[tuple[str, dict[str, Any]]]
    if not results:
        calls = [
            ("add_tasks", {"tasks": [{"title": f"{subject} {number}"}]}) for number in range(3)
        ]
        name = "adds"
    elif len(results) == 3 and results[0].status == "success":
        number = json.loads(str(results[0].text))["results"][0]["task"]["number"]
        calls, name = [("complete_tasks", {"tasks": [str(number)]})], "completes"
    else:
        return AIMessage("Done.", id=f"{subject} says")
    return AIMessage(
        "",
        id=f"{subject} {name}",
        tool_calls=[
            {"name": tool, "args": arguments, "id": f"{subject} {name} {number}"}
            for number, (tool, arguments) in enumerate(calls)
        ],
    )


class Conversations:
    """The agent with its real tools, on threads of several users.

    Args:
        tell: is given a kind, a thread and what is known of it. `has`: the thread has messages
            with these ids. `allows`: its messages' ids are one of these lists.
    """

    def __init__(self, database: Database, tell: Callable[[str, str, Any], None]) -> None:
        self.saver = TranscriptSaver(database.pool)
        self._tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
        self._graph = build_graph(
            toolbox=self._tools,
            models=_OneModel(Talker(self._tell_new)),
            settings=AgentSettings(time_zone="UTC"),
        ).compile(checkpointer=self.saver)
        self._tell = tell
        self._told: set[str] = set()

    async def aclose(self) -> None:
        await self._tools.aclose()

    async def chat(self, thread_id: str, turns: int | None = None) -> None:
        """Go on where the thread was left, and then say something again and again."""
        await self.resume(thread_id)
        while turns is None or turns > 0:
            turns = None if turns is None else turns - 1
            await self._say(self._graph, thread_id)

    async def resume(self, thread_id: str) -> None:
        """End what was begun."""
        config = self._config(thread_id)
        # Not `next`: it leaves out tasks that are done, and of a step whose tasks are all done but
        # which is not stored yet there is none left.
        if (await self._graph.aget_state(config)).tasks:
            self._have(await self._graph.ainvoke(None, config, durability="sync"))

    async def operate(self) -> None:
        """Copy threads, take back their runs, prune and delete them."""
        # Without tools, so that most of the time goes into this.
        graph = chat_graph(self.saver, _reply)
        while True:
            source, copy = f"source {uuid4()}", f"copy {uuid4()}"
            runs = [str(uuid4()), str(uuid4())]
            first = await self._say(graph, source, runs[0])
            both = await self._say(graph, source, runs[1])
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

    async def _say(self, graph: Graph, thread_id: str, run_id: str | None = None) -> list[str]:
        message = HumanMessage("hello", id=f"{thread_id}:{uuid4().hex[:8]}")
        result = await graph.ainvoke(
            {"messages": [message]}, self._config(thread_id, run_id), durability="sync"
        )
        return self._have(result)

    def _config(self, thread_id: str, run_id: str | None = None) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": thread_id,
                "langgraph_auth_user_id": f"user {sum(thread_id.encode()) % 3}",
            },
            "metadata": {} if run_id is None else {"run_id": run_id},
        }

    def _have(self, result: dict[str, Any]) -> list[str]:
        ids = [str(message.id) for message in result["messages"]]
        self._tell_new(ids)
        return ids

    def _tell_new(self, ids: list[str]) -> None:
        thread_id = ids[0].split(":")[0]
        # Threads that are operated on lose messages.
        if not thread_id.startswith("chat"):
            return
        if new := [id_ for id_ in ids if id_ not in self._told]:
            self._told.update(new)
            self._tell("has", thread_id, new)


def _reply(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Hello.", id=f"{state['messages'][-1].id} reply")]}


class _OneModel:
    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    async def get(self, name: str | None) -> BaseChatModel:
        return self._model


@asynccontextmanager
async def conversations(database: Database, tell: Callable[[str, str, Any], None]) -> Any:
    """The agent on a database, its session with the tools closed at the end."""
    talks = Conversations(database, tell)
    try:
        yield talks
    finally:
        await talks.aclose()


def _write(kind: str, thread_id: str = "", known: Any = None) -> None:
    line = json.dumps([kind, thread_id, known]) + "\n"
    os.write(1, line.encode())


async def _warm_up(uri: str) -> None:
    """Whatever takes longer the first time is done before the first fork."""
    async with connect(uri) as database, conversations(database, _write) as talks:
        await talks.chat("chat first", turns=1)


async def _work(uri: str, threads: list[str]) -> None:
    settings = DatabaseSettings(pool_size=8)
    async with connect(uri, settings) as database, conversations(database, _write) as talks:
        work: list[Awaitable[None]] = [talks.chat(thread_id) for thread_id in threads]
        await asyncio.gather(*work, talks.operate())


def main() -> None:
    """For each line, a URI and the threads to talk on, fork a process that does so."""
    asyncio.run(_warm_up(sys.argv[1]))
    _write("warm")
    for line in sys.stdin:
        uri, threads = json.loads(line)
        child = os.fork()
        if child == 0:
            asyncio.run(_work(uri, threads))
            os._exit(0)
        _write("started", known=child)
        _, status = os.waitpid(child, 0)
        _write("ended", known=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
