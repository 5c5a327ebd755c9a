"""`python -m tools.server` as a process, through a real client over stdio."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tools.context import META_KEY, META_TIME_ZONE, META_USER

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ["-m", "tools.server"]


def environment(**values: str) -> dict[str, str]:
    return {**os.environ, **values}


@asynccontextmanager
async def client(errors: Path, **values: str) -> AsyncIterator[ClientSession]:
    parameters = StdioServerParameters(
        command=sys.executable, args=COMMAND, env=environment(**values), cwd=ROOT
    )
    with errors.open("w") as log:
        async with (
            stdio_client(parameters, errlog=log) as (reading, writing),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            yield session


async def run(**values: str) -> tuple[int | None, str, str]:
    """Start the server with nobody at the other end; its status and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        cwd=ROOT,
        env=environment(**values),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), errors.decode()


async def answer(session: ClientSession, tool: str, arguments: dict[str, Any], **meta: Any) -> Any:
    result = await session.call_tool(tool, arguments, meta=meta)
    assert not result.isError, result.content
    return result.structuredContent


async def test_tasks_are_kept_for_the_user_of_the_environment(
    database_url: str, tmp_path: Path
) -> None:
    errors = tmp_path / "stderr"
    settings = {"DATABASE_URL": database_url, "TASK_AGENT_TIME_ZONE": "Asia/Tokyo"}
    async with client(errors, TASK_AGENT_USER="ann", **settings) as session:
        assert len((await session.list_tools()).tools) == 14
        # What the client claims to be does not count, its idempotency key does.
        meta = {META_USER: "bob", META_TIME_ZONE: "UTC", META_KEY: "k"}
        title = "Buy milk 🥛"
        new = {"tasks": [{"title": title, "due": "2026-12-01 12:00"}]}
        first = await answer(session, "add_tasks", new, **meta)
        task = first["results"][0]["task"]
        assert task["due"] == "2026-12-01T12:00:00+09:00"
        again = await answer(session, "add_tasks", new, **meta)
        assert again == first
        failed = await session.call_tool("complete_tasks", {"tasks": ["zebra"]})
        assert failed.isError
    assert errors.read_text() == ""

    async with client(errors, TASK_AGENT_USER="bob", **settings) as session:
        assert (await answer(session, "find_tasks", {}))["total"] == 0
    async with client(errors, TASK_AGENT_USER="ann", **settings) as session:
        assert (await answer(session, "find_tasks", {}))["tasks"] == [task]


async def test_the_server_ends_quietly_when_its_input_does(database_url: str) -> None:
    assert await run(DATABASE_URL=database_url) == (0, "", "")


async def test_an_interrupt_ends_the_server_at_once(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        cwd=ROOT,
        env=environment(DATABASE_URL=database_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    client_info = {"name": "test", "version": "1"}
    parameters = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client_info}
    request = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    assert json.loads(await asyncio.wait_for(process.stdout.readline(), 60))["id"] == 0
    # Its input stays open.
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGINT
    process.stdin.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://somewhere/db"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/db"),
        ("TASK_AGENT_TIME_ZONE", "Mars/Olympus"),
    ],
)
async def test_a_setting_that_does_not_work_is_told_in_a_few_lines(
    database_url: str, name: str, value: str
) -> None:
    status, out, errors = await run(**{"DATABASE_URL": database_url, name: value})
    assert (status, out) == (1, "")
    assert "Traceback" not in errors
    assert value.split(":")[0].split("/")[0] in errors
