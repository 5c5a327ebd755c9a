"""`verify` names each kind of damage, with thread and id, and nothing else."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.types.json import Jsonb

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.transcript import redaction_of, row_id
from storage.verifying import Finding, Kind, problems, verify
from tests.storage.damage import drop_foreign_keys, execute
from tests.storage.support import active_branch, chat_graph, fetch, say


@pytest.fixture
async def branch(database: Database) -> list[dict[str, Any]]:
    """The rows of thread `t`, two turns: user, call, tool, answer. Thread `other` is beside it."""
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "other", "something else")
    await say(graph, "t", "one")
    await say(graph, "t", "two")
    await drop_foreign_keys(database)
    return await active_branch(database, "t")


async def the_problem(database: Database) -> Finding:
    """The one thing that is wrong, which both ways of asking find, and which can be mended."""
    found = await problems(database.pool)
    assert len(found) == 1, found
    assert await problems(database.pool, found[0].thread_id) == found
    assert await problems(database.pool, "other") == []
    assert found[0].thread_id == "t"
    assert found[0].about in found[0].what
    assert found[0].advice
    return found[0]


# Rows of messages


@pytest.mark.parametrize("place", range(8))
async def test_a_changed_payload_is_named(
    database: Database, branch: list[dict[str, Any]], place: int
) -> None:
    changed = branch[place]["payload"].replace(b"one", b"ONE").replace(b"two", b"TWO")
    changed += b"" if changed != branch[place]["payload"] else b"\x00"
    id_ = branch[place]["id"]
    await execute(database, "UPDATE messages SET payload = %s WHERE id = %s", changed, id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.PAYLOAD, str(id_))


@pytest.mark.parametrize("place", [0, 1, 2, 7])
async def test_a_changed_digest_is_named_and_not_the_messages_after_it(
    database: Database, branch: list[dict[str, Any]], place: int
) -> None:
    id_ = branch[place]["id"]
    await execute(database, "UPDATE messages SET digest = %s WHERE id = %s", b"x" * 32, id_)
    found = await problems(database.pool)
    # Checkpoints that end with the message don't find it by its digest.
    assert [problem.kind for problem in found if problem.about == str(id_)] != []
    assert {problem.about for problem in found} == {str(id_)}
    assert Kind.DIGEST in {problem.kind for problem in found}


async def test_a_changed_key_is_named(database: Database, branch: list[dict[str, Any]]) -> None:
    id_ = uuid4()
    await execute(database, "UPDATE messages SET id = %s WHERE id = %s", id_, branch[4]["id"])
    await execute(
        database, "UPDATE messages SET parent_id = %s WHERE parent_id = %s", id_, branch[4]["id"]
    )
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.KEY, str(id_))
    assert str(branch[4]["id"]) in problem.what


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("parent", [None, 0, 2, 5, 7])
async def test_a_parent_that_another_message_is_is_named(
    database: Database, branch: list[dict[str, Any]], place: int, parent: int | None
) -> None:
    if parent == place - 1 or (parent is None and place == 0):
        return
    wrong = None if parent is None else branch[parent]["id"]
    id_ = branch[place]["id"]
    await execute(database, "UPDATE messages SET parent_id = %s WHERE id = %s", wrong, id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.PARENT, str(id_))
    assert str(wrong) in problem.what or parent is None
    assert ("circle" in problem.what) == (parent is not None and parent >= place)


async def test_a_parent_of_another_conversation_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    (foreign, *_) = await active_branch(database, "other")
    id_ = branch[1]["id"]
    await execute(database, "UPDATE messages SET parent_id = %s WHERE id = %s", foreign["id"], id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.PARENT, str(id_))
    assert str(foreign["id"]) in problem.what


async def test_the_same_message_of_a_copy_is_a_foreign_parent(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await TranscriptSaver(database.pool).acopy_thread("t", "copy")
    (foreign, *_) = await active_branch(database, "copy")
    id_ = branch[1]["id"]
    await execute(database, "UPDATE messages SET parent_id = %s WHERE id = %s", foreign["id"], id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.PARENT, str(id_))


@pytest.mark.parametrize("place", range(8))
async def test_a_missing_message_is_named_once(
    database: Database, branch: list[dict[str, Any]], place: int
) -> None:
    id_ = branch[place]["id"]
    await execute(database, "DELETE FROM messages WHERE id = %s", id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.MISSING, str(id_))


async def test_all_messages_missing_are_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await execute(database, "DELETE FROM messages WHERE id = ANY(%s)", [r["id"] for r in branch])
    found = await problems(database.pool)
    assert {problem.kind for problem in found} == {Kind.MISSING}
    assert {problem.about for problem in found} <= {str(row["id"]) for row in branch}


@pytest.mark.parametrize(
    ("place", "column", "value"),
    [
        (0, "role", "assistant"),
        (0, "content", "uno"),
        (0, "tool_calls", Jsonb([])),
        (1, "tool_calls", None),
        (1, "tool_calls", Jsonb([{"id": "call_1", "tool": "count", "arguments": {"count": True}}])),
        (1, "role", "system"),
        (2, "content", "not counted"),
        (2, "tool_calls", None),
        (2, "redacted_at", datetime(2026, 11, 25, tzinfo=UTC)),
        (7, "content", ""),
        (7, "tool_calls", Jsonb([{"id": "x", "tool": "y", "arguments": {}}])),
    ],
)
async def test_a_column_that_does_not_say_what_the_payload_says_is_named(
    database: Database, branch: list[dict[str, Any]], place: int, column: str, value: Any
) -> None:
    id_ = branch[place]["id"]
    await execute(database, f"UPDATE messages SET {column} = %s WHERE id = %s", value, id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.COLUMNS, str(id_))
    assert problem.what.startswith(column)


@pytest.mark.parametrize("name", ["id", "tool", "arguments", "result", "status", "timestamp"])
async def test_each_part_of_an_audit_record_is_compared(
    database: Database, branch: list[dict[str, Any]], name: str
) -> None:
    id_ = branch[6]["id"]
    await execute(
        database,
        "UPDATE messages SET tool_calls = jsonb_set(tool_calls, %s, '\"forged\"') WHERE id = %s",
        ["0", name],
        id_,
    )
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.COLUMNS, str(id_))


async def test_another_time_in_an_audit_record_is_not_noticed(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    # Nothing else says when a call was made, unless the tool's node has left it in the message.
    await execute(
        database,
        "UPDATE messages SET tool_calls ="
        " jsonb_set(tool_calls, '{0,timestamp}', '\"2020-01-01T00:00:00+00:00\"')"
        " WHERE id = %s",
        branch[6]["id"],
    )
    assert await problems(database.pool) == []


async def test_messages_of_another_owner_are_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    id_ = branch[3]["id"]
    await execute(database, "UPDATE messages SET user_id = %s WHERE id = %s", uuid4(), id_)
    problem = await the_problem(database)
    assert problem.kind == Kind.OWNER
    assert problem.about == str(branch[0]["conversation_id"])
    assert problem.what.startswith("1 ")


async def test_a_payload_that_cannot_be_decoded_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    id_ = branch[7]["id"]
    await execute(database, "UPDATE messages SET payload_type = 'xml' WHERE id = %s", id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.UNREADABLE, str(id_))
    assert "'xml'" in problem.what


async def test_messages_whose_conversation_is_gone_are_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    id_ = branch[0]["conversation_id"]
    await execute(database, "DELETE FROM conversations WHERE id = %s", id_)
    found = await problems(database.pool)
    assert {(p.thread_id, p.kind, p.about) for p in found} == {
        ("t", Kind.NO_CONVERSATION, "t"),
        (None, Kind.HOMELESS, str(id_)),
    }


# Rows of conversations


@pytest.mark.parametrize("where", ["nowhere", "earlier", "other", "unknown"])
async def test_a_conversation_that_ends_elsewhere_than_its_checkpoint_is_named(
    database: Database, branch: list[dict[str, Any]], where: str
) -> None:
    (foreign, *_) = await active_branch(database, "other")
    leaf = {
        "nowhere": None,
        "earlier": branch[3]["id"],
        "other": foreign["id"],
        "unknown": uuid4(),
    }[where]
    await execute(database, "UPDATE conversations SET leaf_id = %s WHERE thread_id = 't'", leaf)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.LEAF, str(branch[0]["conversation_id"]))
    assert str(leaf or "none") in problem.what
    assert str(branch[7]["id"]) in problem.what


@pytest.mark.parametrize("checkpoint", [None, "0", "zzz"])
async def test_a_conversation_that_names_another_checkpoint_is_named(
    database: Database, branch: list[dict[str, Any]], checkpoint: str | None
) -> None:
    await execute(
        database,
        "UPDATE conversations SET leaf_checkpoint_id = %s WHERE thread_id = 't'",
        checkpoint,
    )
    assert (await the_problem(database)).kind == Kind.LEAF


@pytest.mark.parametrize("title", [None, "", "one, two", "two ", "ONE"])
async def test_a_title_that_nobody_said_is_named(
    database: Database, branch: list[dict[str, Any]], title: str | None
) -> None:
    await execute(database, "UPDATE conversations SET title = %s WHERE thread_id = 't'", title)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.TITLE, str(branch[0]["conversation_id"]))


async def test_a_conversation_without_its_user_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    user = uuid4()
    await execute(database, "UPDATE conversations SET user_id = %s WHERE thread_id = 't'", user)
    id_ = branch[0]["conversation_id"]
    await execute(
        database, "UPDATE messages SET user_id = %s WHERE conversation_id = %s", user, id_
    )
    problem = await the_problem(database)
    assert problem.kind == Kind.USER
    assert str(user) in problem.what


async def test_a_conversation_whose_checkpoints_are_gone_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await execute(database, f"DELETE FROM {table} WHERE thread_id = 't'")
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.LEAF, str(branch[0]["conversation_id"]))
    assert "no checkpoint" in problem.what


# LangGraph's tables


async def test_a_leaf_of_another_thread_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    *_, foreign = await active_branch(database, "other")
    leaf = branch[5]["digest"]
    await execute(
        database,
        "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = 't' AND blob = %s",
        foreign["digest"],
        leaf,
    )
    problem = await the_problem(database)
    assert problem.kind == Kind.FOREIGN
    key = row_id(branch[0]["conversation_id"], foreign["digest"])
    assert problem.about == str(key)
    assert "'other'" in problem.what


@pytest.mark.parametrize("blob", [b"", b"short", None])
async def test_a_leaf_that_is_no_digest_is_named(
    database: Database, branch: list[dict[str, Any]], blob: bytes | None
) -> None:
    await execute(
        database,
        "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = 't' AND blob = %s",
        blob,
        branch[5]["digest"],
    )
    assert (await the_problem(database)).kind == Kind.MISSING


async def test_a_digest_where_none_belongs_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await execute(
        database,
        "UPDATE checkpoint_blobs SET type = 'transcript', blob = %s"
        " WHERE thread_id = 't' AND channel = '__start__'"
        " AND version = (SELECT min(version) FROM checkpoint_blobs WHERE thread_id = 't')",
        branch[5]["digest"],
    )
    problem = await the_problem(database)
    assert problem.kind == Kind.MISPLACED
    assert "'__start__'" in problem.what


@pytest.mark.parametrize("place", range(8))
async def test_messages_that_a_checkpoint_had_and_has_not_are_named(
    database: Database, branch: list[dict[str, Any]], place: int
) -> None:
    digest = branch[place]["digest"]
    used = await fetch(database, "SELECT 1 FROM checkpoint_blobs WHERE blob = %s", digest)
    if not used:
        return  # No step ended with this message.
    await execute(database, "DELETE FROM checkpoint_blobs WHERE blob = %s", digest)
    problem = await the_problem(database)
    assert problem.kind == Kind.NO_VALUE
    assert (
        await fetch(
            database,
            "SELECT 1 FROM checkpoints WHERE thread_id = 't' AND checkpoint_id = %s",
            problem.about,
        )
        != []
    )


async def test_checkpoints_without_conversation_are_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    id_ = branch[0]["conversation_id"]
    await execute(database, "DELETE FROM messages WHERE conversation_id = %s", id_)
    await execute(database, "DELETE FROM conversations WHERE id = %s", id_)
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.NO_CONVERSATION, "t")


async def test_what_no_checkpoint_uses_is_told_and_is_no_problem(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await execute(
        database,
        "INSERT INTO checkpoint_blobs SELECT thread_id, checkpoint_ns, channel, version || 'x',"
        " type, blob FROM checkpoint_blobs WHERE thread_id = 't'",
    )
    await execute(
        database,
        "INSERT INTO checkpoint_writes"
        " SELECT thread_id, checkpoint_ns, '1ef00000' || substr(checkpoint_id, 9), task_id, idx,"
        " channel, type, blob, task_path FROM checkpoint_writes WHERE thread_id = 't'",
    )
    assert await problems(database.pool) == []
    (told,) = [found async for found in verify(database.pool)]
    assert (told.thread_id, told.kind) == ("t", Kind.UNUSED)


async def test_writes_that_may_be_waiting_for_their_checkpoint_are_not_told(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await execute(
        database,
        "INSERT INTO checkpoint_writes"
        " SELECT thread_id, checkpoint_ns, %s, task_id, idx, channel, type, blob, task_path"
        " FROM checkpoint_writes WHERE thread_id = 't' LIMIT 1",
        str(uuid6()),
    )
    assert [found async for found in verify(database.pool)] == []


async def test_branches_that_were_left_are_told_and_are_no_problem(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="first")
    await say(graph, "t", "two", config_run="second")
    await saver.adelete_for_runs(["second"])
    (told,) = [found async for found in verify(database.pool)]
    assert (told.thread_id, told.kind) == ("t", Kind.LEFT_BRANCHES)
    assert "4 messages" in told.what
    assert "1 branches" in told.what


# Redacted messages


async def redact(database: Database, row: dict[str, Any]) -> None:
    """What redacting leaves of a user's message."""
    payload_type, payload = JsonPlusSerializer().dumps_typed(HumanMessage("redacted", id="x"))
    await execute(
        database,
        "UPDATE messages SET payload_type = %s, payload = %s, content = 'redacted',"
        " redacted_at = now(), redaction = %s WHERE id = %s",
        payload_type,
        payload,
        redaction_of(row["digest"], payload),
        row["id"],
    )


async def test_a_redacted_message_is_clean_and_so_are_those_after_it(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await redact(database, branch[4])
    assert [found async for found in verify(database.pool)] == []


@pytest.mark.parametrize("column", ["payload", "redaction", "digest"])
async def test_what_a_redaction_left_is_compared_with_its_trace(
    database: Database, branch: list[dict[str, Any]], column: str
) -> None:
    await redact(database, branch[4])
    id_ = branch[4]["id"]
    await execute(database, f"UPDATE messages SET {column} = %s WHERE id = %s", b"x" * 32, id_)
    found = await problems(database.pool)
    assert Kind.REDACTION in {problem.kind for problem in found if problem.about == str(id_)}


async def test_a_redaction_that_is_not_told_is_a_changed_payload(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    await redact(database, branch[4])
    await execute(
        database,
        "UPDATE messages SET redaction = NULL, redacted_at = NULL WHERE id = %s",
        branch[4]["id"],
    )
    assert (await the_problem(database)).kind == Kind.PAYLOAD


async def test_a_circle_through_a_redacted_message_is_named(
    database: Database, branch: list[dict[str, Any]]
) -> None:
    # Nothing but the other rows says what a redacted message follows.
    await redact(database, branch[4])
    await execute(
        database,
        "UPDATE messages SET parent_id = %s WHERE id = %s",
        branch[6]["id"],
        branch[4]["id"],
    )
    problem = await the_problem(database)
    assert (problem.kind, problem.about) == (Kind.PARENT, str(branch[4]["id"]))
