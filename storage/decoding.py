"""From a payload to the message that it holds, quickly where that is safe.

The serialiser makes a message by calling its class, which looks at every field. That takes most of
the time of reading a long conversation, and for nearly all messages it changes nothing: they were
such objects when they were written. So a payload whose every field is seen to be what the class
would leave as it is, is made a message of without the class. All others, and all that was written
by another serialiser than LangGraph's own, go through the serialiser.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import ormsgpack
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from pydantic import BaseModel

from .errors import StorageError
from .serde import GraphSerializer

Fields = dict[str, Any]

#: How long MessagePack's head of an extension is, by its first byte: the codes for lengths of 8, 16
#: and 32 bits. https://github.com/msgpack/msgpack/blob/master/spec.md#ext-format-family
_HEADS = {0xC7: 3, 0xC8: 4, 0xC9: 6}

#: Whose payloads these are: exactly these classes, since others may write something else.
_SERIALISERS = frozenset({JsonPlusSerializer, GraphSerializer})

#: What the serialiser writes behind the fields.
_ENDS = ormsgpack.packb("model_validate_json")

_TOOL_CALL = ("name", "args", "id", "type")
_USAGE = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = ("input_token_details", "output_token_details")


def _subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(len(names) + 1) for some in combinations(names, size)]


#: In which order the class leaves the parts of a usage, of which any may be missing.
_USAGES = frozenset((*_USAGE, *some) for some in _subsets(_DETAILS))
_INPUTS = frozenset(_subsets(("audio", "cache_creation", "cache_read")))
_OUTPUTS = frozenset(_subsets(("audio", "reasoning")))
_INT = frozenset({int})

#: As the serialiser packs: what is no plain data isn't taken for some.
_PACKING = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)

#: Messages that are compared at once: the processor's cache has them, and twice their bytes.
BLOCK = 128

_fields_of = attrgetter("__dict__")
_extra_of = attrgetter("__pydantic_extra__")
_set = object.__setattr__
# What pydantic keeps beside the fields has slots, which are set faster than by name.
_set_fields_set, _set_extra, _set_private = (
    BaseModel.__dict__[name].__set__
    for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_new: Callable[[type[BaseMessage]], BaseMessage] = object.__new__


class UnreadableMessageError(StorageError, TypeError):
    """A message of a class that the serialiser refuses to restore."""


class PlainMessage:
    """A payload that messages can be made of without their class, as often as one is wanted."""

    __slots__ = ("_fields", "form", "option", "packed")

    def __init__(self, form: "_Form", packed: bytes, option: int, fields: Fields) -> None:
        self.form = form
        self.packed = packed
        self.option = option
        #: Unpacked already, for the first message.
        self._fields: Fields | None = fields

    def fields(self) -> Fields:
        """The fields of another message each time."""
        if (fields := self._fields) is not None:
            self._fields = None
            return fields
        unpacked: Fields = ormsgpack.unpackb(self.packed, option=self.option)
        return unpacked


def plain_message(
    serde: SerializerProtocol, payload_type: str, payload: bytes
) -> PlainMessage | None:
    """A payload as that of a plain message, if it is one and LangGraph's own serialiser's."""
    if type(serde) not in _SERIALISERS or payload_type != "msgpack" or not payload:
        return None
    head = _HEADS.get(payload[0])
    if head is None or len(payload) <= head or payload[head - 1] != EXT_PYDANTIC_V2:
        return None
    for form in _FORMS:
        if payload.startswith(form.begins, head) and payload.endswith(_ENDS):
            return _plain(form, payload[head + len(form.begins) : -len(_ENDS)])
    return None


def _plain(form: "_Form", packed: bytes) -> PlainMessage | None:
    # Text for every key is the rule, and is quicker.
    for option in (0, ormsgpack.OPT_NON_STR_KEYS):
        try:
            fields = ormsgpack.unpackb(packed, option=option)
        except (ValueError, TypeError):
            # Damaged, or with objects in it: the serialiser says what it thinks of that.
            continue
        if type(fields) is dict and tuple(fields) == form.names and form.holds(fields):
            return PlainMessage(form, packed, option, fields)
        return None
    return None


def make_messages(plain: Sequence[PlainMessage]) -> list[BaseMessage]:
    """A new message of each. Step by step for all of them, which takes half of the time."""
    forms = [one.form for one in plain]
    messages = [_new(form.kind) for form in forms]
    _for_each(_set_fields_set, messages, [form.given.copy() for form in forms])
    _for_each(_set_extra, messages, [{} for _ in forms])
    _for_each(_set_private, messages, repeat(None))
    _for_each(_set, messages, repeat("__dict__"), [one.fields() for one in plain])
    return messages


def are_unchanged(messages: Sequence[BaseMessage], stored: Sequence[bytes], option: int) -> bool:
    """Whether these messages, which were made of those `packed` payloads, are as they were.

    They are packed again, and the bytes compared: that tells 1 from True, takes a moment, and needs
    no second copy of the messages.

    Args:
        option: what is in the `option` of any of the plain messages.
    """
    return all(
        _are_unchanged(messages[start : start + BLOCK], stored[start : start + BLOCK], option)
        for start in range(0, len(messages), BLOCK)
    )


def _are_unchanged(messages: Sequence[BaseMessage], stored: Sequence[bytes], option: int) -> bool:
    try:
        packed = ormsgpack.packb(list(map(_fields_of, messages)), option=_PACKING | option)
    except (TypeError, ValueError):
        # Something is in them that was in no plain message.
        return False
    joined = b"".join(stored)
    return (
        len(packed) == _head_of_array(len(messages)) + len(joined)
        and packed.endswith(joined)
        and not any(map(_extra_of, messages))
    )


def _head_of_array(length: int) -> int:
    """How long MessagePack's head of an array of at most `BLOCK` is.
    https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family"""
    return 1 if length < 16 else 3


def _for_each(do: Callable[..., object], *arguments: Iterable[object]) -> None:
    deque(map(do, *arguments), maxlen=0)


def read_message(serde: SerializerProtocol, payload_type: str, payload: bytes) -> BaseMessage:
    """The message that a payload holds.

    Raises:
        UnreadableMessageError: the serialiser makes something else of it.
    """
    plain = plain_message(serde, payload_type, payload)
    if plain is not None:
        return make_messages([plain])[0]
    message = serde.loads_typed((payload_type, payload))
    if not isinstance(message, BaseMessage):
        raise UnreadableMessageError(
            f"the serialiser can't make a message of {_shown(payload)}: it restores LangChain's "
            "own classes, and others only if they are named to it. Use one of LangChain's, or give "
            "the checkpointer a serialiser with the class in its `allowed_msgpack_modules`."
        )
    return message


def _shown(payload: bytes) -> str:
    """The beginning of a payload, which holds the name of the class."""
    return repr(payload[:120].decode(errors="replace"))


class _Form:
    """What the fields of a class's messages look like where the class leaves them as they are."""

    def __init__(
        self,
        kind: type[BaseMessage],
        more: Mapping[str, frozenset[type]] = MappingProxyType({}),
        holds: Callable[[Fields], bool] | None = None,
    ) -> None:
        self.kind = kind
        #: What the serialiser writes before the fields.
        self.begins = b"\x94" + ormsgpack.packb(kind.__module__) + ormsgpack.packb(kind.__name__)
        self.names = tuple(kind.model_fields)
        self.given = set(self.names)
        self._type = kind.model_fields["type"].default
        self._holds = holds
        types = {**_TYPES, **more}
        #: The types that the values of the fields may have, each combination of them.
        self._types = frozenset(product(*(types[name] for name in self.names)))

    def holds(self, fields: Fields) -> bool:
        return (
            tuple(map(type, fields.values())) in self._types
            and fields["type"] == self._type
            and (type(content := fields["content"]) is str or _are_blocks(content))
            and (self._holds is None or self._holds(fields))
        )


def _are_blocks(blocks: Any) -> bool:
    return all(type(block) in (str, dict) for block in blocks)


def _is_ai(fields: Fields) -> bool:
    calls, usage = fields["tool_calls"], fields["usage_metadata"]
    return (
        not fields["invalid_tool_calls"]
        # From additional_kwargs, the class takes calls that were left unread.
        and (
            all(map(_is_call, calls)) if calls else "tool_calls" not in fields["additional_kwargs"]
        )
        and (usage is None or _is_usage(usage))
    )


def _is_call(call: object) -> bool:
    return (
        type(call) is dict
        and tuple(call) == _TOOL_CALL
        and type(call["name"]) is str
        and type(call["args"]) is dict
        and all(type(name) is str for name in call["args"])
        and (call["id"] is None or type(call["id"]) is str)
        and call["type"] == "tool_call"
    )


def _is_usage(usage: Fields) -> bool:
    if tuple(usage) not in _USAGES:
        return False
    *numbers, inputs, outputs = map(usage.get, (*_USAGE, *_DETAILS))
    return (
        _INT.issuperset(map(type, numbers))
        and (inputs is None or _is_detail(inputs, _INPUTS))
        and (outputs is None or _is_detail(outputs, _OUTPUTS))
    )


def _is_detail(detail: object, known: frozenset[tuple[str, ...]]) -> bool:
    return (
        type(detail) is dict
        and tuple(detail) in known
        and _INT.issuperset(map(type, detail.values()))
    )


def _is_tool(fields: Fields) -> bool:
    return fields["status"] in ("success", "error")


_NONE: type = type(None)
_TEXT: frozenset[type] = frozenset({str})
_MAYBE_TEXT: frozenset[type] = frozenset({str, _NONE})
#: The types of what is in the fields of all messages.
_TYPES = {
    "content": frozenset({str, list}),
    "additional_kwargs": frozenset({dict}),
    "response_metadata": frozenset({dict}),
    "type": _TEXT,
    "name": _MAYBE_TEXT,
    "id": _MAYBE_TEXT,
}
_OF_AI = {
    "tool_calls": frozenset({list}),
    "invalid_tool_calls": frozenset({list}),
    "usage_metadata": frozenset({dict, _NONE}),
}
_OF_TOOL = {
    "tool_call_id": _TEXT,
    "artifact": frozenset({str, int, float, bool, list, dict, bytes, _NONE}),
    "status": _TEXT,
}
_FORMS = [
    _Form(HumanMessage),
    _Form(AIMessage, _OF_AI, _is_ai),
    _Form(ToolMessage, _OF_TOOL, _is_tool),
    _Form(SystemMessage),
]
