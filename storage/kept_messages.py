"""Messages that were handed out, to be handed out again once nobody else has them.

To make a thousand messages takes longer than to see that a thousand are still as they were:
unpacking, and the garbage collection that so many new objects bring about. A server reads the same
conversation at each turn, and has let go of what it read for the turn before. Those objects are as
good as new ones, if nobody holds any of them, nor any dict or list in them, and they are as they
were stored.
"""

import gc
from collections.abc import Iterable
from operator import attrgetter
from sys import getrefcount
from typing import Any

from langchain_core.messages import BaseMessage

from .decoding import BLOCK, PlainMessage
from .packed_messages import PackedMessages

#: About how many bytes a kept message takes for each byte of its payload, and beside that.
TIMES, OVERHEAD = 3, 1_000

_fields_of = attrgetter("__dict__")


def _references_of_one_list() -> int:
    """What Python counts for an object that nothing holds but a list that is gone through."""
    return max(map(getrefcount, [object()]))


_IN_ONE_LIST = _references_of_one_list()


class KeptMessages:
    """Messages that were made of payloads, in the order of their rows."""

    def __init__(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Keep none of them any more."""
        self.messages: list[BaseMessage] = []
        #: About how many bytes they take.
        self.size = 0
        #: Every dict and list in the messages, block by block, as far as they were looked for.
        self._containers: list[list[Any]] = []

    def keep(self, messages: Iterable[tuple[BaseMessage, PlainMessage]]) -> None:
        """Keep further messages, each of which was just made of its payload."""
        # The last block may not have been full.
        del self._containers[len(self.messages) // BLOCK :]
        for message, plain in messages:
            self.messages.append(message)
            self.size += TIMES * len(plain.packed) + OVERHEAD

    def are_free_and_unchanged(self, packed: PackedMessages, count: int) -> bool:
        """Whether nobody holds any of them, or anything in them that can be changed, and the first
        `count` are as they are stored.

        Args:
            packed: what they are stored as.
        """
        # Both is asked of one block after the other, while the processor's cache has it.
        return all(
            self._are_free(number)
            and (
                start >= count
                or packed.block_is_of(number, self.messages[start : min(start + BLOCK, count)])
            )
            for number, start in enumerate(range(0, len(self.messages), BLOCK))
        )

    def _are_free(self, number: int) -> bool:
        block = self.messages[number * BLOCK : (number + 1) * BLOCK]
        if not set(map(getrefcount, block)) <= {_IN_ONE_LIST + 1}:
            return False
        if number == len(self._containers):
            # A message's fields, and what is in them, may be held by somebody who has let go of it.
            self._containers.append(found := [])
            level: list[Any] = list(map(_fields_of, block))
            while level:
                found += level
                level = [part for part in gc.get_referents(*level) if type(part) in (dict, list)]
        # Each is held by what it is in as well.
        return set(map(getrefcount, self._containers[number])) <= {_IN_ONE_LIST + 1}
