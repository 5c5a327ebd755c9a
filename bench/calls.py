"""`make bench-calls`: a tool call of the agent, beside what langchain-mcp-adapters do by default.

All make the same calls on one database with fsync on, one call of each after the other, so that
whatever else the machine does meets all of them. The agent's and the adapters' calls go through the
agent's own tool node; a plain call is a Python function that does the same in the database.
"""

import argparse
import asyncio
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict
from uuid import uuid4

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.graph import START, StateGraph
from rich.console import Console
from rich.table import Table

from bench.__main__ import fresh_database
from bench.server import bench_server
from graph.agent import build_graph
from graph.clock import call_time
from graph.settings import AgentSettings
from graph.state import tool_request
from storage.database import Database, connect
from storage.settings import DatabaseSettings
from tools.catalogue import catalogue
from tools.client import AgentTools, TaskTools
from tools.context import LOCAL_USER, always, time_zone
from tools.handlers import Handlers

PAGE = Path(__file__).parents[1] / "docs" / "benchmark-calls.md"

#: Calls at the same time.
CROWD = 32
#: The agent's time to that of the adapters over stdio, at most.
RATIO = 0.02
#: Milliseconds that the agent's call may take longer than the plain one.
OVERHEAD = 3.0


@dataclass(frozen=True)
class Operation:
    """What is called."""

    name: str
    tool: str
    arguments: dict[str, Any]


def adding(title: str) -> dict[str, Any]:
    return {"tasks": [{"title": title, "notes": "as was said on the phone"}]}


WRITE = Operation("add a task", "add_tasks", adding("Buy milk"))
READ = Operation("find a task", "find_tasks", {"text": "needle"})


@dataclass
class Contender:
    """One way to make a call, and the seconds that its calls took."""

    name: str
    make: Callable[[Operation], Awaitable[Any]]
    alone: dict[str, list[float]] = field(default_factory=dict)
    crowd: dict[str, list[float]] = field(default_factory=dict)


class Toolbox:
    """Tools that are there already."""

    def __init__(self, tools: Sequence[BaseTool]) -> None:
        self._tools = list(tools)

    async def tools(self) -> list[BaseTool]:
        return self._tools


def through_tool_node(toolbox: Any, config: RunnableConfig) -> Callable[[Operation], Any]:
    """Calls as the agent's graph makes them. Only within a node of a running graph."""
    settings = AgentSettings(time_zone="UTC", tool_timeout=600)
    node: Any = build_graph(toolbox=toolbox, settings=settings).nodes["tools"].runnable

    async def make(operation: Operation) -> None:
        call = {"name": operation.tool, "args": operation.arguments, "id": f"call_{uuid4().hex}"}
        update = await node.ainvoke(tool_request(call), config)
        (answer,) = update["messages"]
        assert isinstance(answer, ToolMessage)
        assert answer.status == "success", answer.text

    return make


def plainly(database: Database) -> Callable[[Operation], Any]:
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
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.task_server", str(fd)],
            env={**os.environ, "DATABASE_URL": url},
            pass_fds=[fd],
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def contenders(
    database: Database, url: str, config: RunnableConfig
) -> AsyncIterator[list[Contender]]:
    """Every way to make a call."""
    agent = AgentTools(TaskTools(lambda: database, clock=call_time))
    with http_server(url) as address:
        stdio = MultiServerMCPClient(
            {
                "tasks": {
                    "transport": "stdio",
                    "command": sys.executable,
                    "args": ["-m", "tools.server"],
                    "env": {"DATABASE_URL": url, "PATH": os.environ["PATH"]},
                }
            }
        )
        http = MultiServerMCPClient({"tasks": {"transport": "streamable_http", "url": address}})
        try:
            yield [
                Contender("plain Python call", plainly(database)),
                Contender("agent", through_tool_node(agent, config)),
                Contender(
                    "adapters over HTTP", through_tool_node(Toolbox(await http.get_tools()), config)
                ),
                Contender(
                    "adapters over stdio",
                    through_tool_node(Toolbox(await stdio.get_tools()), config),
                ),
            ]
        finally:
            await agent.aclose()


async def seconds(calls: Awaitable[Any]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    await calls
    return time.perf_counter() - began


async def at_once(way: Contender, operation: Operation) -> None:
    """Many calls of one way."""
    await asyncio.gather(*(way.make(operation) for _ in range(CROWD)))


async def measure(ways: Sequence[Contender], calls: int, crowds: int, console: Console) -> None:
    """Calls alone, then many at once, each way in turn."""
    for operation in (WRITE, READ):
        for way in ways:
            for _ in range(3):  # They plan statements, and fill caches.
                await way.make(operation)
            way.alone[operation.name] = []
            way.crowd[operation.name] = []
        for number in range(calls):
            start = number % len(ways)
            for way in (*ways[start:], *ways[:start]):
                way.alone[operation.name].append(await seconds(way.make(operation)))
        for _ in range(crowds):
            for way in ways:
                way.crowd[operation.name].append(await seconds(at_once(way, operation)))
        console.print(f"{operation.name}: measured", style="dim")


@dataclass(frozen=True)
class Row:
    """One way to make one call, in milliseconds."""

    operation: str
    way: str
    p50: float
    p95: float
    #: Until all of the calls at once are answered.
    crowd: float


def rows(ways: Sequence[Contender]) -> list[Row]:
    return [
        Row(
            name,
            way.name,
            statistics.median(way.alone[name]) * 1e3,
            statistics.quantiles(way.alone[name], n=20)[-1] * 1e3,
            statistics.median(way.crowd[name]) * 1e3,
        )
        for name in ways[0].alone
        for way in ways
    ]


def verdicts(found: Sequence[Row]) -> list[str]:
    """What was to be reached, and whether it is."""
    said = []
    for name in dict.fromkeys(row.operation for row in found):
        plain, agent, _, stdio = (row for row in found if row.operation == name)
        ratio, over = agent.p50 / stdio.p50, agent.p50 - plain.p50
        for value, bound, words in (
            (ratio, RATIO, f"{ratio:.4f} of the adapters over stdio, at most {RATIO} wanted"),
            (over, OVERHEAD, f"{over:.1f} ms over the plain call, at most {OVERHEAD:g} wanted"),
        ):
            said.append(f"{name}: {words}{'' if value <= bound else ' (missed)'}")
    return said


def show(console: Console, found: Sequence[Row]) -> None:
    table = Table("Call", "By", "p50", "p95", f"{CROWD} at once", box=None)
    for row in found:
        numbers = (f"{value:,.1f} ms" for value in (row.p50, row.p95, row.crowd))
        table.add_row(row.operation, row.way, *numbers)
    console.print(table)
    for verdict in verdicts(found):
        console.print(verdict, style="red" if "missed" in verdict else "green")


def write(found: Sequence[Row], calls: int) -> None:
    lines = [
        f"| {row.operation} | {row.way} | {row.p50:,.1f} ms | {row.p95:,.1f} ms "
        f"| {row.crowd:,.1f} ms |"
        for row in found
    ]
    PAGE.write_text(
        f"""\
# What a tool call costs

What `make bench-calls` printed on {datetime.now(UTC):%Y-%m-%d} on a machine with
{os.cpu_count()} cores ({platform.system()}, Python {platform.python_version()}, LangGraph
{version("langgraph")}, langchain-mcp-adapters {version("langchain-mcp-adapters")}, mcp
{version("mcp")}). It writes this page.

{calls} calls of each kind, one of each after the other, all on one database with fsync on, so that
whatever else the machine does meets all of them. *{CROWD} at once*: until the last is answered.

- *plain Python call*: the tool's function, with its arguments checked.
- *agent*: a call of the agent's tool node, on the session that it holds with the task server in
  its process.
- *adapters*: the same tool node with the tools of `MultiServerMCPClient.get_tools()` as they come,
  which open a session at each call: over HTTP with the task server in another process, over stdio
  with a process that is started for the call.

| call | by | p50 | p95 | {CROWD} at once |
|---|---|---:|---:|---:|
{chr(10).join(lines)}

{chr(10).join(f"- {verdict}." for verdict in verdicts(found))}
""",
        encoding="utf-8",
    )


class State(TypedDict):
    """Nothing."""

    done: bool


async def run(url: str, calls: int, crowds: int, console: Console) -> list[Row]:
    """Measure everything, in a node of a graph that runs: a tool node is to be called in one."""
    found: list[Row] = []
    async with connect(url, DatabaseSettings(database_url=None, prepare=True)) as database:

        async def bench(state: State, config: RunnableConfig) -> State:
            await plainly(database)(Operation("", WRITE.tool, adding("Find the needle")))
            async with contenders(database, url, config) as ways:
                await measure(ways, calls, crowds, console)
                found.extend(rows(ways))
            return {"done": True}

        builder = StateGraph(State)
        builder.add_node("bench", bench)
        builder.add_edge(START, "bench")
        thread: RunnableConfig = {"configurable": {"thread_id": "bench"}}
        await builder.compile().ainvoke({"done": False}, thread)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=40, help="calls of each kind")
    parser.add_argument("--crowds", type=int, default=3, help=f"times {CROWD} calls at once")
    parser.add_argument("--no-write", action="store_true", help="leave docs/ as it is")
    options = parser.parse_args()
    console = Console(width=110)
    with bench_server() as server, fresh_database(server) as url:
        found = asyncio.run(run(url, options.calls, options.crowds, console))
    show(console, found)
    if not options.no_write:
        write(found, options.calls)


if __name__ == "__main__":
    main()
