"""Objects that a graph has, recognised by identity as rows that are stored."""

import weakref
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import is_

from langchain_core.messages import BaseMessage

from .cached_message import Node, plain_of
from .decoding import are_unchanged
from .kept_messages import KeptMessages


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
        self._references: list[weakref.ref[BaseMessage]] = []
        self._nodes: list[Node] = []
        #: Payloads of the plain ones, and how to pack a message to get them.
        self._stored: list[bytes] = []
        self._option = 0
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
        self._references += map(weakref.ref, messages)
        self._nodes += nodes
        plain = plain_of(nodes)
        self._stored += [one.packed for one in plain]
        self._option = max((one.option for one in plain), default=self._option) | self._option
        if len(plain) < len(nodes):
            places = enumerate(nodes, start=length)
            self._others += [place for place, node in places if node.plain is None]

    @property
    def is_gone(self) -> bool:
        """Whether nobody has these objects any more."""
        return self._references[-1]() is None and self._references[0]() is None

    def common(self, ids: list[int]) -> int:
        """With how many of these objects the list begins."""
        if not ids or ids[0] != self.ids[0]:
            return 0
        count = min(len(ids), len(self.ids))
        if ids[:count] != self.ids[:count]:
            pairs = zip(ids, self.ids, strict=False)
            count = next(place for place, (one, other) in enumerate(pairs) if one != other)
        # Numbers of objects that live are nobody else's; of others they may be.
        # (By identity: a message's own `==` would take its time.)
        gone = list(map(is_, [ref() for ref in self._references[:count]], repeat(None)))
        return gone.index(True) if True in gone else count

    def unchanged(self, messages: Sequence[BaseMessage], count: int) -> int:
        """How many of the first `count` messages are still as they were stored."""
        others = self._others[: bisect_left(self._others, count)]
        plain = messages[:count]
        if others:
            apart = set(others)
            plain = [message for place, message in enumerate(plain) if place not in apart]
        # Whole lists are compared in a fraction of the time that it takes one by one.
        if are_unchanged(plain, self._stored[: len(plain)], self._option):
            places: Iterable[int] = others
        else:
            places = range(count)
        for place in places:
            if not self._nodes[place].is_of(messages[place]):
                return place
        return count

    # Handing out again

    def keep(self, messages: Sequence[BaseMessage]) -> None:
        """Keep these objects of the list, which were all made of what is stored."""
        start, self.kept_length = self.kept_length, len(messages)
        pairs = zip(messages[start:], self._nodes[start:], strict=False)
        self.kept.keep((message, node.plain) for message, node in pairs if node.plain is not None)

    def kept_of(self, path: list[bytes]) -> int:
        """How many of the first messages of a path are kept."""
        count = min(self.kept_length, len(path))
        if path[:count] == self.digests[:count]:
            return count
        pairs = zip(path, self.digests, strict=False)
        return next(place for place, (one, other) in enumerate(pairs) if one != other)

    def take(self, count: int) -> list[BaseMessage] | None:
        """The first `count` messages, which are kept, for another caller.

        None, and they are let go of, if somebody has one of them still, or has changed one: who
        reads on while somebody else does will do so again.
        """
        others = self._others[: bisect_left(self._others, count)]
        stored = self._stored[: count - len(others)]
        if not self.kept.are_free_and_unchanged(stored, self._option):
            self.let_go()
            return None
        plain = self.kept.messages[: len(stored)]
        if not others:
            return plain
        again = iter(plain)
        messages = [next(again) if node.plain else node.copy() for node in self._nodes[:count]]
        for place in others:
            self.ids[place] = id(messages[place])
            self._references[place] = weakref.ref(messages[place])
        return messages

    def cut(self, count: int) -> None:
        """The list ends after `count` messages."""
        others = bisect_left(self._others, count)
        for entries in (self.ids, self.digests, self._references, self._nodes):
            del entries[count:]
        del self._others[others:]
        del self._stored[count - others :]
        if self.kept_length > count:
            self.let_go()

    def let_go(self) -> None:
        """Keep none of the objects any more."""
        self.kept_length = 0
        self.kept.let_go()
