"""The server that the measurements run on."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.settings import DatabaseSettings, libpq_uri
from storage.temporary import temporary_server


@contextmanager
def bench_server() -> Iterator[str]:
    """`DATABASE_URL`'s server, or an embedded one with data of its own that goes afterwards."""
    if url := DatabaseSettings().url:
        yield libpq_uri(url)
        return
    with temporary_server() as uri:
        yield uri
