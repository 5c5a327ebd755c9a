"""A real `langgraph dev`, driven by the LangGraph SDK: turns, restarts, and what nobody may do."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from langgraph_sdk.client import LangGraphClient
from psycopg.rows import dict_row

from tests.server.support import Served, langgraph_dev
from tests.storage.support import ACTIVE_BRANCH

GRAPH = "task_agent"
TURNS = (
    "Add a task to buy milk tomorrow at 9, high priority",
    "What's on my list?",
    "Done with the milk",
)


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with langgraph_dev(database_url, tmp_path) as served:
        yield served


def select(database_url: str, query: Any, *args: Any) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(query, args).fetchall()


def saying(text: str) -> dict[str, Any]:
    """A run's input."""
    return {"messages": [{"role": "user", "content": text}]}


async def turn(client: LangGraphClient, thread_id: str, text: str, **more: Any) -> str:
    """One turn; what the agent answered."""
    result = await client.runs.wait(thread_id, GRAPH, input=saying(text), **more)
    assert isinstance(result, dict)
    return str(result["messages"][-1]["content"])


async def state_messages(client: LangGraphClient, thread_id: str) -> list[dict[str, Any]]:
    state = await client.threads.get_state(thread_id)
    assert isinstance(state["values"], dict)
    messages: list[dict[str, Any]] = state["values"]["messages"]
    return messages


async def assert_rows_are_the_state(
    database_url: str, client: LangGraphClient, thread_id: str, count: int
) -> None:
    """The rows say what the API says, and the last checkpoint points at the last row."""
    messages = await state_messages(client, thread_id)
    rows = select(database_url, ACTIVE_BRANCH, thread_id)
    roles = {"human": "user", "ai": "assistant", "tool": "tool"}
    assert [(row["role"], row["content"]) for row in rows] == [
        (roles[message["type"]], message["content"]) for message in messages
    ]
    assert len(rows) == count
    (pointed,) = select(
        database_url,
        "SELECT b.type, b.blob FROM checkpoints c JOIN checkpoint_blobs b"
        " ON b.thread_id = c.thread_id AND b.channel = 'messages'"
        " AND b.version = c.checkpoint -> 'channel_versions' ->> 'messages'"
        " WHERE c.thread_id = %s ORDER BY c.checkpoint_id DESC LIMIT 1",
        thread_id,
    )
    assert (pointed["type"], pointed["blob"]) == ("transcript", rows[-1]["digest"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.timeout(600)
async def test_three_turns_over_a_restart_leave_a_completed_task_and_every_word(
    database_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    with langgraph_dev(database_url, tmp_path) as served:
        async with served.connect() as client:
            thread_id = (await client.threads.create())["thread_id"]
            assert "milk" in await turn(client, thread_id, TURNS[0])
            await assert_rows_are_the_state(database_url, client, thread_id, 4)
            assert "#1" in await turn(client, thread_id, TURNS[1])
            await assert_rows_are_the_state(database_url, client, thread_id, 8)
            before = await state_messages(client, thread_id)
        served.stop(how)
    with langgraph_dev(database_url, tmp_path) as served:
        async with served.connect() as client:
            assert await state_messages(client, thread_id) == before
            assert "ompleted" in await turn(client, thread_id, TURNS[2])
            await assert_rows_are_the_state(database_url, client, thread_id, 12)
            assert (await state_messages(client, thread_id))[:8] == before
    (task,) = select(database_url, "SELECT * FROM tasks")
    assert (task["number"], task["title"], task["priority"]) == (1, "buy milk", "high")
    assert task["completed_at"] is not None
    assert (task["due_at"].hour, task["due_at"].minute) == (9, 0)
    (conversation,) = select(database_url, "SELECT * FROM conversations")
    assert conversation["title"] == TURNS[0]
    records = [
        record
        for row in select(database_url, ACTIVE_BRANCH, thread_id)
        if row["role"] == "tool"
        for record in row["tool_calls"]
    ]
    assert [(record["tool"], record["status"]) for record in records] == [
        ("add_tasks", "success"),
        ("find_tasks", "success"),
        ("complete_tasks", "success"),
    ]


@pytest.mark.timeout(600)
async def test_a_running_server(served: Served, database_url: str) -> None:
    """One server for many small questions: it takes seconds to start."""
    async with served.connect() as client:
        await a_turn_shows_in_the_rows(client, database_url)
        await a_stream_brings_the_answer_in_pieces(client)
        await an_edited_state_shows_in_the_rows(client, database_url)
        await a_deleted_run_leaves_no_trace_in_the_state(client, database_url)
        await a_deleted_thread_leaves_no_row(client, database_url)
        await threads_deleted_at_once_are_the_ones_asked_for(client)
        await a_client_cannot_be_somebody_else(client, database_url)
        await bad_input_gets_a_clear_error_and_loses_nothing(client, database_url)
        await what_studio_shows_reads_well(client)
    the_internal_routes_do_not_exist(served)
    studio_may_ask_and_other_pages_may_not(served)
    nothing_is_logged_that_is_wrong(served)


async def a_turn_shows_in_the_rows(client: LangGraphClient, database_url: str) -> None:
    thread = await client.threads.create()
    await turn(client, thread["thread_id"], "add water the plants")
    await assert_rows_are_the_state(database_url, client, thread["thread_id"], 4)


async def a_stream_brings_the_answer_in_pieces(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    pieces = []
    async for part in client.runs.stream(
        thread["thread_id"],
        GRAPH,
        input=saying("what's on my list?"),
        stream_mode="messages-tuple",
    ):
        if part.event == "messages" and part.data[0]["type"] == "AIMessageChunk":
            pieces.append(part.data[0]["content"])
    assert len([piece for piece in pieces if piece]) > 2
    assert "water the plants" in "".join(pieces)


async def an_edited_state_shows_in_the_rows(client: LangGraphClient, database_url: str) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await turn(client, thread_id, "add call mum")
    first = (await state_messages(client, thread_id))[0]
    await client.threads.update_state(
        thread_id, {"messages": [{**first, "content": "add call dad"}]}
    )
    assert (await state_messages(client, thread_id))[0]["content"] == "add call dad"
    await assert_rows_are_the_state(database_url, client, thread_id, 4)
    # A fork from the checkpoint that took the first input.
    history = await client.threads.get_history(thread_id, limit=20)
    old = [entry for entry in history if entry["next"] == ["agent"]][-1]
    await turn(client, thread_id, "add call aunt", checkpoint=old["checkpoint"])
    await assert_rows_are_the_state(database_url, client, thread_id, 5)


async def a_deleted_run_leaves_no_trace_in_the_state(
    client: LangGraphClient, database_url: str
) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await turn(client, thread_id, "what can you do?")
    before = await state_messages(client, thread_id)
    run = await client.runs.create(thread_id, GRAPH, input=saying("add tidy up"))
    await client.runs.join(thread_id, run["run_id"])
    assert len(await state_messages(client, thread_id)) > len(before)
    await client.runs.delete(thread_id, run["run_id"])
    assert await state_messages(client, thread_id) == before
    await assert_rows_are_the_state(database_url, client, thread_id, len(before))
    assert "offline" not in await turn(client, thread_id, "what's on my list?")


async def a_deleted_thread_leaves_no_row(client: LangGraphClient, database_url: str) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await turn(client, thread_id, "what can you do?")
    await client.threads.delete(thread_id)
    for table in ("conversations", "checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        query = f"SELECT 1 FROM {table} WHERE thread_id = %s"
        assert select(database_url, query, thread_id) == []


async def threads_deleted_at_once_are_the_ones_asked_for(client: LangGraphClient) -> None:
    threads = [(await client.threads.create())["thread_id"] for _ in range(12)]
    await asyncio.gather(*(turn(client, thread, "what can you do?") for thread in threads))
    await asyncio.gather(*(client.threads.delete(thread) for thread in threads[::2]))
    listed = {thread["thread_id"] for thread in await client.threads.search(limit=100)}
    assert listed.isdisjoint(threads[::2])
    assert listed.issuperset(threads[1::2])
    await client.threads.copy(threads[1])


async def a_client_cannot_be_somebody_else(client: LangGraphClient, database_url: str) -> None:
    forged: list[dict[str, Any]] = [
        {"config": {"configurable": {"langgraph_auth_user_id": "mallory"}}},
        {"config": {"configurable": {"user_id": "mallory"}}},
        {"metadata": {"user_id": "mallory", "owner": "mallory"}},
        {"checkpoint": {"langgraph_auth_user_id": "mallory"}},
        {"context": {"user_id": "mallory", "langgraph_auth_user_id": "mallory"}},
    ]
    for more in forged:
        thread = await client.threads.create()
        await turn(client, thread["thread_id"], "add a forged task", **more)
    assert select(database_url, "SELECT subject FROM users") == [{"subject": "local"}]


async def bad_input_gets_a_clear_error_and_loses_nothing(
    client: LangGraphClient, database_url: str
) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    assert "empty" in await turn(client, thread_id, "")
    for text in ("nul \x00 byte", "x" * 1_000_000):
        assert await turn(client, thread_id, text)
    rows = select(database_url, ACTIVE_BRANCH, thread_id)
    assert [row["content"] for row in rows if row["role"] == "user"] == [
        "", "nul \ufffd byte", "x" * 1_000_000,
    ]  # fmt: skip
    with pytest.raises(Exception, match="OPENAI_API_KEY"):
        await turn(client, thread_id, "hello", context={"model": "gpt-x"})
    with pytest.raises(Exception, match="Mars"):
        await turn(client, thread_id, "hello", context={"time_zone": "Mars/Olympus"})
    with pytest.raises(Exception, match="no message"):
        await client.runs.wait(
            (await client.threads.create())["thread_id"], GRAPH, input={"messages": []}
        )
    assert "open task" in await turn(client, thread_id, "what's on my list?")


def the_internal_routes_do_not_exist(served: Served) -> None:
    for method, path in [
        ("POST", "/internal/truncate"),
        ("POST", "//internal/truncate"),
        ("GET", "/internal/debug/thread/00000000-0000-0000-0000-000000000000"),
        ("POST", "/deploy"),
        ("GET", "/deploy"),
        ("GET", "/deploy/1/stream"),
    ]:
        answer = httpx.request(method, f"{served.url}{path}")
        assert answer.status_code == httpx.codes.NOT_FOUND, path


def studio_may_ask_and_other_pages_may_not(served: Served) -> None:
    def preflight(origin: str) -> httpx.Response:
        return httpx.options(
            f"{served.url}/threads",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
                "Access-Control-Request-Private-Network": "true",
            },
        )

    for origin in ("https://smith.langchain.com", "http://localhost:3000"):
        allowed = preflight(origin)
        assert allowed.status_code == httpx.codes.OK
        assert allowed.headers["access-control-allow-origin"] == origin
        assert allowed.headers["access-control-allow-private-network"] == "true"
    assert preflight("https://elsewhere.example").status_code == httpx.codes.BAD_REQUEST
    # A page may send what needs no preflight, and change tasks without reading the answer.
    for headers in (
        {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"},
        {"Origin": "null", "Content-Type": "text/plain"},
        {"Host": "elsewhere.example", "Content-Type": "text/plain"},
    ):
        sent = httpx.post(
            f"{served.url}/runs/wait",
            headers=headers,
            content='{"assistant_id": "task_agent", "input": {"messages": []}}',
        )
        assert sent.status_code == httpx.codes.FORBIDDEN
        assert "access-control-allow-origin" not in sent.headers


async def what_studio_shows_reads_well(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search()
    assert assistant["name"] == "Task agent"
    assert assistant["description"]
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    context = schemas["context_schema"]
    assert context is not None
    assert {name: bool(field["description"]) for name, field in context["properties"].items()} == {
        "model": True,
        "time_zone": True,
        "locale": True,
        "approval": True,
    }
    graph = await client.assistants.get_graph(assistant["assistant_id"])
    assert [node["id"] for node in graph["nodes"]] == [
        "__start__",
        "agent",
        "approval",
        "tools",
        "__end__",
    ]


def nothing_is_logged_that_is_wrong(served: Served) -> None:
    expected = ("exceeded the expected startup time", "Stripped reserved keys", "format_exc_info")
    asked_for = ("ModelNotConfiguredError", "NoMessageError", "ValidationError", "Mars/Olympus")
    for line in served.log.read_text().splitlines():
        if "[error" in line:
            assert any(words in line for words in asked_for), line
        if "[warning" in line:
            assert any(words in line for words in expected), line
