"""A conversation, or a user with all that is theirs, is deleted whole or not at all."""

import asyncio
from functools import partial
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.errors import UserDeletedError
from storage.forgetting import Deletion, NothingToDeleteError, delete_conversation, delete_user
from storage.verifying import problems
from tests.storage.plain_support import eject
from tests.storage.support import (
    TABLES,
    Graph,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
)
from tests.storage.test_atomicity import BREAK, allow

ALL = ("users", *TABLES, "tasks", "task_events")


def owned_by(user: str, config: RunnableConfig) -> str:
    return user


def saver_of(database: Database, user: str) -> TranscriptSaver:
    return TranscriptSaver(database.pool, owner=partial(owned_by, user))


async def give_tasks(database: Database, user: str) -> None:
    async with database.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO tasks (id, user_id, number, title)"
            " SELECT gen_random_uuid(), id, 1, 'buy milk' FROM users WHERE subject = %s",
            (user,),
        )
        await connection.execute(
            "INSERT INTO task_events (id, user_id, position, key, turn_id, action, task_number,"
            " after) SELECT gen_random_uuid(), id, 1, 'k', 'k', 'added', 1, '{}' FROM users"
            " WHERE subject = %s",
            (user,),
        )


async def erase_user(database: Database, user: str, **more: Any) -> Deletion:
    async with database.pool.connection() as connection:
        return await delete_user(connection, user, **more)


async def erase_conversation(database: Database, name: str, **more: Any) -> Deletion:
    async with database.pool.connection() as connection:
        return await delete_conversation(connection, name, **more)


async def everything(database: Database) -> dict[str, Any]:
    assert await problems(database.pool) == []
    return {
        table: await fetch(database, f"SELECT * FROM {table} t ORDER BY t::text") for table in ALL
    }


def with_sub_graph(saver: Any) -> Graph:
    inner = StateGraph(MessagesState)
    inner.add_node("inside", lambda state: {"messages": [AIMessage("inside")]})
    inner.add_edge(START, "inside")
    builder = StateGraph(MessagesState)
    builder.add_node("inner", inner.compile(checkpointer=True))
    builder.add_edge(START, "inner")
    return builder.compile(checkpointer=saver)


async def two_users(database: Database) -> dict[str, Any]:
    """Ann has three threads and a task; what Bob has is returned."""
    await say(chat_graph(saver_of(database, "bob")), "of bob", "hello")
    await give_tasks(database, "bob")
    of_bob = await everything(database)
    for number in range(2):
        await say(chat_graph(saver_of(database, "ann")), f"of ann {number}", "hello")
    await say(with_sub_graph(saver_of(database, "ann")), "of ann with a sub-graph", "hello")
    await give_tasks(database, "ann")
    return of_bob


async def test_a_user_goes_with_all_that_is_theirs_and_nobody_elses(database: Database) -> None:
    of_bob = await two_users(database)
    deleted = await erase_user(database, "ann")
    assert await everything(database) == of_bob
    assert list(deleted.threads) == ["of ann 0", "of ann 1", "of ann with a sub-graph"]
    assert deleted.rows["users"] == 1
    assert deleted.rows["conversations"] == 3
    assert deleted.rows["messages"] == 4 + 4 + 2
    assert (deleted.rows["tasks"], deleted.rows["task_events"]) == (1, 1)
    assert all(deleted.rows[table] for table in TABLES)


async def test_a_conversation_goes_by_its_threads_id_or_its_own(database: Database) -> None:
    await two_users(database)
    before = await everything(database)
    await say(chat_graph(saver_of(database, "ann")), "one more", "hello")
    await erase_conversation(database, "one more")
    assert await everything(database) == before
    await say(chat_graph(saver_of(database, "ann")), "one more", "hello")
    (row,) = await fetch(database, "SELECT id FROM conversations WHERE thread_id = 'one more'")
    deleted = await erase_conversation(database, str(row["id"]).upper())
    assert deleted.threads == ["one more"]
    assert await everything(database) == before


async def test_threads_of_the_plain_saver_go_with_the_user_who_ran_them(
    database: Database,
) -> None:
    plain = chat_graph(AsyncPostgresSaver(database.pool))
    for user in ("ann", "bob"):
        await plain.ainvoke(
            {"messages": [HumanMessage("hello")]},
            on(f"plain of {user}", langgraph_auth_user_id=user),
        )
    # What another user has a conversation in is theirs, whoever has run it.
    await chat_graph(saver_of(database, "bob")).ainvoke(
        {"messages": [HumanMessage("hello")]}, on("of bob", langgraph_auth_user_id="ann")
    )
    deleted = await erase_user(database, "ann")
    assert deleted.threads == ["plain of ann"]
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        rows = await fetch(database, f"SELECT DISTINCT thread_id FROM {table} ORDER BY 1")
        assert [row["thread_id"] for row in rows] == ["of bob", "plain of bob"]
    await erase_conversation(database, "plain of bob")
    assert await fetch(database, "SELECT FROM checkpoints WHERE thread_id = 'plain of bob'") == []


@pytest.mark.parametrize("name", ["nobody", "", "a\x00b", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_not_there_is_an_error(database: Database, name: str) -> None:
    await two_users(database)
    before = await everything(database)
    with pytest.raises(NothingToDeleteError):
        await erase_user(database, name)
    with pytest.raises(NothingToDeleteError):
        await erase_conversation(database, name)
    assert await everything(database) == before


async def test_a_dry_run_counts_and_deletes_nothing(database: Database) -> None:
    await two_users(database)
    before = await everything(database)
    tried = await erase_user(database, "ann", dry_run=True)
    await erase_conversation(database, "of ann 0", dry_run=True)
    assert await everything(database) == before
    assert tried == await erase_user(database, "ann")


@pytest.mark.parametrize("table", ALL)
@pytest.mark.parametrize("kind", ["statement", "commit"])
async def test_deleting_a_user_that_fails_half_way_deletes_nothing(
    database: Database, table: str, kind: str
) -> None:
    of_bob = await two_users(database)
    await refuse_deleting(database, table, kind)
    before = await everything(database)
    with pytest.raises(psycopg.errors.RaiseException):
        await erase_user(database, "ann")
    assert await everything(database) == before
    await allow(database)
    await erase_user(database, "ann")
    assert await everything(database) == of_bob


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kind", ["statement", "commit"])
async def test_deleting_a_conversation_that_fails_half_way_deletes_nothing(
    database: Database, table: str, kind: str
) -> None:
    await two_users(database)
    await refuse_deleting(database, table, kind)
    before = await everything(database)
    with pytest.raises(psycopg.errors.RaiseException):
        await erase_conversation(database, "of ann 0")
    assert await everything(database) == before


async def refuse_deleting(database: Database, table: str, kind: str) -> None:
    trigger = (
        f"TRIGGER refuse BEFORE DELETE ON {table}"
        if kind == "statement"
        else f"CONSTRAINT TRIGGER refuse AFTER DELETE ON {table} DEFERRABLE INITIALLY DEFERRED"
    )
    async with database.pool.connection() as connection:
        await connection.execute(BREAK)
        await connection.execute(f"CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION refuse()")


# Runs that are under way


def interrupted(saver: Any, meanwhile: Any) -> Graph:
    """A run in the midst of which something is deleted, and which then goes on in a sub-graph."""

    async def delete(state: MessagesState) -> dict[str, Any]:
        await meanwhile()
        return {"messages": [AIMessage("deleted")]}

    inner = StateGraph(MessagesState)
    inner.add_node("one", lambda state: {"messages": [AIMessage("inside")]})
    inner.add_node("two", lambda state: {"messages": [AIMessage("still inside")]})
    inner.add_edge(START, "one")
    inner.add_edge("one", "two")
    inner_graph = inner.compile(checkpointer=True)
    builder = StateGraph(MessagesState)
    builder.add_node("delete", delete)
    builder.add_node("inner", inner_graph)
    builder.add_edge(START, "delete")
    builder.add_edge("delete", "inner")
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_run_of_a_deleted_user_ends_and_brings_nothing_of_theirs_back(
    database: Database, durability: Any
) -> None:
    of_bob = await two_users(database)
    saver = saver_of(database, "ann")
    graph = interrupted(saver, partial(erase_user, database, "ann"))
    await say(chat_graph(saver), "t", "hello")
    with pytest.raises(UserDeletedError):
        await say(graph, "t", "go on", durability=durability)
    assert await everything(database) == of_bob
    # Who comes back is new.
    await say(chat_graph(saver), "t", "hello again")
    await assert_rows_are_the_state(database, chat_graph(saver), "t")
    assert await count(database, "tasks") == 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_run_whose_conversation_is_deleted_goes_on_whole(
    database: Database, durability: Any
) -> None:
    saver = saver_of(database, "ann")
    graph = interrupted(saver, partial(erase_conversation, database, "t"))
    await say(chat_graph(saver), "t", "hello")
    await say(graph, "t", "go on", durability=durability)
    await assert_rows_are_the_state(database, graph, "t")
    assert (
        await fetch(
            database,
            "SELECT FROM checkpoint_writes w WHERE NOT EXISTS (SELECT FROM checkpoints c"
            " WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns"
            " AND c.checkpoint_id = w.checkpoint_id)",
        )
        == []
    )


async def test_a_pending_write_that_is_stored_while_its_user_is_deleted_goes_too(
    database: Database,
) -> None:
    of_bob = await two_users(database)
    async with database.pool.connection() as other, other.transaction(force_rollback=False):
        await other.execute(
            "INSERT INTO checkpoint_writes"
            " VALUES ('of ann 0', '', 'c', 't', 0, 'messages', 'msgpack', '', '')"
        )
        deleting = asyncio.create_task(erase_user(database, "ann"))
        async with asyncio.timeout(10):
            while await fetch(database, "SELECT FROM users WHERE subject = 'ann'"):
                assert not deleting.done()
        assert not deleting.done()
    await deleting
    assert await everything(database) == of_bob


async def test_an_ejected_thread_is_written_to_as_one_without_a_conversation(
    database: Database,
) -> None:
    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [HumanMessage(interrupt("sure?"))]}

    saver = saver_of(database, "ann")
    graph = chat_graph(saver, ask)
    await say(graph, "t", "hello")
    await eject(database)
    before = await count(database, "checkpoint_writes")
    assert (await graph.aget_state(on("t"))).next == ("ask",)
    checkpoint = await saver.aget_tuple(on("t"))
    assert checkpoint is not None
    # As the first thing that a run does which goes on after an interrupt.
    await saver.aput_writes(checkpoint.config, [("__resume__", "yes")], "task")
    assert await count(database, "checkpoint_writes") == before + 1
    await graph.ainvoke(Command(resume="yes"), on("t"))
    await assert_rows_are_the_state(database, graph, "t")


async def test_a_thousand_conversations_go_in_one_transaction(database: Database) -> None:
    saver = saver_of(database, "ann")
    await say(chat_graph(saver), "first", "hello")
    for number in range(1000):
        await saver.acopy_thread("first", f"t{number}")
    deleted = await erase_user(database, "ann")
    assert deleted.rows["conversations"] == 1001
    assert deleted.rows["messages"] == 4 * 1001
    for table in ALL:
        assert await count(database, table) == 0
