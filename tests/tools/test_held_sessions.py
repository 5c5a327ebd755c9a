"""A session that stays open: who owns it, when there is another one, and when not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from mcp import ClientSession, McpError
from mcp.server.fastmcp import FastMCP
from mcp.types import CONNECTION_CLOSED, ErrorData

from tools.client import TaskTools
from tools.client.held import HeldSessions, SessionEndedError
from tools.client.opening import in_process
from tools.errors import TaskToolsError
from tools.server import create_server


class Opener:
    """Opens sessions with a task server, as long as it is not told to fail."""

    def __init__(self, *failures: Exception | None) -> None:
        self.opened = 0
        self._failures = list(failures)
        self._fail = asyncio.Event()
        self._error: Exception | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ClientSession]:
        self.opened += 1
        if self._failures and (failure := self._failures.pop(0)) is not None:
            raise failure
        async with in_process(_server) as session, anyio.create_task_group() as group:
            group.start_soon(self._wait)
            yield session
            group.cancel_scope.cancel()

    def fail(self, error: Exception) -> None:
        """End the session that is open."""
        self._error = error
        self._fail.set()

    async def _wait(self) -> None:
        await self._fail.wait()
        self._fail.clear()
        assert self._error is not None
        raise self._error


def _server() -> FastMCP[Any]:
    return create_server(lambda: pytest.fail("no tool is called"))


@asynccontextmanager
async def held(opener: Opener) -> AsyncIterator[HeldSessions]:
    sessions = HeldSessions(opener.open, task="test", server="the test's server")
    try:
        yield sessions
    finally:
        await sessions.aclose()


async def ping(session: ClientSession) -> str:
    await session.send_ping()
    return "pong"


async def forever(session: ClientSession) -> None:
    await asyncio.Event().wait()


def never(error: SessionEndedError) -> bool:
    return False


async def ended(sessions: HeldSessions, opener: Opener, error: Exception) -> SessionEndedError:
    """What a call is told in which the session ends so."""
    call = asyncio.create_task(sessions.run(forever, again=never))
    await sessions.run(ping, again=never)
    opener.fail(error)
    with pytest.raises(SessionEndedError) as caught:
        await call
    return caught.value


async def test_a_session_that_could_not_be_opened_is_not_opened_again_at_once() -> None:
    opener = Opener(OSError("no such thing"), None)
    async with held(opener) as sessions:
        with pytest.raises(SessionEndedError, match="no such thing") as caught:
            await sessions.run(ping, again=lambda _: True)
        assert not caught.value.opened
        assert not caught.value.sent
        assert opener.opened == 1
        assert await sessions.run(ping, again=never) == "pong"
        assert opener.opened == 2


async def test_a_call_is_told_whether_the_server_may_have_got_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opener = Opener()
    request = httpx.Request("POST", "http://server/mcp")
    refused = httpx.HTTPStatusError("", request=request, response=httpx.Response(401))
    broken = httpx.HTTPStatusError("", request=request, response=httpx.Response(502))
    async with held(opener) as sessions:
        assert not (await ended(sessions, opener, httpx.ConnectError("refused"))).sent
        error = await ended(sessions, opener, refused)
        assert not error.sent
        assert str(error) == "it answered with HTTP status 401 Unauthorized"
        assert (await ended(sessions, opener, broken)).sent
        assert (await ended(sessions, opener, httpx.ReadError("reset"))).sent
        # With two under way nobody knows which of them was refused.
        other = asyncio.create_task(sessions.run(forever, again=never))
        assert (await ended(sessions, opener, httpx.ConnectError("refused"))).sent
        with pytest.raises(SessionEndedError):
            await other
    assert "ConnectError: refused" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_mistake_in_the_program_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opener = Opener()
    async with held(opener) as sessions:
        await ended(sessions, opener, ZeroDivisionError("oh"))
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (anyio.ClosedResourceError(), False),
        (anyio.BrokenResourceError(), False),
        (McpError(ErrorData(code=32600, message="Session terminated")), False),
        (McpError(ErrorData(code=CONNECTION_CLOSED, message="Connection closed")), True),
    ],
)
async def test_an_error_of_a_call_on_a_session_that_has_ended_opens_another(
    error: Exception, sent: bool
) -> None:
    opener = Opener()
    errors = [error]
    told: list[SessionEndedError] = []

    async def use(session: ClientSession) -> str:
        if errors:
            raise errors.pop()
        return await ping(session)

    def again(error: SessionEndedError) -> bool:
        told.append(error)
        return True

    async with held(opener) as sessions:
        assert await sessions.run(use, again=again) == "pong"
    assert [each.sent for each in told] == [sent]
    assert opener.opened == 2


async def test_any_other_error_is_the_callers_and_the_session_stays() -> None:
    opener = Opener()

    async def use(session: ClientSession) -> None:
        raise McpError(ErrorData(code=-32602, message="Unknown tool"))

    async with held(opener) as sessions:
        with pytest.raises(McpError, match="Unknown tool"):
            await sessions.run(use, again=lambda _: True)
        assert sessions.is_open
        assert await sessions.run(ping, again=never) == "pong"
        await sessions.drop()
        assert not sessions.is_open
    assert opener.opened == 1


async def test_no_session_with_the_task_server_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(database: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr("tools.client.task_tools.create_server", fail)
    with pytest.raises(TaskToolsError, match=r"could be opened.*too many open files"):
        await TaskTools().tools()
