"""The tools as the agent has them: LangChain tools over one held session."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

import psycopg
import pytest
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.graph import START, StateGraph, add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from storage.database import Database, connect, shared_database
from tools.client import TaskTools, idempotency_key
from tools.errors import TaskToolsError

OWNER = "task-tools"


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@dataclass
class RunContext:
    time_zone: str | None = None


def clock() -> datetime:
    return datetime(2026, 11, 18, 9, tzinfo=UTC)


@asynccontextmanager
async def task_tools(get_database: Callable[[], Database]) -> AsyncIterator[TaskTools]:
    tools = TaskTools(get_database, clock=clock)
    try:
        yield tools
    finally:
        await tools.aclose()


async def run(
    tools: TaskTools,
    *calls: tuple[str, dict[str, Any], str],
    time_zone: str | None = None,
    **configurable: Any,
) -> list[ToolMessage]:
    """Run tool calls (name, arguments, id) the way the agent's graph does, and their answers."""
    asked = AIMessage(
        "", tool_calls=[{"name": name, "args": args, "id": id_} for name, args, id_ in calls]
    )
    graph = StateGraph(State, context_schema=RunContext)
    graph.add_node("tools", ToolNode(await tools.tools()))
    graph.add_conditional_edges(
        START,
        lambda state: [Send("tools", [call]) for call in state["messages"][-1].tool_calls],
        ["tools"],
    )
    out = await graph.compile().ainvoke(
        {"messages": [asked]},
        {"configurable": configurable},
        context=RunContext(time_zone),
    )
    answers = out["messages"][1:]
    assert all(isinstance(message, ToolMessage) for message in answers)
    return list(answers)


def task_in(message: ToolMessage) -> dict[str, Any]:
    """The task in the first result of an answer."""
    return dict(message.artifact["structured_content"]["results"][0]["task"])


def owners() -> list[asyncio.Task[Any]]:
    """The tasks of this event loop that hold a session."""
    return [task for task in asyncio.all_tasks() if task.get_name() == OWNER]


def stored(database_url: str) -> list[tuple[str, str, int]]:
    """Subject, title and number of every task."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT subject, title, number FROM tasks "
            "JOIN users ON users.id = user_id ORDER BY 1, 3"
        ).fetchall()


ADD = ("add_tasks", {"tasks": [{"title": "Buy milk", "due": "tomorrow at 9"}]}, "call_1")


async def test_a_call_is_done_for_the_authenticated_user_at_the_agents_clock(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        [message] = await run(
            tools,
            ADD,
            time_zone="America/New_York",
            thread_id="t",
            langgraph_auth_user_id="ann",
            # A client can write these.
            user_id="bob",
            user="bob",
        )
    assert isinstance(message.content, str)
    assert (message.name, message.tool_call_id, message.status) == (
        "add_tasks",
        "call_1",
        "success",
    )
    task = task_in(message)
    assert task["due"] == "2026-11-19T09:00:00-05:00"
    assert task["created"] == "2026-11-18T04:00:00-05:00"
    assert stored(database_url) == [("ann", "Buy milk", 1)]


async def test_without_authentication_everybody_is_the_local_user(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ADD, thread_id="t")
    assert stored(database_url) == [("local", "Buy milk", 1)]


async def test_a_run_that_names_no_zone_is_in_the_zone_of_the_settings(
    database: Database,
) -> None:
    tools = TaskTools(lambda: database, clock=clock, time_zone=lambda: "Asia/Tokyo")
    try:
        [message] = await run(tools, ADD)
        [other] = await run(tools, ADD, time_zone="Europe/Berlin")
    finally:
        await tools.aclose()
    dues = [task_in(each)["due"] for each in (message, other)]
    assert dues == ["2026-11-19T09:00:00+09:00", "2026-11-19T09:00:00+01:00"]


async def test_an_error_is_a_message_and_the_calls_beside_it_are_done(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        failed, done = await run(tools, ("complete_tasks", {"tasks": ["zebra"]}, "call_0"), ADD)
    assert (failed.status, done.status) == ("error", "success")
    assert "zebra" in failed.text
    assert failed.artifact["structured_content"]["failed"] == 1
    assert len(stored(database_url)) == 1


async def test_a_call_that_a_resumed_run_makes_again_is_done_once(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        [first] = await run(tools, ADD, thread_id="t")
    # Another process: nothing is left of the first but what is in the database.
    async with task_tools(lambda: database) as tools:
        [second] = await run(tools, ADD, thread_id="t")
        assert second.text == first.text
        assert len(stored(database_url)) == 1
        # Another thread, another call, other arguments: another task each.
        await run(tools, ADD, thread_id="u")
        await run(tools, (*ADD[:2], "call_2"), thread_id="t")
        await run(tools, ("add_tasks", {"tasks": ["Tea"]}, "call_1"), thread_id="t")
    assert len(stored(database_url)) == 4


async def test_calls_that_only_look_alike_are_both_done_where_there_is_no_thread(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ADD)
        await run(tools, ADD)
    assert len(stored(database_url)) == 2


def test_a_key_does_not_depend_on_the_order_of_arguments() -> None:
    one = idempotency_key("t", "c", "add_tasks", {"title": "a\ud800", "due": "b"})
    other = idempotency_key("t", "c", "add_tasks", {"due": "b", "title": "a\ud800"})
    assert one == other
    assert one is not None
    assert len(one) == 64
    assert idempotency_key("t", "c", "add_tasks", {"title": "b", "due": "a"}) != one


async def test_a_tool_can_be_called_outside_a_graph(database: Database, database_url: str) -> None:
    async with task_tools(lambda: database) as tools:
        add = (await tools.tools())[0]
        message = await add.ainvoke(
            {"type": "tool_call", "name": add.name, "args": ADD[1], "id": "c"}
        )
    assert message.artifact["structured_content"]["changed"] == 1
    assert stored(database_url) == [("local", "Buy milk", 1)]


async def test_first_uses_at_the_same_time_open_one_session(database: Database) -> None:
    async with task_tools(lambda: database) as tools:
        assert owners() == []
        lists = await asyncio.gather(*(tools.tools() for _ in range(5)))
        assert len(owners()) == 1
        names = [[tool.name for tool in found] for found in lists]
        assert names == [names[0]] * 5
        assert names[0][:2] == ["add_tasks", "find_tasks"]
        await run(tools, ADD)
        assert len(owners()) == 1


async def test_the_session_does_not_keep_the_first_callers_context(database: Database) -> None:
    run_of = contextvars.ContextVar[str]("run_of", default="nobody")
    seen = []

    def get_database() -> Database:
        seen.append(run_of.get())
        return database

    async with task_tools(get_database) as tools:
        run_of.set("ann")
        await run(tools, ADD)
    assert seen == ["nobody"]


async def test_closing_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    tools = TaskTools(shared_database)
    await tools.aclose()
    assert len(await tools.tools()) == 14
    assert asyncio.all_tasks() > before
    await tools.aclose()
    assert asyncio.all_tasks() == before
    await tools.aclose()


async def test_the_tools_can_be_used_again_after_closing(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ADD)
        await tools.aclose()
        assert owners() == []
        await run(tools, ADD)
        assert len(owners()) == 1
    assert len(stored(database_url)) == 2


async def test_a_session_that_died_is_opened_again(database: Database, database_url: str) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ADD)
        [owner] = owners()
        owner.cancel()
        await asyncio.wait({owner})
        [message] = await run(tools, ADD)
        assert message.status == "success"
        assert len(owners()) == 1
    assert len(stored(database_url)) == 2


async def test_a_call_during_which_the_session_dies_is_made_again_and_done_once(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ("add_tasks", {"tasks": ["First"]}, "call_0"), thread_id="t")
        [owner] = owners()
        # Somebody else's change keeps the call waiting in the database.
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SELECT * FROM users FOR UPDATE")
            call = asyncio.create_task(run(tools, ADD, thread_id="t"))
            await waiting_for_a_lock(database_url)
            owner.cancel()
            await asyncio.wait({owner})
            assert not call.done()
        [message] = await asyncio.wait_for(call, 30)
    assert message.status == "success"
    assert stored(database_url) == [("local", "First", 1), ("local", "Buy milk", 2)]


async def waiting_for_a_lock(database_url: str) -> None:
    """Return once a statement waits for a lock in this database."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        async with asyncio.timeout(30):
            while True:
                found = await connection.execute(
                    "SELECT 1 FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if await found.fetchone():
                    return


class Crash(BaseException):
    """Ends a server: it is nothing that a tool call is expected to raise."""


async def test_a_server_that_crashes_in_a_call_is_replaced(
    database: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    crashes = [Crash()]

    def get_database() -> Database:
        if crashes:
            raise crashes.pop()
        return database

    async with task_tools(get_database) as tools:
        [message] = await run(tools, ADD)
        assert message.status == "success"
    assert "session with the task server failed" in caplog.text
    assert len(stored(database_url)) == 1


async def test_a_server_that_crashes_twice_is_an_error_of_its_own() -> None:
    def get_database() -> Database:
        raise Crash

    async with task_tools(get_database) as tools:
        with pytest.raises(TaskToolsError):
            await run(tools, ADD)
        assert owners() == []


async def test_closing_during_a_call_ends_the_call_and_opens_nothing(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ("add_tasks", {"tasks": ["First"]}, "call_0"), thread_id="t")
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SELECT * FROM users FOR UPDATE")
            call = asyncio.create_task(run(tools, ADD, thread_id="t"))
            await waiting_for_a_lock(database_url)
            await tools.aclose()
            with pytest.raises(TaskToolsError):
                await asyncio.wait_for(call, 30)
        assert owners() == []
    assert len(stored(database_url)) == 1


async def test_a_cancelled_call_leaves_the_session_usable(
    database: Database, database_url: str
) -> None:
    async with task_tools(lambda: database) as tools:
        await run(tools, ("add_tasks", {"tasks": ["First"]}, "call_0"), thread_id="t")
        [owner] = owners()
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SELECT * FROM users FOR UPDATE")
            call = asyncio.create_task(run(tools, ADD, thread_id="t"))
            await waiting_for_a_lock(database_url)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        # The run is resumed, whether or not the server went on with the change.
        [message] = await run(tools, ADD, thread_id="t")
        assert message.status == "success"
        assert owners() == [owner]
    assert stored(database_url) == [("local", "First", 1), ("local", "Buy milk", 2)]


def test_the_tools_work_on_one_event_loop_after_another(database_url: str) -> None:
    open_databases: list[Database] = []
    tools = TaskTools(lambda: open_databases[-1], clock=clock)

    async def once() -> None:
        async with connect(database_url) as database:
            open_databases.append(database)
            # Without closing the tools: the loop ends with the session still open.
            [message] = await run(tools, ADD)
            assert message.status == "success"

    asyncio.run(once())
    asyncio.run(once())
    assert len(stored(database_url)) == 2
