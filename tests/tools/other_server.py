"""An MCP server that isn't the task server, as a process: over stdio, or on a socket for HTTP.

Run as `python -m tests.tools.other_server DIRECTORY [--fd N] [--stays]`. It writes a line to
`calls` in the directory for each call, and does what files there tell it: with `die` it kills
itself in the next call, with `hold` calls wait until the file is gone.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ToolAnnotations

READS = ToolAnnotations(readOnlyHint=True)
REPEATABLE = ToolAnnotations(readOnlyHint=False, idempotentHint=True)


def make_server(directory: Path) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("other", log_level="WARNING")

    def hold() -> None:
        while (directory / "hold").exists():
            time.sleep(0.01)

    async def called(what: str) -> str:
        with (directory / "calls").open("a") as file:
            file.write(f"{what}\n")
        if (directory / "die").exists():
            (directory / "die").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.to_thread(hold)
        return f"{what}, said {os.getpid()}"

    @server.tool(annotations=READS)
    async def look(text: str) -> str:
        """Look at something."""
        return await called(f"look {text}")

    @server.tool()
    async def put(text: str) -> str:
        """Put something somewhere."""
        return await called(f"put {text}")

    @server.tool(annotations=REPEATABLE)
    async def paint(text: str) -> str:
        """Paint it in a colour."""
        return await called(f"paint {text}")

    @server.tool()
    async def find_tasks() -> str:
        """Has a name that a task tool has."""
        return "no tasks here"

    @server.tool(annotations=READS)
    def told(context: Context[Any, Any, Any]) -> dict[str, Any]:
        """What it gets to know beside arguments."""
        meta = context.request_context.meta
        request = context.request_context.request
        return {
            "meta": meta.model_dump(exclude_none=True) if meta else None,
            "environment": dict(os.environ),
            "directory": os.getcwd(),
            "headers": dict(request.headers) if request is not None else None,
        }

    @server.tool()
    def fail() -> str:
        """Fails."""
        raise ValueError("it is Monday")

    @server.tool()
    async def grow(context: Context[Any, Any, Any]) -> str:
        """Have one tool more."""
        server.add_tool(lambda: "grown", name="grown", description="Is new.")
        await context.session.send_tool_list_changed()
        return "there is more"

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fd", type=int, help="a socket that listens, for HTTP")
    parser.add_argument("--stays", action="store_true", help="go on when the input has ended")
    options = parser.parse_args()
    (options.directory / "pid").write_text(str(os.getpid()))
    server = make_server(options.directory)
    if options.fd is not None:
        config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
        listening = socket.socket(fileno=options.fd)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))
        return
    sys.stderr.write("Other server, at your service\n")
    sys.stderr.flush()
    server.run()
    if options.stays:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
