"""Whom the server runs as: the user itself, or for root an account that can do no harm."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedPostgresError

#: Accounts that practically every system has, for servers that need no rights. None is ever made.
UNPRIVILEGED = ("nobody", "daemon")

_CANNOT_CHANGE = 255


@dataclass(frozen=True)
class Account:
    """An entry of the system's list of accounts."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether it is another one than this process runs as."""
        return self.uid != os.geteuid()


def own_account() -> Account:
    """The account this process runs as.

    Raises:
        EmbeddedPostgresError: the system knows no name for it; PostgreSQL can't do without.
    """
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedPostgresError(
            f"user id {uid} has no account on this system (no line in /etc/passwd), and PostgreSQL "
            "needs its name. Add one, run as another user, or set DATABASE_URL to another server."
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_account(candidates: tuple[str, ...] = UNPRIVILEGED) -> Account:
    """The account to run the server as: one's own, but for root the first candidate there is.

    Raises:
        EmbeddedPostgresError: root, and the system has none of the candidates.
    """
    if os.geteuid() != 0:
        return own_account()
    for name in candidates:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and this system has no account to run it as instead: "
        f"/etc/passwd has none of {', '.join(candidates)}. Add one, run as another user, or set "
        "DATABASE_URL to another server."
    )


def check_home(path: Path, account: Account) -> None:
    """See that `account` may enter the directory and everything above it, but not exchange files.

    Forks: call it only in a process without threads.

    Raises:
        EmbeddedPostgresError: it may not enter, or owns the directory, or this process can't run
            anything as `account`.
    """
    if not account.is_other:
        return
    if path.stat().st_uid == account.uid:
        raise EmbeddedPostgresError(
            f"cannot use {path} for the embedded PostgreSQL: it belongs to {account.name}, the "
            "account that the server runs as for root, which could then exchange files that root "
            "reads. Give it to root (`chown root`), or set TASK_AGENT_HOME to another directory."
        )
    way = [*reversed(path.parents), path]
    child = os.fork()
    if child == 0:
        # Asking the kernel as that account sees access lists and the like, which modes don't tell.
        os._exit(_blocked_at(way, account))
    result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if result == 0:
        return
    if not 0 < result <= len(way):
        raise cannot_change_to(account)
    blocked = way[result - 1]
    mode = stat.S_IMODE(blocked.stat().st_mode)
    raise EmbeddedPostgresError(
        f"cannot use {path} for the embedded PostgreSQL: as root the server runs as the account "
        f"{account.name}, which may not enter {blocked} (mode {mode:04o}). Unset TASK_AGENT_HOME, "
        f"or set it to a directory elsewhere, or let others pass with `chmod o+x '{blocked}'`."
    )


def cannot_change_to(account: Account) -> EmbeddedPostgresError:
    """The error for a root that may not become another account, as in some containers."""
    return EmbeddedPostgresError(
        f"PostgreSQL refuses to run as root, and this process may not start it as {account.name} "
        "(it lacks the capability CAP_SETUID or CAP_SETGID, or the account is not mapped into its "
        "user namespace). Run as another user, or set DATABASE_URL to another server."
    )


def _blocked_at(way: list[Path], account: Account) -> int:
    """Position, from 1, of the first directory that `account` may not enter; 0 without one."""
    try:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError:
        return _CANNOT_CHANGE
    for position, directory in enumerate(way, start=1):
        if not os.access(directory, os.X_OK):
            return position
    return 0
