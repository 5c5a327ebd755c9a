"""The HTTP app beside the graph: CORS for Studio, a health route, and closed internal routes.

`langgraph.json` names `app`. LangGraph's server merges its own routes into it and runs its
middleware outermost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langgraph_sdk import get_client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from storage.database import shared_database
from storage.garbage import leave_alone_what_is_there

from .middleware import ClosedRoutes, KnownPages, OneDeletionAtATime
from .registry import restore_threads
from .settings import ServerSettings

# Reaches the server in this process, past authentication. It has to be made while this module is
# imported: the server looks for such clients afterwards.
client = get_client()

STUDIO = "https://smith.langchain.com"
#: Pages served from this machine, whatever their port: local front ends.
LOCAL_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"

#: Seconds after which a database that has not answered counts as down.
HEALTH_TIMEOUT = 5


async def health(_: Request) -> JSONResponse:
    """200 while the database answers, 503 while it doesn't.

    The server's own `/ok` says "ok" even when Postgres has stopped.
    """
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            await shared_database().check()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}".strip(": ")
        return JSONResponse({"status": "down", "database": problem}, status_code=503)
    return JSONResponse({"status": "ok", "database": "ok"})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Threads come back when the server starts; the MCP sessions end with it."""
    getting_ready = asyncio.create_task(_get_ready())
    try:
        yield
    finally:
        getting_ready.cancel()
        await asyncio.wait({getting_ready})
    # Not before: the server wants this module quickly, and the graph takes a while to import.
    from graph.agent import agent_tools

    await agent_tools.aclose()


async def _get_ready() -> None:
    await restore_threads(client)
    # By now the graph has been loaded too.
    leave_alone_what_is_there()


ORIGINS = [STUDIO, *ServerSettings().origins]

app = Starlette(
    routes=[Route("/health", health, methods=["GET"], name="health")],
    middleware=[
        Middleware(
            CORSMiddleware,
            allow_origins=ORIGINS,
            allow_origin_regex=LOCAL_PAGES,
            # Studio, a public page, asks a browser to reach a private address: without this the
            # preflight is answered with 400.
            allow_private_network=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["content-location", "x-pagination-total", "x-pagination-next"],
        ),
        Middleware(KnownPages, origins=ORIGINS, pattern=LOCAL_PAGES),
        Middleware(ClosedRoutes),
        Middleware(OneDeletionAtATime),
    ],
    lifespan=lifespan,
)
