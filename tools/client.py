"""The task tools as LangChain tools, over one held MCP session with a server in this process.

The session lives in a task of its own, the owner: a session that a caller opened would be torn down
with that caller, and anyio's cancel scopes may only be left by the task that entered them. Every
call is raced against the owner, because a call on a session that has ended may wait for ever.
"""

import asyncio
import contextvars
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import anyio
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest, MCPToolCallResult
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CONNECTION_CLOSED, CallToolResult, TextContent

from storage.database import Database, shared_database

from .context import (
    LOCAL_USER,
    META_KEY,
    META_LOCALE,
    META_MESSAGE,
    META_NOW,
    META_THREAD,
    META_TIME_ZONE,
    META_TURN,
    META_USER,
    Clock,
    Origin,
    nowhere,
    utc_now,
)
from .errors import TaskToolsError
from .server import create_server

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[MCPToolCallRequest], Awaitable[MCPToolCallResult]]


class TaskTools:
    """The task tools for an agent.

    Args:
        database: Gives the open database; asked at every call, so it may be opened after this
            object is made. By default the one that the process shares.
        clock: Says what time it is for the user; dates are understood relative to it.
        time_zone: Names the zone of runs whose context names none.
        origin: Says where in its conversation the call that is being made stands.
    """

    def __init__(
        self,
        database: Callable[[], Database] = shared_database,
        *,
        clock: Clock = utc_now,
        time_zone: Callable[[], str] = lambda: "UTC",
        origin: Callable[[], Origin] = nowhere,
    ) -> None:
        self._database = database
        self._clock = clock
        self._time_zone = time_zone
        self._origin = origin
        self._turns: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock]
        self._turns = WeakValueDictionary()
        self._held: _HeldSession | None = None
        self._tools: list[BaseTool] | None = None
        #: How often the session was closed on purpose; a call must not open it again then.
        self._closed = 0

    async def tools(self) -> list[BaseTool]:
        """The tools, always in the same order. The first call opens the session.

        They stay usable when the session is lost or closed: each call opens another if need be.

        Raises:
            TaskToolsError: no session could be opened.
        """
        if self._tools is None:
            self._tools = await self._with_session(
                lambda session: load_mcp_tools(
                    session, tool_interceptors=[self._call], server_name="tasks"
                )
            )
        return list(self._tools)

    async def aclose(self) -> None:
        """Close the session, if one is open. The tools can be used again afterwards."""
        self._closed += 1
        held, self._held = self._held, None
        if held is not None:
            await held.aclose()

    async def _call(self, request: MCPToolCallRequest, handler: Handler) -> MCPToolCallResult:
        """Answer a call on the held session, rather than on the one the tools were loaded from."""
        meta = self._meta(request)
        async with self._turn(meta[META_USER]):
            result = await self._with_session(
                lambda session: session.call_tool(request.name, request.args, meta=meta)
            )
        call_id = getattr(request.runtime, "tool_call_id", None)
        return result if call_id is None else _message(result, request.name, call_id)

    def _turn(self, user: str) -> asyncio.Lock:
        """Waits for the user's earlier calls.

        The calls of one step start in the order in which the model made them, and have to be
        carried out in it: the first task added is the one with the first number.
        """
        key = (asyncio.get_running_loop(), user)
        if (lock := self._turns.get(key)) is None:
            lock = self._turns[key] = asyncio.Lock()
        return lock

    def _meta(self, request: MCPToolCallRequest) -> dict[str, Any]:
        """For whom the call is, when, and which call it is."""
        runtime = request.runtime
        config = getattr(runtime, "config", None) or {}
        configurable = config.get("configurable") or {}
        context = getattr(runtime, "context", None)
        origin = self._origin()
        meta = {
            # Put there by the server's authentication; a client can't write this key.
            META_USER: configurable.get("langgraph_auth_user_id") or LOCAL_USER,
            META_NOW: self._clock().isoformat(),
            META_TIME_ZONE: getattr(context, "time_zone", None) or self._time_zone(),
            META_LOCALE: getattr(context, "locale", None),
            META_THREAD: configurable.get("thread_id"),
            META_MESSAGE: origin.message,
            META_TURN: origin.turn,
            META_KEY: idempotency_key(
                configurable.get("thread_id"),
                getattr(runtime, "tool_call_id", None),
                request.name,
                request.args,
            ),
        }
        return {name: value for name, value in meta.items() if value is not None}

    async def _with_session(self, use: Callable[[ClientSession], Awaitable[T]]) -> T:
        """`use` the held session, and once more another one if it has been lost.

        A write may be done twice in that way, which is why it carries an idempotency key.
        """
        closed, attempts = self._closed, 2
        while True:
            held = self._session()
            attempts -= 1
            try:
                return await held.run(use)
            except _SessionEndedError as error:
                await held.aclose()
                if attempts == 0 or closed != self._closed:
                    raise TaskToolsError(
                        "The session with the task server ended during a call, and so did the one "
                        "opened in its place, or it was closed. Whether the last change was made "
                        "shows in the list of tasks."
                    ) from error

    def _session(self) -> "_HeldSession":
        # No await in here: callers that come at once find the same session.
        held = self._held
        if held is None or not held.usable:
            held = self._held = _HeldSession(lambda: create_server(self._database))
        return held


class _SessionEndedError(Exception):
    """The session ended before a call on it was answered."""


class _HeldSession:
    """A session and the task that owns it, on the event loop that made it."""

    def __init__(self, make_server: Callable[[], FastMCP[Any]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._session: ClientSession | None = None
        # With an empty context, else it would keep the first caller's run and its tracing.
        self._owner = self._loop.create_task(
            self._own(make_server), name="task-tools", context=contextvars.Context()
        )

    @property
    def usable(self) -> bool:
        """Whether a call may be tried on it, as far as is known."""
        return (
            self._loop is asyncio.get_running_loop()
            and not self._owner.done()
            and not self._closing.is_set()
        )

    async def run(self, use: Callable[[ClientSession], Awaitable[T]]) -> T:
        """`use` the session once it is open.

        Raises:
            _SessionEndedError: it ended before the answer came.
        """
        call = asyncio.ensure_future(self._when_open(use))
        try:
            await asyncio.wait({call, self._owner}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            error = None if self._owner.cancelled() else self._owner.exception()
            raise _SessionEndedError("its owner has ended") from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise _SessionEndedError("its streams are closed") from error
        except McpError as error:
            if error.error.code != CONNECTION_CLOSED:
                raise
            raise _SessionEndedError("its connection is closed") from error
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait({call})

    async def aclose(self) -> None:
        """End the session and wait for its owner."""
        self._closing.set()
        if self._loop is not asyncio.get_running_loop():
            return  # That loop has cancelled its tasks when it ended.
        await asyncio.wait({self._owner})
        if not self._owner.cancelled() and (error := self._owner.exception()) is not None:
            logger.warning("the session with the task server failed", exc_info=error)

    async def _own(self, make_server: Callable[[], FastMCP[Any]]) -> None:
        # In a thread: FastMCP looks for a .env file.
        server = await asyncio.to_thread(make_server)
        async with create_connected_server_and_client_session(server) as session:
            self._session = session
            self._opened.set()
            await self._closing.wait()

    async def _when_open(self, use: Callable[[ClientSession], Awaitable[T]]) -> T:
        await self._opened.wait()
        if self._session is None:
            raise _SessionEndedError("the session was never opened")
        return await use(self._session)


def idempotency_key(
    thread_id: str | None, call_id: str | None, tool: str, arguments: dict[str, Any]
) -> str | None:
    """The name of one call: the same whenever the agent comes back to it after a crash.

    None where thread or call have no name. Then nobody can come back to it either, and two calls
    that only look alike must both be done.
    """
    if not thread_id or not call_id:
        return None
    identity = json.dumps([thread_id, call_id, tool, arguments], sort_keys=True, default=str)
    return hashlib.sha256(identity.encode()).hexdigest()


def _message(result: CallToolResult, name: str, call_id: str) -> ToolMessage:
    """The answer as one text; the adapter would make blocks of it, each with a random id."""
    structured = result.structuredContent
    return ToolMessage(
        "\n".join(block.text for block in result.content if isinstance(block, TextContent)),
        name=name,
        tool_call_id=call_id,
        status="error" if result.isError else "success",
        artifact=None if structured is None else {"structured_content": structured},
    )
