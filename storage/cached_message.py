"""A stored message as the cache has it, and the objects that are made of it."""

from collections.abc import Iterable, Sequence

import ormsgpack
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

from .decoding import PlainMessage, make_messages, plain_messages, read_message
from .message_copies import Copied, copy_message, what_to_copy
from .packed_messages import PACKING, are_packed_as
from .plain_forms import Fields

#: About how many bytes a cached message takes for each byte of its payload, if it is not plain: the
#: object, its dicts, what is needed to copy it. And what any message takes beside that.
SIZES, OVERHEAD = 6, 1_000
#: Bytes of a payload of which no message is made more often than need be.
LONG = 16_384

#: How they are compared that are not plain.
_PACKING = PACKING & ~ormsgpack.OPT_PASSTHROUGH_TUPLE | ormsgpack.OPT_NON_STR_KEYS


class Node:
    """A stored message. Nobody but the cache holds its object, so it is as it was stored.

    The object is made when it is needed for the first time: many a process reads a conversation
    once, shows it, and never comes back to it.
    """

    __slots__ = ("_copied", "_message", "parent", "plain", "size")

    def __init__(
        self, parent: bytes | None, held: PlainMessage | BaseMessage, payload: bytes
    ) -> None:
        """A message that nobody else holds, or what one is made of."""
        self.parent = parent
        #: Of a plain message another one is made.
        self.plain: PlainMessage | None = None
        self._message: BaseMessage | None = None
        self._copied: Copied | None = None
        #: About how many bytes it takes.
        self.size = len(payload) + OVERHEAD
        if type(held) is PlainMessage:
            self.plain = held
        else:
            assert isinstance(held, BaseMessage)  # noqa: S101 - it is one or the other
            self._message = held
            self.size = SIZES * len(payload) + OVERHEAD

    @property
    def message(self) -> BaseMessage:
        """The message as it was stored. It must not be changed."""
        if self.plain is not None:
            return make_messages([self.plain])[0]
        assert self._message is not None  # noqa: S101 - what is not plain is read at once
        return self._message

    def copy(self) -> BaseMessage:
        """A copy of a message that is not plain."""
        if self._copied is None:
            self._copied = what_to_copy(self.message)
        return copy_message(self.message, self._copied)

    def is_of(self, message: BaseMessage) -> bool:
        """Whether a message that was handed out for this one is still as it was stored."""
        if self.plain is not None:
            return are_packed_as(self.plain.packed, [message], self.plain.option)
        stored = self.message
        return _are_equal(message.__dict__, stored.__dict__) and _are_equal(
            message.__pydantic_extra__, stored.__pydantic_extra__
        )


def node_of(
    parent: bytes | None, serde: SerializerProtocol, payload_type: str, payload: bytes
) -> Node:
    """A stored message.

    Raises:
        UnreadableMessageError: the serialiser makes no message of the payload.
    """
    (plain,) = plain_ones(serde, [(payload_type, payload)])
    return Node(parent, plain or read_message(serde, payload_type, payload), payload)


def plain_ones(
    serde: SerializerProtocol, stored: Sequence[tuple[str, bytes]]
) -> list[PlainMessage | None]:
    """The payloads, each with its type, of which another message is made when one is wanted.

    That is quicker than to copy a message, unless much text would have to be copied as well.
    """
    return plain_messages(serde, stored, below=LONG)


def hand_out(nodes: Sequence[Node]) -> list[BaseMessage]:
    """A message of each, for a caller, who may change it."""
    made = iter(make_messages(plain_of(nodes)))
    return [node.copy() if node.plain is None else next(made) for node in nodes]


def plain_of(nodes: Iterable[Node]) -> list[PlainMessage]:
    return [node.plain for node in nodes if node.plain is not None]


def _are_equal(one: Fields | None, other: Fields | None) -> bool:
    """Whether they are, and would be stored alike; no, if they can't be compared, as numpy's arrays
    can't."""
    try:
        return bool(one == other) and _packed(one or {}) == _packed(other or {})
    except Exception:
        return False


def _packed(fields: Fields) -> bytes:
    """What tells fields apart that are equal, as 1 and True are, without copying long texts."""
    told = {name: value for name, value in fields.items() if type(value) is not str}
    return ormsgpack.packb(told, default=_kind_of, option=_PACKING)


def _kind_of(value: object) -> str:
    """What stands for an object that is no plain data."""
    return type(value).__qualname__
