"""What the README has other MCP clients configured with, tried with the official libraries.

Only what a reader has to replace is replaced: the path of the checkout, the address, the token.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_mcp_adapters.client import MultiServerMCPClient
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.cli.mcp_support import Served, http_server, new_token
from tests.cli.support import COMMAND, PATIENCE, environment
from tests.tools.http_support import add, titles

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
INSPECTOR = shutil.which("mcp-inspector") or shutil.which(
    "mcp-inspector", path=str(REPOSITORY / ".venv" / "node_modules" / ".bin")
)

CHECKOUT = "/path/to/langgraph-task-agent/.venv/bin/task-agent"
URL = "http://127.0.0.1:2030/mcp"


def snippet(heading: str, language: str, number: int = 0) -> str:
    """A block of code in the README's section of that name."""
    section = re.search(rf"^### {heading}\n(.*?)(?=^##+ )", README, re.MULTILINE | re.DOTALL)
    assert section, f"the README has no section {heading!r}"
    blocks = re.findall(rf"^```{language}\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)
    return str(blocks[number])


def config(heading: str) -> Any:
    return json.loads(snippet(heading, "json").replace(CHECKOUT, str(COMMAND)))


def variables(database_url: str) -> dict[str, str]:
    """What else a server is told in a test."""
    return {"DATABASE_URL": database_url, "TASK_AGENT_ENV_FILE": ""}


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with http_server(tmp_path, DATABASE_URL=database_url) as running:
        yield running


@pytest.fixture
def token(database_url: str) -> str:
    return new_token("ada", DATABASE_URL=database_url)


@asynccontextmanager
async def started(server: dict[str, Any], database_url: str) -> AsyncIterator[ClientSession]:
    """A server started as a configuration says, in the environment that the library gives it."""
    parameters = StdioServerParameters(
        command=server["command"],
        args=server["args"],
        env=server.get("env", {}) | variables(database_url),
    )
    async with (
        stdio_client(parameters) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


async def test_claude_desktop_starts_it(database_url: str) -> None:
    (server,) = config("Claude Desktop")["mcpServers"].values()
    assert set(server) == {"command", "args", "env"}
    async with started(server, database_url) as session:
        added = await add(session, "Buy milk", "2031-12-01T09:00")
        assert added["due"] == "2031-12-01T09:00:00+01:00"
        assert await titles(session) == ["Buy milk"]


async def test_the_adapters_take_claude_desktops_configuration_too(database_url: str) -> None:
    servers = config("Claude Desktop")["mcpServers"]
    for server in servers.values():
        server.update(transport="stdio", env=server["env"] | variables(database_url))
    found = {tool.name: tool for tool in await MultiServerMCPClient(servers).get_tools()}
    await found["add_tasks"].ainvoke({"tasks": [{"title": "Buy milk"}]})
    assert "Buy milk" in str(await found["find_tasks"].ainvoke({}))


async def test_vs_code_starts_it(database_url: str) -> None:
    (server,) = config("VS Code")["servers"].values()
    assert server.pop("type") == "stdio"
    async with started(server, database_url) as session:
        await add(session, "Buy milk")
        assert await titles(session) == ["Buy milk"]


async def test_vs_code_calls_it_over_http(served: Served, token: str) -> None:
    written = config("Over HTTP, for many people")
    (asked,) = written["inputs"]
    (server,) = written["servers"].values()
    assert (server["type"], server["url"]) == ("http", URL)
    headers = {
        name: value.replace(f"${{input:{asked['id']}}}", token)
        for name, value in server["headers"].items()
    }
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE)
        http = await stack.enter_async_context(client)
        reading, writing, _ = await stack.enter_async_context(
            streamable_http_client(served.url, http_client=http)
        )
        session = await stack.enter_async_context(ClientSession(reading, writing))
        await session.initialize()
        await add(session, "Buy milk")
        assert await titles(session) == ["Buy milk"]


def test_the_adapters_call_it_over_http(served: Served, token: str, database_url: str) -> None:
    program = snippet("Over HTTP, for many people", "python")
    assert program.count(URL) == 1
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace(URL, served.url)],
        env={**os.environ, "TASK_AGENT_TOKEN": token, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == snippet("Over HTTP, for many people", "text").strip()


def test_a_token_is_made_as_the_readme_says(served: Served, database_url: str) -> None:
    export, serve = snippet("Over HTTP, for many people", "").splitlines()
    made = re.fullmatch(r"\$ export TASK_AGENT_TOKEN=\$\(task-agent (.*)\)", export)
    assert made
    done = subprocess.run(
        [COMMAND, *shlex.split(made[1])],
        env=environment(DATABASE_URL=database_url),
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"tagt_")
    assert serve == "$ task-agent mcp --http"


@pytest.mark.skipif(INSPECTOR is None, reason="the MCP Inspector is not installed (npm)")
@pytest.mark.parametrize("line", snippet("MCP Inspector", "").splitlines())
def test_the_inspector_of_mcp_calls_it(
    line: str, served: Served, token: str, database_url: str, tmp_path: Path
) -> None:
    words = shlex.split(line.replace("$TASK_AGENT_TOKEN", token))
    assert words[:3] == ["npx", "@modelcontextprotocol/inspector", "--cli"]
    places = {".venv/bin/task-agent": str(COMMAND), URL: served.url}
    assert places.keys() & set(words)
    # What it starts gets of the environment only what any program needs.
    told = [f"-eDATABASE_URL={database_url}"]
    started = told if str(COMMAND) in map(places.get, words) else []
    done = subprocess.run(
        [str(INSPECTOR), "--cli", *started, *(places.get(word, word) for word in words[3:])],
        env=environment(
            DATABASE_URL=database_url,
            # It keeps settings of its own.
            HOME=str(tmp_path),
            MCP_INSPECTOR_SECRET_STORE="memory",
            NO_PROXY="127.0.0.1",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    if "tools/list" in words:
        assert "add_tasks" in {tool["name"] for tool in answer["tools"]}
    else:
        assert (answer["isError"], answer["structuredContent"]["tasks"]) == (False, [])
