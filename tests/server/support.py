"""A real `langgraph dev`, as a process, and the SDK that talks to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

REPOSITORY = Path(__file__).parents[2]

#: In `tests/server/graphs.py`.
TEST_GRAPHS = ("steps", "nested", "spoken")

#: Seconds in which a server on a busy machine has to be up, or gone.
PATIENCE = 120


@dataclass
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> LangGraphClient:
        """A new SDK client, to be used in `async with`."""
        return get_client(url=self.url)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, and wait until it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(PATIENCE)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def config_with_test_graphs(folder: Path) -> Path:
    """A `langgraph.json` with the graphs of the tests beside the agent, on one checkpointer."""
    config = json.loads((REPOSITORY / "langgraph.json").read_text())
    config["graphs"] |= {name: f"tests.server.graphs:{name}" for name in TEST_GRAPHS}
    path = folder / "langgraph.json"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def langgraph_dev(
    database_url: str,
    folder: Path,
    config: Path = REPOSITORY / "langgraph.json",
    **variables: str,
) -> Iterator[Served]:
    """`langgraph dev` of this checkout on this database; what it keeps on disk is in `folder`.

    `variables` are more of its environment.
    """
    environment = {
        "DATABASE_URL": database_url,
        "TASK_AGENT_TIME_ZONE": "UTC",
        "PYTHONPATH": str(REPOSITORY),
        **variables,
    }
    with langgraph_serving(sys.executable, config, folder, environment, up="/health") as served:
        yield served


@contextmanager
def langgraph_serving(
    python: str, config: Path, folder: Path, environment: dict[str, str], up: str = "/ok"
) -> Iterator[Served]:
    """`langgraph dev` of any Python and any `langgraph.json`, run in `folder`.

    It is up when it answers a request for the path `up`.
    """
    port = free_port()
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                python,
                "-m",
                "langgraph_cli",
                "dev",
                "--no-browser",
                "--no-reload",
                "--config",
                str(config),
                "--port",
                str(port),
                "--n-jobs-per-worker",
                "10",
            ],
            cwd=folder,
            env={
                **os.environ,
                "LANGGRAPH_NO_VERSION_CHECK": "1",
                "LANGGRAPH_CLI_NO_ANALYTICS": "1",
                "NO_COLOR": "1",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_up(served, up)
        yield served
    finally:
        served.stop(signal.SIGKILL)


def _wait_until_up(served: Served, path: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if served.process.poll() is not None:
            break
        try:
            if httpx.get(f"{served.url}{path}").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not come up:\n{served.log.read_text()}")
