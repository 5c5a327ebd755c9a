"""The checkpointer with others at its data: the plain saver, other processes, deletions, damage."""

import asyncio
import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph

from storage.checkpointer import TranscriptError, TranscriptSaver
from storage.database import Database
from storage.decoding import UnreadableMessageError
from tests.storage.support import (
    TABLES,
    active_branch,
    ask,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
    texts,
)


@pytest.fixture
async def saver(database: Database) -> TranscriptSaver:
    return TranscriptSaver(database.pool)


def another_process(database: Database) -> TranscriptSaver:
    """A saver that remembers nothing."""
    return TranscriptSaver(database.pool)


# The plain saver's checkpoints


async def test_a_thread_that_the_plain_saver_wrote_goes_on(
    database: Database, saver: TranscriptSaver
) -> None:
    plain = chat_graph(AsyncPostgresSaver(database.pool))
    await say(plain, "t", "one")
    before = (await plain.aget_state(on("t"))).values
    graph = chat_graph(saver)
    assert (await graph.aget_state(on("t"))).values == before
    await say(graph, "t", "two")
    await assert_rows_are_the_state(database, graph, "t")
    assert len(await active_branch(database, "t")) == 8
    assert len([state async for state in graph.aget_state_history(on("t"))]) == 8


# Deleting


async def test_deleting_a_thread_deletes_its_rows_and_no_others(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "u", "two")
    before = {table: await count(database, table) for table in TABLES}
    await saver.adelete_thread("t")
    after = {table: await count(database, table) for table in TABLES}
    assert after == {table: number // 2 for table, number in before.items()}
    assert (await graph.aget_state(on("t"))).values == {}
    await assert_rows_are_the_state(database, graph, "u")


async def test_a_run_whose_conversation_is_deleted_under_it_stores_its_state_whole(
    database: Database, saver: TranscriptSaver
) -> None:
    async def interfere(state: MessagesState) -> dict[str, Any]:
        await another_process(database).adelete_thread("t")
        return {"messages": [AIMessage("still here")]}

    graph = chat_graph(saver, ask, interfere)
    await say(graph, "t", "one", durability="sync")
    assert texts((await graph.aget_state(on("t"))).values["messages"]) == ["one", "", "still here"]
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_thread_deleted_by_another_process_begins_anew(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await another_process(database).adelete_thread("t")
    await say(graph, "t", "two")
    assert [row["content"] for row in await active_branch(database, "t")][:1] == ["two"]
    await assert_rows_are_the_state(database, graph, "t")


# Damage


async def test_a_row_changed_by_hand_is_an_error_and_not_a_wrong_transcript(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(saver), "t", "one")
    rows = await active_branch(database, "t")
    await fetch(
        database,
        "UPDATE messages SET payload = (SELECT payload FROM messages WHERE id = %s)"
        " WHERE id = %s RETURNING id",
        rows[0]["id"],
        rows[3]["id"],
    )
    with pytest.raises(TranscriptError, match=str(rows[3]["id"])):
        await another_process(database).aget_tuple(on("t"))


async def test_a_missing_row_is_an_error_that_names_the_thread(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(saver), "t", "one")
    await fetch(database, "UPDATE conversations SET leaf_id = NULL RETURNING id")
    await fetch(database, "DELETE FROM messages WHERE content = 'done' RETURNING id")
    with pytest.raises(TranscriptError, match="'t'"):
        await another_process(database).aget_tuple(on("t"))


# Many at once


async def test_more_threads_than_connections_run_at_once(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    names = [f"t{number}" for number in range(3 * database.pool.max_size)]
    await asyncio.gather(*(say(graph, name, f"hello {name}") for name in names))
    for name in names:
        await assert_rows_are_the_state(database, graph, name)


async def test_the_sync_methods_work_from_another_thread(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")

    def read() -> list[BaseMessage]:
        checkpoint = saver.get_tuple(on("t"))
        assert checkpoint is not None
        assert len(list(saver.list(on("t")))) == 4
        messages: list[BaseMessage] = checkpoint.checkpoint["channel_values"]["messages"]
        return messages

    assert texts(await asyncio.to_thread(read)) == ["one", "", "counted", "done"]


# Runs taken back


async def test_a_run_taken_back_leaves_the_thread_as_it_was_before(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="first")
    before = await graph.aget_state(on("t"))
    await say(graph, "t", "two", config_run="second")
    await saver.adelete_for_runs(["second"])
    after = await graph.aget_state(on("t"))
    assert (after.values, after.next, after.config) == (before.values, before.next, before.config)
    await assert_rows_are_the_state(database, graph, "t")
    # The words are still in the tree; no checkpoint uses the blobs and writes any more.
    assert await count(database, "messages") == 8
    assert await count(database, "checkpoints") == 4
    used = await fetch(
        database,
        "SELECT DISTINCT checkpoint_id FROM checkpoint_writes EXCEPT"
        " SELECT checkpoint_id FROM checkpoints",
    )
    assert used == []
    await say(graph, "t", "three")
    await assert_rows_are_the_state(database, graph, "t")


async def test_taking_back_the_only_run_leaves_an_empty_conversation_with_its_owner(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="first")
    await saver.adelete_for_runs(["first", "unknown"])
    assert (await graph.aget_state(on("t"))).values == {}
    assert await active_branch(database, "t") == []
    assert await count(database, "checkpoint_blobs") == 0
    assert await count(database, "conversations") == 1


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("half a pair \ud800", id="h"),
        AIMessage("", id="a", response_metadata={"tuple": (1, 2), "set": {1}}),
        AIMessage([{"type": "text", "text": "block"}], id="a", usage_metadata=None),
    ],
)
async def test_a_process_that_wrote_a_message_reads_what_another_one_reads(
    database: Database, saver: TranscriptSaver, message: BaseMessage
) -> None:
    def hear(state: MessagesState) -> dict[str, Any]:
        number = len(state["messages"])
        return {"messages": [message.model_copy(deep=True, update={"id": f"heard-{number}"})]}

    graph = chat_graph(saver, hear)
    await say(graph, "t", "hello")
    warm = (await graph.aget_state(on("t"))).values["messages"]
    fresh = chat_graph(another_process(database))
    cold = (await fresh.aget_state(on("t"))).values["messages"]
    assert warm == cold
    # What can't be recognised is written again, under the same digest: no new row.
    await say(graph, "t", "hello again")
    assert await count(database, "messages") == 4
    await assert_rows_are_the_state(database, graph, "t")


# Copies


async def test_a_copy_has_a_tree_and_runs_of_its_own(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one", config_run="0b5e3a3e-0000-0000-0000-000000000001")
    old = await graph.aget_state(on("t"))
    await say(graph, "t", "two", config_run="0b5e3a3e-0000-0000-0000-000000000002")
    await graph.ainvoke({"messages": [("user", "zwei")]}, old.config)
    await saver.acopy_thread("t", "copy")
    source, copy = await graph.aget_state(on("t")), await graph.aget_state(on("copy"))
    assert (copy.values, copy.next) == (source.values, source.next)
    assert await count(database, "messages") == 24
    await assert_rows_are_the_state(database, graph, "copy")
    history = [state.values async for state in graph.aget_state_history(on("t"))]
    assert [state.values async for state in graph.aget_state_history(on("copy"))] == history
    await saver.adelete_for_runs(["0b5e3a3e-0000-0000-0000-000000000002"])
    assert [state.values async for state in graph.aget_state_history(on("copy"))] == history
    await saver.adelete_thread("t")
    assert (await graph.aget_state(on("copy"))).values == source.values
    await say(graph, "copy", "three")
    await assert_rows_are_the_state(database, graph, "copy")
    assert await fetch(database, "SELECT title FROM conversations") == [{"title": "one"}]


# Two processes on one thread


class InTheServer(TranscriptSaver):
    """As the server's wrapper has it, which numbers the versions of channels by itself."""

    def get_next_version(self, current: str | None, channel: None) -> str:
        number = 0 if current is None else int(current.split(".")[0])
        return f"{number + 1:032}.{0.5:.16f}"


async def test_the_server_and_a_process_beside_it_take_turns_on_one_thread(
    database: Database,
) -> None:
    beside, served = (chat_graph(kind(database.pool)) for kind in (TranscriptSaver, InTheServer))
    for number in range(6):
        await say(served if number % 2 else beside, "t", f"turn {number}")
    branch = await active_branch(database, "t")
    assert [row["content"] for row in branch][::4] == [f"turn {number}" for number in range(6)]
    await assert_rows_are_the_state(database, served, "t")


async def test_a_later_checkpoint_of_another_process_keeps_its_leaf(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(saver), "t", "one")
    earlier = await saver.aget_tuple(on("t"))
    assert earlier is not None
    await say(chat_graph(another_process(database)), "t", "two")
    # A step that began before those of the other process, and is stored after them.
    versions = {**earlier.checkpoint["channel_versions"], "messages": f"{9:032}.5"}
    late = earlier.checkpoint.copy()
    late["id"] = earlier.checkpoint["id"][:-1] + "f"
    late["channel_versions"] = versions
    messages = [*earlier.checkpoint["channel_values"]["messages"], AIMessage("late")]
    late["channel_values"] = {"messages": messages}
    await saver.aput(earlier.config, late, earlier.metadata, {"messages": versions["messages"]})
    await assert_rows_are_the_state(database, chat_graph(another_process(database)), "t")
    assert len(await active_branch(database, "t")) == 8


async def test_two_processes_at_once_on_one_thread_leave_the_leaf_of_the_latest_checkpoint(
    database: Database,
) -> None:
    for attempt in range(5):
        thread_id = f"t{attempt}"
        graphs = [chat_graph(another_process(database)) for _ in range(2)]
        await say(graphs[0], thread_id, "first")
        await asyncio.gather(*(say(graph, thread_id, f"from {graph!r}") for graph in graphs * 2))
        await assert_rows_are_the_state(database, graphs[0], thread_id)


async def test_reading_a_thread_while_it_is_deleted_finds_it_or_finds_nothing(
    database: Database, saver: TranscriptSaver
) -> None:
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            checkpoint = await another_process(database).aget_tuple(on("t"))
            assert checkpoint is None or checkpoint.checkpoint["channel_values"]

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for number in range(15):
        await say(chat_graph(saver), "t", f"turn {number}", durability="exit")
        await saver.adelete_thread("t")
    done.set()
    await asyncio.gather(*readers)


async def test_deleting_runs_and_their_thread_at_once_is_no_deadlock(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    for number in range(10):
        await say(chat_graph(saver), "t", "one", config_run=f"run {number}")
        await asyncio.gather(
            another_process(database).adelete_thread("t"),
            another_process(database).adelete_for_runs([f"run {number}"]),
        )
        assert await count(database, "checkpoints") == 0


# Steps without messages


def noting_graph(saver: Any, note: Any) -> Any:
    """A graph whose run writes a channel beside the messages, and no message."""

    class Noted(MessagesState):
        notes: Annotated[list[str], operator.add]

    builder = StateGraph(Noted)
    builder.add_node("note", note)
    builder.add_edge(START, "note")
    return builder.compile(checkpointer=saver)


async def test_a_thread_of_the_plain_saver_gets_its_rows_with_its_first_step_of_any_kind(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(AsyncPostgresSaver(database.pool)), "t", "one")
    graph = noting_graph(saver, lambda state: {"notes": ["seen"]})
    await graph.aupdate_state(on("t"), {"notes": ["from outside"]}, as_node="note")
    assert len(await active_branch(database, "t")) == 4
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_fork_of_what_the_plain_saver_wrote_shows_its_messages_after_any_step(
    database: Database, saver: TranscriptSaver
) -> None:
    await say(chat_graph(AsyncPostgresSaver(database.pool)), "t", "one")
    old = (await chat_graph(saver).aget_state(on("t"))).config
    await say(chat_graph(saver), "t", "two")
    # The process knows rows of the thread by now, but no row stands for the old list.
    graph = noting_graph(saver, lambda state: {"notes": ["seen"]})
    await graph.aupdate_state(old, {"notes": ["from outside"]}, as_node="note")
    assert len(await active_branch(database, "t")) == 4
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_deletion_under_a_step_without_messages_loses_none(
    database: Database, saver: TranscriptSaver
) -> None:
    async def interfere(state: Any) -> dict[str, Any]:
        await another_process(database).adelete_thread("t")
        return {"notes": ["deleted under me"]}

    graph = noting_graph(saver, interfere)
    await say(graph, "t", "one", durability="sync")
    assert texts((await graph.aget_state(on("t"))).values["messages"]) == ["one"]
    await assert_rows_are_the_state(database, graph, "t")


# Messages of somebody else's


class Shouted(HumanMessage):
    """A message class that the serialiser has not been told of."""


async def test_a_message_that_could_not_be_read_back_is_refused_and_the_thread_goes_on(
    database: Database, saver: TranscriptSaver
) -> None:
    def shout(state: MessagesState) -> dict[str, Any]:
        return {"messages": [Shouted(content="hey")]}

    graph = chat_graph(saver, shout)
    await say(chat_graph(saver), "t", "one")
    with pytest.raises(UnreadableMessageError, match="Shouted"):
        await say(graph, "t", "two", durability="sync")
    again = chat_graph(another_process(database))
    assert texts((await again.aget_state(on("t"))).values["messages"])[-1] == "two"
    told = JsonPlusSerializer(allowed_msgpack_modules=[Shouted])
    heard = chat_graph(TranscriptSaver(database.pool, serde=told), shout)
    await say(heard, "u", "three")
    assert isinstance((await heard.aget_state(on("u"))).values["messages"][-1], Shouted)


async def test_a_call_that_a_node_left_incomplete_is_stored_as_it_is(
    database: Database, saver: TranscriptSaver
) -> None:
    def half(state: MessagesState) -> dict[str, Any]:
        message = AIMessage("")
        message.tool_calls.append({"name": "x", "args": {}})  # type: ignore[typeddict-item]
        return {"messages": [message]}

    await say(chat_graph(saver, half), "t", "one")
    (call,) = (await active_branch(database, "t"))[1]["tool_calls"]
    assert call == {"id": None, "tool": "x", "arguments": {}}
