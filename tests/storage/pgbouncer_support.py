"""A PgBouncer of the test's own, in transaction mode."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

from storage.embedded import spawn
from storage.embedded.account import server_account
from storage.settings import libpq_uri, parse_url
from tests.storage.relay import relayed

PORT = 6432


@cache
def program() -> str | None:
    """Where PgBouncer is installed; Debian puts it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@cache
def version() -> tuple[int, ...]:
    path = program()
    assert path is not None
    printed = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", printed)
    assert found is not None, printed
    return tuple(map(int, found.groups()))


needs_pgbouncer = pytest.mark.skipif(
    program() is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)


@contextmanager
def pgbouncer(uri: str, **settings: str | int) -> Iterator[str]:
    """The database at `uri` by way of a PgBouncer, which lends a connection for a transaction."""
    path = program()
    assert path is not None
    url = parse_url(uri)
    # Not `tmp_path`, which only its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    account = server_account()
    os.chown(directory, account.uid, account.gid)
    # Neither may PgBouncer run as root, nor does the embedded server let in another account.
    with relayed(uri) as relay:
        config = directory / "pgbouncer.ini"
        target = f"host=127.0.0.1 port={relay.port} user={url.query.get('user') or url.username}"
        if url.password is not None:
            target += f" password={url.password}"
        options: Mapping[str, str | int] = {
            "unix_socket_dir": str(directory),
            "listen_port": PORT,
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 5,
            "max_client_conn": 500,
            **settings,
        }
        lines = ["[databases]", f"* = {target}", "[pgbouncer]"]
        config.write_text("\n".join(lines + [f"{k} = {v}" for k, v in options.items()]) + "\n")
        config.chmod(0o644)
        log = directory / "log"
        with log.open("wb") as output:
            process = spawn.start([path, config], account, stdout=output.fileno())
        pooled = libpq_uri(
            url.set(host=None, port=None).update_query_dict(
                {"host": str(directory), "port": str(PORT)}
            )
        )
        try:
            _await_answer(process, pooled, log)
            yield pooled
        finally:
            process.terminate()
            process.wait(10)
            shutil.rmtree(directory)


def _await_answer(process: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with psycopg.connect(uri, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PgBouncer does not answer: {error}\n{log.read_text()}")
            time.sleep(0.01)
        else:
            return
