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

from .decoding import PlainMessage

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
        #: Every dict and list in the first messages, as far as they were looked for.
        self._containers: list[Any] = []
        self._searched = 0

    def keep(self, messages: Iterable[tuple[BaseMessage, PlainMessage]]) -> None:
        """Keep further messages, each of which was just made of its payload."""
        for message, plain in messages:
            self.messages.append(message)
            self.size += TIMES * len(plain.packed) + OVERHEAD

    def are_free(self) -> bool:
        """Whether nobody holds any of them, or anything in them that can be changed."""
        if not set(map(getrefcount, self.messages)) <= {_IN_ONE_LIST}:
            return False
        # Their fields, and what is in them, may be held by somebody who has let go of the message.
        level: list[Any] = list(map(_fields_of, self.messages[self._searched :]))
        while level:
            self._containers += level
            level = [part for part in gc.get_referents(*level) if type(part) in (dict, list)]
        self._searched = len(self.messages)
        # Each is held by what it is in as well.
        return set(map(getrefcount, self._containers)) <= {_IN_ONE_LIST + 1}
