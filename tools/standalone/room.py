"""Output that nobody has to read: a client may close its end and leave its answers where they are.

Whoever writes to a full pipe waits until it is read, and a thread that does can't be told to stop.
So it is looked first whether there is room, and whether the client still asks anything.
"""

import os
import select
import sys
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class WaitingForRoom(FileIO):
    """A descriptor that is written to as soon as that can't block.

    While the client may ask, it is waited for, however slowly it reads.

    Args:
        descriptor: where to write.
        asked_on: the descriptor on which the client asks, to see whether it has closed its end.
        patience: seconds without any room, once it has; what is written after that is lost.
    """

    def __init__(self, descriptor: int, *, asked_on: int, patience: float) -> None:
        super().__init__(descriptor, "wb")
        self._asked_on = asked_on
        self._patience = patience

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write the first of the bytes; how many."""
        if sys.platform == "win32":
            return super().write(data)
        if not self._has_room():
            lead_nowhere(self.fileno())
        # For as much there is room in a pipe where there is any.
        return super().write(memoryview(data)[: select.PIPE_BUF])

    def _has_room(self) -> bool:
        """Wait for room; false if nobody makes any."""
        room, either = select.poll(), select.poll()
        for one in (room, either):
            one.register(self.fileno(), select.POLLOUT)
        # That an end was closed is told without being asked for; half of a socket, on Linux, not.
        either.register(self._asked_on, getattr(select, "POLLRDHUP", 0))
        if any(descriptor == self.fileno() for descriptor, _ in either.poll()):
            return True
        return bool(room.poll(self._patience * 1000))


def lead_nowhere(descriptor: int) -> None:
    """Let what is written to a descriptor from now on go to nobody."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
