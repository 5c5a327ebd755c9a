"""The keeper: parent of the postmaster, gone when that is. `python -m storage.embedded.keeper`.

It is started by the first process that needs the server, and outlives it if others need it still:
in a session of its own, where the Ctrl-C that ends its starter doesn't reach it, and handed to
init, so that its starter needn't wait for it. It lives as long as the server does. Until the server
is ready it reports on standard error, which its starter reads; then it prints to the log.

Should it be killed, the kernel interrupts the postmaster (Linux), or the next keeper does
(elsewhere). Every holder watches the keeper's lock; the first one to notice starts another.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from . import binaries, locks, server
from .account import check_home, server_account
from .cluster import prepare_data
from .errors import EmbeddedPostgresError, from_os_error
from .home import Home

#: What the keeper reports when the server takes connections; anything else is an error's text.
READY = "ready"

#: Seconds for whoever had the data directory before to let go of it.
_PREDECESSOR_TIMEOUT = 90


def keep(home: Home, on_ready: Callable[[], None]) -> None:
    """Start the server, call `on_ready`, and return when nobody needs it any more or it died.

    Raises:
        EmbeddedPostgresError: it could not be started.
        OSError: the file system refused something.
    """
    with ExitStack() as until_the_end:
        server_lock = _take_over(home, until_the_end)
        home.clear_running()
        holders_lock = until_the_end.enter_context(locks.opened(home.holders_lock))
        log = server.open_log(home)
        account = server_account()
        check_home(home.path, account)
        programs = binaries.usable_by(account, home)
        prepare_data(home, programs, account, server_lock)
        kept = server.start(home, programs, account, server_lock, log)
        # Undone, last first, before the locks are given up, of which the holders' may be ours by
        # then: who waited for it finds no server, and starts one.
        until_the_end.callback(server.clear_socket_directory, home)
        until_the_end.callback(home.clear_running)
        until_the_end.callback(kept.stop)
        home.write_running(kept.running)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # The machine shuts down, or someone means it: no crash of the server.
            signal.signal(number, lambda *_: threading.Thread(target=kept.stop).start())
        on_ready()
        os.dup2(log, sys.stderr.fileno())
        threading.Thread(target=_stop_after_last, args=(kept, holders_lock), daemon=True).start()
        kept.wait()


def _take_over(home: Home, until_the_end: ExitStack) -> int:
    """Become the one keeper, and wait until the data directory is not in use.

    It may be in use for a moment by a server or an `initdb` whose keeper was killed.
    """
    keeper_lock = until_the_end.enter_context(locks.opened(home.keeper_lock))
    server_lock = until_the_end.enter_context(locks.opened(home.server_lock))
    if not locks.take(keeper_lock, seconds=_PREDECESSOR_TIMEOUT):
        raise EmbeddedPostgresError(
            f"another process still keeps the server of {home.path} after {_PREDECESSOR_TIMEOUT} "
            f"seconds, though it isn't ready. See {home.log}; end that process and try again."
        )
    if locks.take(server_lock):
        return server_lock
    _stop_orphan(home)
    if not locks.take(server_lock, seconds=_PREDECESSOR_TIMEOUT):
        raise EmbeddedPostgresError(
            f"processes of an earlier PostgreSQL still use {home.data} after "
            f"{_PREDECESSOR_TIMEOUT} seconds. See {home.log}; end them (`ps` lists them as "
            "`postgres`) and try again."
        )
    return server_lock


def _stop_orphan(home: Home) -> None:
    """Tell a postmaster to stop that lost its keeper.

    Its number may belong to somebody else by now, so it is used only when the server still answers.
    """
    running = home.read_running()
    if running is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(f"{running.socket_directory}/.s.PGSQL.{server.PORT}")
        except OSError:
            return
    os.kill(running.pid, signal.SIGINT)


def _stop_after_last(kept: server.Server, holders_lock: int) -> None:
    # Granted when every holder is gone. Kept: who comes now waits until this process is gone too.
    locks.take_when_free(holders_lock)
    kept.stop()


def main(path: str, starting_lock: int) -> int:
    """Keep the server of the home `path`. `starting_lock` is an inherited descriptor."""
    if os.fork():
        # Only the child stays. Skips the clean-up at exit, which is the child's.
        os._exit(0)
    os.umask(0o077)
    home = Home(Path(path))

    def report_ready() -> None:
        # The starter may have gone meanwhile; others wait for the lock.
        with suppress(BrokenPipeError):
            os.write(sys.stderr.fileno(), f"{READY}\n".encode())
        os.close(starting_lock)

    try:
        keep(home, report_ready)
    except EmbeddedPostgresError as error:
        print(error, file=sys.stderr)  # noqa: T201
    except OSError as error:
        print(from_os_error(error, home.path), file=sys.stderr)  # noqa: T201
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
