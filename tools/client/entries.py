"""Another MCP server, as the file names it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mcp import ClientSession
from mcp.client.session import MessageHandlerFnT

from .opening import over_http, over_stdio

#: Seconds that one call may take, unless the file says otherwise: sooner than the agent gives up.
DEFAULT_TIMEOUT = 25.0


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that is started as a process."""

    name: str
    command: str
    args: tuple[str, ...]
    #: Where it is started.
    cwd: Path
    #: What it gets of the environment beside what every program needs. May hold secrets.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Seconds that a call may take.
    timeout: float = DEFAULT_TIMEOUT

    @property
    def where(self) -> str:
        """How it is reached, for people. Arguments may hold secrets."""
        return self.command

    def open(self, told: MessageHandlerFnT) -> AbstractAsyncContextManager[ClientSession]:
        return over_stdio(
            self.command, self.args, env=self.env, cwd=self.cwd, name=self.name, told=told
        )


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that is reached over streamable HTTP."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Seconds that a call may take.
    timeout: float = DEFAULT_TIMEOUT

    @property
    def where(self) -> str:
        """How it is reached, for people. User, password and query may be secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def open(self, told: MessageHandlerFnT) -> AbstractAsyncContextManager[ClientSession]:
        return over_http(self.url, headers=self.headers, told=told)


#: Any of them.
ServerEntry = StdioServer | HttpServer
