"""Messages that were handed out, to be handed out again once nobody else has them.

To make a thousand messages takes longer than to read where they begin and end: unpacking, and the
garbage collection that so many new objects bring about. A server reads the same conversation at
each turn, and has let go of what it read for the turn before. Those objects are as good as new
ones, if nobody holds any of them, nor any dict or list in them, and they are as they were stored.
"""

import gc
from collections.abc import Sequence
from operator import attrgetter
from sys import getrefcount
from typing import Any

from langchain_core.messages import BaseMessage

from .decoding import PlainMessage, are_unchanged

#: About how many bytes a kept message takes for each byte of its payload, and beside that.
TIMES, OVERHEAD = 3, 1_000

_fields_of = attrgetter("__dict__")


def _references_of_one_list() -> int:
    """What Python counts for an object that nothing holds but a list that is gone through."""
    return max(map(getrefcount, [object()]))


_IN_ONE_LIST = _references_of_one_list()


class KeptMessages:
    """Messages of one thread by digest, all made of payloads."""

    def __init__(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Keep none of them any more."""
        #: About how many bytes they take.
        self.size = 0
        self._places: dict[bytes, int] = {}
        self._messages: list[BaseMessage] = []
        self._plain: list[PlainMessage] = []
        #: Every dict and list in the first messages, as far as they were looked for.
        self._containers: list[Any] = []
        self._searched = 0

    def take(self, digests: Sequence[bytes]) -> dict[bytes, BaseMessage]:
        """Those of the wanted messages that can be handed out again.

        Where anybody holds one of them, or has changed it, all are let go of: who reads on while
        somebody else still does will do so again.
        """
        if not self._messages:
            return {}
        if not self._are_free():
            self.let_go()
            return {}
        known = self._places
        wanted = [digest for digest in digests if digest in known]
        places = [known[digest] for digest in wanted]
        messages = [self._messages[place] for place in places]
        plain = [self._plain[place] for place in places]
        option = max((one.option for one in plain), default=0)
        if not are_unchanged(messages, [one.packed for one in plain], option):
            self.let_go()
            return {}
        return dict(zip(wanted, messages, strict=True))

    def keep(self, digest: bytes, plain: PlainMessage, message: BaseMessage) -> None:
        """Keep a message that was just made of this payload."""
        self._places[digest] = len(self._messages)
        self._messages.append(message)
        self._plain.append(plain)
        self.size += TIMES * len(plain.packed) + OVERHEAD

    def _are_free(self) -> bool:
        if set(map(getrefcount, self._messages)) != {_IN_ONE_LIST}:
            return False
        # Their fields, and what is in them, may be held by somebody who has let go of the message.
        level: list[Any] = list(map(_fields_of, self._messages[self._searched :]))
        while level:
            self._containers += level
            level = [part for part in gc.get_referents(*level) if type(part) in (dict, list)]
        self._searched = len(self._messages)
        # Each is held by what it is in as well.
        return set(map(getrefcount, self._containers)) == {_IN_ONE_LIST + 1}
