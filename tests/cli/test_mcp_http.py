"""`task-agent mcp --http`: it starts, says where, serves those who have a token, and ends."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.cli.mcp_support import http_server, new_token
from tests.cli.support import task_agent, task_agent_process, wait_until
from tests.cli.test_dev import tables
from tests.tools.http_support import add, bearing, client, post, titles
from tools.standalone.http import GRACE

#: How many sessions wait for a lock.
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, "it is so")


def accepts(url: str) -> bool:
    """Whether new connections are taken."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 80)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prepares_the_database_serves_and_ends_though_clients_are_connected(
    number: int, empty_database_url: str, tmp_path: Path
) -> None:
    with http_server(tmp_path, DATABASE_URL=empty_database_url) as served:
        token = new_token("ann", DATABASE_URL=empty_database_url)
        # The client's session holds a stream open, for what the server may want to tell.
        async with client(served.url, token) as session:
            await add(session, "Buy milk")
            assert await titles(session) == ["Buy milk"]
            began = time.monotonic()
            assert await asyncio.to_thread(served.stop, number) == 0
            assert time.monotonic() - began < GRACE
        printed = served.printed
    title, *lines, ready = printed.splitlines()
    assert title.startswith("Task server ")
    assert [line.split()[0] for line in lines] == ["URL", "Database"], printed
    assert "token create" in ready


async def test_a_call_under_way_is_answered_before_it_ends(
    database_url: str, tmp_path: Path
) -> None:
    with (
        http_server(tmp_path, DATABASE_URL=database_url) as served,
        psycopg.connect(database_url) as other,
        psycopg.connect(database_url, autocommit=True) as watching,
    ):
        token = new_token("ann", DATABASE_URL=database_url)
        async with client(served.url, token) as session:
            # Else the client would ask for them to check the answer with.
            await session.list_tools()
            other.execute("SELECT FROM users WHERE subject = 'ann' FOR UPDATE")
            call = asyncio.create_task(add(session, "Buy milk"))
            await until(lambda: watching.execute(WAITING).fetchone() != (0,))
            served.process.send_signal(signal.SIGTERM)
            await until(lambda: not accepts(served.url))
            other.rollback()
            assert (await call)["title"] == "Buy milk"
            assert await asyncio.to_thread(served.process.wait, 60) == 0


async def test_behind_a_proxy_it_is_called_by_the_proxys_name(
    database_url: str, tmp_path: Path
) -> None:
    options = ("--allow-host", "tasks.example.org")
    with http_server(tmp_path, *options, DATABASE_URL=database_url) as served:
        token = bearing(new_token("ann", DATABASE_URL=database_url))
        for name, status in (("tasks.example.org", 200), ("evil.example", 421)):
            assert (await post(served.url, **token, Host=name)).status_code == status
        assert (await post(served.url, **token)).status_code == 200


async def test_it_listens_for_other_machines_only_when_told_to(
    database_url: str, tmp_path: Path
) -> None:
    options = ("--host", "0.0.0.0", "--allow-remote", "--allow-host", "127.0.0.1")
    with http_server(tmp_path, *options, DATABASE_URL=database_url) as served:
        assert "not encrypted" in served.printed
        assert (await post(served.url)).status_code == 401
        token = bearing(new_token("ann", DATABASE_URL=database_url))
        assert (await post(served.url, **token)).status_code == 200
        assert (await post(served.url, **token, Host="0.0.0.0")).status_code == 421


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "--allow-remote"),
        (("--host", "::"), "--allow-remote"),
        (("--host", "192.0.2.1"), "--allow-remote"),
        (("--host", "192.0.2.1", "--allow-remote"), "not an address of this machine"),
        (("--host", "0.0.0.0", "--allow-remote"), "--allow-host"),
        (("--host", "no such host"), "'no such host'"),
    ],
)
def test_where_it_must_not_listen_is_told_before_anything_is_changed(
    options: tuple[str, ...], words: str, empty_database_url: str
) -> None:
    result = task_agent("mcp", "--http", "--port", "0", *options, DATABASE_URL=empty_database_url)
    assert (result.code, result.out) == (1, "")
    assert words in result.err
    assert "Traceback" not in result.err
    assert tables(empty_database_url) == []


def test_an_occupied_port_is_named(empty_database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = task_agent_process(
            *("mcp", "--http", "--port", port), DATABASE_URL=empty_database_url
        )
    assert result.code == 1
    assert f"port {port} on 127.0.0.1 is already in use" in result.err
    assert tables(empty_database_url) == []
