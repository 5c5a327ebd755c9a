"""The server that the measurements run on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.embedded import hold
from storage.settings import DatabaseSettings, libpq_uri


@contextmanager
def bench_server() -> Iterator[str]:
    """`DATABASE_URL`'s server, or an embedded one with data of its own that goes afterwards."""
    if url := DatabaseSettings().url:
        yield libpq_uri(url)
        return
    home = Path(tempfile.mkdtemp(prefix="task-agent-bench-"))
    # As root the server runs as another account, which has to reach its data.
    os.chmod(home, 0o755)
    try:
        with hold(home) as uri:
            yield uri
    finally:
        shutil.rmtree(home, ignore_errors=True)
