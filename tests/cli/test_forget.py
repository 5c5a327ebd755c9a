"""`redact` and `delete`: what goes is told, asked about, and then gone."""

import asyncio
import json
from typing import Any

import psycopg
import pytest

from storage.checkpointer import TranscriptSaver
from storage.database import connect
from tests.cli.support import task_agent
from tests.storage.support import chat_graph, say

SECRET = "the word is Xyzzy-42"


@pytest.fixture
def _thread(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of two turns, which somebody copied."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def tell() -> None:
        async with connect(database_url) as database:
            saver = TranscriptSaver(database.pool)
            await say(chat_graph(saver), "t", SECRET)
            await say(chat_graph(saver), "t", f"I said: {SECRET}")
            await saver.acopy_thread("t", "copy")

    asyncio.run(tell())


def rows(*more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(task_agent("messages", "t", "--json").out)
    return found


def count(database_url: str, table: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.usefixtures("_thread")
def test_redact_tells_what_it_blanks_and_what_it_does_not() -> None:
    message = rows()[0]
    tried = task_agent("redact", message["id"], "--dry-run")
    assert tried.code == 0
    assert rows()[0] == message
    done = task_agent("redact", message["id"], "--yes")
    assert done.code == 0
    assert rows()[0]["content"] == "[redacted]"
    for told in (tried, done):
        assert message["id"] in told.out
        assert "2  rows of messages" in told.out
        assert "titles of conversations" in told.out
        assert "2 other messages" in told.out
        assert SECRET not in told.out
    assert "Backups" in done.out
    assert "tasks" in done.out
    again = task_agent("redact", message["id"], "--yes")
    assert again.code == 0
    assert "nothing left" in again.out


@pytest.mark.usefixtures("_thread")
def test_redact_asks_first() -> None:
    message = rows()[0]["id"]
    refused = task_agent("redact", message, said=b"n\n")
    assert refused.code == 1
    assert "would be blanked" in refused.out.lower()
    assert rows()[0]["content"] == SECRET
    assert task_agent("redact", message, said=b"").code == 1
    assert rows()[0]["content"] == SECRET
    assert task_agent("redact", message, said=b"y\n").code == 0
    assert rows()[0]["content"] == "[redacted]"


@pytest.mark.usefixtures("_thread")
@pytest.mark.parametrize("name", ["nothing", "", "\x1b[2J", "00000000-0000-0000-0000-000000000000"])
def test_what_is_not_there_is_an_error_in_a_line(name: str) -> None:
    for command in (["redact"], ["delete", "conversation"], ["delete", "user"]):
        result = task_agent(*command, "--yes", "--", name)
        assert result.code == 1
        assert "there is no" in result.err
        assert "Traceback" not in result.err
        assert "\x1b" not in result.err


@pytest.mark.usefixtures("_thread")
def test_an_ambiguous_id_lists_the_candidates(database_url: str) -> None:
    async def tell_more() -> None:
        async with connect(database_url) as database:
            await say(chat_graph(TranscriptSaver(database.pool)), "u", "other")

    asyncio.run(tell_more())
    result = task_agent("redact", "ask-1", "--yes")
    assert result.code == 1
    for thread in ("thread t", "thread u", "thread copy"):
        assert thread in result.err
    assert task_agent("redact", "ask-1", "--thread", "u", "--yes").code == 0


@pytest.mark.usefixtures("_thread")
def test_delete_conversation_asks_and_deletes_it_whole(database_url: str) -> None:
    before = count(database_url, "messages")
    refused = task_agent("delete", "conversation", "t", said=b"n\n")
    assert refused.code == 1
    assert "checkpoint_blobs" in refused.out
    assert task_agent("delete", "conversation", "t", "--dry-run").code == 0
    assert count(database_url, "messages") == before
    done = task_agent("delete", "conversation", "t", "--yes")
    assert done.code == 0
    assert "Deleted conversation t" in done.out
    assert count(database_url, "messages") == before / 2
    assert task_agent("messages", "t").code == 1


@pytest.mark.usefixtures("_thread")
def test_delete_user_asks_and_deletes_everything(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO tasks (id, user_id, number, title)"
            " SELECT gen_random_uuid(), id, 1, 'buy milk' FROM users"
        )
    tried = task_agent("delete", "user", "local", "--dry-run")
    assert "1  tasks" in tried.out
    assert count(database_url, "users") == 1
    done = task_agent("delete", "user", "local", said=b"y\n")
    assert done.code == 0
    assert "2 threads" in done.out
    tables = ("users", "conversations", "messages", "checkpoints", "tasks")
    assert [count(database_url, table) for table in tables] == [0] * 5


def test_a_database_that_was_not_migrated_is_told_to_be(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    for command in (["redact", "x"], ["delete", "conversation", "x"], ["delete", "user", "x"]):
        result = task_agent(*command)
        assert result.code == 1
        assert "task-agent migrate" in result.err
