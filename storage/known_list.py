"""Objects that a graph has, recognised as rows that are stored.

They are known by their numbers, and believed to be those rows if they are of their classes and hold
what is stored. So it doesn't matter that a number may be another object's by then.
"""

import weakref
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from langchain_core.messages import BaseMessage

from .cached_message import Node, plain_of
from .kept_messages import KeptMessages
from .packed_messages import PackedMessages


class KnownList:
    """Objects outside of the cache that are rows of a thread, one the parent of the next."""

    def __init__(
        self, messages: Sequence[BaseMessage], digests: list[bytes], nodes: list[Node]
    ) -> None:
        self.ids: list[int] = []
        self.digests: list[bytes] = []
        #: So many of the first objects were made of what is stored, and those of them that are
        #: plain are kept to be handed out again.
        self.kept_length = 0
        self.kept = KeptMessages()
        #: The first of the objects, and the last.
        self._ends = weakref.ref(messages[0]), weakref.ref(messages[-1])
        self._kinds: list[type[BaseMessage]] = []
        self._nodes: list[Node] = []
        #: What the plain ones are made of.
        self._packed = PackedMessages()
        #: Where the others stand.
        self._others: list[int] = []
        self.extend(messages, digests, nodes)

    def extend(
        self, messages: Sequence[BaseMessage], digests: list[bytes], nodes: list[Node]
    ) -> None:
        """The list goes on with these."""
        length = len(self._nodes)
        self.ids += map(id, messages)
        self.digests += digests
        self._ends = self._ends[0], weakref.ref(messages[-1])
        self._kinds += map(type, messages)
        self._nodes += nodes
        plain = plain_of(nodes)
        self._packed.extend(plain)
        if len(plain) < len(nodes):
            places = enumerate(nodes, start=length)
            self._others += [place for place, node in places if node.plain is None]

    @property
    def is_gone(self) -> bool:
        """Whether nobody has these objects any more."""
        first, last = self._ends
        return first() is None and last() is None

    def common(self, ids: list[int]) -> int:
        """With how many of these objects the list begins, as far as their numbers tell."""
        if not ids or ids[0] != self.ids[0]:
            return 0
        return _common(ids, self.ids)

    def unchanged(self, messages: Sequence[BaseMessage], count: int) -> int:
        """How many of the first `count` messages are as they are stored."""
        kinds = list(map(type, messages[:count]))
        count = _common(kinds, self._kinds[:count])
        others = self._others[: bisect_left(self._others, count)]
        plain = messages[:count]
        if others:
            apart = set(others)
            plain = [message for place, message in enumerate(plain) if place not in apart]
        # Whole lists are compared in a fraction of the time that it takes one by one.
        if self._packed.are_of(plain):
            places: Iterable[int] = others
        else:
            places = range(count)
        for place in places:
            if not self._nodes[place].is_of(messages[place]):
                return place
        return count

    @property
    def size(self) -> int:
        """About how many bytes are taken that can be let go of."""
        return self.kept.size + self._packed.size

    # Handing out again

    def keep(self, messages: Sequence[BaseMessage]) -> None:
        """Keep these objects of the list, which were all made of what is stored."""
        start, self.kept_length = self.kept_length, len(messages)
        pairs = zip(messages[start:], self._nodes[start:], strict=False)
        self.kept.keep((message, node.plain) for message, node in pairs if node.plain is not None)

    def kept_of(self, path: list[bytes]) -> int:
        """How many of the first messages of a path are kept."""
        return _common(path[: self.kept_length], self.digests)

    def take(self, count: int) -> list[BaseMessage] | None:
        """The first `count` messages, which are kept, for another caller.

        None, and they are let go of, if somebody has one of them still, or has changed one: who
        reads on while somebody else does will do so again.
        """
        others = self._others[: bisect_left(self._others, count)]
        if not self.kept.are_free_and_unchanged(self._packed, count - len(others)):
            self.let_go()
            return None
        plain = self.kept.messages[: count - len(others)]
        if not others:
            return plain
        again = iter(plain)
        messages = [next(again) if node.plain else node.copy() for node in self._nodes[:count]]
        for place in others:
            self.ids[place] = id(messages[place])
        self._ends = weakref.ref(messages[0]), weakref.ref(messages[-1])
        return messages

    def cut(self, count: int) -> None:
        """The list ends after `count` messages."""
        others = bisect_left(self._others, count)
        for entries in (self.ids, self.digests, self._kinds, self._nodes):
            del entries[count:]
        del self._others[others:]
        self._packed.cut(count - others)
        if self.kept_length > count:
            self.let_go()

    def let_go(self) -> None:
        """Keep none of the objects any more."""
        self.kept_length = 0
        self.kept.let_go()
        self._packed.let_go()


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """With how many equal items two lists begin."""
    count = min(len(one), len(other))
    if one[:count] == other[:count]:
        return count
    pairs = zip(one, other, strict=False)
    return next(place for place, (each, its) in enumerate(pairs) if each != its)
