"""Threads of the tree become plain ones, and LangGraph's own savers go on with them."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.errors import NoSuchThreadError
from storage.plain import ejecting_rows
from storage.transcript import redaction_of
from tests.storage.plain_support import (
    VERSIONS,
    adopt,
    all_checkpoints,
    all_checkpoints_sync,
    differences,
    eject,
    plain,
    read_all,
    tables,
    thread_ids,
    tree,
    with_plain_versions,
    write_plain,
)
from tests.storage.plain_writer import State, chat, graph_of, on, said, write_async, write_sync
from tests.storage.support import active_branch, assert_rows_are_the_state, count, fetch, texts

CHECKPOINTS = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@pytest.fixture
async def _written(database: Database) -> None:
    """A database that the tree's checkpointer wrote."""
    saver = tree(database)
    await asyncio.to_thread(write_sync, saver)
    await write_async(saver)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_plain_database_that_was_adopted_and_ejected_reads_as_it_did(
    database: Database, database_url: str, version: str
) -> None:
    await asyncio.to_thread(write_plain, database_url, version)
    before = await read_all(database, plain(database))
    in_sync = all_checkpoints_sync(database_url)
    await adopt(database)
    ejected = await eject(database)
    assert differences(await read_all(database, plain(database)), before) == []
    assert differences(all_checkpoints_sync(database_url), in_sync) == []
    assert await count(database, "messages") == await count(database, "conversations") == 0
    assert not [item for item in ejected if item.left or item.unreached]


@pytest.mark.usefixtures("_written")
async def test_an_ejected_database_reads_as_it_did(database: Database, database_url: str) -> None:
    before = await read_all(database, tree(database))
    await eject(database)
    expected = [
        with_plain_versions(item) if isinstance(item, CheckpointTuple) else item for item in before
    ]
    assert differences(await read_all(database, plain(database)), expected) == []
    checkpoints = [item for item in expected if isinstance(item, CheckpointTuple)]
    assert differences(all_checkpoints_sync(database_url), checkpoints) == []
    # No version in this project's form, and no leaf, is left anywhere.
    whole = str(await tables(database, *CHECKPOINTS))
    assert "transcript" not in whole
    blobs = await fetch(database, "SELECT version FROM checkpoint_blobs")
    assert {len(row["version"]) for row in blobs} == {len("0." * 2) + 31 + 16}


@pytest.mark.usefixtures("_written")
async def test_an_ejected_database_that_is_adopted_again_reads_as_it_did(
    database: Database,
) -> None:
    saver = tree(database)
    before = await read_all(database, saver)
    rows = await tables(database, "messages")
    await eject(database)
    await adopt(database)
    expected = [
        with_plain_versions(item) if isinstance(item, CheckpointTuple) else item for item in before
    ]
    assert differences(await read_all(database, tree(database)), expected) == []
    again = await tables(database, "messages")
    assert sorted(row["digest"] for row in again["messages"]) == sorted(
        row["digest"] for row in rows["messages"]
    )
    # A process that knew the threads as they were goes on too.
    for thread_id in ("turns", "forked", "edited"):
        await chat(saver).ainvoke(said("Still there?", "h77"), on(thread_id))
        await assert_rows_are_the_state(database, chat(saver), thread_id)


@pytest.mark.parametrize("version", VERSIONS)
async def test_adopting_again_after_ejecting_gives_the_same_rows(
    database: Database, database_url: str, version: str
) -> None:
    await asyncio.to_thread(write_plain, database_url, version)
    await adopt(database)
    before = await tables(database, "messages", "conversations")
    await eject(database)
    await adopt(database)
    assert await tables(database, "messages", "conversations") == before


def going_on(thread_id: str) -> dict[str, Any] | None:
    """What to say next: nothing where a run has stopped in its middle."""
    return None if thread_id.split("-")[0] in ("stopped", "sending", "nested") else said("On", "h8")


@pytest.mark.usefixtures("_written")
async def test_ejected_threads_go_on_as_those_in_the_tree_do(
    database: Database, database_url: str
) -> None:
    saver = tree(database)
    names = ["turns", "forked", "edited", "stopped", "sending", "nested", "emptied"]
    for name in names:
        await saver.acopy_thread(name, f"{name}-async")
        await saver.acopy_thread(name, f"{name}-sync")
        await eject(database, thread_id=f"{name}-async")
        await eject(database, thread_id=f"{name}-sync")
    with PostgresSaver.from_conn_string(database_url) as in_sync:
        for name in names:
            for _ in range(3):
                states = []
                graph = graph_of(name, saver)
                await graph.ainvoke(going_on(name), on(name))
                states.append(await graph.aget_state(on(name)))
                graph = graph_of(name, plain(database))
                await graph.ainvoke(going_on(name), on(f"{name}-async"))
                states.append(await graph.aget_state(on(f"{name}-async")))
                graph = graph_of(name, in_sync)
                await asyncio.to_thread(graph.invoke, going_on(name), on(f"{name}-sync"))
                states.append(graph.get_state(on(f"{name}-sync")))
                first, *others = [(state.values, state.next) for state in states]
                assert others == [first, first]


@pytest.mark.usefixtures("_written")
async def test_a_list_is_what_the_plain_saver_would_write(database: Database) -> None:
    states = {
        item.checkpoint["channel_versions"]["messages"]: item.checkpoint["channel_values"]
        for item in map(with_plain_versions, await all_checkpoints(database, tree(database)))
        if item.config["configurable"]["checkpoint_ns"] == ""
        and "messages" in item.checkpoint["channel_versions"]
    }
    await eject(database)
    serde = JsonPlusSerializer()
    lists = await fetch(
        database,
        "SELECT version, type, blob FROM checkpoint_blobs"
        " WHERE channel = 'messages' AND checkpoint_ns = ''",
    )
    assert len(lists) > 40
    for row in lists:
        values = states[row["version"]]["messages"]
        assert (row["type"], row["blob"]) == serde.dumps_typed(values)


@pytest.mark.usefixtures("_written")
async def test_ejecting_again_changes_nothing(database: Database) -> None:
    await eject(database)
    before = await tables(database, *CHECKPOINTS)
    again = await eject(database)
    assert await tables(database, *CHECKPOINTS) == before
    assert [item.thread_id for item in again] == await thread_ids(database)
    assert not [item for item in again if item.lists or item.checkpoints or item.messages]


@pytest.mark.usefixtures("_written")
async def test_a_dry_run_tells_what_there_is_to_do_and_does_nothing(database: Database) -> None:
    names = (*CHECKPOINTS, "conversations", "messages")
    before = await tables(database, *names)
    told = await eject(database, dry_run=True)
    assert await tables(database, *names) == before
    assert await eject(database) == told


@pytest.mark.usefixtures("_written")
async def test_rows_can_be_kept(database: Database) -> None:
    rows = await tables(database, "messages", "conversations")
    before = await read_all(database, tree(database))
    await eject(database, keep_rows=True)
    assert await tables(database, "messages", "conversations") == rows
    assert len(await read_all(database, plain(database))) == len(before)
    # And adopted again, every list finds its rows.
    adopted = await adopt(database)
    assert sum(item.messages for item in adopted) == 0
    assert sum(item.lists for item in adopted) > 40
    assert await tables(database, "messages") == {"messages": rows["messages"]}


@pytest.mark.usefixtures("_written")
async def test_messages_that_no_checkpoint_leads_to_are_told_of(database: Database) -> None:
    saver = tree(database)
    await chat(saver).ainvoke(
        said("Take it back", "h8"), {**on("turns"), "metadata": {"run_id": "run"}}
    )
    await saver.adelete_for_runs(["run"])
    (ejected,) = await eject(database, thread_id="turns")
    assert (ejected.messages, ejected.unreached) == (16, 4)


@pytest.mark.usefixtures("_written")
async def test_the_statements_lists_are_sent_in_are_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await read_all(database, tree(database))
    monkeypatch.setattr(ejecting_rows, "STEP_BYTES", 1)
    monkeypatch.setattr(ejecting_rows, "PAGE", 1)
    await eject(database, batch=1)
    expected = [
        with_plain_versions(item) if isinstance(item, CheckpointTuple) else item for item in before
    ]
    assert differences(await read_all(database, plain(database)), expected) == []


async def test_a_run_that_goes_on_meanwhile_is_whole_and_ejecting_again_ends_it(
    database: Database,
) -> None:
    saver = tree(database)

    async def interfere(state: State) -> dict[str, Any]:
        await eject(database)
        return {"messages": [AIMessage("still here", id="still")]}

    builder = StateGraph(State)
    builder.add_node("answer", interfere)
    builder.add_edge(START, "answer")
    graph: Any = builder.compile(checkpointer=saver)
    await chat(saver).ainvoke(said("one", "h0"), on("t"))
    await graph.ainvoke(said("two", "h1"), on("t"), durability="sync")
    before = await graph.aget_state(on("t"))
    assert texts(before.values["messages"])[-2:] == ["two", "still here"]
    assert (before.values["turns"], before.values["notes"]) == (1, ["answered"])
    await assert_rows_are_the_state(database, graph, "t")
    await eject(database)
    after = await chat(plain(database)).aget_state(on("t"))
    assert (after.values, after.metadata) == (before.values, before.metadata)


# What is left as it is


@pytest.mark.usefixtures("_written")
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE messages SET payload = 'x' WHERE content = 'And bread' RETURNING 1",
        "UPDATE messages SET parent_id = NULL WHERE content = 'And bread' RETURNING 1",
        "WITH c AS (UPDATE conversations SET leaf_id = NULL) DELETE FROM messages"
        " WHERE content = 'done at 10' RETURNING 1",
    ],
)
async def test_a_damaged_thread_is_left_and_told_of(database: Database, damage: str) -> None:
    assert len(await fetch(database, damage)) == 1
    names = (*CHECKPOINTS, "conversations", "messages")
    ejected = await eject(database)
    assert [item.thread_id for item in ejected if item.left] == ["turns"]
    before = await tables(database, *names)
    (left,) = await eject(database, thread_id="turns")
    assert left.left
    assert "backup" in left.left
    assert await tables(database, *names) == before
    assert await thread_ids(database) == [item.thread_id for item in ejected]


@pytest.mark.usefixtures("_written")
async def test_a_conversation_without_checkpoints_is_left_and_told_of(database: Database) -> None:
    await fetch(database, "DELETE FROM checkpoints WHERE thread_id = 'turns' RETURNING 1")
    (ejected,) = [item for item in await eject(database) if item.left]
    assert ejected.thread_id == "turns"
    assert await count(database, "messages") == 12


async def test_a_thread_that_is_not_there_is_an_error(database: Database) -> None:
    with pytest.raises(NoSuchThreadError, match="'nobody'"):
        await eject(database, thread_id="nobody")


# Whatever was stored


@pytest.mark.usefixtures("_written")
async def test_a_blanked_message_is_ejected_blank(database: Database) -> None:
    (row,) = await fetch(database, "SELECT * FROM messages WHERE content = 'And bread'")
    _, blank = JsonPlusSerializer().dumps_typed(HumanMessage("", id="h1"))
    await fetch(
        database,
        "UPDATE messages SET content = '', payload = %s, redaction = %s WHERE id = %s RETURNING 1",
        blank,
        redaction_of(row["digest"], blank),
        row["id"],
    )
    await eject(database, thread_id="turns")
    async for item in plain(database).alist(on("turns")):
        assert "And bread" not in texts(item.checkpoint["channel_values"].get("messages", []))


class Shouted(HumanMessage):
    """A message class that only some serialisers have been told of."""


async def test_messages_that_this_serialiser_refuses_are_ejected_all_the_same(
    database: Database,
) -> None:
    told = JsonPlusSerializer(allowed_msgpack_modules=[Shouted])
    saver = TranscriptSaver(database.pool, serde=told)
    await chat(saver).ainvoke({"messages": [Shouted(content="hey", id="h")]}, on("t"))
    await eject(database)
    reader = plain(database)
    reader.serde = told
    messages = (await chat(reader).aget_state(on("t"))).values["messages"]
    assert isinstance(messages[0], Shouted)


class Reversed(JsonPlusSerializer):
    """Stands for a serialiser that encrypts."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        kind, data = super().dumps_typed(obj)
        return f"{kind}+reversed", data[::-1]

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return super().loads_typed((data[0].removesuffix("+reversed"), data[1][::-1]))


async def test_what_an_encrypting_serialiser_wrote_comes_and_goes_with_it(
    database: Database,
) -> None:
    serde = Reversed(allowed_msgpack_modules=None)
    reader = plain(database)
    reader.serde = serde
    await chat(reader).ainvoke(said("secret", "h0"), on("t"))
    before = await all_checkpoints(database, reader)
    await adopt(database, serde=serde)
    assert len(await active_branch(database, "t")) == 4
    await eject(database, serde=serde)
    assert differences(await all_checkpoints(database, reader), before) == []
