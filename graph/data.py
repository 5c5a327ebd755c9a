"""What tools return, set off as data in what the model is shown. The transcript has it as it was.

Titles, notes and web pages hold whatever somebody wrote, instructions to the model included. So
each result stands between two marks that nothing inside can imitate: they are made of a digest of
the result, and no text contains its own digest.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage

from .decisions import Decision

#: In a tool message's `additional_kwargs`: what the person decided about the call.
DECISION = "decision"
#: In a tool message's `additional_kwargs`, true where no tool was asked: the words are the agent's
#: own, or the person's, and may be followed.
NO_TOOL = "no_tool"

EDITED = (
    "The person changed this call before it was made. In place of yours, this was carried out: "
    "{call}. They meant it so; don't make your own again."
)

_SET_OFF = re.compile(r"\[data ([0-9a-f]{16})\]\n(.*)\n\[end of data \1\]", re.DOTALL)


def shown_to_model(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """The messages as a model gets them: the same ones, but for the results of tools."""
    return [
        message.model_copy(update={"content": _shown(message)})
        if isinstance(message, ToolMessage) and not message.additional_kwargs.get(NO_TOOL)
        else message
        for message in messages
    ]


def as_returned(text: str) -> str:
    """A tool's text without the marks, for a model that reads it as a program does."""
    found = _SET_OFF.search(text)
    return text if found is None else found[2]


def _shown(message: ToolMessage) -> str | list[str | dict[Any, Any]]:
    content = message.content
    mark = hashlib.sha256(
        json.dumps([message.tool_call_id, content], default=str).encode()
    ).hexdigest()[:16]
    begin, end = f"[data {mark}]", f"[end of data {mark}]"
    decision: Decision | None = message.additional_kwargs.get(DECISION)
    if decision is not None and decision["type"] == "edit":
        action = decision["edited_action"]
        arguments = json.dumps(action["args"], ensure_ascii=False, default=str)
        begin = EDITED.format(call=f"{action['name']}({arguments})") + f"\n{begin}"
    if isinstance(content, str):
        return f"{begin}\n{content}\n{end}"
    return [{"type": "text", "text": begin}, *content, {"type": "text", "text": end}]
