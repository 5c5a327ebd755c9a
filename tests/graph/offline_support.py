"""A conversation with the offline model: every answer of the tools is given by the test."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from graph.offline import OfflineModel

TOOLS = (
    *("add_tasks", "find_tasks", "get_tasks", "update_tasks", "complete_tasks", "reopen_tasks"),
    *("reschedule_tasks", "delete_tasks", "undo_changes"),
)
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
        "priority": "normal",
        "list": "Inbox",
        "created": "2026-11-22T08:00:00+00:00",
        **values,
    }


def results(*items: dict[str, Any]) -> str:
    """The result of a tool that does something for each of these items."""
    placed = [{"item": place, **item} for place, item in enumerate(items, start=1)]
    return json.dumps(
        {
            "results": placed,
            "changed": sum(item["status"] == "done" for item in items),
            "failed": sum(item["status"] == "failed" for item in items),
        }
    )


def done(action: str, changed: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What became of an item that was done, or that changed nothing."""
    if action == "unchanged":
        return {"status": action, "task": changed, **more}
    return {"status": "done", "action": action, "task": changed, **more}


def failed(error: str, *candidates: dict[str, Any]) -> dict[str, Any]:
    """What became of an item that was not done, with the tasks that may be meant."""
    named = [
        {"number": task["number"], "title": task["title"], "completed": False}
        for task in candidates
    ]
    return {"status": "failed", "error": error} | ({"candidates": named} if named else {})


def change(action: str, changed: dict[str, Any], **more: Any) -> str:
    """The result of a tool that changes one task."""
    return results(done(action, changed, **more))


def found(shown: dict[str, Any]) -> str:
    """The result of get_tasks for one task."""
    return json.dumps({"results": [{"item": 1, "status": "done", "task": shown}], "failed": 0})


def listing(*tasks: dict[str, Any], total: int | None = None, **more: Any) -> str:
    """The result of find_tasks."""
    return json.dumps({"tasks": tasks, "total": len(tasks) if total is None else total, **more})


def result(call: ToolCall, content: Any, *, error: bool = False) -> ToolMessage:
    """The message with which a tool answers a call."""
    return ToolMessage(
        content, tool_call_id=call["id"] or "", status="error" if error else "success"
    )


def nothing_much(call: ToolCall) -> ToolMessage:
    """A tool that answers whatever it is asked: the list is empty, and tasks stay as they are."""
    if call["name"] == "find_tasks":
        return result(call, listing())
    if call["name"] == "get_tasks":
        return result(call, found(task(7, "something")))
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
