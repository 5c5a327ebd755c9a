"""The checkpointer on a real Postgres: what LangGraph does with it, and what the rows show."""

import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from typing_extensions import TypedDict

from storage.checkpointer import LOCAL_USER, TranscriptSaver
from storage.database import Database
from tests.storage.support import (
    active_branch,
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


# Rows


async def test_a_turn_leaves_its_messages_in_order_with_their_audit_records(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "count me")
    await say(graph, "t", "again")
    rows = await active_branch(database, "t")
    assert [(row["role"], row["content"]) for row in rows] == [
        ("user", "count me"),
        ("assistant", ""),
        ("tool", "counted"),
        ("assistant", "done"),
        ("user", "again"),
        ("assistant", ""),
        ("tool", "counted"),
        ("assistant", "done"),
    ]
    assert rows[1]["tool_calls"] == [{"id": "call_1", "tool": "count", "arguments": {"count": 1}}]
    (record,) = rows[2]["tool_calls"]
    assert {**record, "timestamp": "some time"} == {
        "id": "call_1",
        "tool": "count",
        "arguments": {"count": 1},
        "result": "counted",
        "status": "success",
        "timestamp": "some time",
    }
    assert rows == sorted(rows, key=lambda row: row["created_at"])
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_message_is_stored_once_however_many_checkpoints_hold_it(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    for turn in range(3):
        await say(graph, "t", f"turn {turn}")
    assert await count(database, "messages") == 12
    blobs = await fetch(
        database, "SELECT type, blob FROM checkpoint_blobs WHERE channel = 'messages'"
    )
    assert {(blob["type"], len(blob["blob"])) for blob in blobs} == {("transcript", 32)}


async def test_a_conversation_has_the_first_words_as_title_and_belongs_to_the_local_user(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "first words")
    await say(graph, "t", "other words")
    (conversation,) = await fetch(
        database,
        "SELECT c.*, u.subject FROM conversations c JOIN users u ON u.id = c.user_id",
    )
    assert (conversation["title"], conversation["subject"], conversation["thread_id"]) == (
        "first words",
        LOCAL_USER,
        "t",
    )
    assert conversation["updated_at"] > conversation["created_at"]


async def test_a_conversation_belongs_to_whom_authentication_names_and_to_nobody_else(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    config = on("t", langgraph_auth_user_id="anna", user_id="mallory")
    await graph.ainvoke({"messages": [("user", "hi")]}, {**config, "metadata": {"user_id": "eve"}})
    # Later steps don't change the owner.
    await say(graph, "t", "hi again")
    owners = await fetch(
        database, "SELECT u.subject FROM conversations c JOIN users u ON u.id = c.user_id"
    )
    assert owners == [{"subject": "anna"}]


async def test_a_saver_asks_the_function_it_was_given_whose_a_thread_is(database: Database) -> None:
    saver = TranscriptSaver(database.pool, owner=lambda config: "someone")
    await say(chat_graph(saver), "t", "hi")
    assert await fetch(database, "SELECT subject FROM users") == [{"subject": "someone"}]


# Edits, forks, removals


async def test_an_edit_grows_a_branch_and_leaves_the_old_one(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    state = await graph.aget_state(on("t"))
    edited = HumanMessage("uno", id=state.values["messages"][0].id)
    await graph.aupdate_state(on("t"), {"messages": [edited]})
    assert texts((await graph.aget_state(on("t"))).values["messages"]) == [
        "uno",
        "",
        "counted",
        "done",
    ]
    assert await count(database, "messages") == 8
    await assert_rows_are_the_state(database, graph, "t")
    # The old checkpoint still shows the old branch.
    assert texts((await graph.aget_state(state.config)).values["messages"])[0] == "one"


async def test_a_fork_from_an_old_checkpoint_shares_the_rows_before_it(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    old = await graph.aget_state(on("t"))
    await say(graph, "t", "two")
    await graph.ainvoke({"messages": [("user", "zwei")]}, old.config)
    rows = await active_branch(database, "t")
    assert [row["content"] for row in rows if row["role"] == "user"] == ["one", "zwei"]
    assert await count(database, "messages") == 12
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_changed_other_channel_on_an_old_checkpoint_moves_the_leaf_back(
    database: Database, saver: TranscriptSaver
) -> None:
    class Noted(MessagesState):
        notes: Annotated[list[str], operator.add]

    builder = StateGraph(Noted)
    builder.add_node("say", lambda state: {"messages": [AIMessage("hi")]})
    builder.add_edge(START, "say")
    graph = builder.compile(checkpointer=saver)
    await say(graph, "t", "one")
    old = await graph.aget_state(on("t"))
    await say(graph, "t", "two")
    await graph.aupdate_state(old.config, {"notes": ["look here"]})
    assert len(await active_branch(database, "t")) == 2
    await assert_rows_are_the_state(database, graph, "t")


async def test_removed_messages_leave_the_active_branch_but_not_the_table(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    first = (await graph.aget_state(on("t"))).values["messages"][0]
    await graph.aupdate_state(on("t"), {"messages": [RemoveMessage(first.id)]})
    await assert_rows_are_the_state(database, graph, "t")
    assert texts((await graph.aget_state(on("t"))).values["messages"]) == ["", "counted", "done"]
    await graph.aupdate_state(on("t"), {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES)]})
    assert (await graph.aget_state(on("t"))).values["messages"] == []
    assert await active_branch(database, "t") == []
    assert await count(database, "messages") == 7
    await say(graph, "t", "anew")
    await assert_rows_are_the_state(database, graph, "t")


async def test_writing_the_same_messages_again_writes_no_row(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    checkpoint = await saver.aget_tuple(on("t"))
    assert checkpoint is not None
    # A process that knows nothing of the rows puts the checkpoint a second time.
    await another_process(database).aput(
        checkpoint.parent_config or {},
        checkpoint.checkpoint,
        checkpoint.metadata,
        checkpoint.checkpoint["channel_versions"],
    )
    assert await count(database, "messages") == 4
    await assert_rows_are_the_state(database, graph, "t")


# Reading


async def test_another_process_reads_the_same_state_and_the_same_history(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    for turn in range(3):
        await say(graph, "t", f"turn {turn}")
    fresh = chat_graph(another_process(database))
    assert (await fresh.aget_state(on("t"))).values == (await graph.aget_state(on("t"))).values
    warm = [state.values async for state in graph.aget_state_history(on("t"))]
    cold = [state.values async for state in fresh.aget_state_history(on("t"))]
    assert warm == cold
    assert [len(values.get("messages", [])) for values in cold] == [
        12, 10, 9, 8, 8, 6, 5, 4, 4, 2, 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("cache_bytes", [0, 5_000])
async def test_a_cache_that_is_too_small_costs_time_but_no_message(
    database: Database, cache_bytes: int
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool, cache_bytes=cache_bytes))
    for turn in range(4):
        await say(graph, "t", f"turn {turn}")
    assert await count(database, "messages") == 16
    await assert_rows_are_the_state(database, graph, "t")


async def test_changing_a_message_that_was_read_changes_nothing_stored(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    read = (await graph.aget_state(on("t"))).values["messages"]
    read[0].content = "changed"
    read[1].tool_calls[0]["args"]["count"] = 99
    again = (await graph.aget_state(on("t"))).values["messages"]
    assert (again[0].content, again[1].tool_calls[0]["args"]) == ("one", {"count": 1})


async def test_a_message_that_a_node_changes_in_place_is_stored_as_changed(
    database: Database, saver: TranscriptSaver
) -> None:
    def scribble(state: MessagesState) -> dict[str, Any]:
        first = state["messages"][0]
        first.additional_kwargs["seen"] = first.additional_kwargs.get("seen", 0) + 1
        return {"messages": [AIMessage("ok")]}

    graph = chat_graph(saver, scribble)
    memory = chat_graph(InMemorySaver(), scribble)
    for turn in range(2):
        for each in (graph, memory):
            await each.ainvoke({"messages": [HumanMessage(f"turn {turn}", id=f"h{turn}")]}, on("t"))
    (ours, theirs) = (
        (await graph.aget_state(on("t"))).values["messages"],
        (await memory.aget_state(on("t"))).values["messages"],
    )
    assert ours[0].additional_kwargs == theirs[0].additional_kwargs == {"seen": 2}
    await assert_rows_are_the_state(database, graph, "t")


async def test_checkpoints_can_be_listed_by_filter_limit_and_position(
    database: Database, saver: TranscriptSaver
) -> None:
    graph = chat_graph(saver)
    await say(graph, "t", "one")
    await say(graph, "u", "two")
    everything = [item async for item in saver.alist(None)]
    assert {item.config["configurable"]["thread_id"] for item in everything} == {"t", "u"}
    newest = [item async for item in saver.alist(on("t"), limit=2)]
    assert [len(item.checkpoint["channel_values"]["messages"]) for item in newest] == [4, 2]
    older = [item async for item in saver.alist(on("t"), before=newest[1].config)]
    assert len(older) == 2
    inputs = [item async for item in saver.alist(on("t"), filter={"source": "input"})]
    assert len(inputs) == 1


# What is not a list of messages


async def test_a_messages_channel_of_something_else_is_left_as_it_is(
    database: Database, saver: TranscriptSaver
) -> None:
    class Texts(TypedDict):
        messages: Annotated[list[str], operator.add]

    builder = StateGraph(Texts)
    builder.add_node("say", lambda state: {"messages": ["said"]})
    builder.add_edge(START, "say")
    graph = builder.compile(checkpointer=saver)
    await graph.ainvoke({"messages": ["asked"]}, on("t"))
    assert (await graph.aget_state(on("t"))).values == {"messages": ["asked", "said"]}
    assert await count(database, "messages") == 0


async def test_a_graph_without_a_messages_channel_works(
    database: Database, saver: TranscriptSaver
) -> None:
    class Number(TypedDict):
        number: int
        name: str

    builder = StateGraph(Number)
    builder.add_node("add", lambda state: {"number": state["number"] + 1, "name": "a\x00b"})
    builder.add_edge(START, "add")
    graph = builder.compile(checkpointer=saver)
    await graph.ainvoke({"number": 1, "name": ""}, on("t"))
    assert (await graph.aget_state(on("t"))).values == {"number": 2, "name": "a\x00b"}
    assert await active_branch(database, "t") == []


async def test_a_sub_graph_keeps_its_own_messages_out_of_the_conversation(
    database: Database, saver: TranscriptSaver
) -> None:
    inner = StateGraph(MessagesState)
    inner.add_node("think", lambda state: {"messages": [AIMessage("thinking", id="inner")]})
    inner.add_edge(START, "think")

    class Outer(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]

    async def delegate(state: Outer) -> dict[str, Any]:
        result = await sub_graph.ainvoke({"messages": state["messages"]})
        return {"messages": [AIMessage(f"heard {len(result['messages'])}")]}

    sub_graph = inner.compile(checkpointer=True)
    builder = StateGraph(Outer)
    builder.add_node("delegate", delegate)
    builder.add_edge(START, "delegate")
    graph = builder.compile(checkpointer=saver)
    await say(graph, "t", "one")
    assert [row["content"] for row in await active_branch(database, "t")] == ["one", "heard 2"]
    namespaces = await fetch(database, "SELECT DISTINCT checkpoint_ns FROM checkpoints")
    assert len(namespaces) == 2
    await assert_rows_are_the_state(database, graph, "t")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_rows_are_the_state_in_every_durability(
    database: Database, saver: TranscriptSaver, durability: str
) -> None:
    graph = chat_graph(saver)
    for turn in range(2):
        await say(graph, "t", f"turn {turn}", durability=durability)
    assert await count(database, "messages") == 8
    await assert_rows_are_the_state(database, graph, "t")


# Text that Postgres can't hold


@pytest.mark.parametrize("text", ["nul \x00 byte", "x" * 1_000_000, "", "👋🏽 \u202eback", "\x00"])
async def test_any_text_comes_back_as_it_was(
    database: Database, saver: TranscriptSaver, text: str
) -> None:
    await say(chat_graph(saver), "t", text)
    fresh = chat_graph(another_process(database))
    assert (await fresh.aget_state(on("t"))).values["messages"][0].content == text
    rows = await active_branch(database, "t")
    assert rows[0]["content"] == text.replace("\x00", "\ufffd")
