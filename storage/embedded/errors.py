"""What goes wrong with the embedded server, told so that the reader can put it right."""

import errno
import os
from pathlib import Path

from ..errors import StorageError

#: What helps against what the operating system says, by error number.
_CURES = {
    errno.ENOSPC: "Free some space there, or set TASK_AGENT_HOME to a directory on another disk.",
    errno.EDQUOT: "Free some space there, or set TASK_AGENT_HOME to a directory on another disk.",
    errno.EROFS: "Set TASK_AGENT_HOME to a directory that can be written to.",
    errno.EACCES: "Set TASK_AGENT_HOME to a directory that you may write to.",
    errno.EPERM: "Set TASK_AGENT_HOME to a directory that you may write to.",
    errno.ENOTDIR: "Set TASK_AGENT_HOME to a directory; a file has that name.",
    errno.EEXIST: "Set TASK_AGENT_HOME to a directory; a file has that name.",
}
_WHEN_READ_ONLY = _CURES[errno.EROFS]
_WHEN_FULL = _CURES[errno.ENOSPC]
_OTHERWISE = "Set TASK_AGENT_HOME to another directory, or DATABASE_URL to another server."

#: Bytes. A new data directory takes some 40 MB, and each segment of the write-ahead log 16.
_LITTLE_SPACE = 64 * 1024 * 1024


class EmbeddedPostgresError(StorageError):
    """The embedded server cannot be used. The message says which path, why, and what to do."""


def from_os_error(error: OSError, home: Path) -> EmbeddedPostgresError:
    """The same error, with the path it is about and what to do."""
    path = home if error.filename is None else error.filename
    cause = error.strerror or str(error)
    cure = _CURES.get(error.errno or 0, _OTHERWISE)
    return EmbeddedPostgresError(f"cannot use {path} for the embedded PostgreSQL: {cause}. {cure}")


def cure(home: Path) -> str:
    """What to do after one of PostgreSQL's programs failed, by the state of the disk under it."""
    disk = os.statvfs(home)
    if disk.f_flag & os.ST_RDONLY:
        return f"{home} is on a read-only disk. {_WHEN_READ_ONLY}"
    free = disk.f_bavail * disk.f_frsize
    if free < _LITTLE_SPACE:
        return f"The disk of {home} has only {free // 1024} KiB left. {_WHEN_FULL}"
    return _OTHERWISE
