"""The task server over HTTP in this process, and what is asked of it, whatever its tools are."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from storage.database import Database
from storage.tokens import create_token
from tests.tools.support import Person
from tools.standalone.http import PATH, create_app
from tools.standalone.settings import StandaloneSettings

LOCAL = ("127.0.0.1", "localhost")

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
#: Asks for the open tasks.
LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "find_tasks", "arguments": {}},
}


@asynccontextmanager
async def serving(
    database: Database | Callable[[], Database], *, hosts: tuple[str, ...] = LOCAL, port: int = 0
) -> AsyncIterator[str]:
    """The server's URL, while it serves."""
    opened = database if callable(database) else lambda: database
    app = create_app(opened, StandaloneSettings(time_zone="UTC"), hosts)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=10))
    with socket.create_server(("127.0.0.1", port)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"
        served = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield url
        finally:
            server.should_exit = True
            await served


async def token_for(database: Database, user: str, **more: Any) -> str:
    async with database.session() as session:
        token, _ = await create_token(session, user, name="test", **more)
        await session.commit()
    return token


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def client(url: str, token: str) -> AsyncIterator[ClientSession]:
    """The official client."""
    async with (
        httpx.AsyncClient(headers=bearing(token), trust_env=False, timeout=60) as http,
        streamable_http_client(url, http_client=http) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


async def post(url: str, message: dict[str, Any] = INITIALIZE, /, **headers: str) -> httpx.Response:
    """A message as any program would send it."""
    accepted = {"Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        return await http.post(
            url,
            json=message,
            headers=accepted | {name.replace("_", "-"): value for name, value in headers.items()},
        )


async def add(session: ClientSession, title: str, due: str | None = None, **meta: Any) -> Any:
    """The task that was added."""
    item = {"title": title, "due": due}
    answer = await Person(session, meta).answer("add_tasks", tasks=[item])
    assert answer["failed"] == 0, answer
    return answer["results"][0]["task"]


async def titles(session: ClientSession, **meta: Any) -> list[str]:
    """The titles of the open tasks that the client sees."""
    return sorted(await Person(session, meta).titles())
