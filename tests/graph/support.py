"""The agent's graph with a scripted model, real tools and a real database."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from graph.agent import build_graph, task_origin
from graph.clock import call_time
from graph.settings import AgentSettings
from replay.scripted import ScriptedModel
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tools.client import TaskTools

Agent = CompiledStateGraph[Any, Any, Any, Any]


class OneModel:
    """A source of models that has one, whatever is asked for."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    async def get(self, name: str | None) -> BaseChatModel:
        return self.model


@asynccontextmanager
async def agent(
    database: Database,
    *script: AIMessage | Exception,
    model: BaseChatModel | None = None,
    **more: Any,
) -> AsyncIterator[Agent]:
    """The graph, compiled with the checkpointer; its model gives these answers."""
    tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
    more.setdefault("settings", AgentSettings(time_zone="UTC"))
    more.setdefault("models", OneModel(model or ScriptedModel(script)))
    more.setdefault("toolbox", tools)
    try:
        yield build_graph(**more).compile(checkpointer=TranscriptSaver(database.pool))
    finally:
        await tools.aclose()


def calling(*calls: tuple[str, dict[str, Any]], ids: str = "call") -> AIMessage:
    """An answer that asks for these tool calls."""
    return AIMessage(
        "",
        tool_calls=[
            {"name": name, "args": arguments, "id": f"{ids}_{number}"}
            for number, (name, arguments) in enumerate(calls)
        ],
    )


async def say(
    graph: Agent, text: str, thread_id: str = "t", context: Any = None, **configurable: Any
) -> list[BaseMessage]:
    """One turn; what the conversation is after it."""
    config: RunnableConfig = {"configurable": {"thread_id": thread_id, **configurable}}
    result = await graph.ainvoke({"messages": [("user", text)]}, config, context=context)
    messages: list[BaseMessage] = result["messages"]
    return messages


def results(messages: list[BaseMessage]) -> list[dict[str, Any]]:
    """What the tools returned, in order."""
    return [
        json.loads(str(message.text))
        for message in messages
        if isinstance(message, ToolMessage) and message.status == "success"
    ]


def added(messages: list[BaseMessage]) -> list[dict[str, Any]]:
    """The tasks that were added, in order."""
    return [
        item["task"]
        for result in results(messages)
        for item in result.get("results", [])
        if item.get("action") == "added"
    ]
