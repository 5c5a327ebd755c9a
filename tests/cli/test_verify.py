"""`verify` and `repair` as commands: what they print, and how they end."""

import asyncio
import json
import os
import pty
import signal
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from storage.checkpointer import TranscriptSaver
from storage.database import Database, connect
from tests.cli.support import (
    COMMAND,
    Result,
    environment,
    task_agent,
    task_agent_process,
    wait_until,
)
from tests.storage.bulk import write_conversation
from tests.storage.support import chat_graph, say


def on_database(url: str, do: Callable[[Database], Awaitable[Any]]) -> None:
    async def run() -> None:
        async with connect(url) as database:
            await do(database)

    asyncio.run(run())


def execute(url: str, query: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(query).rowcount != 0


@pytest.fixture
def talked(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with the threads `t` and `other`; commands of this process use it too."""

    async def talk(database: Database) -> None:
        graph = chat_graph(TranscriptSaver(database.pool))
        await say(graph, "t", "one")
        await say(graph, "other", "two")

    monkeypatch.setenv("DATABASE_URL", database_url)
    on_database(database_url, talk)
    return database_url


def ids(url: str, query: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute(query)]


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.out.splitlines()]


def test_a_healthy_database_is_said_to_be_right(talked: str) -> None:
    result = task_agent_process("verify", DATABASE_URL=talked)
    assert (result.code, result.out) == (0, "Nothing is wrong: 8 messages looked at.\n")
    assert result.err == ""
    result = task_agent_process("repair", DATABASE_URL=talked)
    assert (result.code, result.out) == (0, "There is nothing to mend.\n")
    assert task_agent("verify", "t").out == "Nothing is wrong: 4 messages looked at.\n"


def test_damage_is_told_mended_and_then_gone(talked: str) -> None:
    execute(talked, "UPDATE messages SET content = 'forged' WHERE content = 'one'")
    (id_,) = ids(talked, "SELECT id FROM messages WHERE content = 'forged'")
    found = task_agent_process("verify", DATABASE_URL=talked)
    assert found.code == 1
    (line,) = found.out.splitlines()
    assert line.startswith(f"wrong: thread t: content of message {id_} ")
    assert "task-agent repair" in line
    assert found.err.startswith("Error: 1 thing wrong, 8 messages looked at.")
    assert task_agent("verify", "other").code == 0

    told = task_agent_process("repair", "--dry-run", DATABASE_URL=talked)
    assert told.code == 0
    assert told.out.startswith(f"would mend: thread t: content of message {id_} ")
    assert task_agent("verify").code == 1

    done = task_agent_process("repair", "t", DATABASE_URL=talked)
    assert done.code == 0
    assert done.out.startswith(f"mended: thread t: content of message {id_} ")
    assert task_agent("verify").code == 0


def test_what_cannot_be_mended_is_said_with_what_to_do(talked: str) -> None:
    execute(talked, "DELETE FROM checkpoint_writes")
    execute(talked, "UPDATE messages SET payload = payload || '\\x00' WHERE content = 'done'")
    result = task_agent("repair")
    assert result.code == 1
    assert [line.split(": ")[:2] for line in result.out.splitlines()] == [
        ["left", "thread other"],
        ["left", "thread t"],
    ]
    assert all("backup" in line for line in result.out.splitlines())
    assert "2 can't be" in result.err


def test_for_programs_each_finding_is_an_object(talked: str) -> None:
    execute(talked, "UPDATE conversations SET title = 'forged' WHERE thread_id = 't'")
    found = task_agent("verify", "--json")
    assert found.code == 1
    (finding,) = lines(found)
    (id_,) = ids(talked, "SELECT id FROM conversations WHERE thread_id = 't'")
    assert finding == {
        "outcome": "wrong",
        "thread_id": "t",
        "kind": "conversation-title",
        "about": id_,
        "what": finding["what"],
        "advice": finding["advice"],
        "mendable": True,
    }
    assert [one["outcome"] for one in lines(task_agent("repair", "--json", "--dry-run"))] == [
        "would mend"
    ]
    assert [one["outcome"] for one in lines(task_agent("repair", "--json"))] == ["mended"]
    assert lines(task_agent("verify", "--json")) == []


def test_what_is_worth_knowing_is_a_note_and_no_failure(talked: str) -> None:
    execute(
        talked,
        "INSERT INTO checkpoint_blobs VALUES ('t', '', 'other', '1', 'msgpack', '\\x80')",
    )
    result = task_agent("verify")
    assert result.code == 0
    assert result.out.startswith("note: thread t: 1 ")


@pytest.mark.parametrize("command", ["verify", "repair"])
@pytest.mark.parametrize("name", ["unknown", "\x00"])
def test_a_thread_that_is_not_there_is_an_error(talked: str, command: str, name: str) -> None:
    result = task_agent(command, name)
    assert result.code == 1
    assert "there is no thread" in result.err


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_a_database_without_tables_is_an_error_that_says_what_to_do(
    empty_database_url: str, command: str
) -> None:
    result = task_agent(command, DATABASE_URL=empty_database_url)
    assert result.code == 1
    assert "task-agent migrate" in result.err


def test_a_terminal_shows_progress_and_rate_on_standard_error(talked: str) -> None:
    on_database(talked, lambda database: write_conversation(database, "long", 2_000))
    execute(talked, "UPDATE conversations SET title = 'forged' WHERE thread_id = 't'")
    theirs, ours = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "verify"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=ours,
        env=environment(DATABASE_URL=talked, TERM="xterm", COLUMNS="120"),
    ) as process:
        os.close(ours)
        shown = b""
        while chunk := read(theirs):
            shown += chunk
        out = process.communicate()[0].decode()
    os.close(theirs)
    assert process.returncode == 1
    assert b"messages" in shown
    assert b"a second" in shown
    assert [line.partition(":")[0] for line in out.splitlines()] == ["wrong"]


def read(file: int) -> bytes:
    """What a terminal shows next; nothing when nobody has it open any more."""
    try:
        return os.read(file, 65536)
    except OSError:
        return b""


def test_ctrl_c_stops_it_quietly(talked: str) -> None:
    # A repair that waits for what holds the conversation.
    execute(talked, "UPDATE conversations SET title = 'forged' WHERE thread_id = 't'")
    with psycopg.connect(talked) as holding, psycopg.connect(talked, autocommit=True) as asking:
        holding.execute("SELECT FROM conversations FOR UPDATE")
        process = subprocess.Popen(
            [COMMAND, "repair"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(DATABASE_URL=talked),
        )
        waiting = (
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        wait_until(lambda: bool(asking.execute(waiting).fetchall()), "the repair waits")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err.decode()) == (b"", "Stopped. What was mended is mended.\n")
