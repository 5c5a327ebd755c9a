"""What tools return, set off as data in what the model is shown. The transcript has it as it was.

Titles, notes and web pages hold whatever somebody wrote, instructions to the model included. So
each result stands between two marks that nothing inside can imitate: they are made of a digest of
the result, and no text contains its own digest.

Providers take images from the person only, and refuse a conversation in which a tool has one. So
the images of a step come after its results, between marks of their own.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

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

FROM_TOOLS = "What comes now was returned by tools; the person has not said it."

#: The types of blocks that are images.
IMAGES = ("image", "image_url")

Block = dict[Any, Any]

_SET_OFF = re.compile(r"\[data ([0-9a-f]{16})\]\n(.*)\n\[end of data \1\]", re.DOTALL)


def shown_to_model(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """The messages as a model gets them: the same ones, but for the results of tools."""
    shown: list[BaseMessage] = []
    images: list[Block] = []
    for message in messages:
        if not isinstance(message, ToolMessage):
            shown += _set_apart(images)
            images = []
        elif not message.additional_kwargs.get(NO_TOOL):
            text, found = _read(message, len(images))
            images += found
            message = message.model_copy(update={"content": _set_off(message, text)})
        shown.append(message)
    return shown + _set_apart(images)


def as_returned(text: str) -> str:
    """A tool's text without the marks, for a model that reads it as a program does."""
    found = _SET_OFF.search(text)
    return text if found is None else found[2]


def _read(message: ToolMessage, before: int) -> tuple[str, list[Block]]:
    """The words of a result, and its images, to which the words refer by their numbers."""
    if isinstance(message.content, str):
        return message.content, []
    words: list[str] = []
    images: list[Block] = []
    for block in message.content:
        if isinstance(block, str):
            words.append(block)
        elif block.get("type") in IMAGES:
            images.append(block)
            words.append(f"[image {before + len(images)}, which comes after the results]")
        else:
            words.append(str(block.get("text") or f"[{block.get('type')} that can't be shown]"))
    return "\n".join(words), images


def _set_off(message: ToolMessage, text: str) -> str:
    begin, end = _marks([message.tool_call_id, message.content])
    decision: Decision | None = message.additional_kwargs.get(DECISION)
    if decision is not None and decision["type"] == "edit":
        action = decision["edited_action"]
        arguments = json.dumps(action["args"], ensure_ascii=False, default=str)
        begin = EDITED.format(call=f"{action['name']}({arguments})") + f"\n{begin}"
    return f"{begin}\n{text}\n{end}"


def _set_apart(images: Sequence[Block]) -> list[BaseMessage]:
    if not images:
        return []
    begin, end = _marks(list(images))
    content: list[str | Block] = [{"type": "text", "text": f"{FROM_TOOLS}\n{begin}"}]
    for number, image in enumerate(images, start=1):
        content += [{"type": "text", "text": f"Image {number}:"}, image]
    return [HumanMessage([*content, {"type": "text", "text": end}])]


def _marks(of: list[Any]) -> tuple[str, str]:
    mark = hashlib.sha256(json.dumps(of, default=str).encode()).hexdigest()[:16]
    return f"[data {mark}]", f"[end of data {mark}]"
