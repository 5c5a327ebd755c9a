"""The task tools as LangChain tools, over a held MCP session with a server in this process."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest, MCPToolCallResult
from langchain_mcp_adapters.tools import load_mcp_tools

from storage.database import Database, shared_database

from ..context import (
    LOCAL_USER,
    META_KEY,
    META_LOCALE,
    META_MESSAGE,
    META_NOW,
    META_RECORDED_ONLY,
    META_THREAD,
    META_TIME_ZONE,
    META_TURN,
    META_USER,
    Clock,
    Origin,
    nowhere,
    utc_now,
)
from ..errors import TaskToolsError
from ..server import create_server
from .calls import call_tool, message
from .held import HeldSessions, SessionEndedError, T, Use
from .opening import in_process
from .tool import McpTool

Handler = Callable[[MCPToolCallRequest], Awaitable[MCPToolCallResult]]


#: A tag of tools that can be asked after a call. It is given here and not by a server, whose tool
#: would carry out what it is asked after.
RECORDED = "calls-are-recorded"


class TaskTools:
    """The task tools for an agent.

    Args:
        database: Gives the open database; asked at every call, so it may be opened after this
            object is made. By default the one that the process shares.
        clock: Says what time it is for the user; dates are understood relative to it.
        time_zone: Names the zone of runs whose context names none.
        locale: Names the locale of such runs, or none.
        origin: Says where in its conversation the call that is being made stands.
    """

    def __init__(
        self,
        database: Callable[[], Database] = shared_database,
        *,
        clock: Clock = utc_now,
        time_zone: Callable[[], str] = lambda: "UTC",
        locale: Callable[[], str | None] = lambda: None,
        origin: Callable[[], Origin] = nowhere,
    ) -> None:
        self._database = database
        self._clock = clock
        self._time_zone = time_zone
        self._locale = locale
        self._origin = origin
        self._turns: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock]
        self._turns = WeakValueDictionary()
        self._sessions = HeldSessions(
            lambda: in_process(lambda: create_server(self._database)),
            task="task-tools",
            server="the task server",
        )
        self._tools: list[BaseTool] | None = None

    async def tools(self) -> list[BaseTool]:
        """The tools, always in the same order. The first call opens the session.

        They stay usable when the session is lost or closed: each call opens another if need be.

        Raises:
            TaskToolsError: no session could be opened.
        """
        if self._tools is None:
            tools = await self._with_session(
                lambda session: load_mcp_tools(
                    session, tool_interceptors=[self._call], server_name="tasks"
                )
            )
            self._tools = [McpTool.of(tool) for tool in tools]
            for tool in self._tools:
                tool.tags = [*(tool.tags or ()), RECORDED]
        return list(self._tools)

    async def aclose(self) -> None:
        """Close the session, if one is open. The tools can be used again afterwards."""
        await self._sessions.aclose()

    async def _call(self, request: MCPToolCallRequest, handler: Handler) -> MCPToolCallResult:
        """Answer a call on the held session, rather than on the one the tools were loaded from."""
        meta = self._meta(request)
        async with self._turn(meta[META_USER]):
            result = await self._with_session(
                lambda session: call_tool(session, request.name, request.args, meta)
            )
        call_id = getattr(request.runtime, "tool_call_id", None)
        return result if call_id is None else message(result, request.name, call_id)

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
            META_LOCALE: getattr(context, "locale", None) or self._locale(),
            META_THREAD: configurable.get("thread_id"),
            META_MESSAGE: origin.message,
            META_TURN: origin.turn,
            META_RECORDED_ONLY: origin.recorded_only or None,
            META_KEY: idempotency_key(
                configurable.get("thread_id"),
                getattr(runtime, "tool_call_id", None),
                request.name,
                request.args,
                origin.message,
            ),
        }
        return {name: value for name, value in meta.items() if value is not None}

    async def _with_session(self, use: Use[T]) -> T:
        """`use` the held session, and once more another one if it has been lost.

        A write may be done twice in that way, which is why it carries an idempotency key.
        """
        try:
            return await self._sessions.run(use, again=lambda _: True)
        except SessionEndedError as error:
            if not error.opened:
                raise TaskToolsError(
                    f"No session with the task server could be opened, nothing was changed: {error}"
                ) from error
            raise TaskToolsError(
                "The session with the task server ended during a call, and so did the one opened "
                "in its place, or it was closed. Whether the last change was made shows in the "
                "list of tasks."
            ) from error


def calls_are_recorded(tool: BaseTool) -> bool:
    """Whether a call of the tool may be asked after, with `Origin.recorded_only`."""
    return RECORDED in (tool.tags or ())


def idempotency_key(
    thread_id: str | None,
    call_id: str | None,
    tool: str,
    arguments: dict[str, Any],
    message_id: str | None = None,
) -> str | None:
    """The name of one call: the same whenever the agent comes back to it after a crash.

    None where thread or call have no name. Then nobody can come back to it either, and two calls
    that only look alike must both be done.

    Args:
        thread_id: the conversation.
        call_id: given by the model; some number the calls of every answer from nought, so that on
            two branches of a conversation other calls have the same.
        tool: its name.
        arguments: what it is called with.
        message_id: the model's message that holds the call, which tells those apart.
    """
    if not thread_id or not call_id:
        return None
    identity: list[object] = [thread_id, call_id, tool, arguments]
    if message_id is not None:
        identity.append(message_id)
    named = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(named.encode()).hexdigest()
