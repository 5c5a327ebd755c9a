"""The messages that a process has read or written, so that it need not read them again.

Two questions are answered here without the database. Given a leaf, which messages lead to it? And
given the messages of a running graph, which rows are they? The second is what makes a turn on a
long conversation as cheap as on a short one: objects that were handed out, or stored before, are
recognised by identity, and only new ones are serialised.

These are the innermost loops of the checkpointer, run over the whole conversation several times in
a turn, so they are written for speed.
"""

import copy
import gc
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage

#: Bytes that a cached message takes beside its payload: the object, its dicts, the cache's entry.
OVERHEAD = 2_000
#: So many objects may be gone before they are looked for.
PURGE_STEP = 1_000

_ATOMIC = frozenset({str, int, float, bool, bytes, type(None)})
_set = object.__setattr__
_fields_of = attrgetter("__dict__")
_extra_of = attrgetter("__pydantic_extra__")
_new: Callable[[type[BaseMessage]], BaseMessage] = object.__new__

#: Names of fields, and functions that make copies of their values.
Mutable = tuple[tuple[str, Callable[[], Any]], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A stored message. Nobody but the cache holds this object, so it is as it was stored."""

    message: BaseMessage
    parent: bytes | None
    size: int
    #: The fields whose values could be changed in place, each with what makes a copy.
    mutable: Mutable


class _Recognised:
    """A list of messages that were recognised, in the form in which it is compared quickly."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.ids: list[int] = []
        self.references: list[weakref.ref[BaseMessage]] = []
        #: Of the stored messages.
        self.fields: list[dict[str, Any]] = []
        self.extras: list[dict[str, Any] | None] = []

    def extend(
        self, messages: Sequence[BaseMessage], digests: list[bytes], stored: list[BaseMessage]
    ) -> None:
        """The list goes on with these, which were stored like that."""
        self.digests += digests
        self.ids += map(id, messages)
        self.references += map(weakref.ref, messages)
        self.fields += map(_fields_of, stored)
        self.extras += map(_extra_of, stored)


class CachedThread:
    """The messages of one thread, all branches, by digest."""

    def __init__(self) -> None:
        self.size = OVERHEAD
        #: How much of `size` the cache as a whole has counted.
        self.counted = 0
        #: The thread's conversation, once it is known to be there.
        self.conversation_id: UUID | None = None
        self._nodes: dict[bytes, Node] = {}
        #: The objects outside the cache that are rows of this thread, by identity, as long as they
        #: live; when they are gone their numbers may be other objects'.
        self._known: dict[int, tuple[weakref.ref[BaseMessage], bytes]] = {}
        self._purge_at = PURGE_STEP
        self._last: _Recognised | None = None

    def add(self, digest: bytes, parent: bytes | None, message: BaseMessage, size: int) -> Node:
        """Keep a stored message, which from now on belongs to the cache."""
        if (node := self._nodes.get(digest)) is None:
            node = Node(message, parent, size + OVERHEAD, mutable_fields(message))
            self._nodes[digest] = node
            self.size += node.size
        return node

    @property
    def is_empty(self) -> bool:
        """Whether no message of the thread is known."""
        return not self._nodes

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._nodes

    def path(self, leaf: bytes) -> list[tuple[bytes, Node]] | None:
        """Root to leaf, or none where a message on the way is not in the cache."""
        nodes, path = self._nodes, []
        digest: bytes | None = leaf
        while digest is not None:
            node = nodes.get(digest)
            if node is None:
                return None
            path.append((digest, node))
            digest = node.parent
        path.reverse()
        return path

    def recognise(self, messages: Sequence[BaseMessage]) -> list[bytes]:
        """The digests of the first messages, as far as these very objects are known rows.

        It ends before the first object that is not known, that somebody has changed, or that
        follows another message than it did.
        """
        digests = self._recognise_again(messages)
        again = len(digests)
        parent = digests[-1] if digests else None
        nodes, known = self._nodes, self._known
        for message in messages[again:]:
            entry = known.get(id(message))
            if entry is None or entry[0]() is not message:
                break
            digest = entry[1]
            node = nodes.get(digest)
            if node is None or node.parent != parent or not _is_unchanged(message, node.message):
                break
            digests.append(digest)
            parent = digest
        if again == 0:
            self._last = _Recognised()
        if self._last is not None:
            stored = [nodes[digest].message for digest in digests[again:]]
            self._last.extend(messages[again : len(digests)], digests[again:], stored)
        return digests

    def _recognise_again(self, messages: Sequence[BaseMessage]) -> list[bytes]:
        """The digests of the list recognised last, where this one begins with it, unchanged.

        A run puts the same objects step after step, with new ones behind them; whole lists are
        compared in a fraction of the time that their messages take one by one.
        """
        last = self._last
        if last is None or len(messages) < len(last.digests):
            return []
        same = messages[: len(last.digests)]
        # Numbers of objects that live are nobody else's.
        unchanged = (
            list(map(id, same)) == last.ids
            and None not in [reference() for reference in last.references]
            and list(map(_fields_of, same)) == last.fields
            and list(map(_extra_of, same)) == last.extras
        )
        return last.digests.copy() if unchanged else []

    def remember(self, message: BaseMessage, digest: bytes) -> None:
        """From now on, recognise this object as that row."""
        self._known[id(message)] = (weakref.ref(message), digest)
        self._purge()

    def hand_out(self, path: Iterable[tuple[bytes, Node]]) -> list[BaseMessage]:
        """Copies for a caller, who may change them; unchanged ones are recognised later."""
        path = list(path)
        digests = [digest for digest, _ in path]
        with _no_collection():
            messages = [copy_message(node.message, node.mutable) for _, node in path]
            references = map(weakref.ref, messages)
            self._known.update(
                zip(map(id, messages), zip(references, digests, strict=True), strict=True)
            )
        self._purge()
        # Most likely they come back as they are, with new ones behind them.
        self._last = _Recognised()
        self._last.extend(messages, digests, [node.message for _, node in path])
        return messages

    def _purge(self) -> None:
        """Forget the objects that are gone, when there may be many of them."""
        if len(self._known) > self._purge_at:
            self._known = {
                key: entry for key, entry in self._known.items() if entry[0]() is not None
            }
            self._purge_at = 2 * len(self._known) + PURGE_STEP


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


def _is_unchanged(message: BaseMessage, stored: BaseMessage) -> bool:
    return (
        type(stored) is type(message)
        and stored.__dict__ == message.__dict__
        and stored.__pydantic_extra__ == message.__pydantic_extra__
    )


def mutable_fields(message: BaseMessage) -> Mutable:
    """What `copy_message` needs to know of a message; looked up once for many copies."""
    fields: list[tuple[str, Callable[[], Any]]] = []
    for name, value in message.__dict__.items():
        if type(value) in (dict, list) and not value:
            fields.append((name, type(value)))
        elif type(value) not in _ATOMIC:
            fields.append((name, partial(_copy_value, value)))
    return tuple(fields)


def copy_message(message: BaseMessage, mutable: Mutable) -> BaseMessage:
    """A deep copy, in a fraction of the time of `model_copy(deep=True)`."""
    twin = _new(type(message))
    fields = message.__dict__.copy()
    for name, copied in mutable:
        fields[name] = copied()
    _set(twin, "__dict__", fields)
    # Shared: it only says which fields were given, and is no part of the message.
    _set(twin, "__pydantic_fields_set__", message.__pydantic_fields_set__)
    extra, private = message.__pydantic_extra__, message.__pydantic_private__
    _set(twin, "__pydantic_extra__", extra if extra is None else _copy_value(extra))
    _set(twin, "__pydantic_private__", private if private is None else _copy_value(private))
    return twin


def _copy_value(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMIC:
        return value
    if kind is dict:
        return {key: _copy_value(item) for key, item in value.items()} if value else {}
    if kind is list:
        return [_copy_value(item) for item in value] if value else []
    return copy.deepcopy(value)
