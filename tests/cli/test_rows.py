"""`migrate`, `verify-schema`, `conversations`, `messages` and `replay`: what is in the database."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from storage.database import connect
from storage.models import Conversation, Message, User
from tests.cli.support import Dev, task_agent, task_agent_process, thread_of


@pytest.fixture
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def message(told: Conversation, role: str, content: str, parent: UUID | None, **more: Any) -> Any:
    return Message(
        id=uuid4(),
        conversation_id=told.id,
        user_id=told.user_id,
        parent_id=parent,
        digest=uuid4().bytes * 2,
        role=role,
        content=content,
        payload=b"",
        payload_type="msgpack",
        **more,
    )


@pytest.fixture
def conversation(database_url: str, _database: None) -> UUID:
    """A user's message, a call, its result and an answer; the answer is a second one."""

    async def tell() -> UUID:
        async with connect(database_url) as database, database.session() as session:
            user = User(subject="ann")
            told = Conversation(user_id=user.id, thread_id="thread-1", title="Buy [bold]milk[/]")
            session.add(user)
            await session.flush()
            session.add(told)
            await session.flush()
            call = {"id": "c1", "tool": "add_task", "arguments": {"title": "milk"}}
            done = {**call, "result": {"action": "added"}, "status": "success", "timestamp": "now"}
            asked = message(told, "user", "Buy [bold]milk[/] :smile:\x1b[2J", None)
            called = message(told, "assistant", "", asked.id, tool_calls=[call])
            result = message(told, "tool", "{}", called.id, tool_calls=[done])
            left = message(told, "assistant", "First answer", result.id)
            answer = message(told, "assistant", "Second answer", result.id)
            for row in (asked, called, result, left, answer):
                session.add(row)
                await session.flush()
            told.leaf_id = answer.id
            await session.commit()
            return told.id

    return asyncio.run(tell())


@pytest.mark.usefixtures("conversation")
def test_conversations_lists_them_with_thread_title_user_and_size() -> None:
    result = task_agent("conversations")
    assert result.code == 0
    heading, *_ = result.out.splitlines()
    # The fifth is a branch that was left.
    assert heading.split() == ["Thread", "Title", "User", "Rows", "Updated"]
    (row,) = [line for line in result.out.splitlines() if "thread-1" in line]
    assert row.split()[:5] == ["thread-1", "Buy", "[bold]milk[/]", "ann", "5"]
    assert row == row.rstrip()


@pytest.mark.usefixtures("conversation")
def test_conversations_of_another_user_are_not_listed() -> None:
    assert "thread-1" in task_agent("conversations", "--user", "ann").out
    assert "thread-1" not in task_agent("conversations", "--user", "bob").out


@pytest.mark.usefixtures("_database")
def test_no_conversation_yet_is_not_an_error() -> None:
    result = task_agent("conversations")
    assert result.code == 0
    assert "no conversations yet" in result.out
    assert json.loads(task_agent("conversations", "--json").out) == []


def test_conversations_as_json_hold_every_field(conversation: UUID) -> None:
    (told,) = json.loads(task_agent("conversations", "--json").out)
    assert told["id"] == str(conversation)
    assert (told["thread_id"], told["user"], told["messages"]) == ("thread-1", "ann", 5)
    assert told["updated_at"].startswith("20")


@pytest.mark.parametrize("by_id", [True, False])
def test_messages_shows_the_active_branch_with_calls_and_results(
    conversation: UUID, by_id: bool
) -> None:
    result = task_agent("messages", str(conversation) if by_id else "thread-1")
    assert result.code == 0
    lines = result.out.splitlines()[2:]
    assert [line.split(maxsplit=3)[2] for line in lines] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert 'add_task(title="milk")' in lines[1]
    assert 'add_task success: {"action": "added"}' in lines[2]
    assert "Second answer" in lines[3]
    assert "First answer" not in result.out


@pytest.mark.usefixtures("conversation")
def test_what_people_typed_is_shown_as_typed_but_for_what_a_terminal_obeys() -> None:
    shown = task_agent("messages", "thread-1").out
    assert "Buy [bold]milk[/] :smile:\ufffd[2J" in shown


@pytest.mark.usefixtures("conversation")
def test_all_messages_show_the_branch_that_was_left_to_the_side() -> None:
    lines = task_agent("messages", "thread-1", "--all").out.splitlines()[2:]
    assert len(lines) == 5
    (left,) = [line for line in lines if "┆" in line]
    assert "First answer" in left
    assert lines.index(left) == 3


@pytest.mark.usefixtures("conversation")
def test_messages_as_json_hold_the_chain() -> None:
    told = json.loads(task_agent("messages", "thread-1", "--all", "--json").out)
    ids = {row["id"] for row in told}
    assert [row["parent_id"] in ids for row in told] == [False, True, True, True, True]
    assert [row["active"] for row in told] == [True, True, True, False, True]
    assert told[1]["tool_calls"][0]["arguments"] == {"title": "milk"}
    assert all(len(bytes.fromhex(row["digest"])) == 32 for row in told)


@pytest.mark.usefixtures("conversation")
def test_the_last_messages_come_with_the_way_to_those_before() -> None:
    last = task_agent("messages", "thread-1", "--last", "1")
    assert last.code == 0
    assert "Second answer" in last.out
    assert "add_task" not in last.out
    (more,) = [line for line in last.err.splitlines() if "More:" in line]
    before = more.split("--before ")[1].split()[0]
    earlier = task_agent("messages", "thread-1", "--before", before, "--json")
    told = json.loads(earlier.out)
    assert [row["role"] for row in told] == ["user", "assistant", "tool"]
    assert earlier.err == ""
    assert (
        json.loads(task_agent("messages", "thread-1", "--before", told[0]["cursor"], "--json").out)
        == []
    )


@pytest.mark.usefixtures("conversation")
def test_conversations_come_with_the_way_to_those_after() -> None:
    first = task_agent("conversations", "--user", "ann", "--limit", "1")
    assert "thread-1" in first.out
    after = first.err.split("--after ")[1].split()[0]
    second = task_agent("conversations", "--user", "ann", "--after", after)
    assert second.code == 0
    assert "no more" in second.out


@pytest.mark.usefixtures("conversation")
@pytest.mark.parametrize(
    "arguments",
    [
        ("conversations", "--after", "x"),
        ("messages", "thread-1", "--before", "x"),
        ("search", "milk", "--user", "ann", "--before", "x"),
    ],
)
def test_a_wrong_cursor_is_an_error_in_a_line(arguments: tuple[str, ...]) -> None:
    result = task_agent(*arguments)
    assert result.code == 1
    assert "'x' is no cursor" in result.err
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("conversation")
def test_a_page_of_the_whole_tree_is_refused() -> None:
    assert task_agent("messages", "thread-1", "--all", "--last", "1").code == 2


@pytest.mark.usefixtures("conversation")
def test_search_shows_messages_with_the_words_and_marks_branches_that_were_left() -> None:
    result = task_agent("search", "answer", "--user", "ann")
    assert result.code == 0
    newest, left = result.out.splitlines()[2:]
    assert newest.split()[2:] == ["thread-1", "assistant", "Second", "answer"]
    assert left.split()[2:] == ["thread-1", "┆", "assistant", "First", "answer"]
    assert "Buy [bold]milk[/] :smile:\ufffd[2J" in task_agent("search", "milk", "--user", "ann").out


@pytest.mark.usefixtures("conversation")
def test_search_as_json_holds_every_field_and_the_way_to_the_next_page() -> None:
    (newest,) = json.loads(
        task_agent("search", "answer", "--user", "ann", "--limit", "1", "--json").out
    )
    assert newest["snippet"] == "Second answer"
    assert newest["matches"] == [[7, 13]]
    assert newest["active"] is True
    (left,) = json.loads(
        task_agent("search", "answer", "--user", "ann", "--before", newest["cursor"], "--json").out
    )
    assert (left["snippet"], left["active"]) == ("First answer", False)


@pytest.mark.usefixtures("conversation")
def test_search_finds_nothing_of_somebody_elses() -> None:
    for arguments in (("answer",), ("answer", "--user", "bob"), ("add_task", "--user", "ann")):
        result = task_agent("search", *arguments)
        assert result.code == 0
        assert result.out == "Nothing found.\n"


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("name", ["nothing", "a\x00b", "00000000-0000-0000-0000-000000000000"])
def test_messages_of_nothing_is_an_error_in_a_line(name: str) -> None:
    result = task_agent("messages", name)
    assert result.code == 1
    assert "there is no conversation" in result.err
    assert "task-agent conversations" in result.err


def test_a_database_that_was_not_migrated_is_told_to_be(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    result = task_agent("conversations")
    assert result.code == 1
    assert "task-agent migrate" in result.err


def test_migrate_makes_what_verify_schema_misses(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    before = task_agent("verify-schema")
    assert before.code == 1
    assert "task-agent migrate" in before.err
    assert task_agent("migrate").code == 0
    assert task_agent("migrate").code == 0
    after = task_agent("verify-schema")
    assert after.code == 0
    assert "DIFFERS" not in after.out
    assert "all as expected" in after.out
    for part in (
        "messages.tool_calls",
        "idx_messages_conversation_created",
        "tasks.user_id → users",
    ):
        assert part in after.out


@pytest.mark.usefixtures("_database")
def test_verify_schema_names_what_differs(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP INDEX idx_messages_conversation_created")
    result = task_agent("verify-schema")
    assert result.code == 1
    (row,) = [line for line in result.out.splitlines() if line.startswith("DIFFERS")]
    assert "idx_messages_conversation_created" in row
    assert "1 of" in result.err


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://me:secret@host/db", "'mysql'"),
        ("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/db", "cannot connect"),
        ("TASK_AGENT_POOL_SIZE", "many", "'many'"),
    ],
)
@pytest.mark.usefixtures("_database")
def test_wrong_settings_are_told_without_secrets_or_traceback(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    result = task_agent("conversations")
    assert result.code == 1
    assert words in result.err
    assert name in result.err
    assert "?." not in result.err
    assert "secret" not in result.err
    assert "Traceback" not in result.err


def test_debug_shows_the_traceback() -> None:
    result = task_agent_process(
        "--debug", "conversations", DATABASE_URL="mysql://me:secret@host/db"
    )
    assert result.code == 1
    assert "Traceback" in result.err
    assert "secret" not in result.err


def test_an_env_file_is_read_but_does_not_override(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"DATABASE_URL={database_url}\nTASK_AGENT_POOL_SIZE=none\n")
    result = task_agent_process("conversations", TASK_AGENT_ENV_FILE=str(file))
    assert result.code == 1
    assert "TASK_AGENT_POOL_SIZE is 'none'" in result.err
    result = task_agent_process(
        "conversations", TASK_AGENT_ENV_FILE=str(file), TASK_AGENT_POOL_SIZE="2"
    )
    assert result.code == 0


def test_an_env_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = task_agent("conversations", TASK_AGENT_ENV_FILE=str(tmp_path / "nothing"))
    assert result.code == 1
    assert "TASK_AGENT_ENV_FILE" in result.err


def test_version_and_help_are_told() -> None:
    assert task_agent("--version").out.startswith("task-agent ")
    told = task_agent("--help").out
    for command in ("dev", "migrate", "verify-schema", "chat", "conversations", "messages"):
        assert command in told


def test_a_conversation_is_exported_and_run_again(
    dev: Dev, dev_database_url: str, tmp_path: Path
) -> None:
    talked = task_agent("chat", "--url", dev.url, said=b"add buy tea tomorrow at 9\n")
    file = tmp_path / "tea.json"
    exported = task_agent(
        *("replay", "export", thread_of(talked), "--output", str(file)),
        DATABASE_URL=dev_database_url,
    )
    assert exported.code == 0, exported.err
    shown = task_agent("replay", "export", thread_of(talked), DATABASE_URL=dev_database_url)
    assert shown.out == file.read_text()
    nowhere = tmp_path / "no" / "tea.json"
    failed = task_agent(
        *("replay", "export", thread_of(talked), "-o", str(nowhere)),
        DATABASE_URL=dev_database_url,
    )
    assert failed.code == 1
    assert str(nowhere) in failed.err
    assert "--output" in failed.err
    assert "Errno" not in failed.err
    again = task_agent("replay", "run", str(file), DATABASE_URL=dev_database_url)
    assert again.code == 0, again.out + again.err
    file.write_text(file.read_text().replace("buy tea", "buy tee", 1))
    changed = task_agent("replay", "run", str(file), DATABASE_URL=dev_database_url)
    assert changed.code == 1
    assert "differently" in changed.err


@pytest.mark.usefixtures("_database")
def test_a_thread_that_is_not_stored_is_not_exported() -> None:
    result = task_agent("replay", "export", "nothing")
    assert result.code == 1
    assert "nothing" in result.err


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b'{"format": 99}'])
def test_a_file_that_is_no_recording_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)
    result = task_agent("replay", "run", str(file))
    assert result.code == 1
    assert str(file) in result.err
    assert "Traceback" not in result.err
    assert "pydantic" not in result.err
