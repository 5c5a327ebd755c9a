"""The task server over HTTP as a process, for `bench.calls`: `python -m bench.task_server FD`."""

import asyncio
import logging
import socket
import sys

import uvicorn

from storage.database import open_database
from tools.context import LOCAL_USER, always, time_zone
from tools.server import create_server

# It tells with a traceback that a client has gone, at each call of one that doesn't stay.
logging.getLogger("mcp.server.streamable_http").setLevel(logging.CRITICAL)


async def serve(listening: socket.socket) -> None:
    async with open_database() as database:
        server = create_server(lambda: database, identify=always(LOCAL_USER, time_zone("UTC")))
        config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
