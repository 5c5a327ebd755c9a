"""`task-agent mcp`: the task server over stdio, through a real client."""

import asyncio
import json
import os
import pty
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.mcp_support import stdio_session
from tests.cli.support import COMMAND, Result, dev_server, environment, task_agent_process
from tests.tools.http_support import INITIALIZE, add, titles
from tools.context import META_KEY, META_LOCALE, META_TIME_ZONE, META_USER

#: Has everything in the process print, as soon as there is a database to talk to.
NOISE = """
import os, sys, threading, time

def shout():
    while "migrations.run" not in sys.modules:
        time.sleep(0.001)
    while True:
        print("noise", flush=True)
        os.write(1, b"noise")
        time.sleep(0.001)

threading.Thread(target=shout, daemon=True).start()
"""


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """A home for an embedded server, where root's stand-in can reach it."""
    home = Path(tempfile.mkdtemp(prefix="task-agent-mcp-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def run(said: bytes = b"", /, **variables: str) -> Result:
    return task_agent_process("mcp", said=said, **variables)


def conversations(variables: dict[str, str]) -> Any:
    return json.loads(task_agent_process("conversations", "--json", said=b"", **variables).out)


async def test_tasks_are_kept_for_the_user_of_the_environment(
    database_url: str, tmp_path: Path
) -> None:
    errors = tmp_path / "stderr"
    settings = {"DATABASE_URL": database_url, "TASK_AGENT_TIME_ZONE": "Asia/Tokyo"}
    async with stdio_session(errors, TASK_AGENT_USER="ann", **settings) as ann:
        assert (await ann.list_tools()).tools
        # Who the client claims to be does not count; for which call and in which zone it asks does.
        meta = {META_USER: "bob", META_KEY: "k"}
        first = await add(ann, "Buy milk 🥛", "2031-12-01T09:00", **meta)
        assert first["due"] == "2031-12-01T09:00:00+09:00"
        assert await add(ann, "Buy milk 🥛", "2031-12-01T09:00", **meta) == first
        vienna = {META_TIME_ZONE: "Europe/Vienna"}
        second = await add(ann, "Water the plants", "2031-12-01T09:00", **vienna)
        assert second["due"] == "2031-12-01T09:00:00+01:00"
    assert errors.read_text() == ""

    async with stdio_session(errors, TASK_AGENT_USER="bob", **settings) as bob:
        assert await titles(bob) == []
    async with stdio_session(errors, TASK_AGENT_USER="ann", **settings) as ann:
        assert await titles(ann) == ["Buy milk 🥛", "Water the plants"]


async def test_dates_are_written_as_in_the_locale_of_the_call_or_else_of_the_environment(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "TASK_AGENT_LOCALE": "de-AT"}
    async with stdio_session(tmp_path / "stderr", **settings) as session:
        assert (await add(session, "April", "3/4/2031"))["due"] == "2031-04-03"
        american = {META_LOCALE: "en-US"}
        assert (await add(session, "March", "3/4/2031", **american))["due"] == "2031-03-04"


async def test_it_prepares_the_database(empty_database_url: str, tmp_path: Path) -> None:
    async with stdio_session(tmp_path / "stderr", DATABASE_URL=empty_database_url) as session:
        await add(session, "Buy milk")
        assert await titles(session) == ["Buy milk"]


def test_the_server_ends_quietly_when_its_input_does(database_url: str) -> None:
    assert run(DATABASE_URL=database_url) == Result(0, "", "")


def test_nothing_but_the_protocol_is_on_standard_output_whatever_prints(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    said = json.dumps(INITIALIZE).encode() + b"\n"
    result = run(said, DATABASE_URL=database_url, PYTHONPATH=str(tmp_path))
    assert "noise" in result.err
    answers = [json.loads(line) for line in result.out.splitlines()]
    assert [answer["id"] for answer in answers] == [INITIALIZE["id"]]


def test_a_request_that_cannot_be_read_is_answered_so(database_url: str) -> None:
    def call(number: Any, title: str) -> dict[str, Any]:
        params = {"name": "add_tasks", "arguments": {"tasks": [{"title": title}]}}
        return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}

    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    # As JavaScript writes text that was cut in the middle of an emoji.
    unreadable: list[Any] = [
        call(1, "half \ud83d"),
        call("two", "half \ud83d"),
        {"id": 3},
        [call(4, "list")],
    ]
    unreadable += [call("half \ud83d", "x"), call(None, "half \ud83d")]
    asked = [INITIALIZE, initialized, *unreadable, call(5, "whole 🥛")]
    lines = [*map(json.dumps, asked), "no JSON", "[" * 100_000]
    result = run("".join(line + "\n" for line in lines).encode(), DATABASE_URL=database_url)
    answers = {one["id"]: one for one in map(json.loads, result.out.splitlines()) if "id" in one}
    assert set(answers) == {0, 1, "two", 3, 5}
    assert [answers[number]["error"]["code"] for number in (1, "two", 3)] == [
        -32700,
        -32700,
        -32600,
    ]
    assert "nothing was done" in answers[1]["error"]["message"].lower()
    assert answers[5]["result"]["structuredContent"]["changed"] == 1


async def test_an_interrupt_ends_the_server_at_once(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "mcp"),
        env=environment(DATABASE_URL=database_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    assert json.loads(await asyncio.wait_for(process.stdout.readline(), 60))["id"] == 0
    # Its input stays open.
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGINT
    process.stdin.close()


async def test_it_shares_the_embedded_database_with_the_agent_and_outlives_it(
    embedded_home: Path, tmp_path: Path
) -> None:
    home = {"TASK_AGENT_HOME": str(embedded_home)}
    with dev_server(tmp_path, **home) as dev:
        async with stdio_session(tmp_path / "stderr", **home) as session:
            await add(session, "Water the plants")
            told = await asyncio.to_thread(
                task_agent_process, "chat", "--url", dev.url, said=b"hello\n"
            )
            assert told.code == 0
            assert len(await asyncio.to_thread(conversations, home)) == 1
            assert await asyncio.to_thread(dev.stop) == 0
            assert await titles(session) == ["Water the plants"]
    assert (tmp_path / "stderr").read_text() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://somewhere/db"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/db"),
        ("TASK_AGENT_TIME_ZONE", "Mars/Olympus"),
        ("TASK_AGENT_LOCALE", "germany"),
        ("TASK_AGENT_USER", "x" * 501),
    ],
)
def test_a_setting_that_does_not_work_is_told_in_a_few_lines(
    database_url: str, name: str, value: str
) -> None:
    result = run(**{"DATABASE_URL": database_url, name: value})
    assert (result.code, result.out) == (1, "")
    assert "Traceback" not in result.err
    assert value.split(":")[0].split("/")[0] in result.err


@pytest.mark.parametrize(
    "option", [("--port", "1"), ("--host", "127.0.0.1"), ("--allow-remote",), ("--allow-host", "x")]
)
def test_an_option_of_http_is_not_taken_for_nothing(option: tuple[str, ...]) -> None:
    result = task_agent_process("mcp", *option)
    assert result.code == 2
    assert option[0] in result.err
    assert "--http" in result.err


def test_in_a_terminal_it_says_what_it_waits_for(database_url: str) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "mcp"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(DATABASE_URL=database_url),
    ) as process:
        assert process.stderr is not None
        assert b"Waiting for an MCP client" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(ours)
    os.close(theirs)
