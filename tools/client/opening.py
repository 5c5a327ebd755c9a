"""How a session is opened: with a server in this process, over stdio, and over HTTP."""

import asyncio
import logging
import os
import shutil
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.session import MessageHandlerFnT
from mcp.client.stdio import get_default_environment, stdio_client
from mcp.client.streamable_http import MCP_SESSION_ID, streamable_http_client
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import Implementation

from ..errors import ServerUnreachableError
from .answers import watched
from .failures import explained

logger = logging.getLogger(__name__)

GUARD = Path(__file__).with_name("guard.py")
#: Lines of a process's standard error that are kept to say why it ended.
LAST_WORDS = 5
READ_AT_MOST = 4096
#: Seconds for a connection to a web server, and for a part of an answer that comes in parts.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 300.0
GOODBYE_TIMEOUT = 2.0


@asynccontextmanager
async def in_process(make_server: Callable[[], FastMCP[Any]]) -> AsyncIterator[ClientSession]:
    """A session with a server that is made for it."""
    # In a thread: FastMCP looks for a .env file.
    server = await asyncio.to_thread(make_server)
    async with create_connected_server_and_client_session(server) as session:
        yield session


@asynccontextmanager
async def over_stdio(
    command: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    name: str,
    told: MessageHandlerFnT | None = None,
) -> AsyncIterator[ClientSession]:
    """A session with a process that is started for it, and ends with it.

    The process gets what `env` names, and of this process's environment only what every program
    needs: its keys and passwords are nobody else's business.

    Raises:
        ServerUnreachableError: it can't be started, or ended before it answered.
    """
    whole = {**get_default_environment(), **env}
    path = await asyncio.to_thread(shutil.which, command, path=whole.get("PATH"))
    if path is None and os.sep not in command:
        raise ServerUnreachableError(f"there is no program {command!r} on the PATH")
    if not await asyncio.to_thread(cwd.is_dir):
        raise ServerUnreachableError(f"there is no directory {str(cwd)!r} to start it in")
    started = [path or command, *arguments]
    if os.name == "posix":
        started = [sys.executable, "-IS", str(GUARD), *started]
    parameters = StdioServerParameters(command=started[0], args=started[1:], env=whole, cwd=cwd)
    ear, mouth = os.pipe()
    with os.fdopen(ear, "rb", buffering=0) as reading, os.fdopen(mouth, "w") as writing:
        async with anyio.create_task_group() as group:
            heard = _Heard(name)
            group.start_soon(heard.listen, reading)
            opened = False
            try:
                async with (
                    stdio_client(parameters, errlog=writing) as (hears, says),
                    ClientSession(hears, says, message_handler=told, client_info=_us()) as session,
                ):
                    await session.initialize()
                    opened = True
                    yield session
            except Exception as error:
                if opened:
                    raise
                writing.close()
                why = await heard.last_words() or explained(error)
                raise ServerUnreachableError(
                    f"{command!r} did not start a session: {why}"
                ) from error
            group.cancel_scope.cancel()


@asynccontextmanager
async def over_http(
    url: str, *, headers: Mapping[str, str], told: MessageHandlerFnT | None = None
) -> AsyncIterator[ClientSession]:
    """A session over streamable HTTP."""
    lost = anyio.Event()
    # In a thread: reading the certificates takes longer than many a call.
    client = await asyncio.to_thread(
        httpx.AsyncClient,
        headers=dict(headers),
        timeout=httpx.Timeout(CONNECT_TIMEOUT, read=READ_TIMEOUT),
        event_hooks={"response": [watched(lost.set)]},
    )
    async with (
        client,
        # The SDK's own goodbye waits for minutes for a server that hangs, also after a failure.
        streamable_http_client(url, http_client=client, terminate_on_close=False) as streams,
        ClientSession(*streams[:2], message_handler=told, client_info=_us()) as session,
        anyio.create_task_group() as group,
    ):
        group.start_soon(_end_when, lost)
        await session.initialize()
        yield session
        group.cancel_scope.cancel()
        if session_id := streams[2]():
            with anyio.move_on_after(GOODBYE_TIMEOUT, shield=True), suppress(httpx.HTTPError):
                await client.delete(url, headers={MCP_SESSION_ID: session_id})


async def _end_when(lost: anyio.Event) -> None:
    await lost.wait()
    raise httpx.RemoteProtocolError("the connection broke off in the middle of an answer")


class _Heard:
    """What a process writes to standard error, for the log, and to say why it ended."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._end = anyio.Event()

    async def listen(self, pipe: BinaryIO) -> None:
        """Take it as long as anybody can write there."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while part := await reader.read(READ_AT_MOST):
                for line in part.decode(errors="replace").splitlines():
                    if line := line.strip():
                        self._words.append(line)
                        logger.info("%s: %s", self._name, line)
        finally:
            transport.close()
            self._end.set()

    async def last_words(self) -> str:
        """The last lines of a process that has ended; empty if it said nothing."""
        with anyio.move_on_after(1):
            await self._end.wait()
        return f"it said: {' | '.join(self._words)}" if self._words else ""


def _us() -> Implementation:
    return Implementation(name="langgraph-task-agent", version=version("langgraph-task-agent"))
