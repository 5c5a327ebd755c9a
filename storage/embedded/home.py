"""The directory in which an embedded server lives, and the names of what is in it."""

import json
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from .errors import EmbeddedPostgresError, from_os_error

APPLICATION = "langgraph-task-agent"


def default_home() -> Path:
    """`TASK_AGENT_HOME`, else a directory for this application in the user's data directory.

    For root it is in the system's: the server can't run as root, and the account that it runs as
    has no way into a home directory that only root may enter.
    """
    if configured := os.environ.get("TASK_AGENT_HOME"):
        return Path(os.path.expanduser(configured))
    if sys.platform == "win32" or os.geteuid() != 0:
        return platformdirs.user_data_path(APPLICATION, appauthor=False)
    if sys.platform == "darwin":
        return platformdirs.site_data_path(APPLICATION, appauthor=False)
    return Path("/var/lib") / APPLICATION


@dataclass(frozen=True)
class Running:
    """What the keeper tells about the server that it keeps."""

    #: Process id of the postmaster; true only while the keeper or the server lives.
    pid: int
    #: The directory of the server's socket.
    socket_directory: str


@dataclass(frozen=True)
class Home:
    """The files of one embedded server. `path` is absolute and free of symbolic links."""

    path: Path

    @property
    def data(self) -> Path:
        """The PostgreSQL data directory."""
        return self.path / "data"

    @property
    def data_in_the_making(self) -> Path:
        """Where `initdb` works; becomes `data` in one step, once it is whole."""
        return self.path / "data.partial"

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket, or a symbolic link to it."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """What the server and its keeper print."""
        return self.path / "postgres.log"

    @property
    def access_rules(self) -> Path:
        """The server's `pg_hba.conf`."""
        return self.path / "pg_hba.conf"

    @property
    def user_map(self) -> Path:
        """The server's `pg_ident.conf`."""
        return self.path / "pg_ident.conf"

    @property
    def holders_lock(self) -> Path:
        return self.path / "holders.lock"

    @property
    def starting_lock(self) -> Path:
        return self.path / "starting.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.path / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "server.lock"

    @property
    def _running(self) -> Path:
        return self.path / "server.json"

    def read_running(self) -> Running | None:
        """What the keeper wrote last; None when there is nothing, or nothing whole."""
        try:
            told = json.loads(self._running.read_text())
            return Running(int(told["pid"]), str(told["socket_directory"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_running(self, running: Running) -> None:
        """Tell that the server is ready. Readers see all of it or nothing."""
        partial = self._running.with_suffix(".partial")
        partial.write_text(
            json.dumps({"pid": running.pid, "socket_directory": running.socket_directory})
        )
        partial.replace(self._running)

    def clear_running(self) -> None:
        """Tell that there is no server."""
        self._running.unlink(missing_ok=True)


def open_home(path: Path) -> Home:
    """Make the directory if it is missing, with access for nobody else.

    As root it can be entered, though not listed, by all: the server, which runs as another account,
    has to reach its own directory inside. A directory that exists keeps its mode.

    Raises:
        EmbeddedPostgresError: the directory can't be made, or everybody may write to it.
    """
    path = path.absolute()
    if any(ord(character) < 32 for character in str(path)):
        raise EmbeddedPostgresError(
            f"cannot use {str(path)!r} for the embedded PostgreSQL: the name holds a control "
            "character. Set TASK_AGENT_HOME to another directory."
        )
    try:
        path = path.resolve()
        _make(path, 0o711 if os.geteuid() == 0 else 0o700)
        mode = path.stat().st_mode
    except OSError as error:
        raise from_os_error(error, path) from error
    if mode & stat.S_IWOTH:
        raise EmbeddedPostgresError(
            f"cannot use {path} for the embedded PostgreSQL: everybody may write to it (mode "
            f"{stat.S_IMODE(mode):04o}), and so exchange its files. Set TASK_AGENT_HOME to a "
            f"directory that doesn't exist yet, such as {path / APPLICATION}."
        )
    return Home(path)


def _make(path: Path, mode: int) -> None:
    if path.is_dir():
        return
    _make(path.parent, mode)
    try:
        path.mkdir()
    except FileExistsError:
        # Another process was faster, or it is a file.
        if not path.is_dir():
            raise
    else:
        # Not left to mkdir, whose modes a umask of 077 would cut down.
        path.chmod(mode)
