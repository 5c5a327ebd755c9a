"""A conversation with the offline model: every answer of the tools is given by the test."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from graph.offline import OfflineModel

TOOLS = ("add_task", "list_tasks", "update_task", "complete_task", "delete_task")
Call = tuple[str, dict[str, Any]]
Answer = Callable[[ToolCall], ToolMessage]


def schemas(names: Sequence[str] = TOOLS) -> list[dict[str, Any]]:
    """Tools as `bind_tools` takes them."""
    return [
        {"type": "function", "function": {"name": name, "description": name, "parameters": {}}}
        for name in names
    ]


def task(number: int, title: str, **values: Any) -> dict[str, Any]:
    """A task as the tools return it."""
    return {
        "number": number,
        "title": title,
        "notes": None,
        "priority": "normal",
        "due": None,
        "completed": None,
        "created": "2026-11-22T08:00:00+00:00",
        **values,
    }


def change(action: str, changed: dict[str, Any], note: str | None = None) -> str:
    """The result of a tool that changes a task."""
    return json.dumps({"action": action, "task": changed, "note": note})


def listing(*tasks: dict[str, Any], state: str = "open", total: int | None = None) -> str:
    """The result of list_tasks."""
    return json.dumps(
        {"tasks": tasks, "total": len(tasks) if total is None else total, "state": state}
    )


def result(call: ToolCall, content: Any, *, failed: bool = False) -> ToolMessage:
    """The message with which a tool answers a call."""
    return ToolMessage(
        content, tool_call_id=call["id"] or "", status="error" if failed else "success"
    )


def nothing_much(call: ToolCall) -> ToolMessage:
    """A tool that answers whatever it is asked: the list is empty, and tasks stay as they are."""
    if call["name"] == "list_tasks":
        return result(call, listing())
    return result(call, change("unchanged", task(7, "something")))


def turn(
    messages: list[BaseMessage],
    text: Any,
    answer: Answer = nothing_much,
    tools: Sequence[str] = TOOLS,
) -> tuple[list[list[Call]], str]:
    """Say something, let the tools answer, and return the rounds of calls and the last answer.

    The messages grow by everything that was said.
    """
    model = OfflineModel().bind_tools(schemas(tools))
    messages.append(HumanMessage(text))
    rounds: list[list[Call]] = []
    for _ in range(60):
        said = model.invoke(messages)
        assert isinstance(said, AIMessage)
        messages.append(said)
        if not said.tool_calls:
            return rounds, str(said.text)
        rounds.append([(call["name"], call["args"]) for call in said.tool_calls])
        messages.extend(answer(call) for call in said.tool_calls)
    raise AssertionError("the model called tools for ever")


def calls_for(text: str) -> list[Call]:
    """All the calls that a first message leads to, in their order."""
    rounds, _ = turn([], text)
    return [call for calls in rounds for call in calls]
