"""Many people's tasks over streamable HTTP; each request says whose by its bearer token.

There are no sessions: the tools need none, and so nobody can use another's, a client goes on after
the server was started anew, and there is nothing to keep for clients that don't come back. For the
same reason there is no stream for what a server may want to tell by itself.
"""

import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route, Router

from storage.database import Database, connect

from ..server import create_server
from .access import Tokens, from_token, unavailable
from .settings import StandaloneSettings

#: Where clients find the server.
PATH = "/mcp"

#: Seconds for calls under way to finish, once the server has been told to stop.
GRACE = 10


def create_app(
    database: Callable[[], Database], settings: StandaloneSettings, hosts: Collection[str]
) -> Starlette:
    """The ASGI app.

    Args:
        database: Called at every request.
        settings: The zone and the locale of calls whose token names none.
        hosts: The names that clients may call the server by, without a port. A page on the web
            whose name was made to lead here (DNS rebinding) knows it by another name.
    """
    server = create_server(database, identify=from_token(settings.zone, locale=settings.locale))
    server.settings.streamable_http_path = PATH
    server.settings.stateless_http = True
    # An answer is one piece, which a server that stops still sends to its end.
    server.settings.json_response = True
    server.settings.transport_security = TransportSecuritySettings(
        allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
        allowed_origins=[
            f"{scheme}://{host}{port}"
            for scheme in ("http", "https")
            for host in hosts
            for port in ("", ":*")
        ],
    )
    calls = Router([Route(PATH, server.streamable_http_app(), methods=["POST"])])
    return Starlette(
        routes=[Route(PATH, RequireAuthMiddleware(calls, required_scopes=[]))],
        middleware=[
            Middleware(
                AuthenticationMiddleware,
                backend=BearerAuthBackend(Tokens(database)),
                on_error=unavailable,
            )
        ],
        lifespan=lambda _: server.session_manager.run(),
    )


async def serve(
    uri: str, settings: StandaloneSettings, listening: socket.socket, hosts: Collection[str]
) -> None:
    """Serve until SIGINT or SIGTERM; calls under way are finished.

    Must be called in the main thread.

    Args:
        uri: Of a migrated database.
        settings: See `create_app`.
        listening: A socket that listens.
        hosts: See `create_app`.

    Raises:
        DatabaseUnreachableError: no connection could be made.
    """
    async with connect(uri) as database:
        config = uvicorn.Config(
            create_app(lambda: database, settings, hosts),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        with _signals_answered():
            await uvicorn.Server(config).serve(sockets=[listening])


@contextmanager
def _signals_answered() -> Iterator[None]:
    """Keep the signals that uvicorn raises once more, after it has obeyed them, from killing."""

    def nothing(_: int, __: FrameType | None) -> None:
        pass

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, nothing) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
