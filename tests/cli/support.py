"""The command `task-agent` as a process of its own, and what is left when it has gone."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from typer.testing import CliRunner

import cli

COMMAND = Path(sys.executable).parent / "task-agent"

#: Seconds for a server to start, on a machine that does much else.
PATIENCE = 120


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without a developer's `.env`, and with some variables more."""
    return {**os.environ, "TASK_AGENT_ENV_FILE": "", **variables}


def task_agent(*arguments: str, said: bytes = b"", **variables: str) -> Result:
    """Run the command in this process, which is quicker, with `said` on its standard input."""
    done = CliRunner().invoke(
        cli.app, arguments, input=said, env=environment(**variables), catch_exceptions=False
    )
    return Result(done.exit_code, done.stdout, done.stderr)


def task_agent_process(*arguments: str, said: bytes = b"", **variables: str) -> Result:
    """The same as a process of its own."""
    done = subprocess.run(
        [COMMAND, *arguments],
        input=said,
        capture_output=True,
        env=environment(**variables),
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} seconds in vain until {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about doesn't."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    state = told.stdout.decode().strip()
    return bool(state) and not state.startswith("Z")


def servers(pid: int) -> list[int]:
    """The processes that run LangGraph's server as children of another."""
    told = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, check=True
    )
    rows = [line.split(maxsplit=2) for line in told.stdout.decode().splitlines()]
    return [
        int(child)
        for child, parent, arguments in rows
        if int(parent) == pid and "server.process" in arguments
    ]


@dataclass(frozen=True)
class Dev:
    """A running `task-agent dev`."""

    process: "subprocess.Popen[bytes]"
    port: int
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        return self.output.read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.printed
        return "Ready." in self.printed

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def dev_server(directory: Path, **variables: str) -> Iterator[Dev]:
    """`task-agent dev` on a free port, ready, with its list of threads in `directory`."""
    port = free_port()
    output = directory / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [COMMAND, "dev", "--port", str(port), "--state", str(directory / "state")],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(**variables),
        )
    dev = Dev(process, port, output)
    try:
        wait_until(dev.is_ready, "the server is ready")
        yield dev
    finally:
        if process.poll() is None:
            dev.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def thread_of(result: Result) -> str:
    """The id that a conversation ended with."""
    found = re.search(r"--thread (\S+)", result.err)
    assert found, result.err
    return found[1]
