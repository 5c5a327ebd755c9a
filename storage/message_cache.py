"""The messages that a process has read or written, so that it need not read them again.

Two questions are answered here without the database. Given a leaf, which messages lead to it? And
given the messages of a running graph, which rows are they? The second is what makes a turn on a
long conversation as cheap as on a short one: objects that were handed out, or stored before, are
recognised by identity, and only new ones are serialised.

These are the innermost loops of the checkpointer, run over the whole conversation several times in
a turn, so they are written for speed.
"""

from collections import OrderedDict

from .cached_thread import CachedThread
from .redactions import Redactions


class MessageCache:
    """Threads, least recently used out first, up to a number of bytes.

    Half of it is for messages that were handed out and may be again. They save time, but what they
    are made of saves more.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        #: About how many bytes the cached messages take.
        self.size = 0
        self._threads: OrderedDict[str, CachedThread] = OrderedDict()
        #: The threads that keep what they handed out, and the bytes that it takes.
        self._keeping: OrderedDict[str, int] = OrderedDict()
        self._kept_size = 0

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
            self._count(thread_id, thread)
        while self._kept_size > self.max_bytes // 2:
            longest_unused = next(iter(self._keeping))
            self._threads[longest_unused].let_go()
            self._count(longest_unused, self._threads[longest_unused])
        while self.size > self.max_bytes and self._threads:
            self.forget(next(iter(self._threads)))

    def _count(self, thread_id: str, thread: CachedThread) -> None:
        self.size += thread.size - thread.counted
        thread.counted = thread.size
        self._kept_size += thread.kept_size - self._keeping.pop(thread_id, 0)
        if thread.kept_size:
            self._keeping[thread_id] = thread.kept_size

    def forget(self, thread_id: str) -> None:
        """Let go of a thread: its rows may be gone."""
        if (thread := self._threads.pop(thread_id, None)) is not None:
            self.size -= thread.counted
            self._kept_size -= self._keeping.pop(thread_id, 0)
