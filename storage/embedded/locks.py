"""The four locks of a home: `flock(2)` on a file each.

The kernel gives such a lock back when the last descriptor of that opening of the file is closed,
so also when a process is killed, and never because a process id was used again. A child that
inherits the descriptor holds the same lock; that is used twice here. Therefore a lock is given up
by closing its descriptor, never by `LOCK_UN`, which would take it from the child as well.

- `holders`: every process that needs the server holds it shared. Who gets it exclusively knows
  that nobody needs the server; the keeper does, and keeps it until the server is down, so that a
  process that comes meanwhile waits and then starts the server afresh.
- `starting`: held exclusively by the process that starts a keeper, and inherited by that keeper
  until the server is ready, so that processes which come at once start one server, even when the
  process that was first is killed.
- `keeper`: held exclusively by the keeper as long as it lives.
- `server`: held exclusively by the keeper and inherited by all that works on the data directory:
  `initdb`, the postmaster and its children. Who gets it knows that the directory is not in use,
  whatever `postmaster.pid` says.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two attempts to get a lock that somebody else has.
_PAUSE = 0.01


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, made when missing. Programs that are started don't inherit it.

    Raises:
        OSError: the file can't be opened for writing.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def take(descriptor: int, *, shared: bool = False, seconds: float = 0) -> bool:
    """Take the lock, waiting for it at most that long. False when somebody else still has it."""
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def take_when_free(descriptor: int, *, shared: bool = False) -> None:
    """Take the lock, however long that takes."""
    fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the lock file for the length of the block, at whose end the lock is free."""
    descriptor = open_lock(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_taken(path: Path) -> bool:
    """Whether a process has the lock exclusively."""
    with opened(path) as descriptor:
        return not take(descriptor, shared=True)
