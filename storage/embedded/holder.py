"""What a process does that needs the server: see that one runs, and that it keeps running."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import errors, sql

from . import keeper, locks
from .cluster import SUPERUSER
from .errors import EmbeddedPostgresError, from_os_error
from .home import Home, open_home
from .server import PORT

DATABASE = "task_agent"

#: Seconds to wait for a lock: longer than a keeper's longest start or stop.
_LOCK_TIMEOUT = 700
#: Seconds in which a server that is up has to answer.
_ANSWER_TIMEOUT = 30
#: Seconds between restarts of a server that dies again and again.
_RESTART_PAUSE = 5

_logger = logging.getLogger(__name__)


class Holder:
    """This process's hold on one home, however often it is entered."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._count = 0
        self._descriptor: int | None = None
        self._guard: threading.Thread | None = None

    def acquire(self) -> str:
        """Enter, and return the URI of a server that answers."""
        with self._lock:
            if self._descriptor is None:
                self._descriptor = self._hold()
            try:
                uri = ensure_running(self._home)
            except BaseException:
                if self._count == 0:
                    self._let_go()
                raise
            self._count += 1
            if self._guard is None:
                self._guard = threading.Thread(
                    target=self._watch, name="embedded-postgres", daemon=True
                )
                self._guard.start()
            return uri

    def release(self) -> None:
        """Leave. The keeper stops the server when this was the last holder anywhere."""
        with self._lock:
            # Zero in a child that was forked inside the block, whose hold is its parent's.
            if self._count:
                self._count -= 1
                if self._count == 0:
                    self._let_go()

    def forget(self) -> None:
        """In a forked child: the hold is the parent's, and must end with the parent."""
        self._lock = threading.Lock()
        self._guard = None
        self._count = 0
        self._let_go()

    def _hold(self) -> int:
        descriptor = locks.open_lock(self._home.holders_lock)
        # Not granted while a keeper stops the server.
        if locks.take(descriptor, shared=True, seconds=_LOCK_TIMEOUT):
            return descriptor
        os.close(descriptor)
        raise _stuck(self._home)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _watch(self) -> None:
        """Start the server again when it dies, or its keeper, while this process needs it."""
        try:
            while self._await_end_of_keeper():
                time.sleep(_RESTART_PAUSE)
        except (EmbeddedPostgresError, OSError):
            with self._lock:
                self._guard = None
                needed = self._count > 0
            if needed:
                _logger.exception("The embedded PostgreSQL died and could not be started again.")

    def _await_end_of_keeper(self) -> bool:
        """Whether the server was needed still when its keeper ended; it then runs again."""
        with locks.opened(self._home.keeper_lock) as keeper_lock:
            locks.take_when_free(keeper_lock, shared=True)
        with self._lock:
            if self._count == 0:
                self._guard = None
                return False
            ensure_running(self._home)
            return True


_holders: dict[Path, Holder] = {}
_holders_lock = threading.Lock()


def _forget_after_fork() -> None:
    global _holders_lock
    _holders_lock = threading.Lock()
    for holder in _holders.values():
        holder.forget()
    _holders.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


@contextmanager
def held(path: Path) -> Iterator[str]:
    """Hold the server of the home `path`; see `hold()`.

    Raises:
        EmbeddedPostgresError: it could not be started.
    """
    home = open_home(path)
    with _holders_lock:
        holder = _holders.setdefault(home.path, Holder(home))
    try:
        uri = holder.acquire()
    except OSError as error:
        raise from_os_error(error, home.path) from error
    try:
        yield uri
    finally:
        holder.release()


def ensure_running(home: Home) -> str:
    """The URI of the home's server, which is started if need be. The caller holds the home.

    Raises:
        EmbeddedPostgresError: it could not be started, or doesn't answer.
        OSError: the file system refused something.
    """
    if locks.is_taken(home.keeper_lock):
        with suppress(_NoAnswerError):
            return _ask(home)
    with locks.opened(home.starting_lock) as starting_lock:
        if not locks.take(starting_lock, seconds=_LOCK_TIMEOUT):
            raise _stuck(home)
        deadline = time.monotonic() + _ANSWER_TIMEOUT
        while True:
            if not locks.is_taken(home.keeper_lock):
                _start_keeper(home, starting_lock)
            try:
                return _ask(home)
            except _NoAnswerError as error:
                # It died a moment ago, and its keeper is about to notice; or it hangs.
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"the PostgreSQL server of {home.path} runs but gives no answer for "
                        f"{_ANSWER_TIMEOUT} seconds ({error}). See {home.log}; end its processes "
                        "and try again."
                    ) from error
            time.sleep(0.01)


class _NoAnswerError(Exception):
    """Why the server can't be used just now."""


def _ask(home: Home) -> str:
    """The URI of the server, which has answered. Its database is made when missing."""
    running = home.read_running()
    if running is None:
        raise _NoAnswerError("its keeper hasn't told where it is")
    maintenance = _uri(running.socket_directory, "postgres")
    try:
        with psycopg.connect(
            maintenance, connect_timeout=10, options="", autocommit=True
        ) as connection:
            _ensure_database(connection)
    except psycopg.OperationalError as error:
        raise _NoAnswerError(str(error).strip()) from error
    return _uri(running.socket_directory, DATABASE)


def _ensure_database(connection: psycopg.Connection) -> None:
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if connection.execute(query, (DATABASE,)).fetchone():
        return
    try:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except (errors.DuplicateDatabase, errors.UniqueViolation):
        # Another process was faster.
        return


def _uri(socket_directory: str, database: str) -> str:
    # With the port, since libpq would take another one from PGPORT.
    host = quote(socket_directory, safe="")
    return f"postgresql:///{database}?host={host}&port={PORT}&user={SUPERUSER}"


def _start_keeper(home: Home, starting_lock: int) -> None:
    """Start a keeper, and wait until its server is ready.

    Raises:
        EmbeddedPostgresError: what the keeper reports otherwise.
    """
    module = keeper.__name__
    importable_from = str(Path(__file__).parents[module.count(".")])
    search_path = os.pathsep.join(filter(None, [importable_from, os.environ.get("PYTHONPATH")]))
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as report:
        try:
            starter = subprocess.Popen(  # noqa: S603 - this very interpreter, and no shell
                [sys.executable, "-P", "-m", module, str(home.path), str(starting_lock)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=write_end,
                cwd="/",
                env={**os.environ, "PYTHONPATH": search_path},
                pass_fds=(starting_lock,),
                # The terminal's Ctrl-C and hang-up are for the holders.
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        # It forks, and lives on as the child of init.
        starter.wait()
        # Ends when the keeper turns to its log, or dies.
        told = report.read().decode(errors="replace").strip()
    if told.splitlines()[-1:] != [keeper.READY]:
        raise EmbeddedPostgresError(
            told or f"the keeper of the PostgreSQL server in {home.path} was killed. Try again."
        )


def _stuck(home: Home) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"another process has been starting or stopping the server of {home.path} for "
        f"{_LOCK_TIMEOUT} seconds. See {home.log}; end that process and try again."
    )
