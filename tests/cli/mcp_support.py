"""`task-agent mcp` as a process of its own, over stdio and over HTTP."""

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.cli.support import COMMAND, PATIENCE, environment, task_agent_process, wait_until


@dataclass(frozen=True)
class Served:
    """A running `task-agent mcp --http`."""

    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"URL +(\S+)", self.printed)
        assert found, self.printed
        return found[1]

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.printed
        return "Ready." in self.printed

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def http_server(directory: Path, *options: str, **variables: str) -> Iterator[Served]:
    """`task-agent mcp --http` on a free port, ready."""
    output = directory / "mcp.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [COMMAND, "mcp", "--http", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(**variables),
        )
    served = Served(process, output)
    try:
        wait_until(served.is_ready, "the server is ready")
        yield served
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def new_token(user: str, **variables: str) -> str:
    made = task_agent_process("token", "create", user, said=b"", **variables)
    assert made.code == 0, made.err
    return made.out.strip()


@asynccontextmanager
async def stdio_session(errors: Path, **variables: str) -> AsyncIterator[ClientSession]:
    """The official client, talking to a `task-agent mcp` that it has started."""
    parameters = StdioServerParameters(
        command=str(COMMAND), args=["mcp"], env=environment(**variables)
    )
    with errors.open("w") as log:
        async with (
            stdio_client(parameters, errlog=log) as (reading, writing),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            yield session
