"""`task-agent dev`: it starts, says where, and leaves nothing behind."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.cli.support import (
    answers,
    dev_server,
    free_port,
    is_alive,
    servers,
    task_agent,
    task_agent_process,
    wait_until,
)


def tables(uri: str) -> list[str]:
    with psycopg.connect(uri) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return [name for (name,) in rows]


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """A home for an embedded server, where root's stand-in can reach it."""
    home = Path(tempfile.mkdtemp(prefix="task-agent-dev-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


def test_it_prepares_the_database_says_where_everything_is_and_stops_at_ctrl_c(
    empty_database_url: str, tmp_path: Path
) -> None:
    with dev_server(tmp_path, DATABASE_URL=empty_database_url) as dev:
        assert answers(dev.url)
        assert "conversations" in tables(empty_database_url)
        printed = dev.printed
        (server,) = servers(dev.process.pid)
        with httpx.Client(base_url=dev.url, trust_env=False, timeout=None) as client:
            thread = client.post("/threads", json={}).json()["thread_id"]
            # A page that listens, as Studio's does, doesn't keep it from stopping.
            with client.stream("GET", f"/threads/{thread}/stream") as stream:
                assert stream.is_success
                assert dev.stop(signal.SIGINT) == 0
        assert not is_alive(server)
        assert not answers(dev.url)
    title, *lines, ready = printed.splitlines()
    assert title.startswith("Task agent ")
    told = dict(line.split(maxsplit=1) for line in lines)
    assert told.pop("API") == dev.url
    assert told.pop("Docs") == f"{dev.url}/docs"
    assert told.pop("Studio") == f"https://smith.langchain.com/studio/?baseUrl={dev.url}"
    assert told.pop("Model") == "offline"
    assert conninfo_to_dict(told.pop("Database")) == conninfo_to_dict(empty_database_url)
    assert 'psql "postgresql://' in told.pop("psql")
    assert ready.startswith("Ready.")
    assert f"chat --url {dev.url}" in ready
    # Nothing else: it is quiet unless something is wrong.
    assert told == {}


def test_with_a_key_it_uses_that_model_and_sigterm_stops_it(
    database_url: str, tmp_path: Path
) -> None:
    with dev_server(tmp_path, DATABASE_URL=database_url, OPENAI_API_KEY="sk-test") as dev:
        assert dev.stop(signal.SIGTERM) == 0
    assert "Model     gpt-4.1-mini" in dev.printed
    assert "sk-test" not in dev.printed


def test_killed_it_leaves_neither_server_nor_postgres_behind(
    tmp_path: Path, embedded_home: Path
) -> None:
    with dev_server(tmp_path, TASK_AGENT_HOME=str(embedded_home)) as dev:
        assert f"embedded PostgreSQL 18, in {embedded_home}" in dev.printed
        postmaster = embedded_home / "data" / "postmaster.pid"
        postgres = int(postmaster.read_text().splitlines()[0])
        (server,) = servers(dev.process.pid)
        dev.process.kill()
        dev.process.wait()
        wait_until(lambda: not is_alive(server), "the server has ended")
        wait_until(lambda: not is_alive(postgres), "Postgres has ended")
        wait_until(lambda: not postmaster.exists(), "Postgres has tidied up")
        assert not answers(dev.url)


def test_an_occupied_port_is_named_before_anything_is_changed(empty_database_url: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = task_agent_process("dev", "--port", str(port), DATABASE_URL=empty_database_url)
    assert result.code == 1
    assert f"port {port} on 127.0.0.1 is already in use" in result.err
    assert "--port" in result.err
    assert tables(empty_database_url) == []


def test_a_model_without_a_key_is_told_before_anything_is_changed(empty_database_url: str) -> None:
    result = task_agent(
        *("dev", "--port", str(free_port())),
        DATABASE_URL=empty_database_url,
        TASK_AGENT_MODEL="gpt-4.1-mini",
    )
    assert result.code == 1
    assert "'gpt-4.1-mini'" in result.err
    assert "OPENAI_API_KEY" in result.err
    assert "Traceback" not in result.err
    assert tables(empty_database_url) == []


def test_a_level_that_is_none_is_told_before_anything_is_changed(empty_database_url: str) -> None:
    result = task_agent(
        *("dev", "--port", str(free_port())), DATABASE_URL=empty_database_url, LOG_LEVEL="silly"
    )
    assert result.code == 1
    assert "LOG_LEVEL is 'silly'" in result.err
    assert "debug, info, warning, error, critical" in result.err.replace("\n", " ")
    assert result.out == ""
    assert tables(empty_database_url) == []


def test_neither_runs_without_a_thread_nor_failed_ones_make_libraries_warn(
    database_url: str, tmp_path: Path
) -> None:
    with dev_server(tmp_path, DATABASE_URL=database_url) as dev:
        said = {"messages": [{"role": "user", "content": "hello"}]}
        with httpx.Client(base_url=dev.url, trust_env=False, timeout=None) as client:
            for context in ({}, {"model": "gpt-none"}):
                run = {"assistant_id": "task_agent", "input": said, "context": context}
                assert client.post("/runs/wait", json=run).is_success
        wait_until(lambda: "OPENAI_API_KEY" in dev.printed, "the failed run is told of")
    assert "UserWarning" not in dev.printed


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:secret@127.0.0.1/x", "'mysql'"),
        ("not a url", "not a database URL"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql://me:***@127.0.0.1:1/x"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_a_line(url: str, words: str) -> None:
    result = task_agent("dev", "--port", str(free_port()), DATABASE_URL=url)
    assert result.code == 1
    assert words in result.err
    assert "DATABASE_URL" in result.err
    assert "secret" not in result.err
    assert "Traceback" not in result.err


def test_a_database_newer_than_the_code_is_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    result = task_agent("dev", "--port", str(free_port()), DATABASE_URL=database_url)
    assert result.code == 1
    assert "9999" in result.err
    assert "Upgrade the code" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "192.0.2.1"), "not an address of this machine"),
        (("--host", "::1"), "not an IPv4 address"),
        (("--reload", "--state", "elsewhere"), "can't be combined"),
    ],
)
def test_what_it_cannot_do_is_told_in_a_line(
    arguments: tuple[str, ...], words: str, database_url: str
) -> None:
    result = task_agent(*("dev", "--port", str(free_port()), *arguments), DATABASE_URL=database_url)
    assert result.code == 1
    assert words in result.err


def test_a_place_for_its_state_that_is_none_is_told(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = task_agent(
        *("dev", "--port", str(free_port()), "--state", str(file / "below")),
        DATABASE_URL=database_url,
    )
    assert result.code == 1
    assert str(file / "below") in result.err
    assert "--state" in result.err


def test_a_port_that_is_none_is_told(database_url: str) -> None:
    result = task_agent("dev", DATABASE_URL=database_url, PORT="http")
    assert result.code == 2
    assert "PORT" in result.err
