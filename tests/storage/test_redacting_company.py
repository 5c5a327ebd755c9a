"""Redacting while others read, write and run: what was blanked doesn't come back."""

import asyncio
import operator
from typing import Annotated, Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from storage.blanking import REDACTED
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import Graph, active_branch, chat_graph, count, fetch, on, say, texts
from tests.storage.test_atomicity import BREAK, allow
from tests.storage.test_redacting import SECRET, assert_sound, forget, found, row_saying, state


async def test_a_process_that_knows_the_message_shows_it_blank_from_its_next_read_on(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    assert texts((await graph.aget_state(on("t"))).values["messages"])[0] == SECRET
    await forget(database, (await row_saying(database))["id"])
    assert texts((await graph.aget_state(on("t"))).values["messages"])[0] == REDACTED
    async for saved in graph.aget_state_history(on("t")):
        assert SECRET not in str(saved)
    await say(graph, "t", "after")
    assert await found(database) == []
    await assert_sound(database)


async def test_a_second_redaction_is_noticed_too(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "first")
    await say(graph, "t", "second")
    for words in ("first", "second"):
        await forget(database, (await row_saying(database, words))["id"])
        said = texts((await graph.aget_state(on("t"))).values["messages"])
        assert words not in said
    assert [said[0], said[4]] == [REDACTED, REDACTED]


def run_around(saver: TranscriptSaver, database: Database, message_id: str, change: Any) -> Graph:
    """A run in the midst of which the message is redacted by another process.

    After that it writes all that it has in its memory: in a sub-graph, in pending writes, in
    another channel, and, by what `change` answers, on a branch of its own.
    """

    class State(MessagesState):
        kept: list[Any]

    async def redacted_meanwhile(state: State) -> dict[str, Any]:
        await forget(database, message_id)
        assert SECRET in texts(state["messages"])
        return {"messages": [AIMessage("redacted")]}

    def keep(state: State) -> dict[str, Any]:
        return {
            "kept": [*state["messages"], {"said": state["messages"]}],
            "messages": change(state),
        }

    inner = StateGraph(MessagesState)
    inner.add_node("one", lambda state: {"messages": [AIMessage("inside")]})
    inner.add_node("two", lambda state: {"messages": [AIMessage("still inside")]})
    inner.add_edge(START, "one")
    inner.add_edge("one", "two")
    builder = StateGraph(State)
    builder.add_node("redacted", redacted_meanwhile)
    builder.add_node("inner", inner.compile(checkpointer=True))
    builder.add_node("keep", keep)
    builder.add_node("end", lambda state: {"messages": [AIMessage("end")]})
    builder.add_edge(START, "redacted")
    builder.add_edge("redacted", "inner")
    builder.add_edge("inner", "keep")
    builder.add_edge("keep", "end")
    return builder.compile(checkpointer=saver)


CHANGES: dict[str, Any] = {
    "nothing": lambda state: [],
    "an edit of what was before": lambda state: [HumanMessage("edited", id="first")],
    "the message said again": lambda state: [HumanMessage(SECRET, id="m")],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_run_under_way_does_not_bring_the_message_back(
    database: Database, change: str, durability: Any
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = run_around(saver, database, "m", CHANGES[change])
    await say(chat_graph(saver), "t", "before")
    start = {"messages": [HumanMessage("first", id="first"), HumanMessage(SECRET, id="m")]}
    await chat_graph(saver).ainvoke(start, on("t"))
    await graph.ainvoke({"messages": [HumanMessage("go")]}, on("t"), durability=durability)
    assert await found(database) == []
    said = texts(await state(database))
    assert said[5] == REDACTED
    assert said[-4:] == ["redacted", "inside", "still inside", "end"]
    assert (said[4] == "edited") == (change == "an edit of what was before")
    blank = await fetch(database, "SELECT FROM messages WHERE content = %s", REDACTED)
    assert len(blank) == (2 if change == "an edit of what was before" else 1)
    await assert_sound(database)
    # The process goes on as one that has never known the message.
    await say(chat_graph(saver), "t", "after")
    assert await found(database) == []
    await assert_sound(database)


async def test_a_run_that_fails_after_the_redaction_leaves_nothing_of_the_message(
    database: Database,
) -> None:
    redacted = asyncio.Event()

    async def copying(state: MessagesState) -> dict[str, Any]:
        await redacted.wait()
        return {"messages": [*state["messages"], AIMessage("copied")]}

    copied = asyncio.Event()

    class Watched(TranscriptSaver):
        async def aput_writes(self, *args: Any, **more: Any) -> None:
            await super().aput_writes(*args, **more)
            if redacted.is_set():
                copied.set()

    async def failing(state: MessagesState) -> dict[str, Any]:
        await forget(database, "m")
        redacted.set()
        await asyncio.wait_for(copied.wait(), 10)
        raise RuntimeError("after the redaction")

    builder = StateGraph(MessagesState)
    builder.add_node("copying", copying)
    builder.add_node("failing", failing)
    builder.add_edge(START, "copying")
    builder.add_edge(START, "failing")
    graph = builder.compile(checkpointer=Watched(database.pool))
    with pytest.raises(RuntimeError, match="after the redaction"):
        # So that the message has its row before it is redacted.
        await graph.ainvoke(
            {"messages": [HumanMessage(SECRET, id="m")]}, on("t"), durability="sync"
        )
    assert await found(database, "copied") == ["checkpoint_writes.blob"]
    assert await found(database) == []


async def test_a_call_that_is_answered_after_it_was_redacted_leaves_no_arguments_in_the_record(
    database: Database,
) -> None:
    async def answering_late(state: MessagesState) -> dict[str, Any]:
        await forget(database, str(state["messages"][-1].id))
        return {"messages": [ToolMessage("told", tool_call_id="c1", name="tell")]}

    def asking(state: MessagesState) -> dict[str, Any]:
        call = {"name": "tell", "args": {"what": SECRET}, "id": "c1"}
        return {"messages": [AIMessage("", tool_calls=[call], id="asked")]}

    graph = chat_graph(TranscriptSaver(database.pool), asking, answering_late)
    await say(graph, "t", "go", durability="sync")
    assert await found(database) == []
    *_, answer = await active_branch(database, "t")
    assert answer["tool_calls"][0]["arguments"] == {}
    await assert_sound(database)


@pytest.mark.parametrize("table", ["checkpoint_writes", "checkpoint_blobs"])
async def test_what_is_being_stored_while_the_message_is_redacted_is_blanked_after_it(
    database: Database, table: str
) -> None:
    saver = TranscriptSaver(database.pool)
    await say(chat_graph(saver), "t", SECRET)
    row = await row_saying(database)
    kind, blob = saver.serde.dumps_typed([(await state(database))[0]])
    values = (
        "'t', '', 'c', 't', 0, 'x', %s, %s, ''"
        if table == "checkpoint_writes"
        else ("'t', '', 'x', '1', %s, %s")
    )
    async with database.pool.connection() as other, other.transaction():
        await other.execute(f"INSERT INTO {table} VALUES ({values})", (kind, blob))
        redacting = asyncio.create_task(forget(database, row["id"]))
        async with asyncio.timeout(10):
            while await fetch(database, "SELECT FROM messages WHERE content = %s", SECRET):
                assert not redacting.done()
    done = await redacting
    assert done.places["rows of messages"] == 1
    assert await found(database) == []


async def test_a_process_that_let_go_of_the_thread_does_not_bring_the_message_back(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)

    def forgetting(state: MessagesState) -> dict[str, Any]:
        saver._cache.forget("t")
        return {"messages": [HumanMessage("edited", id="first")]}

    async def redacting(state: MessagesState) -> dict[str, Any]:
        await forget(database, "m")
        return {"messages": [AIMessage("redacted")]}

    graph = chat_graph(saver, redacting, forgetting)
    start = {"messages": [HumanMessage("first", id="first"), HumanMessage(SECRET, id="m")]}
    await graph.ainvoke(start, on("t"), durability="sync")
    assert await found(database) == []
    await assert_sound(database)


async def test_redacting_while_runs_are_under_way_leaves_nothing(database: Database) -> None:
    def copying(state: MessagesState) -> dict[str, Any]:
        return {"messages": [*state["messages"], AIMessage("copied")]}

    savers = [TranscriptSaver(database.pool) for _ in range(2)]
    graphs = [chat_graph(saver, copying) for saver in savers]
    for number in range(8):
        thread_id = f"t{number}"
        start = {"messages": [HumanMessage(SECRET, id=f"m{number}")]}
        await graphs[0].ainvoke(start, on(thread_id))
        await asyncio.gather(
            *(say(graph, thread_id, "more", durability="sync") for graph in graphs),
            forget(database, f"m{number}"),
            *(say(graph, thread_id, "and more", durability="async") for graph in graphs),
        )
        assert await found(database) == [], number
        assert texts(await state(database, thread_id))[0] == REDACTED
    await assert_sound(database)


async def test_two_redactions_at_once_are_no_deadlock(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    await say(chat_graph(saver), "t", SECRET)
    await say(chat_graph(saver), "t", "other")
    for number in range(3):
        await saver.acopy_thread("t", f"copy {number}")
    rows = await fetch(database, "SELECT id FROM messages WHERE role = 'user'")
    await asyncio.gather(*(forget(database, row["id"]) for row in rows))
    assert await found(database) == []
    assert await fetch(database, "SELECT FROM messages WHERE content = 'other'") == []
    await assert_sound(database)


STATEMENTS = ["messages", "conversations", "checkpoint_blobs", "checkpoint_writes", "checkpoints"]


@pytest.mark.parametrize("table", STATEMENTS)
async def test_a_redaction_that_fails_half_way_changes_nothing(
    database: Database, table: str
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    row = await row_saying(database)
    async with database.pool.connection() as connection:
        await connection.execute(
            "UPDATE checkpoints SET metadata = metadata || jsonb_build_object('said', %s::text)",
            (SECRET,),
        )
        await connection.execute(BREAK)
        await connection.execute(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    before = {
        table: await fetch(database, f"SELECT * FROM {table} t ORDER BY t::text")
        for table in STATEMENTS
    }
    with pytest.raises(psycopg.errors.RaiseException):
        await forget(database, row["id"])
    for name, rows in before.items():
        assert await fetch(database, f"SELECT * FROM {name} t ORDER BY t::text") == rows
    await allow(database)
    await forget(database, row["id"])
    assert await found(database) == []
    assert await count(database, "messages") == 4


async def test_a_message_that_a_call_was_sent_from_is_redacted_in_one_go(
    database: Database,
) -> None:
    call = {"name": "tell", "args": {"what": SECRET}, "id": "c1", "type": "tool_call"}
    builder = StateGraph(MessagesState)
    builder.add_node("ask", lambda state: {"messages": [AIMessage("", tool_calls=[call])]})
    builder.add_node(
        "tell", lambda call: {"messages": [ToolMessage("told", tool_call_id=call["id"])]}
    )
    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", lambda state: [Send("tell", call)], ["tell"])
    graph = builder.compile(checkpointer=TranscriptSaver(database.pool))
    await say(graph, "t", "tell them")
    asked = (await active_branch(database, "t"))[1]
    for again in (False, True):
        done = await forget(database, asked["id"])
        assert bool(done.places) != again
        assert await found(database) == []
    await assert_sound(database)


async def test_a_message_without_an_id_is_not_brought_back_by_a_run_under_way(
    database: Database,
) -> None:
    class State(TypedDict):
        messages: Annotated[list[Any], operator.add]
        kept: list[Any]

    async def redacted_meanwhile(state: State) -> dict[str, Any]:
        await forget(database, (await row_saying(database))["id"])
        return {"messages": [AIMessage("redacted")], "kept": [{"first": state["messages"][1]}]}

    def keep(state: State) -> dict[str, Any]:
        return {"messages": [AIMessage("end")], "kept": state["messages"]}

    builder = StateGraph(State)
    builder.add_node("redacted", redacted_meanwhile)
    builder.add_node("keep", keep)
    builder.add_edge(START, "redacted")
    builder.add_edge("redacted", "keep")
    graph: Graph = builder.compile(checkpointer=TranscriptSaver(database.pool))
    start = {"messages": [HumanMessage("before"), HumanMessage(SECRET)]}
    await graph.ainvoke(start, on("t"), durability="sync")
    assert await found(database) == []
    assert texts(await state(database)) == ["before", REDACTED, "redacted", "end"]
    kept = (await graph.aget_state(on("t"))).values["kept"]
    assert texts(kept) == ["before", REDACTED, "redacted"]
    await assert_sound(database)
