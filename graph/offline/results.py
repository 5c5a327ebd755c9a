"""What the tools returned, as it stands in the messages."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from ..data import NO_TOOL, as_returned

# FastMCP puts this in front of its messages.
_FRAMEWORK = re.compile(r"^Error executing tool \w+: ")


@dataclass(frozen=True)
class Item:
    """What became of one of the things that a call asked for."""

    #: What was asked for, as it stands in the call's arguments; none where the call has no items.
    asked: Any
    #: The result's fields.
    result: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether it was not done."""
        return bool(self.result["status"] == "failed")

    @property
    def task(self) -> dict[str, Any] | None:
        """The task that it was about."""
        task = self.result.get("task")
        return task if is_task(task) else None

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The tasks that may be meant, where it failed since there are several."""
        return named_tasks(self.result.get("candidates")) if self.failed else []

    @property
    def reference(self) -> str:
        """The words that name its task; empty where none do."""
        asked = self.asked.get("task", "") if isinstance(self.asked, dict) else self.asked
        return str(asked) if isinstance(asked, str | int) else ""


@dataclass(frozen=True)
class Outcome:
    """One tool call and what came of it."""

    tool: str
    arguments: dict[str, Any]
    #: What the tool said, word for word; none when the call has no answer.
    text: str | None
    failed: bool
    #: Whether no tool was asked: the words are then the agent's.
    unmade: bool = False

    @property
    def data(self) -> dict[str, Any] | None:
        """The tool's structured output; none when its text is not a JSON object."""
        if self.text is None:
            return None
        try:
            value = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    @property
    def error(self) -> str | None:
        """What a tool that failed said; none when it did not fail, or gave no answer."""
        if self.text is None or not self.failed:
            return None
        return _FRAMEWORK.sub("", self.text.strip())

    @property
    def items(self) -> list[Item] | None:
        """What became of each thing that was asked for; none when the result does not say.

        A call that failed did nothing, whatever its result looks like.
        """
        results = (self.data or {}).get("results")
        if not isinstance(results, list) or not results or not all(map(_is_result, results)):
            return None
        asked = self.arguments.get("tasks")
        asked = asked if isinstance(asked, list) else []
        items = [
            Item(asked[place] if 0 <= (place := result["item"] - 1) < len(asked) else None, result)
            for result in results
        ]
        return None if self.failed and not all(item.failed for item in items) else items

    @property
    def tasks(self) -> list[dict[str, Any]] | None:
        """The tasks of a list; none when this is not a list."""
        tasks = (self.data or {}).get("tasks")
        if self.failed or not isinstance(tasks, list) or not all(is_task(task) for task in tasks):
            return None
        return tasks


def is_task(value: object) -> bool:
    """Whether a part of a result is a task, with a number and a title at least."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("number"), int)
        and isinstance(value.get("title"), str)
    )


def named_tasks(value: object) -> list[dict[str, Any]]:
    """The tasks of a list of them that is a part of a result."""
    return [task for task in value if is_task(task)] if isinstance(value, list) else []


def message_text(message: BaseMessage) -> str:
    """Return the text of a message whose content is a string or a list of blocks."""
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        text = block if isinstance(block, str) else block.get("text")
        if isinstance(text, str):
            parts.append(text)
    return "\n".join(parts)


def rounds_of_calls(messages: Sequence[BaseMessage]) -> list[list[Outcome]]:
    """Return the outcomes of the tool calls in the messages, one list for each model answer."""
    answers = {
        message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)
    }
    rounds = []
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls:
            rounds.append(
                [
                    _outcome(call["name"], call["args"], answers.get(call["id"] or ""))
                    for call in message.tool_calls
                ]
            )
    return rounds


def number_spoken_of(rounds: Sequence[Sequence[Outcome]]) -> str | None:
    """Return the number of the one task that the last round was about; none when it was several."""
    if not rounds or len(rounds[-1]) != 1:
        return None
    last = rounds[-1][0]
    tasks = last.tasks or []
    if last.items is not None:
        tasks = [
            item.task
            for item in last.items
            if item.task is not None and item.result.get("action") != "deleted"
        ]
        if len(last.items) != 1:
            return None
    return str(tasks[0]["number"]) if len(tasks) == 1 else None


def _is_result(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("item"), int)
        and value.get("status") in ("done", "unchanged", "failed")
        and (value["status"] != "failed" or isinstance(value.get("error"), str))
    )


def _outcome(tool: str, arguments: dict[str, Any], answer: ToolMessage | None) -> Outcome:
    if answer is None:
        return Outcome(tool, arguments, None, failed=True)
    text = as_returned(message_text(answer))
    return Outcome(
        tool,
        arguments,
        text,
        failed=answer.status == "error",
        unmade=bool(answer.additional_kwargs.get(NO_TOOL)),
    )
