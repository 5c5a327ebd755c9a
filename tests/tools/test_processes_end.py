"""No process of an MCP server outlives the agent, whichever way that ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import is_alive
from tests.tools.others import (
    ROOT,
    agent_tools,
    call,
    children,
    kill,
    pid_of,
    stdio_entry,
    wait_until,
    write_config,
)

AGENT = """
import asyncio, sys
from pathlib import Path
from tools.client import AgentTools, TaskTools
from tools.client.config import read_config
import tools.client.other

tools.client.other.FIRST_PATIENCE = 60

async def main():
    agent_tools = AgentTools(TaskTools(), read_config(Path(sys.argv[1])))
    print(len(await agent_tools.tools()), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[dict[str, object]]:
    """A server that doesn't end with its input, nor when asked to, and has started another one."""
    entry = stdio_entry(tmp_path, "--stays")
    script = f'sleep 1000 & echo $! > {tmp_path}/sleeper; exec "$0" "$@"'
    yield entry | {"command": "sh", "args": ["-c", script, entry["command"], *entry["args"]]}
    # If a test has failed.
    for pid in started(tmp_path):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def started(directory: Path) -> list[int]:
    return [pid_of(directory), int((directory / "sleeper").read_text())]


#: A server that ends with its input, and leaves behind one that doesn't have its pipes.
POLITE = """
import runpy, subprocess, sys
from pathlib import Path

nothing = subprocess.DEVNULL
sleeper = subprocess.Popen(["sleep", "1000"], stdin=nothing, stdout=nothing, stderr=nothing)
Path(sys.argv[1], "sleeper").write_text(str(sleeper.pid))
runpy.run_path("tests/tools/bare_server.py", run_name="__main__")
"""


@contextmanager
def agent(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An agent, as a process, that has its tools."""
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, str(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 7
        yield process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_the_agent_ends_all_that_was_started(
    tmp_path: Path, helper: dict[str, object], number: signal.Signals
) -> None:
    with agent(write_config(tmp_path, local=helper)) as process:
        family = started(tmp_path)
        assert family[0] in children(process.pid)
        family += children(family[0])
        process.send_signal(number)
    wait_until(lambda: not [pid for pid in family if is_alive(pid)], "all have ended")


@pytest.mark.parametrize("killed", [True, False])
async def test_what_a_server_leaves_behind_ends_with_the_agent_and_with_the_session(
    tmp_path: Path, killed: bool
) -> None:
    (tmp_path / "answers.json").write_text('{"tools/list": {"tools": []}}')
    entry = {
        "command": sys.executable,
        "args": ["-c", POLITE, str(tmp_path)],
        "cwd": str(ROOT),
    }
    if killed:
        with agent(write_config(tmp_path, local=entry)) as process:
            process.kill()
    else:
        async with agent_tools(tmp_path, local=entry) as tools:
            await tools.tools()
    sleeper = int((tmp_path / "sleeper").read_text())
    wait_until(lambda: not is_alive(sleeper), "what it left behind has ended")


async def test_closing_ends_what_does_not_end_by_itself(
    tmp_path: Path, helper: dict[str, object]
) -> None:
    async with agent_tools(tmp_path, local=helper) as tools:
        assert (await call(tools, "look", text="up")).status == "success"
        family = started(tmp_path)
        family += children(family[0])
        assert len(family) > 2
    wait_until(lambda: not [pid for pid in family if is_alive(pid)], "all have ended")


async def test_the_guard_goes_when_the_server_does(tmp_path: Path) -> None:
    async with agent_tools(tmp_path, local=stdio_entry(tmp_path)) as tools:
        await tools.tools()
        server = pid_of(tmp_path)
        (guard,) = children(server)
        kill(server)
        wait_until(lambda: not is_alive(guard), "the guard is gone")


def test_a_command_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    file = tmp_path / "not-a-program"
    file.touch()
    guard = ROOT / "tools" / "client" / "guard.py"
    done = subprocess.run(
        [sys.executable, str(guard), str(file)],
        input=b"",
        capture_output=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 127
    assert done.stderr.decode() == f"{file}: Permission denied\n"
