"""Whether messages still are what plain messages of a list are stored as."""

from collections.abc import Sequence
from operator import attrgetter

import ormsgpack
from langchain_core.messages import BaseMessage

from .decoding import BLOCK, PlainMessage

#: As the serialiser packs: what is no plain data isn't taken for some.
PACKING = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)

#: The dicts that hold what is in a message.
fields_of = attrgetter("__dict__")
extra_of = attrgetter("__pydantic_extra__")


class PackedMessages:
    """What plain messages are made of, in the order of their rows."""

    def __init__(self) -> None:
        #: About how many bytes it takes beside what the messages are made of.
        self.size = 0
        self._packed: list[bytes] = []
        # What is in the `option` of any of them.
        self._option = 0
        # Full blocks in one piece, as far as they were compared: each is, several times in a turn.
        self._joined: list[bytes] = []

    def extend(self, plain: Sequence[PlainMessage]) -> None:
        """Further messages."""
        self._packed += [one.packed for one in plain]
        for option in {one.option for one in plain}:
            self._option |= option

    def cut(self, count: int) -> None:
        """Only the first `count` are left."""
        del self._packed[count:]
        self._keep_joined(count // BLOCK)

    def let_go(self) -> None:
        """Keep nothing but what the messages are made of."""
        self._keep_joined(0)

    def are_of(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether the first of them are those of `messages`, which are of their classes.

        Whole blocks are packed, and the bytes compared: that tells 1 from True, takes a moment, and
        needs no second copy of the messages.
        """
        return all(
            self.block_is_of(number, messages[start : start + BLOCK])
            for number, start in enumerate(range(0, len(messages), BLOCK))
        )

    def block_is_of(self, number: int, messages: Sequence[BaseMessage]) -> bool:
        """The same of a block's first messages."""
        start = number * BLOCK
        if len(messages) < BLOCK or number > len(self._joined):
            joined = b"".join(self._packed[start : start + len(messages)])
        elif number < len(self._joined):
            joined = self._joined[number]
        else:
            joined = b"".join(self._packed[start : start + BLOCK])
            self._joined.append(joined)
            self.size += len(joined)
        return are_packed_as(joined, messages, self._option)

    def _keep_joined(self, count: int) -> None:
        self.size -= sum(map(len, self._joined[count:]))
        del self._joined[count:]


def are_packed_as(joined: bytes, messages: Sequence[BaseMessage], option: int) -> bool:
    """Whether a block's messages are packed as `joined`, one after the other."""
    try:
        packed = ormsgpack.packb(list(map(fields_of, messages)), option=PACKING | option)
    except (TypeError, ValueError):
        # Something is in them that was in no plain message.
        return False
    return (
        len(packed) == _head_of_array(len(messages)) + len(joined)
        and packed.endswith(joined)
        and not any(map(extra_of, messages))
    )


def _head_of_array(length: int) -> int:
    """How long MessagePack's head of an array of at most `BLOCK` is.
    https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family"""
    return 1 if length < 16 else 3
