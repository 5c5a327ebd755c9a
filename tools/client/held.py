"""A session that stays open, and the task that owns it.

A session that a caller opened would be torn down with that caller, and anyio's cancel scopes may
only be left by the task that entered them. So a task of its own opens the session, keeps it, and
closes it. Every call is raced against that owner, because a call on a session that has ended may
wait for ever.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import anyio
from mcp import ClientSession, McpError
from mcp.types import CONNECTION_CLOSED

from .failures import explained, is_of_the_world, is_turned_away

logger = logging.getLogger(__name__)

T = TypeVar("T")
#: Opens a session that is ready for calls, and closes it.
Open = Callable[[], AbstractAsyncContextManager[ClientSession]]
Use = Callable[[ClientSession], Awaitable[T]]

#: Seconds that a session may take to close. A process is asked, told and then killed by its
#: transport, which takes some four seconds at most; a web server may leave a goodbye unanswered.
CLOSE_TIMEOUT = 8.0
#: What the SDK makes of a web server that doesn't know the session, for instance any more.
TERMINATED = (32600, "Session terminated")


class SessionEndedError(Exception):
    """The session ended before it answered.

    Attributes:
        sent: Whether the server may have been given the request. Where it wasn't, nothing happened.
        opened: Whether there was a session at all.
    """

    def __init__(self, why: str, *, sent: bool, opened: bool = True) -> None:
        super().__init__(why)
        self.sent = sent
        self.opened = opened


class HeldSession:
    """A session and the task that owns it, on the event loop that made it."""

    def __init__(self, open_session: Open, *, task: str, server: str) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._session: ClientSession | None = None
        self._in_flight = 0
        #: How many calls were under way when the owner ended.
        self._left_behind = 0
        # With an empty context, else it would keep the first caller's run and its tracing.
        self._owner = self._loop.create_task(
            self._own(open_session), name=task, context=contextvars.Context()
        )
        self._owner.add_done_callback(self._ended)

    @property
    def usable(self) -> bool:
        """Whether a call may be tried on it, as far as is known."""
        return not self._owner.done() and not self._closing.is_set()

    async def run(self, use: Use[T]) -> T:
        """`use` the session once it is open.

        Raises:
            SessionEndedError: it ended before the answer came, or could not be opened.
        """
        call = asyncio.ensure_future(self._when_open(use))
        self._in_flight += 1
        try:
            await asyncio.wait({call, self._owner}, return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            raise self._owners_end()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            # The request was to be handed over, and nobody took it.
            raise SessionEndedError("the connection is closed", sent=False) from error
        except McpError as error:
            if (error.error.code, error.error.message) == TERMINATED:
                raise SessionEndedError("the server has ended the session", sent=False) from error
            if error.error.code != CONNECTION_CLOSED:
                raise
            raise SessionEndedError("the connection was closed", sent=True) from error
        finally:
            self._in_flight -= 1
            if not call.done():
                call.cancel()
                await asyncio.wait({call})

    async def aclose(self) -> None:
        """End the session and wait for its owner. From the loop that made it."""
        self._closing.set()
        if not self._opened.is_set():
            self._owner.cancel()
        await asyncio.wait({self._owner}, timeout=CLOSE_TIMEOUT)
        if not self._owner.done():
            self._owner.cancel()
            await asyncio.wait({self._owner})

    async def _own(self, open_session: Open) -> None:
        async with open_session() as session:
            self._session = session
            self._opened.set()
            await self._closing.wait()

    def _ended(self, owner: "asyncio.Task[None]") -> None:
        # Before any call learns of it: this callback is the owner's first.
        self._left_behind = self._in_flight
        error = None if owner.cancelled() else owner.exception()
        if error is not None and self._opened.is_set():
            logger.warning(
                "the session with %s failed: %s",
                self._server,
                explained(error),
                exc_info=None if is_of_the_world(error) else error,
            )

    def _owners_end(self) -> SessionEndedError:
        error = None if self._owner.cancelled() else self._owner.exception()
        why = "it was closed" if error is None else explained(error)
        # Of several calls nobody knows which one it was that was turned away.
        turned_away = error is not None and self._left_behind == 1 and is_turned_away(error)
        opened = self._opened.is_set()
        ended = SessionEndedError(why, sent=opened and not turned_away, opened=opened)
        ended.__cause__ = error
        return ended

    async def _when_open(self, use: Use[T]) -> T:
        await self._opened.wait()
        if self._session is None:
            raise SessionEndedError("it was never opened", sent=False, opened=False)
        return await use(self._session)


class HeldSessions:
    """The held session with one server: one for each event loop that calls it, opened when needed.

    Args:
        open_session: Opens a session.
        task: Names the tasks that own sessions.
        server: The server, in words for a log.
    """

    def __init__(self, open_session: Open, *, task: str, server: str) -> None:
        self._open = open_session
        self._task = task
        self._server = server
        self._held: dict[asyncio.AbstractEventLoop, HeldSession] = {}
        #: How often the sessions were closed on purpose: a call must not open another one then.
        self._closed = 0

    async def run(self, use: Use[T], *, again: Callable[[SessionEndedError], bool]) -> T:
        """`use` the held session, and once more another one if it has ended and `again` says so.

        Not if it could not be opened: it hardly can the moment after.

        Raises:
            SessionEndedError: it ended, or could not be opened.
        """
        closed = self._closed
        try:
            return await self._run_once(use)
        except SessionEndedError as error:
            if closed != self._closed or not error.opened or not again(error):
                raise
        return await self._run_once(use)

    @property
    def is_open(self) -> bool:
        """Whether this loop has a session, as far as is known."""
        held = self._held.get(asyncio.get_running_loop())
        return held is not None and held.usable

    async def drop(self) -> None:
        """Close the session of this loop, if there is one: the next call opens another."""
        if (held := self._held.get(asyncio.get_running_loop())) is not None:
            await held.aclose()

    async def aclose(self) -> None:
        """Close the sessions of all loops."""
        self._closed += 1
        here = asyncio.get_running_loop()
        held = dict(self._held)
        self._held.clear()
        closing = [
            asyncio.run_coroutine_threadsafe(session.aclose(), loop)
            for loop, session in held.items()
            # A loop that has ended has cancelled its tasks, and with them the session.
            if loop is not here and loop.is_running()
        ]
        if here in held:
            await held[here].aclose()
        if closing:
            # A loop may end before it comes to that.
            await asyncio.wait(map(asyncio.wrap_future, closing), timeout=2 * CLOSE_TIMEOUT)

    async def _run_once(self, use: Use[T]) -> T:
        held = self._session()
        try:
            return await held.run(use)
        except SessionEndedError:
            await held.aclose()
            raise

    def _session(self) -> HeldSession:
        # No await in here: callers that come at once find the same session.
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None or not held.usable:
            for other in list(self._held):
                if other.is_closed():
                    del self._held[other]
            held = HeldSession(self._open, task=self._task, server=self._server)
            self._held[loop] = held
        return held
