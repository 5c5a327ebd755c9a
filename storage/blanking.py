"""Blanking a message wherever a copy of it lies: the pure part of forgetting, without I/O.

A message is stored as a row, but copies of it lie about: in the input that brought it, before it
had an id; in what tasks wrote before their step was complete; in the state of sub-graphs; in calls
that were handed to another node. They are found by the message's id, and where there is none by
its kind and content, in values opened by `stored_values`.

Blank is what was said: text, other content, arguments of calls, results, and whatever a provider's
client left with it. What stays is what a model needs to make sense of the messages around it: whose
message it was, its id, which calls it asked for or answers. So the transcript stays valid.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .stored_values import Extension, changed, packed
from .transcript import digest_of

#: What stands in the place of a content.
REDACTED = "[redacted]"

#: A text that is nobody's message by its place counts as a copy of the message only if it is longer
#: than this: "yes", or a task's number, is found everywhere.
SHORT = 8

_KINDS = {"user": "human", "assistant": "ai", "developer": "system"}
_KEPT = ("type", "role", "id", "tool_call_id", "status", "chunk_position")
_CALLS = ("tool_calls", "invalid_tool_calls", "tool_call_chunks")
#: The names under which arguments go, in LangChain's calls and in those of providers.
_ARGUMENTS = ("args", "arguments", "input", "partial_json")
_CALL_IDS = ("id", "call_id")

Fields = Mapping[Any, Any]


def message_fields(value: Any) -> dict[Any, Any] | None:
    """The fields of an opened value that is a message, as an object or as a dict; else none."""
    match value:
        case Extension(_, [str(), str(), dict() as fields, *_]) if _is_message(fields):
            return fields
        case {"lc": _, "kwargs": dict() as fields} if _is_message(fields):
            return fields
        case dict() if _is_message(value):
            return value
    return None


def with_fields(value: Any, fields: dict[Any, Any]) -> Any:
    """An opened value that is a message, with these fields; the same object if they are."""
    match value:
        case Extension(code, [module, name, _, *rest]):
            new: Any = Extension(code, [module, name, fields, *rest])
        case {"lc": _, "kwargs": _}:
            new = {**value, "kwargs": fields}
        case _:
            new = fields
    return value if new == value else new


def kind_of(fields: Fields) -> str:
    """human, ai, system or tool, or another kind, of a message or a piece of a streamed one."""
    name = str(fields.get("type") or fields.get("role"))
    name = name.removesuffix("MessageChunk").lower()
    return _KINDS.get(name, name)


def id_of(fields: Fields) -> str | None:
    """A message's id, if it has one."""
    found = fields.get("id")
    return found if isinstance(found, str) and found else None


def text_of(content: Any) -> str:
    """The text of a content, as LangChain's `text` has it."""
    return "".join(_texts_in(content))


def calls_of(fields: Fields) -> list[dict[Any, Any]]:
    """The calls that a message asked for."""
    return [call for name in _CALLS for call in fields.get(name) or () if isinstance(call, dict)]


@dataclass(slots=True)
class Forgotten:
    """Messages to be blanked, in the form in which copies of them are recognised."""

    #: Ids of messages.
    ids: set[str] = field(default_factory=set)
    #: Kinds and contents of those messages, for copies that have no id.
    contents: list[tuple[str, Any]] = field(default_factory=list)
    #: Ids of the calls that they asked for, with the tools' names.
    calls: dict[str, set[str]] = field(default_factory=dict)
    #: Names and arguments of those calls, for copies without an id: a question whether a call may
    #: be made, in the form of LangChain's human-in-the-loop middleware, has none.
    arguments: list[tuple[str, dict[Any, Any]]] = field(default_factory=list)
    #: Ids of the calls that they answer.
    answered: set[str] = field(default_factory=set)
    #: Their texts, which may lie about outside of any message.
    texts: set[str] = field(default_factory=set)
    #: Of those without an id: the digests of the row before and of their own.
    rows: set[tuple[bytes | None, bytes]] = field(default_factory=set)

    def add(self, fields: Fields) -> None:
        """One message more; what is blank already is known by its ids only."""
        if (id_ := id_of(fields)) is not None:
            self.ids.add(id_)
        for call in calls_of(fields):
            if isinstance(call.get("id"), str) and call["id"]:
                self.calls.setdefault(call["id"], set()).add(str(call.get("name")))
            if isinstance(call.get("args"), dict) and call["args"]:
                self.arguments.append((str(call.get("name")), call["args"]))
        if kind_of(fields) == "tool" and isinstance(fields.get("tool_call_id"), str):
            self.answered.add(fields["tool_call_id"])
            self._add_decision(fields.get("additional_kwargs"))
        content = fields.get("content")
        if content and content != REDACTED:
            self.contents.append((kind_of(fields), content))
            self.texts |= {text for text in (*_texts_in(content), text_of(content)) if text}

    def _add_decision(self, more: Any) -> None:
        """What a person decided about the call: what they made of it, or why they rejected it."""
        match more:
            case {"decision": {"edited_action": {"name": str() as name, "args": dict() as made}}}:
                self.arguments.append((name, made))
            case {"decision": {"message": str() as reason}} if reason:
                self.texts.add(reason)

    def needles(self) -> list[str]:
        """Texts of which at least one is in every copy."""
        found = self.ids | self.answered | set(self.calls) | self.texts
        for _, content in self.contents:
            found |= set(_strings_in(content))
        for name, arguments in self.arguments:
            found |= {text for text in _strings_in(arguments) if text} or {name}
        return sorted(found)

    def holds(self, fields: Fields) -> bool:
        """Whether this is a copy of one of the messages."""
        if (id_ := id_of(fields)) is not None:
            return id_ in self.ids
        kind = kind_of(fields)
        if kind == "tool" and fields.get("tool_call_id") in self.answered:
            return True
        if any(call.get("id") in self.calls for call in calls_of(fields)):
            return True
        return (kind, fields.get("content")) in self.contents

    def blank(self, value: Any) -> Any:
        """An opened value without the messages' contents; the very same object if it has none."""
        if (fields := message_fields(value)) is not None:
            # What another message quotes is that one's.
            is_copy = self.holds(fields) or self._is_row(value, fields)
            return with_fields(value, blank_message(fields)) if is_copy else value
        match value:
            case str():
                return REDACTED if len(value) > SHORT and value in self.texts else value
            case dict() if any(self._asks(value.get(name), value) for name in _CALL_IDS):
                new = blank_call(value)
                return value if new == value else new
            case {"messages": messages, **rest} if (new := self._blank_input(messages)) is not None:
                return {**value, "messages": new} | {k: self.blank(v) for k, v in rest.items()}
            case [str() as kind, content] if self.holds({"type": kind, "content": content}):
                return [kind, REDACTED]
        return changed(value, self.blank)

    def _is_row(self, value: Any, fields: Fields) -> bool:
        """Whether it is a message of one of the rows, as it was stored before it was blanked."""
        if not self.rows or id_of(fields) is not None or not isinstance(value, Extension):
            return False
        payload = packed(value)
        return any(digest_of(parent, payload) == digest for parent, digest in self.rows)

    def _asks(self, call_id: Any, call: Fields) -> bool:
        if not any(map(call.get, _CALL_IDS)):
            return (call.get("name"), call.get("args")) in self.arguments
        names = self.calls.get(call_id) if isinstance(call_id, str) else None
        if names is None or not any(key in call for key in (*_ARGUMENTS, "function")):
            return False
        return not isinstance(name := call.get("name"), str) or name in names

    def _blank_input(self, messages: Any) -> Any:
        """An input may name the user's words alone, without saying that they are a message."""

        def is_copy(text: Any) -> bool:
            return isinstance(text, str) and ("human", text) in self.contents

        if is_copy(messages):
            return REDACTED
        if isinstance(messages, list) and any(map(is_copy, messages)):
            return [REDACTED if is_copy(message) else self.blank(message) for message in messages]
        return None


def blank_message(fields: Fields) -> dict[Any, Any]:
    """A message's fields, blank."""
    kind = kind_of(fields)
    blank = {}
    for name, value in fields.items():
        if name in _KEPT or (name == "name" and kind != "human"):
            # A person's name is part of what was said; an agent's or a tool's says who answers.
            blank[name] = value
        elif name == "content":
            blank[name] = REDACTED if value else value
        elif name in _CALLS and isinstance(value, list):
            blank[name] = [blank_call(call) for call in value if isinstance(call, dict)]
        elif name == "usage_metadata":
            blank[name] = None
        else:
            blank[name] = _emptied(value)
    return blank


def blank_call(call: Fields) -> dict[Any, Any]:
    """A tool call without what the tool was to be called with."""
    blank = {}
    for name, value in call.items():
        if name in _ARGUMENTS:
            # Pieces of a stream, and providers, have them as JSON.
            blank[name] = "{}" if isinstance(value, str) else _emptied(value)
        elif name == "function" and isinstance(value, dict):
            blank[name] = blank_call(value)
        elif name == "description":
            # Of a call that waits for approval: it says what the call would be made with.
            blank[name] = REDACTED
        elif name in ("extras", "error"):
            blank[name] = None
        else:
            blank[name] = value
    return blank


def _is_message(fields: Fields) -> bool:
    return "content" in fields and isinstance(fields.get("type", fields.get("role")), str)


def _emptied(value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case dict() | list() | tuple() | str() | int() | float():
            return type(value)()
    return None


def _texts_in(content: Any) -> Iterator[str]:
    """The texts of a content: the whole, or of each block that has one."""
    for block in content if isinstance(content, list) else [content]:
        match block:
            case str():
                yield block
            case {"type": "text", "text": str() as text}:
                yield text


def _strings_in(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                if name != "type":
                    yield from _strings_in(item)
        case list() | tuple():
            for item in value:
                yield from _strings_in(item)
