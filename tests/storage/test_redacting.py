"""A message is blanked everywhere or nowhere, and what is left of the thread is valid."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from langgraph.types import Send
from psycopg import sql
from psycopg.types.json import Jsonb

from storage.blanking import REDACTED
from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.finding import AmbiguousMessageError, MessageNotFoundError
from storage.redacting import Redaction, redact
from storage.verifying import problems
from tests.storage.support import (
    Graph,
    XorSerializer,
    active_branch,
    chat_graph,
    fetch,
    on,
    say,
    texts,
)

SECRET = "the word is Xyzzy-42"


async def forget(database: Database, message_id: Any, saver: Any = None, **more: Any) -> Redaction:
    saver = saver or TranscriptSaver(database.pool)
    return await redact(database.pool, str(message_id), serde=saver.serde, **more)


async def found(database: Database, words: str = SECRET) -> list[str]:
    """Every table and column of the database that has these words in it, in whatever form."""
    places = []
    columns = await fetch(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema()",
    )
    for column in columns:
        table, name = column["table_name"], column["column_name"]
        # Bytes are shown as hexadecimal digits.
        query = sql.SQL("SELECT {}::text AS told FROM {}").format(
            sql.Identifier(name), sql.Identifier(table)
        )
        for row in await fetch(database, query.as_string()):
            told = row["told"] or ""
            if words in told or words.encode().hex() in told:
                places.append(f"{table}.{name}")
    return sorted(set(places))


async def assert_sound(database: Database) -> None:
    """Verifying finds nothing wrong: every row is what was stored, or a redaction of it."""
    assert await problems(database.pool) == []


async def row_saying(database: Database, words: str = SECRET) -> dict[str, Any]:
    (row,) = await fetch(database, "SELECT * FROM messages WHERE content = %s", words)
    return row


async def state(database: Database, thread_id: str = "t") -> list[BaseMessage]:
    """What a process that has not seen the thread before reads."""
    saved = await TranscriptSaver(database.pool).aget_tuple(on(thread_id))
    assert saved is not None
    messages: list[BaseMessage] = saved.checkpoint["channel_values"].get("messages", [])
    return messages


# One message, by its row's id


async def test_a_redacted_message_is_nowhere_in_the_database(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "before")
    await say(graph, "t", SECRET)
    assert "checkpoint_blobs.blob" in await found(database)
    row = await row_saying(database)
    done = await forget(database, row["id"])
    assert await found(database) == []
    assert [row.id for row in done.rows] == [row["id"]]
    assert texts(await state(database)) == [
        *("before", "", "counted", "done"),
        *(REDACTED, "", "counted", "done"),
    ]
    await assert_sound(database)
    after = await fetch(database, "SELECT * FROM messages WHERE id = %s", row["id"])
    assert after[0]["digest"] == row["digest"]
    assert after[0]["redacted_at"] is not None
    assert after[0]["created_at"] == row["created_at"]
    (conversation,) = await fetch(database, "SELECT * FROM conversations")
    assert conversation["redacted_at"] is not None
    assert conversation["title"] == "before"


async def test_the_thread_goes_on_and_every_old_checkpoint_can_be_read(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    await forget(database, (await row_saying(database))["id"])
    again = chat_graph(TranscriptSaver(database.pool))
    await say(again, "t", "after")
    assert texts((await again.aget_state(on("t"))).values["messages"])[0] == REDACTED
    async for saved in again.aget_state_history(on("t")):
        assert SECRET not in str(saved.values)
    assert await found(database) == []
    await assert_sound(database)


async def test_a_title_made_of_the_message_goes_with_it(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    await forget(database, (await row_saying(database))["id"])
    await say(chat_graph(TranscriptSaver(database.pool)), "t", "after")
    (conversation,) = await fetch(database, "SELECT title FROM conversations")
    assert conversation["title"] == REDACTED


def asking(state: MessagesState) -> dict[str, Any]:
    call = {"name": "tell", "args": {"what": SECRET}, "id": "c1"}
    other = {"name": "tell", "args": {"what": "other"}, "id": "c2"}
    return {"messages": [AIMessage("", tool_calls=[call, other], id=str(uuid4()))]}


def answering(state: MessagesState) -> dict[str, Any]:
    artifact = {"structured_content": {"told": "a result"}}
    return {
        "messages": [
            ToolMessage("told", tool_call_id="c1", name="tell", artifact=artifact),
            ToolMessage("told", tool_call_id="c2", name="tell"),
        ]
    }


async def test_arguments_go_from_the_call_and_from_the_audit_record_of_its_answer(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool), asking, answering)
    await say(graph, "t", "go")
    human, asked, answer, _ = await active_branch(database, "t")
    done = await forget(database, asked["id"])
    assert await found(database) == []
    assert await found(database, "other") == []
    after = {row["id"]: row for row in await active_branch(database, "t")}
    assert after[asked["id"]]["tool_calls"] == [
        {"id": "c1", "tool": "tell", "arguments": {}},
        {"id": "c2", "tool": "tell", "arguments": {}},
    ]
    assert after[answer["id"]]["tool_calls"] == [{**answer["tool_calls"][0], "arguments": {}}]
    assert after[answer["id"]]["payload"] == answer["payload"]
    assert after[human["id"]] == human
    assert done.unanswered_calls == 0
    messages = await state(database)
    assert isinstance(messages[1], AIMessage)
    assert [call["id"] for call in messages[1].tool_calls] == ["c1", "c2"]
    await assert_sound(database)


async def test_a_tools_answer_loses_its_result_and_keeps_what_was_asked(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool), asking, answering)
    await say(graph, "t", "go")
    *_, answer, _ = await active_branch(database, "t")
    await forget(database, answer["id"])
    assert await found(database, "a result") == []
    after = (await active_branch(database, "t"))[2]
    assert after["tool_calls"] == [{**answer["tool_calls"][0], "result": REDACTED}]
    assert after["content"] == REDACTED
    await assert_sound(database)


async def test_a_call_that_nothing_has_answered_yet_is_told(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool), asking)
    await say(graph, "t", "go")
    _, asked = await active_branch(database, "t")
    assert (await forget(database, asked["id"], dry_run=True)).unanswered_calls == 2


async def test_a_dry_run_tells_the_same_and_changes_nothing(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    row = await row_saying(database)
    before = await found(database)
    tried = await forget(database, row["id"], dry_run=True)
    assert await found(database) == before
    done = await forget(database, row["id"])
    assert done == tried
    assert (
        done.places
        == {
            "rows of messages": 1,
            "titles of conversations": 1,
            "values of channels": 1,
            "pending writes": 0,
        }
        or done.places["rows of messages"] == 1
    )


async def test_redacting_again_finds_nothing_left(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    row = await row_saying(database)
    await forget(database, row["id"])
    first = await fetch(database, "SELECT * FROM messages WHERE id = %s", row["id"])
    again = await forget(database, row["id"])
    assert again.places == {}
    assert again.rows[0].redacted_before == first[0]["redacted_at"]
    assert await fetch(database, "SELECT * FROM messages WHERE id = %s", row["id"]) == first


async def test_other_messages_that_quote_it_are_counted_and_kept(database: Database) -> None:
    def echo(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"You said: {state['messages'][-1].content}")]}

    await say(chat_graph(TranscriptSaver(database.pool), echo), "t", SECRET)
    done = await forget(database, (await row_saying(database))["id"])
    assert done.quoting == 1
    assert texts(await state(database)) == [REDACTED, f"You said: {SECRET}"]


# By LangChain's id


async def test_a_message_is_found_by_langchains_id(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    result = await say(graph, "t", SECRET)
    await forget(database, result["messages"][0].id)
    assert await found(database) == []


async def test_an_id_of_messages_that_are_no_copies_is_ambiguous_and_changes_nothing(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one")
    await say(graph, "u", "two")
    before = await fetch(database, "SELECT * FROM messages ORDER BY id")
    with pytest.raises(AmbiguousMessageError) as error:
        await forget(database, "ask-1")
    for row in before:
        assert (str(row["id"]) in str(error.value)) == (
            row["role"] == "assistant" and not row["content"]
        )
    assert await fetch(database, "SELECT * FROM messages ORDER BY id") == before
    done = await forget(database, "ask-1", thread_id="u")
    assert done.threads == ["u"]


@pytest.mark.parametrize("name", ["nothing", "", "a\x00b", "é", str(UUID(int=1))])
async def test_an_id_that_nothing_has_is_an_error(database: Database, name: str) -> None:
    await say(chat_graph(TranscriptSaver(database.pool)), "t", "one")
    with pytest.raises(MessageNotFoundError):
        await forget(database, name)
    with pytest.raises(MessageNotFoundError):
        await forget(database, name, thread_id="elsewhere")


# Branches, copies, and other places


async def test_every_branch_and_every_copy_of_the_conversation_forgets_it(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = chat_graph(saver)
    await say(graph, "t", "before")
    first = (await graph.aget_state(on("t"))).values["messages"][0]
    await say(graph, "t", SECRET)
    # An edit of what was before makes a branch that holds the message once more.
    await graph.aupdate_state(on("t"), {"messages": [HumanMessage("edited", id=first.id)]})
    await saver.acopy_thread("t", "copy")
    # And the copy gets a branch of its own.
    elsewhere = chat_graph(TranscriptSaver(database.pool))
    await elsewhere.aupdate_state(
        on("copy"), {"messages": [HumanMessage("edited again", id=first.id)]}
    )
    rows = await fetch(database, "SELECT id FROM messages WHERE content = %s", SECRET)
    assert len(rows) == 5
    done = await forget(database, rows[0]["id"])
    assert {row.id for row in done.rows} == {row["id"] for row in rows}
    assert done.threads == ["copy", "t"]
    assert await found(database) == []
    for thread_id in ("t", "copy"):
        assert texts(await state(database, thread_id))[4] == REDACTED
    await assert_sound(database)


async def test_each_version_of_an_edited_message_is_forgotten(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    result = await say(graph, "t", SECRET)
    edited = HumanMessage(f"{SECRET}, really", id=result["messages"][0].id)
    await graph.aupdate_state(on("t"), {"messages": [edited]})
    done = await forget(database, (await row_saying(database))["id"])
    assert len(done.rows) == 2
    assert await found(database) == []


def owned_by(user: str, config: RunnableConfig) -> str:
    return user


async def test_a_message_of_another_user_that_is_the_very_same_is_left_alone(
    database: Database,
) -> None:
    for user in ("ann", "bob"):
        saver = TranscriptSaver(database.pool, owner=partial(owned_by, user))
        await chat_graph(saver).ainvoke(
            {"messages": [HumanMessage(SECRET, id="same")]}, on(f"of {user}")
        )
    (row,) = [
        row
        for row in await fetch(
            database,
            "SELECT m.id, u.subject FROM messages m JOIN users u ON u.id = m.user_id"
            " WHERE content = %s",
            SECRET,
        )
        if row["subject"] == "ann"
    ]
    done = await forget(database, row["id"])
    assert done.threads == ["of ann"]
    assert texts(await state(database, "of bob"))[0] == SECRET


class Everything(MessagesState):
    """A state that keeps what was said in other channels too."""

    question: str
    kept: list[Any]
    archive: Annotated[list[BaseMessage], add_messages]


def remember(state: Everything) -> dict[str, Any]:
    last = state["messages"][-1]
    return {
        "question": last.content,
        "kept": [{"said": last}, (last.type, last.content)],
        "archive": [last],
        "messages": [AIMessage("noted")],
    }


def everything_graph(saver: Any) -> Graph:
    """A sub-graph that shares the messages, and nodes that are sent the message."""
    inner = StateGraph(MessagesState)
    inner.add_node("inside", lambda state: {"messages": [AIMessage("inside")]})
    inner.add_node("inside2", lambda state: {"messages": [AIMessage("inside too")]})
    inner.add_edge(START, "inside")
    inner.add_edge("inside", "inside2")
    builder = StateGraph(Everything)
    builder.add_node("remember", remember)
    builder.add_node("inner", inner.compile(checkpointer=True))
    builder.add_node("sent", lambda state: {"messages": [AIMessage("sent")]})
    builder.add_edge(START, "remember")
    builder.add_edge("remember", "inner")
    builder.add_conditional_edges("inner", lambda state: [Send("sent", state)], ["sent"])
    return builder.compile(checkpointer=saver)


INPUTS: list[Any] = [
    [HumanMessage(SECRET, id="given")],
    [HumanMessage(SECRET)],
    [{"role": "user", "content": SECRET}],
    [("user", SECRET)],
    SECRET,
    [SECRET],
    [{"role": "user", "content": [{"type": "text", "text": SECRET}]}],
]


@pytest.mark.parametrize("given", INPUTS, ids=range(len(INPUTS)))
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_sub_graphs_other_channels_sends_and_inputs_forget_it(
    database: Database, given: Any, encrypted: bool
) -> None:
    saver = TranscriptSaver(database.pool, serde=XorSerializer() if encrypted else None)
    graph = everything_graph(saver)
    await graph.ainvoke({"messages": given}, on("t"), durability="sync")
    namespaces = await fetch(database, "SELECT DISTINCT checkpoint_ns FROM checkpoints")
    assert len(namespaces) == 2
    message = (await graph.aget_state(on("t"))).values["messages"][0]
    before = await graph.aget_state(on("t"), subgraphs=True)
    assert SECRET in str(before)
    await forget(database, message.id, saver)
    assert await found(database) == []
    again = everything_graph(TranscriptSaver(database.pool, serde=saver.serde))
    async for saved in again.aget_state_history(on("t")):
        assert SECRET not in str(saved)
    values = (await again.aget_state(on("t"))).values
    assert values["question"] in (REDACTED, [{"type": "text", "text": REDACTED}])
    assert values["archive"][0].content == REDACTED
    blobs = await fetch(
        database,
        "SELECT type, blob FROM checkpoint_blobs WHERE type NOT IN ('transcript', 'empty')",
    )
    blobs += await fetch(database, "SELECT type, blob FROM checkpoint_writes")
    assert blobs
    for blob in blobs:
        assert SECRET not in str(saver.serde.loads_typed((blob["type"], blob["blob"])))


async def test_pending_writes_of_a_run_that_crashed_forget_it_and_it_can_go_on(
    database: Database,
) -> None:
    broken = True

    def fail(state: MessagesState) -> dict[str, Any]:
        if broken:
            raise RuntimeError(f"broken by {SECRET}")
        return {"messages": [AIMessage("mended")]}

    def copy(state: MessagesState) -> dict[str, Any]:
        return {"messages": [*state["messages"], AIMessage("copied")]}

    builder = StateGraph(MessagesState)
    builder.add_node("fail", fail)
    builder.add_node("copy", copy)
    builder.add_edge(START, "fail")
    builder.add_edge(START, "copy")
    graph = builder.compile(checkpointer=TranscriptSaver(database.pool))
    with pytest.raises(RuntimeError):
        await graph.ainvoke({"messages": [HumanMessage(SECRET, id="m")]}, on("t"))
    assert "checkpoint_writes.blob" in await found(database)
    done = await forget(database, "m")
    assert done.places["pending writes"] >= 1
    broken = False
    again = builder.compile(checkpointer=TranscriptSaver(database.pool))
    await again.ainvoke(None, on("t"))
    assert sorted(texts(await state(database))) == sorted([REDACTED, "copied", "mended"])


async def test_what_the_plain_saver_wrote_is_forgotten_with_and_without_rows(
    database: Database,
) -> None:
    plain = chat_graph(AsyncPostgresSaver(database.pool))
    for thread_id in ("left", "adopted"):
        await plain.ainvoke({"messages": [HumanMessage(SECRET, id=thread_id)]}, on(thread_id))
        await say(plain, thread_id, "more")
    adopted = chat_graph(TranscriptSaver(database.pool))
    await say(adopted, "adopted", "and more")
    for thread_id in ("left", "adopted"):
        done = await forget(database, thread_id)
        assert done.threads == [thread_id]
        assert len(done.rows) == (thread_id == "adopted")
        assert texts(await state(database, thread_id))[0] == REDACTED
    assert await found(database) == []
    assert texts((await plain.aget_state(on("left"))).values["messages"])[0] == REDACTED


async def test_a_message_that_was_removed_is_forgotten_by_its_row(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    result = await say(graph, "t", SECRET)
    row = await row_saying(database)
    await graph.aupdate_state(on("t"), {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]})
    await say(graph, "t", "anew")
    await forget(database, row["id"])
    assert await found(database) == []
    assert result["messages"][0].content == SECRET


async def test_old_checkpoints_with_json_and_writes_in_their_metadata_are_blanked(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", SECRET)
    row = await row_saying(database)
    message = (await state(database))[0]
    async with database.pool.connection() as connection:
        await connection.execute(
            "UPDATE checkpoints SET metadata = metadata || %s",
            (Jsonb({"writes": {"say": {"messages": [dumpd(message)]}}}),),
        )
        await connection.execute(
            "INSERT INTO checkpoint_blobs VALUES ('t', '', 'old', '1', 'json', %s)",
            (
                b'[{"lc": 2, "type": "constructor", "id": ["langchain_core", "messages", "human",'
                b' "HumanMessage"], "kwargs": {"content": "the word is \\u0058yzzy-42",'
                b' "type": "human", "id": "' + str(message.id).encode() + b'"}}]',
            ),
        )
    await forget(database, row["id"])
    assert await found(database) == []
    assert await found(database, "u0058yzzy-42") == []
    (after,) = await fetch(
        database, "SELECT metadata FROM checkpoints ORDER BY checkpoint_id LIMIT 1"
    )
    assert after["metadata"]["writes"]["say"]["messages"][0]["kwargs"]["content"] == REDACTED
