"""Where the dev server listens."""

import errno
import socket
from dataclasses import dataclass

from .errors import LaunchError

#: What `langgraph dev` uses too, and Studio expects.
DEFAULT_PORT = 2024
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
STUDIO = "https://smith.langchain.com/studio/"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL for a client on this machine."""
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"  # noqa: S104 - compared

    @property
    def docs(self) -> str:
        return f"{self.url}/docs"

    @property
    def studio(self) -> str:
        return f"{STUDIO}?baseUrl={self.url}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or self.host.startswith("127.")

    def check_free(self) -> None:
        """Make sure that the server can listen there: it would silently take another port.

        Raises:
            LaunchError: the port is taken, or the host isn't one of this machine's.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except socket.gaierror as error:
                raise LaunchError(
                    f"cannot listen on the host {self.host!r}: it is not an IPv4 address or a name "
                    "of this machine. Use 127.0.0.1, or 0.0.0.0 for every network."
                ) from error
            except OSError as error:
                raise LaunchError(self._why(error)) from error

    def _why(self, error: OSError) -> str:
        match error.errno:
            case errno.EADDRINUSE:
                return (
                    f"port {self.port} on {self.host} is already in use. Stop the program that "
                    "uses it, or choose another port: make dev PORT=… or task-agent dev --port …"
                )
            case errno.EACCES:
                return (
                    f"port {self.port} needs privileges that you don't have. Choose one of 1024 "
                    "or above: make dev PORT=… or task-agent dev --port …"
                )
            case errno.EADDRNOTAVAIL:
                return (
                    f"cannot listen on the host {self.host!r}: it is not an address of this "
                    "machine. Use 127.0.0.1, or 0.0.0.0 for every network."
                )
            case _:
                return f"cannot listen on {self.host} port {self.port}: {error}."
