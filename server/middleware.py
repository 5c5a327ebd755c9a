"""What stands between a client and LangGraph's server."""

import asyncio
import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: Routes of the in-memory server that ask for no authentication: the first wipes the registry of
#: threads or shows any thread's state, the second deploys. The server matches them before routes
#: of ours, so only a middleware can close them.
CLOSED = ("/internal", "/deploy")

#: Names of this machine for itself.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class ClosedRoutes:
    """Answers 404 for the server's internal routes, as if they did not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if any(path == closed or path.startswith(f"{closed}/") for closed in CLOSED):
            await _refuse(404, "Not Found", scope, receive, send)
            return
        await self.app(scope, receive, send)


class KnownPages:
    """Answers 403 to requests that a web page makes which may not use the API.

    CORS keeps such a page from reading an answer, but not from sending a request that needs no
    preflight, and that is enough to change tasks where there is no log-in. A page whose name was
    made to lead to this machine (DNS rebinding) is no foreign page to the browser, but the name in
    `Host` gives it away, which is looked at where the server is reached over the loopback.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], pattern: str) -> None:
        self.app = app
        self._origins = frozenset(origins)
        self._pattern = re.compile(pattern)
        self._hosts = frozenset(LOCAL_HOSTS) | {urlsplit(one).hostname for one in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin, host = headers.get("origin"), headers.get("host", "")
            if origin is not None and not self._is_known(origin):
                why = f"pages of {origin} may not use this API; see TASK_AGENT_CORS_ORIGINS"
                await _refuse(403, why, scope, receive, send)
                return
            if _is_loopback(scope) and urlsplit(f"//{host}").hostname not in self._hosts:
                why = f"this server is not {host}; see TASK_AGENT_CORS_ORIGINS"
                await _refuse(403, why, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_known(self, origin: str) -> bool:
        return origin in self._origins or self._pattern.fullmatch(origin) is not None


class OneDeletionAtATime:
    """Lets one request delete threads at a time.

    The in-memory server looks a thread's place in its list up, waits for the checkpointer, and then
    removes whatever is in that place (langgraph-runtime-inmem 0.36.7, `ops.py`): two deletions at
    once removed threads that nobody had asked for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _deletes_threads(scope):
            await self.app(scope, receive, send)
            return
        async with self._turn:
            await self.app(scope, receive, send)


def _deletes_threads(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    path = _path(scope)
    deletes = scope["method"] == "DELETE" and path.startswith("/threads/")
    return deletes or (scope["method"] == "POST" and path == "/threads/prune")


def _path(scope: Scope) -> str:
    # The SDK's in-process client mounts the app under a root path of its own.
    path: str = scope.get("path", "")
    return "/" + path.removeprefix(scope.get("root_path") or "").lstrip("/")


def _is_loopback(scope: Scope) -> bool:
    """Whether the request came in at an address that only this machine can reach."""
    try:
        return ip_address((scope.get("server") or ("",))[0]).is_loopback
    except ValueError:
        return False


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"detail": why}, status_code=status)(scope, receive, send)
