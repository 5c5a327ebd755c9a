"""What the tools returned, as it stands in the messages."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from ..data import as_returned

# FastMCP puts this in front of its messages.
_FRAMEWORK = re.compile(r"^Error executing tool \w+: ")
_SEVERAL = re.compile(r'".+?" may mean \d+ tasks: ', re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """One tool call and what came of it."""

    tool: str
    arguments: dict[str, Any]
    #: What the tool said, word for word; none when the call has no answer.
    text: str | None
    failed: bool

    @property
    def data(self) -> dict[str, Any] | None:
        """The tool's structured output; none when its text is not a JSON object."""
        if self.text is None or self.failed:
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
    def several_meant(self) -> bool:
        """Whether the call failed because its `task` may be one of several."""
        return _SEVERAL.match(self.error or "") is not None

    @property
    def task(self) -> dict[str, Any] | None:
        """The task that was changed; none when this is not the result of a change."""
        task = (self.data or {}).get("task")
        return task if is_task(task) else None

    @property
    def tasks(self) -> list[dict[str, Any]] | None:
        """The tasks of a list; none when this is not a list."""
        tasks = (self.data or {}).get("tasks")
        if not isinstance(tasks, list) or not all(is_task(task) for task in tasks):
            return None
        return tasks


def is_task(value: object) -> bool:
    """Whether a part of a result is a task, with a number and a title at least."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("number"), int)
        and isinstance(value.get("title"), str)
    )


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
    if last.task is not None and (last.data or {}).get("action") != "deleted":
        return str(last.task["number"])
    if last.tasks is not None and len(last.tasks) == 1:
        return str(last.tasks[0]["number"])
    return None


def _outcome(tool: str, arguments: dict[str, Any], answer: ToolMessage | None) -> Outcome:
    if answer is None:
        return Outcome(tool, arguments, None, failed=True)
    text = as_returned(message_text(answer))
    return Outcome(tool, arguments, text, failed=answer.status == "error")
