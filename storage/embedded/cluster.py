"""The data directory: made whole or not at all, and never deleted."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

from . import spawn
from .account import Account
from .binaries import MAJOR
from .errors import EmbeddedPostgresError, cure
from .home import Home

#: The database superuser, whatever the server's account is called.
SUPERUSER = "postgres"

#: Seconds for `initdb`, which writes some 40 MB and waits until they are on disk.
_INITDB_TIMEOUT = 300


def prepare_data(home: Home, programs: Path, account: Account, server_lock: int) -> None:
    """See that there is a data directory that the server can use, making one if there is none.

    Raises:
        EmbeddedPostgresError: what is there can't be used, or `initdb` failed.
        OSError: the file system refused something.
    """
    if not home.data.exists() or (home.data.is_dir() and not any(home.data.iterdir())):
        _initialise(home, programs, account, server_lock)
        return
    _check(home.data, account)
    _clear_stale_pid_file(home.data)


def _initialise(home: Home, programs: Path, account: Account, server_lock: int) -> None:
    """Make the data directory elsewhere and rename it, so that `data` never holds a torn one."""
    partial = home.data_in_the_making
    # Left by an initdb that was killed. It can't still be at work, else it had the server lock.
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700)
    if account.is_other:
        os.chown(partial, account.uid, account.gid)
    process = spawn.start(
        [
            programs / "initdb",
            "--pgdata",
            partial,
            "--username",
            SUPERUSER,
            "--encoding=UTF8",
            # PostgreSQL's own, the same on every system, whatever locales are installed there.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            # In the data directory, so that nothing is left elsewhere when this is killed.
            "--set=dynamic_shared_memory_type=mmap",
            # For whoever starts it by hand; our own rules are in `server`.
            "--auth-local=peer",
            "--auth-host=reject",
            "--no-instructions",
        ],
        account,
        inherit=(server_lock,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, errors = process.communicate(timeout=_INITDB_TIMEOUT)
        failure = errors.decode(errors="replace").strip() if process.returncode else None
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        failure = f"it was not done after {_INITDB_TIMEOUT} seconds"
    if failure is not None:
        shutil.rmtree(partial, ignore_errors=True)
        raise EmbeddedPostgresError(
            f"initdb could not make a PostgreSQL data directory for {home.data}:\n{failure}\n"
            + cure(home.path)
        )
    partial.rename(home.data)
    _sync(home.path)


def _check(data: Path, account: Account) -> None:
    """See that what is there is a data directory of this major version and of this account."""
    untouched = "It was left as it is."
    elsewhere = "set TASK_AGENT_HOME to another directory"
    version_file = data / "PG_VERSION"
    if not version_file.is_file():
        raise EmbeddedPostgresError(
            f"{data} is not a PostgreSQL data directory (it has no file PG_VERSION), and not empty "
            f"either. {untouched} Move it away, or {elsewhere}."
        )
    version = version_file.read_text(errors="replace").strip()
    if version != str(MAJOR):
        raise EmbeddedPostgresError(
            f"{data} was written by PostgreSQL {version or '(unknown)'}, but the embedded server "
            f"is PostgreSQL {MAJOR}. {untouched} Carry the data over with pg_upgrade, or with "
            f"pg_dump of that version, or {elsewhere} to begin anew."
        )
    owner = data.stat().st_uid
    if owner != account.uid:
        raise EmbeddedPostgresError(
            f"{data} belongs to {_account_name(owner)}, but the server would run as "
            f"{account.name}. {untouched} Run as the user who made it, or {elsewhere}."
        )


def _clear_stale_pid_file(data: Path) -> None:
    """Remove a `postmaster.pid` that would stop the server from starting though none is running.

    PostgreSQL refuses when the file is empty, or when a process has the number in it, be it a
    bystander. That this home's own server is down is known from the lock; one that somebody started
    by hand would answer at its address. The number itself proves nothing, and nothing is ever
    sent to it.

    Raises:
        EmbeddedPostgresError: a server that was started by hand uses the directory.
    """
    pid_file = data / "postmaster.pid"
    try:
        # Process id, data directory, start time, port, directory of the socket, address, ...
        # https://www.postgresql.org/docs/18/storage-file-layout.html
        lines = pid_file.read_text(errors="surrogateescape").split("\n")
    except FileNotFoundError:
        return
    port = lines[3].strip() if len(lines) > 3 else ""
    directory = lines[4].strip() if len(lines) > 4 else ""
    address = lines[5].strip() if len(lines) > 5 else ""
    if port.isdecimal() and (
        (directory and _answers(socket.AF_UNIX, f"{directory}/.s.PGSQL.{port}"))
        or (address and _answers(socket.AF_INET, ("127.0.0.1", int(port))))
    ):
        raise EmbeddedPostgresError(
            f"a PostgreSQL server that was started in another way may be using {data}: one answers "
            f"at the address in {pid_file}. Stop it (`pg_ctl stop -D '{data}'`) and try again."
        )
    pid_file.unlink()


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except (OSError, OverflowError):
            # Also where a damaged file names no possible port.
            return False
        return True


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def _sync(directory: Path) -> None:
    """Wait until the names in the directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
