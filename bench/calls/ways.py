"""The ways to make a call of the task tools."""

import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient

from graph.agent import build_graph, task_tools
from graph.settings import AgentSettings
from graph.state import tool_request
from storage.database import Database, share
from storage.tokens import create_token
from tools.catalogue import catalogue
from tools.client import AgentTools
from tools.context import LOCAL_USER, always
from tools.handlers import Handlers
from tools.zones import time_zone

#: What a user starts the task server with.
COMMAND = Path(sys.executable).with_name("task-agent")
#: Seconds for it to start.
PATIENCE = 60.0

PLAIN, AGENT, HTTP, STDIO = (
    "plain Python call",
    "agent",
    "adapters over HTTP",
    "adapters over stdio",
)


@dataclass(frozen=True)
class Operation:
    """What is called."""

    name: str
    tool: str
    arguments: dict[str, Any]


def adding(title: str) -> dict[str, Any]:
    """The arguments that add a task."""
    return {"tasks": [{"title": title, "notes": "as was said on the phone"}]}


WRITE = Operation("add a task", "add_tasks", adding("Buy milk"))
READ = Operation("find a task", "find_tasks", {"text": "needle"})

Make = Callable[[Operation], Awaitable[Any]]


@dataclass
class Way:
    """One way to make a call, and the seconds that its calls took."""

    name: str
    make: Make
    alone: dict[str, list[float]] = field(default_factory=dict)
    crowd: dict[str, list[float]] = field(default_factory=dict)
    #: Calls of a crowd that failed: so many processes at once may be too much for a machine.
    failed: dict[str, int] = field(default_factory=dict)


class Toolbox:
    """Tools that are there already."""

    def __init__(self, tools: Sequence[BaseTool]) -> None:
        self._tools = list(tools)

    async def tools(self) -> list[BaseTool]:
        return self._tools


def through_tool_node(toolbox: Any, settings: AgentSettings, config: RunnableConfig) -> Make:
    """Calls as the agent's graph makes them. Only within a node of a running graph."""
    node: Any = build_graph(toolbox=toolbox, settings=settings).nodes["tools"].runnable

    async def make(operation: Operation) -> None:
        call = {"name": operation.tool, "args": operation.arguments, "id": f"call_{uuid4().hex}"}
        update = await node.ainvoke(tool_request(call), config)
        (answer,) = update["messages"]
        assert isinstance(answer, ToolMessage)
        assert answer.status == "success", answer.text

    return make


def plainly(database: Database) -> Make:
    """The same without MCP, LangChain or LangGraph."""
    handlers = Handlers(lambda: database, always(LOCAL_USER, time_zone("UTC")))
    tools = {tool.name: tool for tool in catalogue(handlers)}
    context: Any = SimpleNamespace(request_context=SimpleNamespace(meta=None))

    async def make(operation: Operation) -> None:
        tool = tools[operation.tool]
        arguments = tool.fn_metadata.arg_model.model_validate(operation.arguments)
        await tool.fn(context=context, **arguments.model_dump_one_level())

    return make


@contextmanager
def http_server(url: str) -> Iterator[str]:
    """The task server as a process that serves HTTP; its address."""
    process = subprocess.Popen(
        [COMMAND, "mcp", "--http", "--port", "0"],
        env={**os.environ, "DATABASE_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("Ready"):
                break
        found = re.search(r"URL +(\S+)", printed)
        if found is None:
            raise SystemExit(f"`task-agent mcp --http` did not start: {printed}")
        yield found[1]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@asynccontextmanager
async def all_ways(
    database: Database, url: str, config: RunnableConfig
) -> AsyncIterator[list[Way]]:
    """Every way to make a call, the plain one first."""
    async with database.session() as session:
        token, _ = await create_token(session, LOCAL_USER, name="bench")
        await session.commit()
    settings = AgentSettings(time_zone="UTC", tool_timeout=600)
    with share(database), http_server(url) as address:
        stdio = MultiServerMCPClient(
            {
                "tasks": {
                    "transport": "stdio",
                    "command": str(COMMAND),
                    "args": ["mcp"],
                    "env": {"DATABASE_URL": url, "PATH": os.environ["PATH"]},
                }
            }
        )
        http = MultiServerMCPClient(
            {
                "tasks": {
                    "transport": "streamable_http",
                    "url": address,
                    "headers": {"Authorization": f"Bearer {token}"},
                }
            }
        )
        agent = AgentTools(task_tools(settings))

        def node(toolbox: Any) -> Make:
            return through_tool_node(toolbox, settings, config)

        try:
            yield [
                Way(PLAIN, plainly(database)),
                Way(AGENT, node(agent)),
                Way(HTTP, node(Toolbox(await http.get_tools()))),
                Way(STDIO, node(Toolbox(await stdio.get_tools()))),
            ]
        finally:
            await agent.aclose()


async def seconds(calls: Awaitable[Any]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    await calls
    return time.perf_counter() - began
