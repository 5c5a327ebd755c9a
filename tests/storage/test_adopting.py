"""Threads of the plain savers become rows, and nobody who reads them sees a difference."""

import json
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, cast

import pytest
from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph, add_messages
from typing_extensions import TypedDict

from storage.database import Database
from storage.errors import NoSuchThreadError, StorageError
from storage.plain import adopting
from storage.plain.adopting import Adopted, adopt_threads
from storage.refusing import UnstorableError
from storage.transcript import redaction_of
from tests.storage.plain_support import (
    VERSIONS,
    adopt,
    all_checkpoints,
    differences,
    eject,
    plain,
    read_all,
    tables,
    thread_ids,
    tree,
    write_plain,
)
from tests.storage.plain_writer import chat, graph_of, on, said
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    count,
    fetch,
    texts,
)

CONVERSED = ("characters", "edited", "forked", "nested", "owned", "sending", "stopped", "turns")
WRITTEN = ("users", "conversations", "messages", "checkpoints", "checkpoint_blobs")

TYPES = """
    SELECT type FROM checkpoint_blobs
    WHERE thread_id = %s AND checkpoint_ns = '' AND channel = 'messages' ORDER BY version
"""


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest, database_url: str) -> str:
    """A database that this version of the plain savers wrote."""
    write_plain(database_url, request.param)
    return str(request.param)


@pytest.fixture
def _written(database_url: str) -> None:
    """A database that a plain saver of the past wrote."""
    write_plain(database_url, "3.0.5")


async def test_an_adopted_database_reads_as_it_did(database: Database, version: str) -> None:
    before = await read_all(database, plain(database))
    adopted = await adopt(database)
    assert differences(await read_all(database, tree(database)), before) == []
    # Texts are no messages, and an empty list has none.
    left = {item.thread_id: len(item.left) for item in adopted if item.left}
    assert left == {"texts": 2, "emptied": 1}
    for thread_id in CONVERSED:
        types = {row["type"] for row in await fetch(database, TYPES, thread_id)}
        assert types == {"transcript"}
        await assert_rows_are_the_state(database, graph_of(thread_id, tree(database)), thread_id)


async def test_adopted_threads_go_on(database: Database, version: str) -> None:
    await adopt(database)
    saver = tree(database)
    for thread_id in ("stopped", "sending", "nested"):
        graph = graph_of(thread_id, saver)
        while (await graph.aget_state(on(thread_id))).next:
            await graph.ainvoke(None, on(thread_id))
        await assert_rows_are_the_state(database, graph, thread_id)
    stopped = (await graph_of("stopped", saver).aget_state(on("stopped"))).values
    assert texts(stopped["messages"]) == ["Go on, stopped", "", "counted", "done at 2"]
    sent = (await graph_of("sending", saver).aget_state(on("sending"))).values
    assert texts(sent["messages"])[-2:] == ["part 1", "part 2"]
    nested = (await graph_of("nested", saver).aget_state(on("nested"))).values
    assert texts(nested["messages"])[-2:] == ["done at 2", "done at 4"]
    await chat(saver).ainvoke(said("And now?", "h7"), on("turns"))
    await assert_rows_are_the_state(database, chat(saver), "turns")
    assert len(await active_branch(database, "turns")) == 16


@pytest.mark.usefixtures("_written")
async def test_what_begins_alike_is_stored_once(database: Database) -> None:
    adopted = await adopt(database)
    written = Counter[str]()
    for item in adopted:
        written[item.thread_id] += item.messages
    assert sum(written.values()) == await count(database, "messages")
    assert written["turns"] == 12
    # Four, four more, and four others after the first four; replayed, they are the same again.
    assert written["forked"] == 12


@pytest.mark.usefixtures("_written")
async def test_adopting_again_changes_nothing(database: Database) -> None:
    await adopt(database)
    before = await tables(database, *WRITTEN)
    again = await adopt(database)
    assert await tables(database, *WRITTEN) == before
    assert sum(item.lists + item.messages for item in again) == 0
    # What was left is told of again.
    assert {item.thread_id for item in again if item.left} == {"texts", "emptied"}


@pytest.mark.usefixtures("_written")
async def test_rows_bear_the_time_of_the_checkpoint_that_has_them_first(
    database: Database,
) -> None:
    history = await all_checkpoints(database, plain(database))
    await adopt(database)
    first: dict[tuple[str, str], datetime] = {}
    turns = sorted(
        (item for item in history if item.config["configurable"]["thread_id"] == "turns"),
        key=lambda item: item.checkpoint["id"],
    )
    for item in turns:
        for message in item.checkpoint["channel_values"].get("messages", []):
            when = datetime.fromisoformat(item.checkpoint["ts"])
            first.setdefault((message.id, message.type), when)
    rows = await active_branch(database, "turns")
    assert len(rows) == len(first) == 12
    for row, when in zip(rows, first.values(), strict=True):
        # Rows of one step follow each other by a microsecond.
        assert 0 <= (row["created_at"] - when).total_seconds() < 0.001
    assert [row["created_at"] for row in rows] == sorted({row["created_at"] for row in rows})
    (conversation,) = await fetch(database, "SELECT * FROM conversations WHERE thread_id = 'turns'")
    assert conversation["title"] == "Buy milk"
    assert conversation["created_at"] == datetime.fromisoformat(turns[0].checkpoint["ts"])
    assert conversation["updated_at"] == datetime.fromisoformat(turns[-1].checkpoint["ts"])
    assert conversation["leaf_checkpoint_id"] == turns[-1].checkpoint["id"]
    audit = rows[2]["tool_calls"][0]
    assert (audit["arguments"], audit["result"]) == ({"count": 1}, "counted")
    assert datetime.fromisoformat(audit["timestamp"]) == first["tool-call-1", "tool"]


OWNERS = """
    SELECT thread_id, subject FROM conversations c JOIN users u ON u.id = c.user_id
"""


@pytest.mark.usefixtures("_written")
async def test_the_owner_function_says_whose_a_new_conversation_is(database: Database) -> None:
    await chat(tree(database)).ainvoke(said("I was here", "h9"), on("turns"))
    asked = {}

    def owner(thread_id: str, named: str | None) -> str:
        asked[thread_id] = named
        return named or f"owner of {thread_id}"

    _ = [item async for item in adopt_threads(database.pool, owner)]
    owners = {row["thread_id"]: row["subject"] for row in await fetch(database, OWNERS)}
    assert owners.pop("turns") == "local"
    assert owners.pop("owned") == "ada"
    assert owners == {thread_id: f"owner of {thread_id}" for thread_id in owners}
    assert asked == {**dict.fromkeys(owners), "owned": "ada"}


@pytest.mark.usefixtures("_written")
async def test_an_owner_function_that_refuses_leaves_nothing_behind(database: Database) -> None:
    def refuse(thread_id: str, named: str | None) -> str:
        raise StorageError(thread_id)

    with pytest.raises(StorageError, match="owned"):
        _ = [item async for item in adopt_threads(database.pool, refuse, thread_id="owned")]
    assert await count(database, "conversations") == 0


@pytest.mark.usefixtures("_written")
async def test_an_owner_whose_name_postgres_has_no_form_for_is_refused(database: Database) -> None:
    with pytest.raises(UnstorableError, match=r"the user 'a\\x00da' can't be stored"):
        async for _ in adopt_threads(database.pool, lambda thread_id, named: "a\0da"):
            pass
    assert await count(database, "users") == 0


@pytest.mark.usefixtures("_written")
async def test_rows_that_the_checkpointer_has_written_are_the_same_rows(
    database: Database,
) -> None:
    await chat(tree(database)).ainvoke(said("And now?", "h7"), on("turns"))
    before = await tables(database, "messages")
    assert len(before["messages"]) == 16
    adopted = await adopt(database, thread_id="turns")
    assert (sum(item.messages for item in adopted), sum(item.lists for item in adopted)) == (0, 9)
    assert await tables(database, "messages") == before


@pytest.mark.usefixtures("_written")
async def test_a_dry_run_tells_what_there_is_to_do_and_does_nothing(database: Database) -> None:
    await chat(tree(database)).ainvoke(said("And now?", "h7"), on("turns"))
    before = await tables(database, *WRITTEN)
    told = await adopt(database, dry_run=True)
    assert await tables(database, *WRITTEN) == before
    assert await adopt(database) == told


@pytest.mark.usefixtures("_written")
async def test_a_large_thread_is_taken_over_in_steps_that_leave_it_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await read_all(database, plain(database))
    monkeypatch.setattr(adopting, "STEP_BYTES", 1)
    steps = Counter[str]()
    async for adopted in adopt_threads(database.pool, lambda _, named: named or "local"):
        steps[adopted.thread_id] += 1
        if adopted.thread_id in ("turns", "forked"):
            assert differences(await read_all(database, tree(database)), before) == []
    assert (steps["turns"], steps["forked"]) == (9, 10)
    in_steps = await tables(database, "messages", "conversations")
    monkeypatch.undo()
    await eject(database)
    await adopt(database)
    assert await tables(database, "messages", "conversations") == in_steps


# What is left as it is


async def replace_list(
    database: Database, thread_id: str, number: int, kind: str, blob: bytes
) -> None:
    """Put something else in the place of the thread's list of this number."""
    await fetch(
        database,
        """
        UPDATE checkpoint_blobs SET type = %s, blob = %s
        WHERE thread_id = %s AND checkpoint_ns = '' AND channel = 'messages' AND version = (
            SELECT version FROM checkpoint_blobs
            WHERE thread_id = %s AND checkpoint_ns = '' AND channel = 'messages'
            ORDER BY version OFFSET %s LIMIT 1
        ) RETURNING 1
        """,
        kind,
        blob,
        thread_id,
        thread_id,
        number,
    )


class Shouted(HumanMessage):
    """A message class that the serialiser has not been told of."""


def in_json(content: str, **kwargs: Any) -> bytes:
    """A list in JSON, as old versions wrote what their msgpack couldn't hold."""
    message = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": content, "type": "human", "id": "h0", **kwargs},
    }
    return json.dumps([message]).encode()


SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)


@pytest.mark.usefixtures("_written")
@pytest.mark.parametrize(
    ("kind", "blob", "reason"),
    [
        ("pickle", b"whatever", "pickle"),
        ("msgpack", b"\xc1", "can't read"),
        ("msgpack", b"", "can't read"),
        ("msgpack", SERDE.dumps_typed([HumanMessage("x")])[1][:-1], "can't read"),
        ("msgpack", SERDE.dumps_typed([Shouted(content="hey")])[1], "refuses"),
        ("msgpack", SERDE.dumps_typed([HumanMessage("x"), "y"])[1], "str"),
        ("msgpack", SERDE.dumps_typed({"a": 1})[1], "dict"),
        ("msgpack", SERDE.dumps_typed([])[1], "empty"),
        ("null", b"", "NoneType"),
        ("json", in_json("Half \ud83d"), "surrogate"),
        (
            "msgpack",
            SERDE.dumps_typed([cast(Any, ToolMessage).model_construct(content="x", type="tool")])[
                1
            ],
            "no form as a row",
        ),
        ("json", in_json("x", additional_kwargs={"n": 2**70}), "can't be written"),
    ],
)
async def test_what_the_tree_cannot_hold_stays_as_it_is_and_is_told(
    database: Database, kind: str, blob: bytes, reason: str
) -> None:
    await replace_list(database, "turns", 4, kind, blob)
    left = [item.left for item in await adopt(database, thread_id="turns")]
    ((told,),) = left
    assert reason in told
    types = [row["type"] for row in await fetch(database, TYPES, "turns")]
    assert types == ["transcript"] * 4 + [kind] + ["transcript"] * 4
    assert len(await active_branch(database, "turns")) == 12


@pytest.mark.usefixtures("_written")
async def test_a_latest_list_that_stays_is_no_leaf(database: Database) -> None:
    await replace_list(database, "turns", 8, "json", in_json("Half \ud83d"))
    before = await all_checkpoints(database, plain(database))
    await adopt(database, thread_id="turns")
    assert await active_branch(database, "turns") == []
    assert differences(await all_checkpoints(database, tree(database)), before) == []


async def test_lists_in_json_are_adopted(database: Database, database_url: str) -> None:
    write_plain(database_url, "2.0.2")
    assert {row["type"] for row in await fetch(database, TYPES, "halved")} == {"json"}
    await adopt(database, thread_id="halved")
    assert {row["type"] for row in await fetch(database, TYPES, "halved")} == {"transcript"}
    assert len(await active_branch(database, "halved")) == 4


async def test_a_message_that_holds_no_number_is_adopted(database: Database) -> None:
    graph = chat(plain(database))
    strange = HumanMessage("x", id="h0", additional_kwargs={"score": float("nan")})
    await graph.ainvoke({"messages": [strange]}, on("t"))
    assert [item.left for item in await adopt(database)] == [[]]
    await assert_rows_of(database, 4)


async def assert_rows_of(database: Database, number: int) -> None:
    assert len(await active_branch(database, "t")) == number


def delta_graph(saver: Any) -> Any:
    def reduce(messages: Any, writes: Any) -> Any:
        for write in writes:
            messages = add_messages(messages or [], write)
        return messages

    class State(TypedDict):
        messages: Annotated[list[AnyMessage], DeltaChannel(reduce, snapshot_frequency=3)]

    builder = StateGraph(State)
    builder.add_node("answer", lambda state: {"messages": [("ai", "well")]})
    builder.add_edge(START, "answer")
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("turns", [1, 2, 4])
async def test_threads_with_a_delta_channel_are_left_alone(
    database: Database, before: int, turns: int
) -> None:
    saver = plain(database)
    for number in range(before):
        await chat(saver).ainvoke(said("whole", f"w{number}"), on("t"))
    for number in range(turns):
        await delta_graph(saver).ainvoke(said("more", f"m{number}"), on("t"))
    stored = await tables(database, *WRITTEN)
    (adopted,) = await adopt(database)
    assert "DeltaChannel" in adopted.left[0]
    assert await tables(database, *WRITTEN) == stored


async def test_a_thread_without_messages_gets_a_conversation(database: Database) -> None:
    await graph_of("silent", plain(database)).ainvoke({"turns": 1}, on("silent"))
    (adopted,) = await adopt(database)
    assert (adopted.is_new, adopted.lists, adopted.left) == (True, 0, [])
    (conversation,) = await fetch(database, "SELECT title, leaf_id FROM conversations")
    assert conversation == {"title": None, "leaf_id": None}
    assert await adopt(database) == [Adopted("silent")]


async def test_a_thread_that_is_not_there_is_an_error(database: Database) -> None:
    with pytest.raises(NoSuchThreadError, match="'nobody'"):
        await adopt(database, thread_id="nobody")


@pytest.mark.usefixtures("_written")
async def test_pages_of_threads_leave_none_out(database: Database) -> None:
    adopted = await adopt(database, batch=2)
    assert [item.thread_id for item in adopted] == await thread_ids(database)


@pytest.mark.usefixtures("_written")
async def test_blanked_messages_keep_their_digests_when_their_lists_are_adopted_again(
    database: Database,
) -> None:
    await adopt(database, thread_id="turns")
    (row,) = await fetch(database, "SELECT * FROM messages WHERE content = 'And bread'")
    _, blank = SERDE.dumps_typed(HumanMessage("", id="h1"))
    await fetch(
        database,
        "UPDATE messages SET content = '', payload = %s, redacted_at = now(), redaction = %s"
        " WHERE id = %s RETURNING 1",
        blank,
        redaction_of(row["digest"], blank),
        row["id"],
    )
    before = await tables(database, "messages")
    await eject(database, thread_id="turns", keep_rows=True)
    state = (await chat(plain(database)).aget_state(on("turns"))).values["messages"]
    assert texts(state)[:5] == ["Buy milk", "", "counted", "done at 2", ""]
    await adopt(database, thread_id="turns")
    assert await tables(database, "messages") == before
    assert {row["type"] for row in await fetch(database, TYPES, "turns")} == {"transcript"}
