"""The MCP server through a real client in the same process."""

import asyncio
import json
import logging
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CallToolResult, TextContent

from storage.database import Database, DatabaseNotOpenError, connect, shared_database
from tests.tools.support import ANN, client, counts
from tools.catalogue import DESCRIPTION_MAX
from tools.context import (
    META_KEY,
    META_LOCALE,
    META_NOW,
    META_RECORDED_ONLY,
    META_THREAD,
    META_TIME_ZONE,
    META_TURN,
    META_USER,
    always,
)
from tools.server import create_server

#: Characters of what is said of one argument.
ARGUMENT_DESCRIPTION_MAX = 140

FIND_ARGUMENTS = [
    *("text", "labels", "priority", "state", "due", "due_from", "due_until", "list", "parent"),
    *("sort", "limit", "cursor"),
]
NEW_TEXTS = ("notes", "due", "starts", "repeats", "list", "parent")


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


async def item(
    session: ClientSession, tool: str, arguments: dict[str, Any], meta: dict[str, Any] = ANN
) -> dict[str, Any]:
    """The result of a call that names one item and does it."""
    [result] = (await answer(session, tool, {"tasks": [arguments]}, meta))["results"]
    assert result["status"] == "done", result
    return dict(result)


async def refusal(
    session: ClientSession, tool: str, arguments: Any, meta: dict[str, Any] = ANN
) -> str:
    """Why a call that names one item fails."""
    result = await call(session, tool, {"tasks": [arguments]}, meta)
    assert result.isError
    assert result.structuredContent is not None
    [found] = result.structuredContent["results"]
    return str(found["error"])


async def test_a_task_lives_from_being_added_to_being_deleted(database: Database) -> None:
    async with client(database) as session:
        added = await answer(
            session,
            "add_tasks",
            {"tasks": [{"title": "Buy milk", "due": "tomorrow at 9", "priority": "High"}]},
        )
        task = {
            "number": 1,
            "title": "Buy milk",
            "priority": "high",
            "due": "2026-11-19T09:00:00+01:00",
            "list": "Inbox",
            "created": "2026-11-18T10:00:00+01:00",
        }
        assert added == {
            "results": [{"item": 1, "status": "done", "action": "added", "task": task}],
            "changed": 1,
            "failed": 0,
        }
        found = await answer(session, "find_tasks", {})
        assert found == {"tasks": [task], "total": 1}
        moved = await item(session, "reschedule_tasks", {"task": 1, "due": "next friday"})
        assert moved["task"]["due"] == "2026-11-27T09:00:00+01:00"
        done = await answer(session, "complete_tasks", {"tasks": ["the milk"]})
        assert done["results"][0]["task"]["completed"] == "2026-11-18T10:00:00+01:00"
        gone = await answer(session, "delete_tasks", {"tasks": ["#1"]})
        assert gone["results"][0]["action"] == "deleted"
        assert (await answer(session, "find_tasks", {"state": "all"}))["total"] == 0


async def test_the_text_of_an_answer_is_its_structured_content(database: Database) -> None:
    async with client(database) as session:
        result = await call(session, "add_tasks", {"tasks": ["Buy milk"]})
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
    assert list(arguments.items()) == [
        ("add_tasks", (["tasks"], ["tasks"])),
        ("find_tasks", (FIND_ARGUMENTS, [])),
        ("get_tasks", (["tasks"], ["tasks"])),
        ("update_tasks", (["tasks"], ["tasks"])),
        ("complete_tasks", (["tasks", "with_subtasks"], ["tasks"])),
        ("reopen_tasks", (["tasks"], ["tasks"])),
        ("reschedule_tasks", (["tasks"], ["tasks"])),
        ("delete_tasks", (["tasks"], ["tasks"])),
        ("undo_changes", (["turn"], [])),
        ("find_activity", (["task", "turn", "cursor", "limit"], [])),
        ("find_lists", ([], [])),
        ("save_lists", (["lists"], ["lists"])),
        ("delete_lists", (["lists"], ["lists"])),
        ("get_overview", ([], [])),
    ]
    hints = {
        name: (hint.readOnlyHint, hint.destructiveHint, hint.idempotentHint, hint.openWorldHint)
        for name, tool in tools.items()
        if (hint := tool.annotations)
    }
    assert hints == {
        "add_tasks": (False, False, False, False),
        "find_tasks": (True, False, True, False),
        "get_tasks": (True, False, True, False),
        "update_tasks": (False, False, False, False),
        "complete_tasks": (False, False, False, False),
        "reopen_tasks": (False, False, False, False),
        "reschedule_tasks": (False, False, False, False),
        "delete_tasks": (False, True, False, False),
        "undo_changes": (False, False, False, False),
        "find_activity": (True, False, True, False),
        "find_lists": (True, False, True, False),
        "save_lists": (False, False, True, False),
        "delete_lists": (False, True, False, False),
        "get_overview": (True, False, True, False),
    }
    outputs = {name: list((tool.outputSchema or {})["properties"]) for name, tool in tools.items()}
    assert outputs.pop("find_tasks") == ["tasks", "total", "next_cursor", "note"]
    assert outputs.pop("get_tasks") == ["results", "failed"]
    assert outputs.pop("find_activity") == ["events", "next_cursor"]
    assert outputs.pop("find_lists") == ["lists"]
    assert outputs.pop("get_overview") == ["now", "counts", "overdue", "today", "next"]
    assert set(map(tuple, outputs.values())) == {("results", "changed", "failed")}
    new = tools["add_tasks"].inputSchema["properties"]["tasks"]
    assert (new["type"], new["minItems"], new["maxItems"]) == ("array", 1, 50)
    assert new["items"]["required"] == ["title"]
    assert list(new["items"]["properties"]) == [
        *("title", "notes", "priority", "labels", "due", "starts", "repeats", "list", "parent"),
    ]
    priority = new["items"]["properties"]["priority"]
    assert (priority["enum"], priority["default"]) == (
        ["low", "normal", "high", "urgent"],
        "normal",
    )
    reference = tools["delete_tasks"].inputSchema["properties"]["tasks"]["items"]
    assert [kind["type"] for kind in reference["anyOf"]] == ["string", "integer"]
    assert all(tool.title and tool.description for tool in tools.values())
    assert instructions


async def test_what_a_model_reads_of_the_tools_is_short(database: Database) -> None:
    async with client(database) as session:
        tools = (await session.list_tools()).tools
    for tool in tools:
        assert len(tool.description or "") <= DESCRIPTION_MAX
        for text in descriptions(tool.inputSchema):
            assert len(text) <= ARGUMENT_DESCRIPTION_MAX, text
    told = [[tool.name, tool.description, tool.inputSchema] for tool in tools]
    # Some 2,500 tokens, at every step of every conversation.
    assert len(json.dumps(told)) < 10_000


async def test_the_schemas_hold_nothing_that_only_a_program_reads(database: Database) -> None:
    async with client(database) as session:
        for tool in (await session.list_tools()).tools:
            text = json.dumps(tool.inputSchema)
            for word in ("$ref", "$defs", '"title": "', "null"):
                assert word not in text


def descriptions(schema: Any) -> list[str]:
    """Every description in a schema."""
    if isinstance(schema, list):
        return [text for part in schema for text in descriptions(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["description"]] if isinstance(schema.get("description"), str) else []
    return own + [text for part in schema.values() for text in descriptions(part)]


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
            assert not properties(tool.inputSchema) & {
                *("user", "user_id", "subject", "key", "now", "thread", "message"),
            }
            assert not properties(tool.outputSchema) & {"user", "user_id", "subject", "id"}
            schemas = json.dumps([tool.inputSchema, tool.outputSchema]).lower()
            for word in ("user_id", "subject", "owner", "identity", "account", "tenant", "context"):
                assert word not in schemas


async def test_a_user_named_in_the_arguments_is_refused(
    database: Database, database_url: str
) -> None:
    async with client(database) as session:
        for name in ("user", "user_id", "context", "due_date"):
            assert name in await refusal(session, "add_tasks", {"title": "x", name: "bob"})
            assert name in await error(session, "add_tasks", {"tasks": ["x"], name: "bob"})
    assert counts(database_url) == (0, 0)


async def test_each_user_sees_their_own(database: Database) -> None:
    bob = {**ANN, META_USER: "bob"}
    async with client(database) as session:
        await answer(session, "add_tasks", {"tasks": ["Ann's secret"]})
        assert (await answer(session, "find_tasks", {"state": "all"}, bob))["total"] == 0
        assert "secret" not in await error(session, "delete_tasks", {"tasks": ["1"]}, bob)
        assert (await answer(session, "find_tasks", {}))["total"] == 1


async def test_a_call_for_nobody_is_refused(database: Database, database_url: str) -> None:
    async with client(database) as session:
        for meta in ({}, {META_USER: ""}, {META_USER: 7}, {META_USER: "a\x00"}):
            assert META_USER in await error(session, "add_tasks", {"tasks": ["x"]}, meta)
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
        (META_LOCALE, 7),
        (META_LOCALE, "germany"),
        (META_LOCALE, "de_AT.UTF-8"),
        (META_THREAD, ["t"]),
        (META_TURN, ""),
        (META_RECORDED_ONLY, "yes"),
    ],
)
async def test_a_meta_value_that_makes_no_sense_is_refused(
    database: Database, database_url: str, name: str, value: Any
) -> None:
    async with client(database) as session:
        said = await error(session, "add_tasks", {"tasks": ["x"]}, {**ANN, name: value})
    assert str(value)[:20] in said
    assert counts(database_url) == (0, 0)


async def test_a_server_for_one_person_believes_no_other_identity(database: Database) -> None:
    async with client(database, always("carol", ZoneInfo("Asia/Tokyo"))) as session:
        meta = {**ANN, META_KEY: "k"}
        new = {"tasks": [{"title": "x", "due": "2026-12-01 12:00"}]}
        first = await answer(session, "add_tasks", new, meta)
        task = first["results"][0]["task"]
        # The zone that a call names harms nobody; where it names none, it is the person's.
        assert task["due"] == "2026-12-01T12:00:00+01:00"
        alone = await answer(session, "get_tasks", {"tasks": [1]}, {})
        assert alone["results"][0]["task"]["due"] == "2026-12-01T20:00:00+09:00"
        # Not another clock; but the key is honoured.
        assert not task["created"].startswith("2026-11-18T10:00:00")
        assert await answer(session, "add_tasks", new, meta) == first
    async with client(database) as session:
        assert (await answer(session, "find_tasks", {}))["total"] == 0
        carol = {**ANN, META_USER: "carol"}
        assert (await answer(session, "find_tasks", {}, carol))["total"] == 1


async def test_the_same_call_twice_at_once_changes_something_once(
    database: Database, database_url: str
) -> None:
    meta = {**ANN, META_KEY: "k"}
    async with client(database) as session:
        first, second = await asyncio.gather(
            answer(session, "add_tasks", {"tasks": ["Buy milk"]}, meta),
            answer(session, "add_tasks", {"tasks": ["Buy milk"]}, meta),
        )
    assert first == second
    assert counts(database_url) == (1, 1)


async def test_a_call_repeated_in_another_process_life_is_answered_as_before(
    database: Database, database_url: str
) -> None:
    meta = {**ANN, META_KEY: "k"}
    async with client(database) as session:
        before = await call(
            session, "add_tasks", {"tasks": [{"title": "Buy milk", "due": "tomorrow"}]}, meta
        )
    # The answer was lost: the change is committed, and the agent asks again a day later.
    later = {**meta, META_NOW: "2026-11-19T10:00:00+01:00"}
    async with connect(database_url) as another, client(another) as session:
        after = await call(
            session, "add_tasks", {"tasks": [{"title": "Buy milk", "due": "tomorrow"}]}, later
        )
    assert after == before
    assert counts(database_url) == (1, 1)


async def test_null_and_the_words_for_nothing_mean_what_they_say(database: Database) -> None:
    async with client(database) as session:
        added = await item(
            session,
            "add_tasks",
            {"title": "null", "notes": None, "priority": None, "due": "none", "list": None},
        )
        assert added["task"]["title"] == "null"
        assert "due" not in added["task"]
        for nothing in ("", "none", "None"):
            await item(session, "update_tasks", {"task": 1, "notes": "n"})
            kept = await item(session, "update_tasks", {"task": 1, "title": "x", "notes": None})
            assert kept["task"]["notes"] == "n"
            cleared = await item(
                session, "update_tasks", {"task": 1, "notes": nothing, "title": "y"}
            )
            assert "notes" not in cleared["task"]
            await item(session, "reschedule_tasks", {"task": 1, "due": "tomorrow"})
            cleared = await item(session, "reschedule_tasks", {"task": 1, "due": nothing})
            assert "due" not in cleared["task"]


async def test_text_that_looks_like_json_stays_text(database: Database) -> None:
    async with client(database) as session:
        for text in ('{"a": 1}', "[1]", "true", "17", "null"):
            added = await item(session, "add_tasks", {"title": text, "notes": text})
            assert (added["task"]["title"], added["task"]["notes"]) == (text, text)


async def test_one_item_will_do_where_a_list_is_asked_for(database: Database) -> None:
    async with client(database) as session:
        for tasks in ({"title": "a"}, "b", '[{"title": "c"}, {"title": "d"}]', ["e"]):
            await answer(session, "add_tasks", {"tasks": tasks})
        found = await answer(session, "find_tasks", {"labels": None})
        assert [task["title"] for task in found["tasks"]] == ["a", "b", "c", "d", "e"]
        assert (await answer(session, "complete_tasks", {"tasks": 1}))["changed"] == 1
        assert (await answer(session, "complete_tasks", {"tasks": "[2, 3]"}))["changed"] == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("add_tasks", {}, "tasks"),
        ("add_tasks", {"tasks": []}, "at least 1"),
        ("add_tasks", {"tasks": ["x"] * 51}, "call again with the first 50, then with the rest"),
        ("get_tasks", {"tasks": ["1"] * 120}, "120 are too many, at most 50 go into one call"),
        ("delete_lists", {"lists": ["x"] * 1000}, "the first 50, then with the rest"),
        ("add_tasks", {"tasks": [{}]}, "title"),
        ("add_tasks", {"tasks": [{"title": 5}]}, "title"),
        ("add_tasks", {"tasks": [7]}, "dictionary"),
        ("add_tasks", {"tasks": [{"title": " "}]}, "title"),
        ("add_tasks", {"tasks": [{"title": "\u200b \u2060"}]}, "title is empty"),
        ("save_lists", {"lists": ["\u200b"]}, "name"),
        ("add_tasks", {"tasks": [{"title": "x\x00"}]}, "NUL"),
        (
            "add_tasks",
            {"tasks": [{"title": "x", "priority": "asap"}]},
            "'low', 'normal', 'high' or 'urgent'",
        ),
        ("add_tasks", {"tasks": [{"title": "x", "due": "soonish"}]}, "next friday"),
        ("add_tasks", {"tasks": [{"title": "x", "starts": "at 9"}]}, "starts on a day"),
        ("add_tasks", {"tasks": [{"title": "x", "repeats": "now and then"}]}, "every"),
        ("add_tasks", {"tasks": [{"title": "x", "list": "Work"}]}, "save_lists"),
        ("add_tasks", {"tasks": [{"title": "x", "parent": "zebra"}]}, "zebra"),
        ("add_tasks", {"tasks": [{"title": "x", "labels": ["a" * 51]}]}, "label"),
        ("find_tasks", {"state": "closed"}, "'open', 'completed', 'archived' or 'all'"),
        ("find_tasks", {"limit": 101}, "100"),
        ("find_tasks", {"due": "soonish"}, "this week"),
        ("find_tasks", {"cursor": "x"}, "next_cursor"),
        ("update_tasks", {"tasks": [{"title": "x"}]}, "task"),
        ("complete_tasks", {"tasks": ["zebra"]}, "find_tasks"),
        ("complete_tasks", {"tasks": [True]}, "string"),
        ("complete_tasks", {"tasks": [""]}, "number"),
        ("complete_tasks", {"tasks": ["9" * 30]}, "find_tasks"),
        ("get_tasks", {"tasks": ["zebra"]}, "add_tasks"),
        ("find_tasks", {"text": "x\x00"}, "NUL"),
        ("complete_tasks", {"tasks": ["ä\x00"]}, "NUL"),
        ("undo_changes", {"turn": "x\x00"}, "NUL"),
        ("find_activity", {"turn": "x\x00"}, "NUL"),
        ("undo_changes", {}, "find_activity"),
        ("find_activity", {"cursor": "x"}, "next_cursor"),
        ("save_lists", {"lists": ["Inbox"]}, "another name"),
        ("save_lists", {"lists": [{"list": "Work", "name": "Job"}]}, "Inbox"),
        ("delete_lists", {"lists": ["Inbox"]}, "Inbox"),
        ("drop_table", {}, "complete_tasks"),
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
        for new in ({"title": big}, *({"title": "a", name: big} for name in NEW_TEXTS)):
            assert len(await refusal(session, "add_tasks", new)) < 500
        assert len(await refusal(session, "add_tasks", {"title": "a", "labels": [big]})) < 500
        assert len(await error(session, "add_tasks", {"tasks": ["a"], big: 1})) < 500
        for tool in ("get_tasks", "complete_tasks", "reopen_tasks", "delete_tasks"):
            assert len(await refusal(session, tool, big)) < 500
        for argument in ("due", "list", "parent", "cursor"):
            assert len(await error(session, "find_tasks", {argument: big})) < 500
        assert len(await refusal(session, "add_tasks", {"title": "a", big: 1})) < 500
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
        text = await error(session, "add_tasks", {"tasks": ["Buy milk"]})
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
        text = await error(session, "add_tasks", {"tasks": ["Buy milk"]})
        assert "not known" in text
        assert "find_tasks" in text
        assert "nothing was changed" not in text
        # The server goes on.
        with psycopg.connect(database_url) as connection:
            connection.execute("DROP TRIGGER fail ON task_events")
        assert (await answer(session, "add_tasks", {"tasks": ["Buy milk"]}))["changed"] == 1


async def test_a_database_without_tables_is_an_error_that_names_the_command(
    empty_database_url: str,
) -> None:
    async with connect(empty_database_url) as database, client(database) as session:
        for tool, arguments in (("add_tasks", {"tasks": ["x"]}), ("find_tasks", {})):
            assert "task-agent migrate" in await error(session, tool, arguments)


async def test_a_database_from_before_a_revision_is_an_error_that_names_the_command(
    database: Database, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE tasks DROP COLUMN starts_on")
    async with client(database) as session:
        await answer(session, "save_lists", {"lists": ["Work"]})
        for tool, arguments in (("add_tasks", {"tasks": ["x"]}), ("find_tasks", {})):
            assert "task-agent migrate" in await error(session, tool, arguments)


async def test_a_database_that_is_not_open_is_an_error_that_names_the_remedy() -> None:
    async with create_connected_server_and_client_session(
        create_server(shared_database)
    ) as session:
        text = await error(session, "find_tasks", {})
    with pytest.raises(DatabaseNotOpenError) as closed:
        shared_database()
    assert str(closed.value) in text


def test_making_a_server_leaves_the_root_logger_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a process where nobody has set up logging yet; pytest has.
    monkeypatch.setattr(logging.root, "handlers", [])
    create_server(shared_database)
    assert logging.root.handlers == []
