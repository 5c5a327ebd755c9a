"""Messages to rows and back: the pure part of the transcript tree, without I/O.

A transcript is a list of LangChain messages. Its rows form a chain: each row's digest covers its
parent's digest and its own payload, so a digest names a message *and everything before it*. Two
transcripts that begin alike therefore share their first rows, and one digest, the leaf's, is all
that a checkpoint has to hold.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from .limits import ROLE_MAX, TITLE_MAX

ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}

#: Key of `ToolMessage.additional_kwargs` under which a tool node may leave the time of the call,
#: in ISO 8601; the audit record shows it. Where it is missing, the time of the write is shown.
EXECUTED_AT = "executed_at"
#: And where it finds what a person decided about the call, in the form of LangChain's middleware.
DECISION = "decision"

_HALVES = re.compile("[\ud800-\udfff]")


def is_transcript(value: object) -> TypeGuard[list[BaseMessage]]:
    """Whether a channel's value is what the tree stores: a list of one or more messages."""
    if not isinstance(value, list) or not value:
        return False
    # A few classes are looked at, rather than each of many messages.
    return all(issubclass(kind, BaseMessage) for kind in set(map(type, value)))


def digest_of(parent: bytes | None, payload: bytes) -> bytes:
    """The 32 bytes that name a message and all before it; `parent` is none for the first."""
    return digests_of([parent], [payload])[0]


def digests_of(parents: Iterable[bytes | None], payloads: Iterable[bytes]) -> list[bytes]:
    """The digest of each message."""
    sha256 = hashlib.sha256
    pairs = zip(parents, payloads, strict=True)
    return [sha256((parent or b"") + payload).digest() for parent, payload in pairs]


def redaction_of(digest: bytes, payload: bytes) -> bytes:
    """The 32 bytes that stand in for a digest where a message's content was blanked.

    The digest stays as it was, since those of all later messages are made from it.
    """
    return hashlib.sha256(b"redacted" + digest + payload).digest()


def is_genuine(
    parent: bytes | None, digest: bytes, payload: bytes, redaction: bytes | None
) -> bool:
    """Whether a row holds what was stored, or what a redaction has left of it.

    Args:
        parent: the digest of the row before it; none for the first.
        redaction: what the row has in the column of that name.
    """
    if redaction is None:
        return digest_of(parent, payload) == digest
    return redaction_of(digest, payload) == redaction


def row_id(conversation_id: UUID, digest: bytes) -> UUID:
    """The primary key of a message's row.

    Made from the conversation and the digest, so that a row's key, its parent's and the leaf's are
    known before anything is written, and a step needs no round trip to learn them.
    """
    return custom_uuid(hashlib.sha256(conversation_id.bytes + digest).digest())


def custom_uuid(data: bytes) -> UUID:
    """The UUID that is made of the first sixteen of these bytes."""
    value = int.from_bytes(data[:16])
    # Version 8, "custom" (RFC 9562, section 5.8); `UUID(version=8)` is refused before Python 3.14.
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return UUID(int=value)


@dataclass(frozen=True, slots=True)
class Row:
    """A message as `messages` stores it, but for what the conversation adds (ids, times)."""

    digest: bytes
    parent: bytes | None
    role: str
    content: str
    tool_calls: list[dict[str, Any]] | None
    payload_type: str
    payload: bytes


def row_of(
    messages: Sequence[BaseMessage],
    position: int,
    *,
    parent: bytes | None,
    payload_type: str,
    payload: bytes,
    now: datetime,
    asked: "CallsAsked | None" = None,
) -> Row:
    """The row of the message at `position` of a transcript.

    The messages before it are looked at too: a tool's answer doesn't hold the arguments it was
    called with, the assistant's message does.

    Args:
        asked: what is known of the calls in these messages, kept from one row to the next.
    """
    message = messages[position]
    if isinstance(message, ToolMessage):
        asked = asked or CallsAsked(messages)
        calls = [_audit_record(message, asked.before(position, message.tool_call_id), now)]
    elif isinstance(message, AIMessage):
        calls = _calls_asked_for(message)
    else:
        calls = []
    return Row(
        digest=digest_of(parent, payload),
        parent=parent,
        role=ROLES.get(str(message.type)) or storable(str(message.type))[:ROLE_MAX],
        content=storable(text_of(message)),
        tool_calls=[storable_json(call, other=_as_text) for call in calls] or None,
        payload_type=payload_type,
        payload=payload,
    )


def text_of(message: BaseMessage) -> str:
    """What `message.text` is, also of a message that a node has filled with something else."""
    content: Any = message.content
    if isinstance(content, str):
        return content
    return "".join(
        block if isinstance(block, str) else block["text"]
        for block in _listed(content)
        if isinstance(block, str)
        or (
            isinstance(block, Mapping)
            and block.get("type") == "text"
            and isinstance(block.get("text"), str)
        )
    )


def title_of(messages: Iterable[BaseMessage]) -> str | None:
    """A conversation's title: the first line that the user wrote, cut at a word if it is long."""
    for message in messages:
        if message.type == "human" and (title := cut_title(text_of(message))):
            return title
    return None


def cut_title(text: str) -> str | None:
    """A title made of a text; none if there is no word in it."""
    # No title takes more, and a message can be as long as a book.
    title = " ".join(storable(text).split(maxsplit=TITLE_MAX)[:TITLE_MAX])
    if len(title) <= TITLE_MAX:
        return title or None
    head = title[: TITLE_MAX - 1]
    return (head.rsplit(" ", 1)[0] or head) + "…"


def storable(text: str) -> str:
    """`text` without what Postgres can't hold, for the columns for people.

    NUL becomes U+FFFD; the payload keeps it. Half of a surrogate pair becomes "?", as it does in
    the payload: LangGraph's serialiser has no other way to write it.
    """
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = _HALVES.sub("?", text)
    return text


def storable_json(value: Any, *, other: Callable[[Any], Any] = lambda value: value) -> Any:
    """`value` as `jsonb` can hold it: text as in the columns for people, and so is what is no
    finite number.

    Args:
        other: makes something of what JSON has no form for.
    """
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable_json(item, other=other) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable_json(item, other=other) for item in value]
    return other(value)


class CallsAsked:
    """The calls that the assistant's messages of a transcript ask for.

    Each message is looked at once, and only as far back as an answer makes necessary.
    """

    def __init__(self, messages: Sequence[BaseMessage]) -> None:
        self._messages = messages
        #: By id, those of the messages looked at, which are in one piece; the last one counts.
        self._calls: dict[str, dict[str, Any]] = {}
        self._first = self._end = -1

    def before(self, position: int, call_id: str) -> dict[str, Any]:
        """The last call of that id before a message; positions are asked for in ascending order."""
        if self._end < 0:
            self._first = self._end = position
        for later in self._messages[self._end : position]:
            self._calls |= _calls_by_id(later)
        self._end = position
        while call_id not in self._calls and self._first > 0:
            self._first -= 1
            for earlier_id, call in _calls_by_id(self._messages[self._first]).items():
                self._calls.setdefault(earlier_id, call)
        return self._calls.get(call_id, {})


def _calls_by_id(message: BaseMessage) -> dict[str, dict[str, Any]]:
    """Of calls with the same id, the first one."""
    if not isinstance(message, AIMessage):
        return {}
    calls = reversed(_calls_asked_for(message))
    return {call["id"]: call for call in calls if isinstance(call["id"], str)}


def _calls_asked_for(message: AIMessage) -> list[dict[str, Any]]:
    valid = [
        {"id": call.get("id"), "tool": call.get("name"), "arguments": call.get("args")}
        for call in mappings(message.tool_calls)
    ]
    # What the model wrote but nobody could read is part of what was said.
    invalid = [
        {
            "id": call.get("id"),
            "tool": call.get("name"),
            "arguments": call.get("args"),
            "error": call.get("error"),
        }
        for call in mappings(message.invalid_tool_calls)
    ]
    return valid + invalid


def _audit_record(message: ToolMessage, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    record = {
        "id": message.tool_call_id,
        "tool": message.name or asked.get("tool"),
        "arguments": asked.get("arguments"),
        "result": _result(message),
        "status": message.status,
        "timestamp": executed_at(message) or now.isoformat(),
    }
    if isinstance(decision := _more(message).get(DECISION), Mapping):
        record["decision"] = decision
        # What was done is what the person made of the call.
        if isinstance(edited := decision.get("edited_action"), Mapping):
            record["arguments"] = edited.get("args")
    return record


def executed_at(message: ToolMessage) -> Any:
    """The time of the call, if its node has left one."""
    return _more(message).get(EXECUTED_AT)


def _more(message: ToolMessage) -> Mapping[str, Any]:
    """What came with the message: a mapping, unless somebody has changed it."""
    more: Any = message.additional_kwargs
    return more if isinstance(more, Mapping) else {}


def _result(message: ToolMessage) -> Any:
    """What the tool returned: MCP's structured content where there is some, else the text."""
    artifact = message.artifact
    if isinstance(artifact, Mapping) and artifact.get("structured_content") is not None:
        return artifact["structured_content"]
    return text_of(message)


# The fields of a message can be anything at all: a node may set them, and no one checks.


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    """The calls in a message's list of calls."""
    return (item for item in _listed(value) if isinstance(item, Mapping))


def _as_text(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        # In an order that is the same in every process.
        return sorted((storable_json(item, other=_as_text) for item in value), key=str)
    return storable(str(value))
