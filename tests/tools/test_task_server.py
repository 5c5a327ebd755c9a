"""The MCP server through a real client in the same process."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CallToolResult, TextContent

from storage.database import Database, DatabaseNotOpenError, connect, shared_database
from tools.context import META_KEY, META_NOW, META_TIME_ZONE, META_USER, Identify, always
from tools.server import create_server

ANN = {
    META_USER: "ann",
    META_TIME_ZONE: "Europe/Berlin",
    META_NOW: "2026-11-18T10:00:00+01:00",
}


@asynccontextmanager
async def client(
    database: Database, identify: Identify | None = None
) -> AsyncIterator[ClientSession]:
    server = create_server(lambda: database, identify=identify)
    async with create_connected_server_and_client_session(server) as session:
        yield session


async def call(
    session: ClientSession, tool: str, arguments: dict[str, Any], meta: dict[str, Any] = ANN
) -> CallToolResult:
    return await session.call_tool(tool, arguments, meta=meta)


async def answer(
    session: ClientSession, tool: str, arguments: dict[str, Any], meta: dict[str, Any] = ANN
) -> dict[str, Any]:
    result = await call(session, tool, arguments, meta)
    assert not result.isError, result.content
    assert result.structuredContent is not None
    return result.structuredContent


async def error(
    session: ClientSession, tool: str, arguments: dict[str, Any], meta: dict[str, Any] = ANN
) -> str:
    result = await call(session, tool, arguments, meta)
    assert result.isError
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


def counts(database_url: str) -> tuple[int, int]:
    """How many tasks and events there are."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM task_events)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


async def test_a_task_lives_from_being_added_to_being_deleted(database: Database) -> None:
    async with client(database) as session:
        added = await answer(
            session, "add_task", {"title": "Buy milk", "due": "tomorrow at 9", "priority": "High"}
        )
        assert added == {
            "action": "added",
            "task": {
                "number": 1,
                "title": "Buy milk",
                "notes": None,
                "priority": "high",
                "due": "2026-11-19T09:00:00+01:00",
                "completed": None,
                "created": "2026-11-18T10:00:00+01:00",
            },
            "note": None,
        }
        listed = await answer(session, "list_tasks", {})
        assert listed == {"tasks": [added["task"]], "total": 1, "state": "open"}
        updated = await answer(session, "update_task", {"task": 1, "due": "next friday"})
        assert updated["task"]["due"] == "2026-11-27T09:00:00+01:00"
        done = await answer(session, "complete_task", {"task": "the milk"})
        assert done["task"]["completed"] == "2026-11-18T10:00:00+01:00"
        gone = await answer(session, "delete_task", {"task": "#1"})
        assert gone["action"] == "deleted"
        assert (await answer(session, "list_tasks", {"state": "all"}))["total"] == 0


async def test_the_text_of_an_answer_is_its_structured_content(database: Database) -> None:
    async with client(database) as session:
        result = await call(session, "add_task", {"title": "Buy milk"})
        [block] = result.content
        assert isinstance(block, TextContent)
        assert json.loads(block.text) == result.structuredContent


async def test_the_tools_and_what_they_say_of_themselves(database: Database) -> None:
    async with client(database) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        instructions = (await session.initialize()).instructions
    arguments = {
        name: (list(tool.inputSchema["properties"]), tool.inputSchema.get("required", []))
        for name, tool in tools.items()
    }
    assert arguments == {
        "add_task": (["title", "notes", "priority", "due"], ["title"]),
        "list_tasks": (["state", "text"], []),
        "update_task": (["task", "title", "notes", "priority", "due"], ["task"]),
        "complete_task": (["task"], ["task"]),
        "delete_task": (["task"], ["task"]),
    }
    hints = {
        name: (hint.readOnlyHint, hint.destructiveHint, hint.idempotentHint, hint.openWorldHint)
        for name, tool in tools.items()
        if (hint := tool.annotations)
    }
    assert hints == {
        "add_task": (False, False, False, False),
        "list_tasks": (True, False, True, False),
        "update_task": (False, False, False, False),
        "complete_task": (False, False, False, False),
        "delete_task": (False, True, False, False),
    }
    outputs = {name: list((tool.outputSchema or {})["properties"]) for name, tool in tools.items()}
    assert outputs.pop("list_tasks") == ["tasks", "total", "state"]
    assert set(map(tuple, outputs.values())) == {("action", "task", "note")}
    schema = tools["add_task"].inputSchema["properties"]
    assert schema["title"]["type"] == "string"
    assert (schema["priority"]["enum"], schema["priority"]["default"]) == (
        ["low", "normal", "high"],
        "normal",
    )
    task = tools["update_task"].inputSchema["properties"]["task"]
    assert [kind["type"] for kind in task["anyOf"]] == ["string", "integer"]
    assert all(tool.title and tool.description for tool in tools.values())
    assert instructions


def properties(schema: Any) -> set[str]:
    """The names of all properties in a schema, however deep."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    found = set(schema.get("properties", {}))
    return found.union(*map(properties, schema.values()))


async def test_no_schema_has_a_place_for_an_identity(database: Database) -> None:
    async with client(database) as session:
        for tool in (await session.list_tools()).tools:
            assert not properties(tool.inputSchema) & {"user", "user_id", "subject", "key", "now"}
            assert not properties(tool.outputSchema) & {"user", "user_id", "subject", "id"}
            schemas = json.dumps([tool.inputSchema, tool.outputSchema]).lower()
            for word in ("user_id", "subject", "owner", "identity", "account", "tenant", "context"):
                assert word not in schemas


async def test_a_user_named_in_the_arguments_is_refused(
    database: Database, database_url: str
) -> None:
    async with client(database) as session:
        for name in ("user", "user_id", "context", "due_date"):
            assert name in await error(session, "add_task", {"title": "x", name: "bob"})
    assert counts(database_url) == (0, 0)


async def test_each_user_sees_their_own(database: Database) -> None:
    bob = {**ANN, META_USER: "bob"}
    async with client(database) as session:
        await answer(session, "add_task", {"title": "Ann's secret"})
        assert (await answer(session, "list_tasks", {"state": "all"}, bob))["total"] == 0
        assert "secret" not in await error(session, "delete_task", {"task": "1"}, bob)
        assert (await answer(session, "list_tasks", {}))["total"] == 1


async def test_a_call_for_nobody_is_refused(database: Database, database_url: str) -> None:
    async with client(database) as session:
        for meta in ({}, {META_USER: ""}, {META_USER: 7}, {META_USER: "a\x00"}):
            assert META_USER in await error(session, "add_task", {"title": "x"}, meta)
    assert counts(database_url) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (META_TIME_ZONE, "Mars/Olympus"),
        (META_TIME_ZONE, "../../etc/passwd"),
        (META_TIME_ZONE, 7),
        (META_NOW, "yesterday"),
        (META_NOW, "2026-11-18T10:00:00"),
        (META_NOW, 7),
        (META_KEY, 7),
        (META_KEY, "k" * 501),
    ],
)
async def test_a_meta_value_that_makes_no_sense_is_refused(
    database: Database, database_url: str, name: str, value: Any
) -> None:
    async with client(database) as session:
        said = await error(session, "add_task", {"title": "x"}, {**ANN, name: value})
    assert str(value)[:20] in said
    assert counts(database_url) == (0, 0)


async def test_a_server_for_one_person_believes_no_other_identity(database: Database) -> None:
    async with client(database, always("carol", ZoneInfo("Asia/Tokyo"))) as session:
        meta = {**ANN, META_KEY: "k"}
        first = await answer(session, "add_task", {"title": "x", "due": "2026-12-01"}, meta)
        assert first["task"]["due"] == "2026-12-01T23:59:00+09:00"
        # Nor another clock; but the key is honoured.
        assert not first["task"]["created"].startswith("2026-11-18T10:00:00")
        assert await answer(session, "add_task", {"title": "x", "due": "2026-12-01"}, meta) == first
    async with client(database) as session:
        assert (await answer(session, "list_tasks", {}))["total"] == 0
        carol = {**ANN, META_USER: "carol"}
        assert (await answer(session, "list_tasks", {}, carol))["total"] == 1


async def test_the_same_call_twice_at_once_changes_something_once(
    database: Database, database_url: str
) -> None:
    meta = {**ANN, META_KEY: "k"}
    async with client(database) as session:
        first, second = await asyncio.gather(
            answer(session, "add_task", {"title": "Buy milk"}, meta),
            answer(session, "add_task", {"title": "Buy milk"}, meta),
        )
    assert first == second
    assert counts(database_url) == (1, 1)


async def test_a_call_repeated_in_another_process_life_is_answered_as_before(
    database: Database, database_url: str
) -> None:
    meta = {**ANN, META_KEY: "k"}
    async with client(database) as session:
        before = await call(session, "add_task", {"title": "Buy milk", "due": "tomorrow"}, meta)
    # The answer was lost: the change is committed, and the agent asks again a day later.
    later = {**meta, META_NOW: "2026-11-19T10:00:00+01:00"}
    async with connect(database_url) as another, client(another) as session:
        after = await call(session, "add_task", {"title": "Buy milk", "due": "tomorrow"}, later)
    assert after == before
    assert counts(database_url) == (1, 1)


async def test_null_and_the_words_for_nothing_mean_what_they_say(database: Database) -> None:
    async with client(database) as session:
        added = await answer(
            session, "add_task", {"title": "null", "notes": None, "priority": None, "due": "none"}
        )
        assert (added["task"]["title"], added["task"]["due"]) == ("null", None)
        for nothing in ("", "none", "None"):
            await answer(session, "update_task", {"task": 1, "notes": "n", "due": "tomorrow"})
            kept = await answer(session, "update_task", {"task": 1, "title": "x", "notes": None})
            assert (kept["task"]["notes"], kept["task"]["due"] is None) == ("n", False)
            cleared = await answer(
                session, "update_task", {"task": 1, "notes": nothing, "due": nothing, "title": "y"}
            )
            assert (cleared["task"]["notes"], cleared["task"]["due"]) == (None, None)


async def test_text_that_looks_like_json_stays_text(database: Database) -> None:
    async with client(database) as session:
        for text in ('{"a": 1}', "[1]", "true", "17", "null"):
            added = await answer(session, "add_task", {"title": text, "notes": text})
            assert (added["task"]["title"], added["task"]["notes"]) == (text, text)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("add_task", {}, "title"),
        ("add_task", {"title": 5}, "title"),
        ("add_task", {"title": " "}, "title"),
        ("add_task", {"title": "x\x00"}, "NUL"),
        ("add_task", {"title": "x", "priority": "urgent"}, "'low', 'normal' or 'high'"),
        ("add_task", {"title": "x", "due": "soonish"}, "next friday"),
        ("list_tasks", {"state": "closed"}, "'open', 'completed' or 'all'"),
        ("update_task", {"task": "1"}, "what to change"),
        ("complete_task", {"task": "zebra"}, "list_tasks"),
        ("complete_task", {"task": True}, "task"),
        ("complete_task", {"task": ""}, "number"),
        ("complete_task", {"task": "9" * 30}, "list_tasks"),
        ("drop_table", {}, "complete_task"),
    ],
)
async def test_an_error_says_what_to_do_next_without_the_words_of_a_program(
    database: Database,
    database_url: str,
    tool: str,
    arguments: dict[str, Any],
    said: str,
) -> None:
    async with client(database) as session:
        text = await error(session, tool, arguments)
    assert said in text
    assert "Error executing" not in text
    assert "pydantic" not in text
    assert counts(database_url) == (0, 0)


async def test_a_megabyte_in_any_argument_is_refused_in_few_words(
    database: Database, database_url: str
) -> None:
    big = "x" * 1_000_000
    async with client(database) as session:
        for arguments in ({"title": big}, {"title": "a", "notes": big}, {"title": "a", "due": big}):
            assert len(await error(session, "add_task", arguments)) < 500
        for tool in ("complete_task", "delete_task"):
            assert len(await error(session, tool, {"task": big})) < 500
        assert len(await error(session, "add_task", {"title": "a", big: 1})) < 500
    assert counts(database_url) == (0, 0)


FAILING = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {body} RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON task_events {when}
    FOR EACH ROW EXECUTE FUNCTION fail();
"""


async def test_a_failing_statement_is_an_error_that_says_nothing_was_changed(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(FAILING.format(body="RAISE 'private detail';", when=""))
    async with client(database) as session:
        text = await error(session, "add_task", {"title": "Buy milk"})
    assert "nothing was changed" in text
    assert "private detail" not in text
    assert "private detail" in caplog.text
    assert counts(database_url) == (0, 0)


@pytest.mark.parametrize(
    "body", ["RAISE 'private detail';", "PERFORM pg_terminate_backend(pg_backend_pid());"]
)
async def test_a_failing_commit_is_not_presented_as_no_change(
    database: Database, database_url: str, body: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(FAILING.format(body=body, when="DEFERRABLE INITIALLY DEFERRED"))
    async with client(database) as session:
        text = await error(session, "add_task", {"title": "Buy milk"})
        assert "not known" in text
        assert "list_tasks" in text
        assert "nothing was changed" not in text
        # The server goes on.
        with psycopg.connect(database_url) as connection:
            connection.execute("DROP TRIGGER fail ON task_events")
        assert (await answer(session, "add_task", {"title": "Buy milk"}))["task"]["number"] == 1


async def test_a_database_without_tables_is_an_error_that_names_the_command(
    empty_database_url: str,
) -> None:
    async with connect(empty_database_url) as database, client(database) as session:
        for tool, arguments in (("add_task", {"title": "x"}), ("list_tasks", {})):
            assert "task-agent migrate" in await error(session, tool, arguments)


async def test_a_database_that_is_not_open_is_an_error_that_names_the_remedy() -> None:
    async with create_connected_server_and_client_session(
        create_server(shared_database)
    ) as session:
        text = await error(session, "list_tasks", {})
    with pytest.raises(DatabaseNotOpenError) as closed:
        shared_database()
    assert str(closed.value) in text


def test_making_a_server_leaves_the_root_logger_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a process where nobody has set up logging yet; pytest has.
    monkeypatch.setattr(logging.root, "handlers", [])
    create_server(shared_database)
    assert logging.root.handlers == []
