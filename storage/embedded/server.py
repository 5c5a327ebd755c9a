"""The postmaster: its settings, its socket, who may connect, how it starts and stops."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from . import spawn
from .account import Account, own_account
from .cluster import SUPERUSER
from .errors import EmbeddedPostgresError, cure
from .home import Home, Running

#: Part of the socket's name, and fixed: the server listens on no network port.
PORT = 5432

#: Bytes that a path of a Unix socket may have where it may have the fewest (macOS: 104 with the
#: final NUL), less the name of the socket in its directory.
_LONGEST_DIRECTORY = 103 - len(f"/.s.PGSQL.{PORT}")

#: Seconds for a start; as a rule one, but after a crash the write-ahead log is played back first.
_START_TIMEOUT = 300

#: Seconds for an orderly stop, which writes a checkpoint; afterwards the server is told to stop at
#: once, which is safe and costs a recovery at the next start.
_STOP_TIMEOUT = 60

_LOG_LIMIT = 5 * 1024 * 1024

_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    # Said here so that no postgresql.conf can say otherwise: a promise of this module.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Containers have little room in /dev/shm, or none, so shared memory is in the data directory.
    # What would use much of it is off: one person's queries don't need parallel workers.
    "dynamic_shared_memory_type": "mmap",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
}


class Server:
    """A running postmaster, child of this process."""

    def __init__(self, process: subprocess.Popen[bytes], running: Running) -> None:
        self._process = process
        self.running = running

    def wait(self) -> None:
        """Return when the postmaster is gone."""
        self._process.wait()

    def stop(self) -> None:
        """Make the server end its sessions and stop, if it runs still, and return when it has."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()


def start(home: Home, programs: Path, account: Account, server_lock: int, log: int) -> Server:
    """Start the postmaster and wait until it takes connections.

    Raises:
        EmbeddedPostgresError: it gave up, or took too long; the message ends with what it printed.
        OSError: the file system refused something.
    """
    _write_access_rules(home, account)
    directory = _socket_directory(home, account)
    _clear_stale_sockets(Path(directory))
    settings = _SETTINGS | {
        # A list of directories, hence the quotes.
        "unix_socket_directories": '"' + directory.replace('"', '""') + '"',
        "hba_file": str(home.access_rules),
        "ident_file": str(home.user_map),
    }
    command: list[str | Path] = [programs / "postgres", "-D", home.data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log_start = os.fstat(log).st_size
    process = spawn.start(command, account, inherit=(server_lock,), stdout=log)
    deadline = time.monotonic() + _START_TIMEOUT
    while not _is_ready(home, process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            reason = "gave up" if process.returncode is not None else "took too long"
            process.send_signal(signal.SIGINT)
            process.wait()
            raise EmbeddedPostgresError(
                f"PostgreSQL {reason} when it was started with the data directory {home.data}. It "
                f"said:\n{_printed(home.log, log_start)}\n{cure(home.path)}"
            )
        time.sleep(0.005)
    return Server(process, Running(process.pid, directory))


def open_log(home: Home) -> int:
    """A descriptor that appends to the log. A log that has grown large makes way first."""
    if home.log.exists() and home.log.stat().st_size > _LOG_LIMIT:
        home.log.replace(home.log.with_suffix(".log.1"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(home.log, flags, 0o600)


def clear_socket_directory(home: Home) -> None:
    """After a stop: leave nothing outside of the home."""
    if home.sockets.is_symlink():
        with contextlib.suppress(OSError):
            home.sockets.readlink().rmdir()
        home.sockets.unlink()


def _clear_stale_sockets(directory: Path) -> None:
    """Remove what a killed server has left of its socket.

    Whoever starts a server holds its lock, so there is none. PostgreSQL itself takes the lock file
    for a running server's when the process number in it is another process's of the same user.
    """
    for stale in directory.glob(".s.PGSQL.*"):
        stale.unlink(missing_ok=True)


def _write_access_rules(home: Home, account: Account) -> None:
    """Let in the user that this process runs as, and nobody else.

    The directories keep others out already. As root, though, the server's account may be that of
    other programs too; they could enter, and are refused by the rules.
    """
    rules = {
        home.access_rules: "local all all peer map=owner\n",
        home.user_map: f"owner {_quoted(own_account().name)} {SUPERUSER}\n",
    }
    for path, text in rules.items():
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o644 if account.is_other else 0o600)


def _quoted(name: str) -> str:
    """As pg_ident.conf wants a name that may hold a space or a comma."""
    return '"' + name.replace('"', '""') + '"'


def _socket_directory(home: Home, account: Account) -> str:
    """The directory for the server's socket, which only `account` can enter.

    It is in the home. When the home's path is too long for a socket, or has no place in a URI, it
    is a fresh one in the directory for temporary files, and the home has a link to it.
    """
    link = home.sockets
    if _fits(str(link)):
        if link.is_symlink():
            link.unlink()
        link.mkdir(mode=0o700, exist_ok=True)
        link.chmod(0o700)
        _give(link, account)
        return str(link)
    if link.is_symlink():
        # The same as before, so that the URI stays true for those who still hold it.
        target = link.readlink()
        if _is_private(target, account):
            return str(target)
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    # Not tempfile's default, which may be long itself, or in a place that only root may enter.
    target = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    _give(target, account)
    link.symlink_to(target)
    return str(target)


def _fits(directory: str) -> bool:
    return (
        len(os.fsencode(directory)) <= _LONGEST_DIRECTORY
        # libpq takes a comma for the end of a host. SQLAlchemy, and others, write a space as `+`,
        # which libpq takes for a plus sign. Lone surrogates stand for bytes that are no UTF-8.
        and re.fullmatch(r"[^, \ud800-\udfff]+", directory) is not None
    )


def _is_private(directory: Path, account: Account) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return found.st_uid == account.uid and found.st_mode == stat.S_IFDIR | 0o700


def _give(directory: Path, account: Account) -> None:
    if account.is_other:
        os.chown(directory, account.uid, account.gid)


def _is_ready(home: Home, pid: int) -> bool:
    """Whether the postmaster says so in its pid file, as `pg_ctl --wait` asks."""
    try:
        lines = (home.data / "postmaster.pid").read_text(errors="surrogateescape").split("\n")
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _printed(log: Path, start: int) -> str:
    """The last of what was printed since the log had `start` bytes."""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-20:]) or "(nothing)"
