"""From a payload to the message that it holds, quickly where that is safe.

The serialiser makes a message by calling its class, which looks at every field. That takes most of
the time of reading a long conversation, and for nearly all messages it changes nothing: they were
such objects when they were written. So a payload whose every field is seen to be what the class
would leave as it is, is made a message of without the class. All others, and all that was written
by another serialiser than LangGraph's own, go through the serialiser.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import ormsgpack
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from pydantic import BaseModel

from .errors import StorageError
from .plain_forms import FORMS, Fields, Form
from .serde import GraphSerializer

#: How long MessagePack's head of an extension is, by its first byte: the codes for lengths of 8, 16
#: and 32 bits. https://github.com/msgpack/msgpack/blob/master/spec.md#ext-format-family
_HEADS = {0xC7: 3, 0xC8: 4, 0xC9: 6}

#: Whose payloads these are: exactly these classes, since others may write something else.
_SERIALISERS = frozenset({JsonPlusSerializer, GraphSerializer})

#: What the serialiser writes behind the fields.
_ENDS = ormsgpack.packb("model_validate_json")

#: Messages that are looked at or compared at once: the processor's cache has them and their bytes,
#: twice.
BLOCK = 128

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

    def __init__(self, form: Form, packed: bytes, fields: Fields, option: int) -> None:
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


def plain_messages(
    serde: SerializerProtocol, stored: Sequence[tuple[str, bytes]], *, below: int = sys.maxsize
) -> list[PlainMessage | None]:
    """Payloads, each with its type, as those of plain messages; none in the place of any other,
    or where another serialiser wrote them.

    Args:
        below: payloads of so many bytes, or more, are not looked at.
    """
    found: list[PlainMessage | None] = [None] * len(stored)
    if type(serde) not in _SERIALISERS:
        return found
    places: dict[Form, list[int]] = {form: [] for form in FORMS}
    packed: dict[Form, list[bytes]] = {form: [] for form in FORMS}
    for place, (kind, payload) in enumerate(stored):
        if kind == "msgpack" and len(payload) < below and payload.endswith(_ENDS):
            head = _HEADS.get(payload[0])
            if head is not None and payload[head - 1] == EXT_PYDANTIC_V2:
                for form in FORMS:
                    if payload.startswith(form.begins, head):
                        places[form].append(place)
                        packed[form].append(payload[head + len(form.begins) : -len(_ENDS)])
                        break
    for form, of_form in packed.items():
        for start in range(0, len(of_form), BLOCK):
            block = _of_form(form, of_form[start : start + BLOCK])
            for place, plain in zip(places[form][start : start + BLOCK], block, strict=True):
                found[place] = plain
    return found


def _of_form(form: Form, packed: Sequence[bytes]) -> Sequence[PlainMessage | None]:
    """All at once, or one by one if any of them is not plain."""
    option = 0
    try:
        fields = _unpack(packed, option)
    except (ValueError, TypeError):
        # Text for every key is the rule, and is quicker.
        option = ormsgpack.OPT_NON_STR_KEYS
        try:
            fields = _unpack(packed, option)
        except (ValueError, TypeError):
            # Damaged, or with objects in it: the serialiser says what it thinks of that.
            fields = None
    if fields is not None and form.holds(fields):
        return [PlainMessage(form, *one, option) for one in zip(packed, fields, strict=True)]
    return (
        [None] if len(packed) == 1 else [one for each in packed for one in _of_form(form, [each])]
    )


def _unpack(packed: Sequence[bytes], option: int) -> list[Any]:
    unpackb = ormsgpack.unpackb
    return [unpackb(one, option=option) for one in packed]


def make_messages(plain: Sequence[PlainMessage]) -> list[BaseMessage]:
    """A new message of each. Step by step for all of them, which takes half of the time."""
    forms = [one.form for one in plain]
    messages = [_new(form.kind) for form in forms]
    _for_each(_set_fields_set, messages, [form.given.copy() for form in forms])
    _for_each(_set_extra, messages, [{} for _ in forms])
    _for_each(_set_private, messages, repeat(None))
    _for_each(_set, messages, repeat("__dict__"), [one.fields() for one in plain])
    return messages


def _for_each(do: Callable[..., object], *arguments: Iterable[object]) -> None:
    deque(map(do, *arguments), maxlen=0)


def read_message(serde: SerializerProtocol, payload_type: str, payload: bytes) -> BaseMessage:
    """The message that a payload holds.

    Raises:
        UnreadableMessageError: the serialiser makes something else of it.
    """
    (plain,) = plain_messages(serde, [(payload_type, payload)])
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
