"""The agent with its real tools, on threads of several users, and a model that is a function."""

import json
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import PrivateAttr

from graph.agent import build_graph, task_origin
from graph.clock import call_time
from graph.data import as_returned
from graph.settings import AgentSettings
from graph.toolbox import Toolbox
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import Graph
from tools.client import TaskTools

#: Makes the next message of the model: always the same for the same messages.
Answer = Callable[[list[BaseMessage]], AIMessage]
#: Is given a kind, a thread and what is known of it. `has`: the thread has messages with these
#: ids. `allows`: its messages' ids are one of these lists.
Tell = Callable[[str, str, Any], None]


class Talker(BaseChatModel):
    """Answers by a function.

    What it is shown has been stored, since the step before it was, with durability `sync`.
    """

    _answer: Answer = PrivateAttr()
    _tell: Callable[[list[str]], None] = PrivateAttr()

    def __init__(self, answer: Answer, tell: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._answer, self._tell = answer, tell

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
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])


def user_of(thread_id: str) -> str:
    """Whose thread it is: three users share all of them."""
    return f"user {sum(thread_id.encode()) % 3}"


class Conversations:
    """The agent, talked to.

    Args:
        toolbox: makes the graph's toolbox of the real one.
        kept: says of a thread and a message whether it is there for good once it is known.
    """

    def __init__(
        self,
        database: Database,
        answer: Answer,
        tell: Tell,
        *,
        toolbox: Callable[[TaskTools], Toolbox] = lambda tools: tools,
        kept: Callable[[str, str], bool] = lambda thread_id, message_id: True,
    ) -> None:
        self.saver = TranscriptSaver(database.pool)
        self._tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
        self._graph = build_graph(
            toolbox=toolbox(self._tools),
            models=_OneModel(Talker(answer, self._tell_new)),
            settings=AgentSettings(time_zone="UTC", approval="off"),
        ).compile(checkpointer=self.saver)
        self._tell = tell
        self._kept = kept
        self._told: set[str] = set()

    async def aclose(self) -> None:
        await self._tools.aclose()

    async def resume(self, thread_id: str) -> None:
        """End what was begun."""
        config = self._config(thread_id)
        # Not `next`: it leaves out tasks that are done, and of a step whose tasks are all done but
        # which is not stored yet there is none left.
        if (await self._graph.aget_state(config)).tasks:
            self._have(await self._graph.ainvoke(None, config, durability="sync"))

    async def say(
        self,
        thread_id: str,
        message: HumanMessage,
        *,
        graph: Graph | None = None,
        run_id: str | None = None,
    ) -> list[str]:
        """Say something; the ids of the messages that the thread has then."""
        result = await (graph or self._graph).ainvoke(
            {"messages": [message]}, self._config(thread_id, run_id), durability="sync"
        )
        return self._have(result)

    def _config(self, thread_id: str, run_id: str | None = None) -> RunnableConfig:
        return {
            "configurable": {
                "thread_id": thread_id,
                "langgraph_auth_user_id": user_of(thread_id),
            },
            "metadata": {} if run_id is None else {"run_id": run_id},
        }

    def _have(self, result: dict[str, Any]) -> list[str]:
        ids = [str(message.id) for message in result["messages"]]
        self._tell_new(ids)
        return ids

    def _tell_new(self, ids: list[str]) -> None:
        thread_id = ids[0].split(":")[0]
        kept = (id_ for id_ in ids if self._kept(thread_id, id_))
        if new := [id_ for id_ in kept if id_ not in self._told]:
            self._told.update(new)
            self._tell("has", thread_id, new)


class _OneModel:
    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    async def get(self, name: str | None) -> BaseChatModel:
        return self._model


def calling(subject: str, name: str, *calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer with tool calls, whose ids tell what they belong to."""
    return AIMessage(
        "",
        id=f"{subject} {name}",
        tool_calls=[
            {"name": tool, "args": arguments, "id": f"{subject} {name} {number}"}
            for number, (tool, arguments) in enumerate(calls)
        ],
    )


def turn(messages: list[BaseMessage]) -> tuple[HumanMessage, list[BaseMessage]]:
    """The last thing that was said to the agent, and what followed it."""
    asked = max(n for n, message in enumerate(messages) if isinstance(message, HumanMessage))
    said = messages[asked]
    assert isinstance(said, HumanMessage)
    return said, messages[asked + 1 :]


def items(result: ToolMessage) -> list[dict[str, Any]]:
    """What a call answered for each of its items."""
    found: list[dict[str, Any]] = json.loads(as_returned(str(result.text)))["results"]
    return found
