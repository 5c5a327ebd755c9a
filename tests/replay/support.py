"""Conversations with the real graph and the real tools, for exporting and replaying them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from graph.agent import build_graph, task_origin
from graph.clock import call_time
from graph.context import Context
from graph.settings import AgentSettings, Approval
from graph.toolbox import Toolbox
from replay.recording import Recording
from replay.scripted import ScriptedModel, ScriptedModels
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tools.client import AgentTools, TaskTools
from tools.client.entries import ServerEntry

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ZONE = "Europe/Vienna"

#: Exports a thread, runs it again, and fails on any difference.
Replays = Callable[..., Awaitable[Recording]]


class TickingClock:
    """Another second whenever it is looked at, from noon of a Monday on."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self, call_id: str | None = None) -> datetime:
        """The next second."""
        self.time += timedelta(seconds=1)
        return self.time


class Talk:
    """A person's conversations; those of one person have one list of tasks."""

    def __init__(self, database: Database, tools: Toolbox, clock: TickingClock) -> None:
        self.models = ScriptedModels(ScriptedModel())
        self.graph: Any = build_graph(
            toolbox=tools,
            models=self.models,
            clock=clock,
            # Only conversations that are about approval ask for it; see `say`.
            settings=AgentSettings(approval="off"),
        ).compile(checkpointer=TranscriptSaver(database.pool))

    async def say(
        self,
        text: str | Sequence[BaseMessage] | None,
        *answers: AIMessage | Exception,
        thread: str = "thread",
        at: str | None = None,
        zone: str | None = ZONE,
        locale: str | None = None,
        approval: Approval | None = None,
        config: dict[str, Any] | None = None,
        model: BaseChatModel | None = None,
        given: Any = None,
        **more: Any,
    ) -> list[BaseMessage]:
        """One run of the graph; returns the transcript after it.

        Args:
            text: what the person says; None goes on without a word.
            answers: what the model answers.
            thread: the id of the thread.
            at: the id of a checkpoint to start from; the latest when None.
            zone: the zone in the run's context.
            locale: the locale in it.
            approval: which calls need approval, in the run's context.
            config: more of the run's config.
            model: answers in place of a script.
            given: the run's input, if it is not a text.
            more: arguments of `ainvoke`.
        """
        scripted = model or ScriptedModel(answers)
        self.models.model = scripted
        sent = [HumanMessage(text)] if isinstance(text, str) else text
        result = await self.graph.ainvoke(
            given if sent is None else {"messages": sent},
            {**on(thread, at), **(config or {})},
            context=Context(time_zone=zone, locale=locale, approval=approval),
            **more,
        )
        assert not isinstance(scripted, ScriptedModel) or scripted.left == 0
        messages: list[BaseMessage] = result["messages"]
        return messages

    async def edit(
        self, *messages: BaseMessage, as_node: str, thread: str = "thread", at: str | None = None
    ) -> None:
        """Edit the state, as Studio does."""
        await self.graph.aupdate_state(
            on(thread, at), {"messages": list(messages)}, as_node=as_node
        )

    async def checkpoints(self, thread: str = "thread") -> list[Any]:
        """The states of a thread, the oldest first."""
        states = [state async for state in self.graph.aget_state_history(on(thread))]
        return states[::-1]

    async def copy(self, thread: str, to: str) -> None:
        """Write a thread's checkpoints once more under another id."""
        saver: TranscriptSaver = self.graph.checkpointer
        found = [found async for found in saver.alist(on(thread))]
        for original in found[::-1]:
            parent = original.parent_config
            config = on(to, parent["configurable"]["checkpoint_id"] if parent else None)
            config["configurable"]["checkpoint_ns"] = ""
            checkpoint = original.checkpoint
            await saver.aput(config, checkpoint, original.metadata, checkpoint["channel_versions"])

    async def checkpoint(self, words: str, thread: str = "thread") -> str:
        """The id of the first checkpoint whose last message has these words."""
        for state in await self.checkpoints(thread):
            messages = state.values.get("messages", [])
            if messages and words in str(messages[-1].text):
                return str(state.config["configurable"]["checkpoint_id"])
        raise AssertionError(f"no checkpoint ends with {words!r}")


@asynccontextmanager
async def talking(database: Database, servers: Iterable[ServerEntry] = ()) -> AsyncIterator[Talk]:
    """Conversations on a database, at times that don't depend on the machine's clock.

    Args:
        database: a migrated one.
        servers: other MCP servers whose tools the agent has beside the task tools.
    """
    task_tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
    tools = AgentTools(task_tools, servers)
    try:
        yield Talk(database, tools, TickingClock())
    finally:
        await tools.aclose()


def on(thread: str, at: str | None = None) -> RunnableConfig:
    """The config of a thread, or of one of its checkpoints."""
    configurable = {"thread_id": thread}
    if at is not None:
        configurable |= {"checkpoint_ns": "", "checkpoint_id": at}
    return {"configurable": configurable}


_ids = iter(range(1, 1_000_000))


def calls(*requests: tuple[str, dict[str, Any]]) -> AIMessage:
    """A model's answer that asks for tool calls."""
    tool_calls = [
        {"type": "tool_call", "name": name, "args": arguments, "id": f"call_{next(_ids)}"}
        for name, arguments in requests
    ]
    return AIMessage("", id=f"answer-{next(_ids)}", tool_calls=tool_calls)


def adds(*titles: str, **arguments: Any) -> AIMessage:
    """A model's answer that adds tasks."""
    return calls(*(("add_tasks", {"tasks": [{"title": title, **arguments}]}) for title in titles))


def says(text: str) -> AIMessage:
    """A model's answer in words."""
    return AIMessage(text, id=f"answer-{next(_ids)}")
