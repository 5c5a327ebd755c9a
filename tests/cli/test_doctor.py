"""`task-agent doctor`: what works, what doesn't, and what to do about it."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.support import Result, is_alive, task_agent, task_agent_process
from tests.tools.others import http_servers, pid_of, stdio_entry, wait_until, write_config


def config(directory: Path, **servers: Any) -> str:
    return str(write_config(directory, **servers))


def lines(result: Result, state: str) -> list[str]:
    return [line for line in result.out.splitlines() if line.startswith(f"{state} ")]


def test_where_everything_works_it_says_so_and_ends_with_zero(
    database_url: str, tmp_path: Path
) -> None:
    with http_servers(tmp_path) as http:
        http.start()
        local = tmp_path / "local"
        local.mkdir()
        servers = config(tmp_path, web={"url": http.url}, local=stdio_entry(local))
        result = task_agent_process(
            "doctor",
            DATABASE_URL=database_url,
            OPENAI_API_KEY="sk-test",
            TASK_AGENT_MCP_CONFIG=servers,
        )
    assert result.code == 0, result.out
    assert lines(result, "wrong") == []
    told = " ".join(result.out.split())
    assert "ok database: postgresql://" in told
    assert "parts, all as expected" in told
    assert "ok model: gpt-4.1-mini, at OpenAI" in told
    assert f"ok MCP server web: {http.url}: 7 tools (" in told
    assert "7 tools (" in told.split("MCP server local")[1]
    # The task tools keep their names, and the first server of the file keeps its own.
    assert "look is local_look" in told
    assert "look is web_look" not in told
    assert "Everything is in order." in told
    assert "sk-test" not in told
    assert result.err == ""
    wait_until(lambda: not is_alive(pid_of(local)), "the server is gone again")


def test_what_is_broken_is_told_with_what_to_do_and_the_rest_is_looked_at(
    empty_database_url: str, tmp_path: Path
) -> None:
    with http_servers(tmp_path) as http:
        http.close()
        command = ["-c", "echo no such module: weather >&2; exit 1"]
        servers = config(
            tmp_path,
            web={"url": http.url},
            broken={"command": "sh", "args": command},
            missing={"command": "no-such-program"},
            slow=stdio_entry(tmp_path) | {"timeout": 600},
        )
        result = task_agent(
            *("doctor",),
            DATABASE_URL=empty_database_url,
            TASK_AGENT_MODEL="gpt-4.1-mini",
            TASK_AGENT_MCP_CONFIG=servers,
        )
    assert result.code == 1
    tables, model, web, broken, missing = lines(result, "wrong")
    assert "`task-agent migrate`" in tables
    assert "OPENAI_API_KEY" in model
    assert f"MCP server web: {http.url}: ConnectError" in web
    assert "it said: no such module: weather" in broken
    assert "there is no program 'no-such-program' on the PATH" in missing
    assert all("mcp.json" in line for line in (web, broken, missing))
    assert any("TASK_AGENT_TOOL_TIMEOUT" in line for line in lines(result, "note"))
    assert any("MCP server slow" in line for line in lines(result, "ok"))
    assert "5 things don't work" in result.err


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DATABASE_URL": "postgresql://me:s3cret@127.0.0.1:1/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://me:s3cret@127.0.0.1/x"}, "'mysql'"),
        ({"TASK_AGENT_TIME_ZONE": "Mars/Olympus"}, "Mars/Olympus"),
        ({"TASK_AGENT_LOCALE": "germany"}, "germany"),
        ({"TASK_AGENT_MCP_CONFIG": "/nowhere/mcp.json"}, "TASK_AGENT_MCP_CONFIG"),
    ],
)
def test_a_setting_that_is_wrong_is_told_in_a_line(
    database_url: str, variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = task_agent("doctor")
    assert result.code == 1
    (line,) = lines(result, "wrong")
    assert words in line
    assert "s3cret" not in result.out + result.err
    assert "1 thing doesn't work" in result.err


def test_tables_that_somebody_changed_are_told(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE tasks DROP COLUMN notes")
    result = task_agent("doctor", DATABASE_URL=database_url)
    assert result.code == 1
    (line,) = lines(result, "wrong")
    assert "tasks.notes" in line
    assert "found nothing" in line


def test_programs_get_an_object_a_line(database_url: str) -> None:
    result = task_agent("doctor", "--json", DATABASE_URL=database_url)
    assert result.code == 0
    found = [json.loads(line) for line in result.out.splitlines()]
    assert {each["about"] for each in found} >= {"database", "tables", "model", "task tools"}
    (model,) = [each for each in found if each["about"] == "model"]
    assert (model["state"], model["seconds"]) == ("note", None)
    assert "OPENAI_API_KEY" in model["advice"]


def test_dev_tells_of_a_mistake_in_mcp_json_before_anything_is_changed(
    empty_database_url: str, tmp_path: Path
) -> None:
    result = task_agent(
        "dev",
        DATABASE_URL=empty_database_url,
        TASK_AGENT_MCP_CONFIG=config(tmp_path, mine={"comand": "x"}),
    )
    assert result.code == 1
    assert f"{tmp_path}/mcp.json, server 'mine', key 'comand'" in result.err
    with psycopg.connect(empty_database_url) as connection:
        assert (
            connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchone()
            is None
        )


def test_a_tool_that_waits_for_approval_and_is_named_wrongly_is_told(database_url: str) -> None:
    result = task_agent(
        "doctor",
        DATABASE_URL=database_url,
        TASK_AGENT_APPROVAL_TOOLS="update_task, complete_tasks, files_write",
    )
    assert result.code == 1
    other, close = lines(result, "wrong")
    assert "'files_write', but there is no such tool" in other
    assert "'update_task', but" in close
    assert "Is it 'update_tasks'?" in close
