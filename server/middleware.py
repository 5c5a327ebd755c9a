"""What stands between a client and LangGraph's server."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: Routes of the in-memory server that ask for no authentication: the first wipes the registry of
#: threads or shows any thread's state, the second deploys. The server matches them before routes
#: of ours, so only a middleware can close them.
CLOSED = ("/internal", "/deploy")


class ClosedRoutes:
    """Answers 404 for the server's internal routes, as if they did not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and _is_closed(scope):
            await JSONResponse({"detail": "Not Found"}, status_code=404)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_closed(scope: Scope) -> bool:
    # The SDK's in-process client mounts the app under a root path of its own.
    path = "/" + scope["path"].removeprefix(scope.get("root_path") or "").lstrip("/")
    return any(path == closed or path.startswith(f"{closed}/") for closed in CLOSED)
