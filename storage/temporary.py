"""An embedded server for as long as something takes: tests, checks, measurements."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .embedded import hold

#: Seconds in which a server that nobody holds has to have stopped.
PATIENCE = 30


def make_home(folder: str | None = None) -> Path:
    """An empty directory for an embedded server's data, to be removed with `remove_home`.

    It is made in `folder`, or where temporary files usually are.
    """
    home = Path(tempfile.mkdtemp(prefix="task-agent-", dir=folder))
    # As root the server runs as another account, which has to reach its data. What matters in the
    # directory is closed to others by itself.
    home.chmod(0o755)
    return home


def remove_home(home: Path) -> None:
    """Remove it, once its server has stopped, as it does when its last holder is gone."""
    deadline = time.monotonic() + PATIENCE
    while (home / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def temporary_server() -> Iterator[str]:
    """The libpq URI of a server with no data, which goes with the end of the block."""
    home = make_home()
    try:
        with hold(home) as uri:
            yield uri
    finally:
        remove_home(home)
