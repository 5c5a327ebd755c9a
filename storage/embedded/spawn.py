"""Starting PostgreSQL's programs: as the right account, in a clean environment, not to stay."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .account import Account, cannot_change_to
from .errors import EmbeddedPostgresError

#: From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1

#: What of the environment the programs get to see. Not the rest: PG* and LC_* change what they do
#: (a locale that isn't installed stops initdb), and as root other processes of the server's account
#: could read the keys and passwords in it.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH")

#: A directory that every account can enter, and that nobody wants to unmount.
_WORKING_DIRECTORY = "/"


def start(
    command: list[str | Path],
    account: Account,
    *,
    inherit: tuple[int, ...] = (),
    stdout: int,
    stderr: int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start one of PostgreSQL's programs, with the descriptors `inherit` left open in it.

    Where the system can (Linux), the program is interrupted when this process dies.

    Raises:
        EmbeddedPostgresError: the program can't be run.
    """
    options: dict[str, Any] = {}
    if account.is_other:
        options = {"user": account.uid, "group": account.gid, "extra_groups": []}
    try:
        return subprocess.Popen(  # noqa: S603 - no shell, and the program is one of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=_environment(),
            cwd=_WORKING_DIRECTORY,
            umask=0o077,
            pass_fds=inherit,
            preexec_fn=_die_with(os.getpid()),
            **options,
        )
    except subprocess.SubprocessError as error:
        raise EmbeddedPostgresError(f"cannot run {command[0]}: {error}") from error
    except OSError as error:
        # Before exec: becoming the account failed. Python 3.11 then names the working directory.
        if account.is_other and error.filename in (None, _WORKING_DIRECTORY):
            raise cannot_change_to(account) from error
        raise EmbeddedPostgresError(f"cannot run {command[0]}: {error.strerror}") from error


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _die_with(parent: int) -> Callable[[], None] | None:
    """What to do between fork and exec, so that the program doesn't outlive its parent."""
    if sys.platform != "linux":
        # The next keeper stops what is left; see `keeper`.
        return None
    prctl = ctypes.CDLL(None).prctl

    def request() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            # It died before the request, which then came too late.
            os._exit(1)

    return request
