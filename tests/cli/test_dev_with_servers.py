"""`task-agent dev` with other MCP servers: they are there for runs, and gone with the server."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.cli.support import Dev, dev_server, is_alive, servers, wait_until
from tests.tools.others import children, http_servers, pid_of, stdio_entry, write_config


def say_hello(dev: Dev) -> str:
    """What the agent says."""
    run = {
        "assistant_id": "task_agent",
        "input": {"messages": [{"role": "user", "content": "hello"}]},
    }
    with httpx.Client(base_url=dev.url, trust_env=False, timeout=60) as client:
        answer = client.post("/runs/wait", json=run)
        assert answer.is_success, answer.text
        return str(answer.json()["messages"][-1]["content"])


@pytest.mark.parametrize("way", ["ctrl-c", "kill the command", "kill the server"])
def test_processes_of_servers_end_with_it(database_url: str, tmp_path: Path, way: str) -> None:
    path = write_config(
        tmp_path,
        # One that doesn't end with its input.
        local=stdio_entry(tmp_path, "--stays"),
        broken={"command": "no-such-program"},
    )
    with dev_server(tmp_path, DATABASE_URL=database_url, TASK_AGENT_MCP_CONFIG=str(path)) as dev:
        assert say_hello(dev)
        assert say_hello(dev)
        wait_until((tmp_path / "pid").exists, "the server of mcp.json has started")
        (server,) = servers(dev.process.pid)
        local = pid_of(tmp_path)
        family = [server, local, *children(local)]
        assert children(server) == [local]
        assert all(map(is_alive, family))
        if way == "ctrl-c":
            assert dev.stop(signal.SIGINT) == 0
        elif way == "kill the command":
            dev.process.kill()
            dev.process.wait()
        else:
            os.kill(server, signal.SIGKILL)
            dev.process.wait(60)
        wait_until(lambda: not any(map(is_alive, family)), "all processes have ended")
        printed = dev.printed
    assert "Blocking" not in printed
    assert "Traceback" not in printed
    assert "there is no program 'no-such-program' on the PATH" in printed
    # What it says on the side is nobody's business here.
    assert "at your service" not in printed


def test_a_server_over_http_is_reached_from_runs(database_url: str, tmp_path: Path) -> None:
    with http_servers(tmp_path) as http:
        http.start()
        path = write_config(tmp_path, web={"url": http.url})
        with dev_server(
            tmp_path, DATABASE_URL=database_url, TASK_AGENT_MCP_CONFIG=str(path)
        ) as dev:
            assert say_hello(dev)
            http.close()
            # Without it the agent goes on.
            assert say_hello(dev)
            assert dev.stop() == 0
            printed = dev.printed
    assert "Blocking" not in printed
    assert "Traceback" not in printed
