"""Other MCP servers for tests, and the agent's calls to them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.graph import START, StateGraph, add_messages
from langgraph.prebuilt import ToolNode

from tests.cli.support import is_alive
from tools.client import AgentTools, TaskTools
from tools.client.config import read_config

ROOT = Path(__file__).resolve().parents[2]

#: Seconds for a process to start or to end, on a machine that does much else.
PATIENCE = 60


def stdio_entry(directory: Path, *options: str) -> dict[str, Any]:
    """The test server over stdio, as `mcp.json` has it."""
    return {
        "command": sys.executable,
        "args": ["-m", "tests.tools.other_server", str(directory), *options],
        "cwd": str(ROOT),
    }


def write_config(directory: Path, **servers: Any) -> Path:
    """An `mcp.json` with these servers."""
    path = directory / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


@asynccontextmanager
async def agent_tools(directory: Path, **servers: Any) -> AsyncIterator[AgentTools]:
    """The task tools and those of these servers; closed afterwards."""
    entries = read_config(write_config(directory, **servers))
    tools = AgentTools(TaskTools(), entries)
    try:
        yield tools
    finally:
        await tools.aclose()


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def call(tools: AgentTools, name: str, **arguments: Any) -> ToolMessage:
    """Make a call the way the agent does."""
    asked = AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "call_1"}])
    graph = StateGraph(State)
    graph.add_node("tools", ToolNode(await tools.tools()))
    graph.add_edge(START, "tools")
    configurable = {"thread_id": "t", "langgraph_auth_user_id": "ann"}
    out = await graph.compile().ainvoke({"messages": [asked]}, {"configurable": configurable})
    answer = out["messages"][-1]
    assert isinstance(answer, ToolMessage)
    return answer


async def names(tools: AgentTools) -> list[str]:
    return [tool.name for tool in await tools.tools()]


def calls(directory: Path) -> list[str]:
    """What the server in this directory was asked for."""
    file = directory / "calls"
    return file.read_text().splitlines() if file.exists() else []


def pid_of(directory: Path) -> int:
    return int((directory / "pid").read_text())


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} seconds in vain until {what}"
        time.sleep(0.02)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


def children(pid: int) -> list[int]:
    """The processes that this one has started and that run."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    rows = [line.split() for line in told.stdout.decode().splitlines()]
    return [int(child) for child, parent in rows if int(parent) == pid and is_alive(int(child))]


class HttpServers:
    """The test server over HTTP, one process after another on the same socket."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> "subprocess.Popen[bytes]":
        """Start one. Who connects earlier waits until it is there."""
        fd = self._socket.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.other_server", str(self.directory), f"--fd={fd}"],
            cwd=ROOT,
            env=dict(os.environ),
            pass_fds=[fd],
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kill them all, and refuse connections."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._socket.close()

    def listen(self) -> None:
        """Let connections come in again after `close`."""
        self._socket = socket.create_server(("127.0.0.1", self.port))


@contextmanager
def http_servers(directory: Path) -> Iterator[HttpServers]:
    servers = HttpServers(directory)
    try:
        yield servers
    finally:
        servers.close()


def kill(pid: int) -> None:
    """Kill a process, and see it gone."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), f"process {pid} has ended")
