"""The messages that a process has read or written, so that it need not read them again.

Two questions are answered here without the database. Given a leaf, which messages lead to it? And
given the messages of a running graph, which rows are they? The second is what makes a turn on a
long conversation as cheap as on a short one: objects that were handed out, or stored before, are
recognised by identity, and only new ones are serialised.

These are the innermost loops of the checkpointer, run over the whole conversation several times in
a turn, so they are written for speed.
"""

import gc
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from operator import is_
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

from .decoding import PlainMessage, are_unchanged, make_messages, plain_message, read_message
from .message_copies import Copied, copy_message, what_to_copy
from .redactions import Redactions

#: About how many bytes a cached message takes for each byte of its payload, if it is not plain: the
#: object, its dicts, what is needed to copy it. And what any message takes beside that.
SIZES, OVERHEAD = 6, 1_000
#: Bytes of a payload of which no message is made more often than need be.
LONG = 16_384
#: So many lists of a thread's messages are known at a time: those of its running graphs.
LISTS = 8


class Node:
    """A stored message. Nobody but the cache holds its object, so it is as it was stored.

    The object is made when it is needed for the first time: many a process reads a conversation
    once, shows it, and never comes back to it.
    """

    __slots__ = ("_copied", "_message", "parent", "plain", "size")

    def __init__(
        self, parent: bytes | None, serde: SerializerProtocol, payload_type: str, payload: bytes
    ) -> None:
        """Raises `UnreadableMessageError` if the serialiser makes no message of the payload."""
        self.parent = parent
        #: Of a plain message another one is made. That is quicker than to copy it, unless much text
        #: would have to be copied as well.
        self.plain = plain_message(serde, payload_type, payload) if len(payload) < LONG else None
        #: Any other message, which nobody else holds.
        self._message = None if self.plain else read_message(serde, payload_type, payload)
        self._copied: Copied | None = None
        times = 1 if self.plain else SIZES
        #: About how many bytes it takes.
        self.size = times * len(payload) + OVERHEAD

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
            return are_unchanged([message], [self.plain])
        stored = self.message
        return _are_equal(message.__dict__, stored.__dict__) and _are_equal(
            message.__pydantic_extra__, stored.__pydantic_extra__
        )


def hand_out(nodes: Sequence[Node]) -> list[BaseMessage]:
    """A message of each, for a caller, who may change it."""
    made = iter(make_messages(_plain_of(nodes)))
    return [node.copy() if node.plain is None else next(made) for node in nodes]


class _KnownList:
    """Objects outside of the cache that are rows of a thread, one the parent of the next."""

    def __init__(
        self, messages: Sequence[BaseMessage], digests: list[bytes], nodes: list[Node]
    ) -> None:
        self.ids: list[int] = []
        self.digests: list[bytes] = []
        self._references: list[weakref.ref[BaseMessage]] = []
        self._nodes: list[Node] = []
        self.extend(messages, digests, nodes)

    def extend(
        self, messages: Sequence[BaseMessage], digests: list[bytes], nodes: list[Node]
    ) -> None:
        """The list goes on with these."""
        self.ids += map(id, messages)
        self.digests += digests
        self._references += map(weakref.ref, messages)
        self._nodes += nodes

    @property
    def is_gone(self) -> bool:
        """Whether nobody has these objects any more."""
        return self._references[-1]() is None and self._references[0]() is None

    def common(self, ids: list[int]) -> int:
        """With how many of these objects the list begins."""
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
        nodes = self._nodes
        plain = [place for place in range(count) if nodes[place].plain is not None]
        # Whole lists are compared in a fraction of the time that it takes one by one.
        if are_unchanged([messages[place] for place in plain], _plain_of(nodes[:count])):
            places = [place for place in range(count) if nodes[place].plain is None]
        else:
            places = list(range(count))
        for place in places:
            if not nodes[place].is_of(messages[place]):
                return place
        return count


def _plain_of(nodes: Iterable[Node]) -> list[PlainMessage]:
    return [node.plain for node in nodes if node.plain is not None]


def _are_equal(one: Any, other: Any) -> bool:
    """Whether they are; no, if they can't be compared, as numpy's arrays can't."""
    try:
        return bool(one == other)
    except Exception:
        return False


class CachedThread:
    """The messages of one thread, all branches, by digest."""

    def __init__(self) -> None:
        self.size = OVERHEAD
        #: How much of `size` the cache as a whole has counted.
        self.counted = 0
        #: The thread's conversation, once it is known to be there, and its last redaction that
        #: what is cached takes into account, in Postgres's binary form.
        self.conversation: tuple[UUID, bytes | None] | None = None
        #: A version of the messages channel, and the row that it ends with: the ones last read or
        #: written.
        self.leaf: tuple[str, bytes] | None = None
        #: What may not be brought back, if a message of it was redacted.
        self.redactions: Redactions | None = None
        self._nodes: dict[bytes, Node] = {}
        #: The latest first.
        self._lists: list[_KnownList] = []

    def add(self, digest: bytes, node: Node) -> None:
        """Keep a stored message."""
        if digest not in self._nodes:
            self._nodes[digest] = node
            self.size += node.size

    def get(self, digest: bytes) -> Node | None:
        """A stored message, if it is kept."""
        return self._nodes.get(digest)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._nodes

    def path(self, leaf: bytes) -> list[bytes] | None:
        """Digests from root to leaf, or none where a message on the way is not in the cache."""
        nodes, path = self._nodes, []
        digest: bytes | None = leaf
        while digest is not None:
            node = nodes.get(digest)
            if node is None:
                return None
            path.append(digest)
            digest = node.parent
        path.reverse()
        return path

    def recognise(self, messages: Sequence[BaseMessage]) -> list[bytes]:
        """The digests of the first messages, as far as these very objects are known rows.

        It ends before the first object that is not known, that somebody has changed, or that
        follows another message than it did.
        """
        ids = list(map(id, messages))
        best, count = None, 0
        for known in self._lists:
            if (common := known.common(ids)) > count:
                best, count = known, common
                if count == len(ids):
                    break
        if best is None:
            return []
        self._lists.remove(best)
        self._lists.insert(0, best)
        return best.digests[: best.unchanged(messages, count)]

    def remember(self, messages: Sequence[BaseMessage], digests: list[bytes]) -> None:
        """From now on, recognise these objects as the rows that lead to the last of them."""
        nodes = self._nodes
        if not digests or not all(digest in nodes for digest in digests):
            return
        ids = list(map(id, messages))
        for known in self._lists:
            length = len(known.ids)
            if ids[:length] == known.ids and digests[:length] == known.digests:
                new = digests[length:]
                known.extend(messages[length:], new, [nodes[digest] for digest in new])
                return
        self._know(messages, digests)

    def hand_out(self, leaves: Iterable[bytes]) -> dict[bytes, list[BaseMessage]]:
        """The messages that lead to each leaf, all of which are here; lists share them.

        They are copies for a caller, who may change them. Unchanged ones are recognised later: of
        the longest list, if there are several.
        """
        paths = {leaf: path for leaf in leaves if (path := self.path(leaf))}
        digests = list(dict.fromkeys(chain.from_iterable(paths.values())))
        with _no_collection():
            messages = hand_out([self._nodes[digest] for digest in digests])
        handed = dict(zip(digests, messages, strict=True))
        result = {leaf: [handed[digest] for digest in path] for leaf, path in paths.items()}
        if result:
            longest = max(paths, key=lambda leaf: len(paths[leaf]))
            self._know(result[longest], paths[longest])
        return result

    def _know(self, messages: Sequence[BaseMessage], digests: list[bytes]) -> None:
        known = _KnownList(messages, digests, [self._nodes[digest] for digest in digests])
        self._lists = [known, *(other for other in self._lists if not other.is_gone)][:LISTS]


class MessageCache:
    """Threads, least recently used out first, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        #: About how many bytes the cached messages take.
        self.size = 0
        self._threads: OrderedDict[str, CachedThread] = OrderedDict()

    def thread(self, thread_id: str) -> CachedThread:
        """What is cached of a thread. Call `trim` when something was added to it."""
        thread = self._threads.get(thread_id)
        if thread is None:
            thread = self._threads[thread_id] = CachedThread()
        self._threads.move_to_end(thread_id)
        return thread

    def __contains__(self, thread_id: str) -> bool:
        return thread_id in self._threads

    def redactions(self, thread_id: str) -> Redactions | None:
        """What may not be brought back to a thread, if this process knows of anything."""
        thread = self._threads.get(thread_id)
        return None if thread is None else thread.redactions

    def trim(self, thread_id: str) -> None:
        """Count what was added to a thread, and let go of what doesn't fit any more."""
        if (thread := self._threads.get(thread_id)) is not None:
            self.size += thread.size - thread.counted
            thread.counted = thread.size
        while self.size > self.max_bytes and self._threads:
            _, evicted = self._threads.popitem(last=False)
            self.size -= evicted.counted

    def forget(self, thread_id: str) -> None:
        """Let go of a thread: its rows may be gone."""
        if (thread := self._threads.pop(thread_id, None)) is not None:
            self.size -= thread.counted


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection within the block, which has to be short.

    Thousands of new objects set it off again and again, to find each time that all are in use.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
