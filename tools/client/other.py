"""Another MCP server than the task server: it may be slow, down, or somebody else's.

It never learns who the user is, nor anything else about the run: its calls carry no `_meta`.
"""

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import (
    MCPToolCallRequest,
    MCPToolCallResult,
    ToolCallInterceptor,
)
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession, McpError
from mcp.shared.session import RequestResponder
from mcp.types import (
    CallToolResult,
    ClientResult,
    PaginatedRequestParams,
    ServerNotification,
    ServerRequest,
    TextContent,
    Tool,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from ..errors import ServerUnreachableError
from .calls import call_tool, message, unsendable
from .entries import ServerEntry
from .failures import explained
from .held import HeldSessions, SessionEndedError
from .limits import ResultLimits, limited
from .offering import offered
from .tool import McpTool

logger = logging.getLogger(__name__)

#: Seconds that a server may take to start: the first time it may have to be downloaded.
START_TIMEOUT = 60.0
#: Seconds that the agent waits for its tools at first, and for those of one that comes back.
FIRST_PATIENCE = 10.0
PATIENCE = 1.0
#: Seconds until a server that failed is tried again: doubled each time, up to the most.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
#: Pages of tools that are read: a server that goes on for ever is wrong.
PAGES_MAX = 100
#: Seconds for a sign of life.
PING_TIMEOUT = 5.0

Handler = Callable[[MCPToolCallRequest], Awaitable[MCPToolCallResult]]


class OtherServer:
    """One server of the file: its session, the tools that it was last known to have, its state.

    Args:
        entry: What the file says of it.
        limits: How much of a result is taken.
        now: A clock for pauses, in seconds.
    """

    def __init__(
        self,
        entry: ServerEntry,
        limits: ResultLimits | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entry = entry
        self._limits = limits or ResultLimits()
        #: Its tools in the order of their names, once it has told of them.
        self.tools: Sequence[BaseTool] | None = None
        #: Why a model can't be offered some that it told of, by their names.
        self.left_out: Mapping[str, str] = {}
        #: Why it can't be reached, as far as is known.
        self.problem: str | None = None
        self._now = now
        self._sessions = HeldSessions(
            self._open, task=f"mcp-{entry.name}", server=f"the MCP server {entry.name!r}"
        )
        self._loading: asyncio.Task[None] | None = None
        self._patient_until = 0.0
        self._failures = 0
        self._try_again_at = 0.0
        #: Whether its list of tools is out of date.
        self._stale = False
        #: Whether it has left a call unanswered, and may have to be given up.
        self._doubtful = False

    async def ready(self, patience: float | None = None) -> None:
        """Wait a while for its tools, if they are not known and it is time to ask for them.

        It never fails; `problem` says afterwards what is wrong.

        Args:
            patience: Seconds to wait at most; by default longer at first than later.
        """
        if self.tools is not None and not self._stale:
            return
        if self._loading is None or _is_over(self._loading):
            if self._pause() > 0:
                return
            first = self.tools is None and self._failures == 0
            usual = FIRST_PATIENCE if first else PATIENCE
            self._patient_until = self._now() + (usual if patience is None else patience)
            # With an empty context: it goes on when the run that began it has ended.
            self._loading = asyncio.get_running_loop().create_task(
                self._load(), name=f"load-{self.entry.name}", context=contextvars.Context()
            )
        elif self._loading.get_loop() is not asyncio.get_running_loop():
            # Another loop waits for it; its result is for all.
            return
        if (left := self._patient_until - self._now()) > 0:
            await asyncio.wait({self._loading}, timeout=left)

    async def call(self, tool: Tool, arguments: dict[str, Any]) -> CallToolResult:
        """Make a call. Whatever goes wrong is an answer for the model."""
        if (why := unsendable(arguments)) is not None:
            return self._failed(
                f"can't be sent these arguments: {why}. Nothing was done. Make the call again "
                "without it."
            )
        if (pause := self._pause()) > 0 and not self._sessions.is_open:
            return self._failed(
                f"can't be reached: {self.problem}. Nothing was done. It is tried again in "
                f"{math.ceil(pause)} seconds at the earliest."
            )
        # Whether this try, or one before it, may have come to the server.
        trying = came = False

        async def make(session: ClientSession) -> CallToolResult:
            nonlocal trying
            trying = True
            return await call_tool(session, tool.name, arguments)

        def may_try_again(error: SessionEndedError) -> bool:
            nonlocal trying, came
            came, trying = came or (trying and error.sent), False
            return not came or _may_be_repeated(tool)

        try:
            async with asyncio.timeout(self.entry.timeout):
                await self._give_up_if_dead()
                return await self._sessions.run(make, again=may_try_again)
        except SessionEndedError as error:
            may_try_again(error)
            what = "ended the connection before it answered" if came else "can't be reached"
            return self._failed(f"{what}: {error}. {_outcome(tool, came)}")
        except McpError as error:
            return self._failed(f"refused the call: {error.error.message}")
        except ValidationError as error:
            return self._failed(
                f"did not answer rightly: {explained(error)}. {_outcome(tool, True)}"
            )
        except TimeoutError:
            self._doubtful = True
            seconds = f"{self.entry.timeout:g} seconds"
            return self._failed(
                f"did not answer within {seconds}. {_outcome(tool, came or trying)}"
            )
        except asyncio.CancelledError:
            self._doubtful = True
            raise

    async def aclose(self) -> None:
        """Close its sessions. It can be used again afterwards."""
        loading, self._loading = self._loading, None
        if loading is not None and loading.get_loop() is asyncio.get_running_loop():
            loading.cancel()
            await asyncio.wait({loading})
        await self._sessions.aclose()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[ClientSession]:
        """Open a session, and learn the server's tools: after a restart they may be others."""
        opened = False
        try:
            async with asyncio.timeout(START_TIMEOUT) as starting:
                async with self.entry.open(self._told) as session:
                    await self._list(session)
                    starting.reschedule(None)
                    opened = True
                    yield session
        except Exception as error:
            if not opened:
                late = isinstance(error, TimeoutError)
                self._unreachable(
                    f"it did not start within {START_TIMEOUT:g} seconds"
                    if late
                    else explained(error)
                )
            raise

    async def _load(self) -> None:
        try:
            await self._sessions.run(self._list_if_stale, again=lambda _: True)
        except SessionEndedError:
            logger.debug("the tools of %r could not be loaded", self.entry.name, exc_info=True)
        except McpError as error:
            self._unreachable(error.error.message)
        except Exception as error:
            # Whatever is wrong with the list that it sent, it is still there.
            self._unreachable(explained(error))

    async def _list_if_stale(self, session: ClientSession) -> None:
        if self._stale:
            await self._list(session)

    async def _list(self, session: ClientSession) -> None:
        self._stale = False
        capabilities = session.get_server_capabilities()
        has_tools = capabilities is not None and capabilities.tools is not None
        found = await _all_tools(session) if has_tools else []
        tools, left_out = offered(
            McpTool.of(
                convert_mcp_tool_to_langchain_tool(
                    session,
                    tool,
                    tool_interceptors=[self._instead(tool)],
                    server_name=self.entry.name,
                )
            )
            for tool in sorted(found, key=lambda tool: tool.name)
        )
        if left_out != self.left_out:
            for name, why in left_out.items():
                logger.warning("%r of the MCP server %r: %s", name, self.entry.name, why)
        self.tools, self.left_out = tools, left_out
        if self._failures:
            logger.warning("the MCP server %r is back", self.entry.name)
        self.problem, self._failures, self._try_again_at = None, 0, 0.0

    def _instead(self, tool: Tool) -> ToolCallInterceptor:
        """Calls are made on the held session, not on the one that the tool was loaded from."""

        async def intercept(request: MCPToolCallRequest, handler: Handler) -> MCPToolCallResult:
            result = limited(await self.call(tool, request.args), self._limits)
            call_id = getattr(request.runtime, "tool_call_id", None)
            return result if call_id is None else message(result, request.name, call_id)

        return intercept

    async def _told(
        self,
        message: RequestResponder[ServerRequest, ClientResult] | ServerNotification | Exception,
    ) -> None:
        if isinstance(message, ServerNotification):
            self._stale |= isinstance(message.root, ToolListChangedNotification)

    async def _give_up_if_dead(self) -> None:
        """A server that left a call unanswered and doesn't answer now is of no more use."""
        if not self._doubtful:
            return
        self._doubtful = False
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await self._sessions.run(lambda session: session.send_ping(), again=lambda _: False)
        except TimeoutError:
            logger.warning("the MCP server %r hangs: starting anew", self.entry.name)
            await self._sessions.drop()
        except (SessionEndedError, McpError):
            return

    def _unreachable(self, problem: str) -> None:
        self._failures += 1
        # A list of tools that doesn't come is waited for like a server that doesn't.
        self._stale = self.tools is not None
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        self._try_again_at = self._now() + pause
        if problem != self.problem:
            logger.warning("the MCP server %r can't be reached: %s", self.entry.name, problem)
        self.problem = problem

    def _pause(self) -> float:
        """Seconds until the server may be tried; negative if it may be now."""
        return self._try_again_at - self._now()

    def _failed(self, what: str) -> CallToolResult:
        text = f"The MCP server {self.entry.name!r} {what}"
        return CallToolResult(content=[TextContent(type="text", text=text)], isError=True)


def _is_over(task: "asyncio.Task[None]") -> bool:
    return task.done() or task.get_loop().is_closed()


async def _all_tools(session: ClientSession) -> list[Tool]:
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        found += page.tools
        if not (cursor := page.nextCursor):
            return found
    raise ServerUnreachableError(f"its list of tools has more than {PAGES_MAX} pages")


def _may_be_repeated(tool: Tool) -> bool:
    hints = tool.annotations
    return hints is not None and bool(hints.readOnlyHint or hints.idempotentHint)


def _outcome(tool: Tool, came: bool) -> str:
    if not came:
        return "Nothing was done."
    if tool.annotations is not None and tool.annotations.readOnlyHint:
        return "It only reads, so it may be called again."
    return (
        "It is not known whether it was done: find out, or ask the user, before you call it again."
    )
