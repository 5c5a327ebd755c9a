"""What becomes of calls under way when the client of `task-agent mcp` closes its end."""

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import psycopg

from tests.cli.support import COMMAND, PATIENCE, environment, wait_until
from tests.tools.http_support import INITIALIZE
from tools.protocol import TaskServer, tool

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def call(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def add(number: int) -> dict[str, Any]:
    return call(number, "add_tasks", tasks=[{"title": f"task {number}"}])


@asynccontextmanager
async def server(uri: str) -> AsyncIterator[Process]:
    """The process, greeted, with a first task."""
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "mcp"),
        env=environment(DATABASE_URL=uri),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=2**26,
    )
    try:
        await say(process, INITIALIZE, INITIALIZED, add(1))
        for _ in range(2):
            assert "result" in await answer(process)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def say(process: Process, *messages: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    await process.stdin.drain()


async def answer(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))


async def rest(process: Process) -> tuple[list[Any], str]:
    """What it still answers when its input has ended, and what it complains of."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines, errors = await asyncio.wait_for(
        asyncio.gather(process.stdout.read(), process.stderr.read()), PATIENCE
    )
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    return [json.loads(line) for line in lines.splitlines()], errors.decode()


async def until_waiting(uri: str, count: int) -> None:
    with psycopg.connect(uri, autocommit=True) as watch:
        await asyncio.to_thread(
            wait_until, lambda: watch.execute(WAITING).fetchone() == (count,), "the calls wait"
        )


def titles(uri: str) -> list[str]:
    with psycopg.connect(uri) as connection:
        return [title for (title,) in connection.execute("SELECT title FROM tasks ORDER BY title")]


async def test_calls_under_way_are_finished_and_answered(database_url: str) -> None:
    async with server(database_url) as process:
        with psycopg.connect(database_url) as lock:
            lock.execute("SELECT FROM users FOR UPDATE")
            await say(process, add(2), add(3), call(4, "find_tasks"))
            await until_waiting(database_url, 2)
            assert process.stdin is not None
            process.stdin.close()
            # What needs no lock comes at once.
            assert (await answer(process))["id"] == 4
        answers, errors = await rest(process)
    assert {one["id"]: one["result"]["isError"] for one in answers} == {2: False, 3: False}
    assert errors == ""
    assert titles(database_url) == ["task 1", "task 2", "task 3"]


async def test_what_was_written_right_before_the_end_is_done(database_url: str) -> None:
    async with server(database_url) as process:
        await say(process, *(add(number) for number in range(2, 10)))
        assert process.stdin is not None
        process.stdin.close()
        answers, errors = await rest(process)
    assert sorted(one["id"] for one in answers) == list(range(2, 10))
    assert errors == ""
    assert titles(database_url) == [f"task {number}" for number in range(1, 10)]


async def test_calls_of_a_client_that_is_gone_are_finished(database_url: str) -> None:
    async with server(database_url) as process:
        with psycopg.connect(database_url) as lock:
            lock.execute("SELECT FROM users FOR UPDATE")
            await say(process, add(2), call(3, "find_tasks"), add(4))
            await until_waiting(database_url, 2)
            assert (await answer(process))["id"] == 3
            assert process.stdin is not None
            process.stdin.close()
            process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        _, errors = await rest(process)
    assert errors == ""
    assert titles(database_url) == ["task 1", "task 2", "task 4"]


def test_a_client_that_closes_its_end_and_reads_nothing_is_not_waited_for(
    database_url: str,
) -> None:
    # More than a pipe holds; and a ping is answered where messages are read.
    asked = [{"jsonrpc": "2.0", "id": number, "method": "tools/list"} for number in range(2, 42)]
    ping = {"jsonrpc": "2.0", "id": 42, "method": "ping"}
    with subprocess.Popen(
        (COMMAND, "mcp"), env=environment(DATABASE_URL=database_url), stdin=PIPE, stdout=PIPE
    ) as process:
        try:
            assert process.stdin is not None
            for message in (INITIALIZE, INITIALIZED, *asked, add(1), ping):
                process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert titles(database_url) == ["task 1"]


async def test_a_call_that_takes_too_long_is_cancelled_and_answered_so() -> None:
    """The bound is a short one here, that of the command is in `tools.standalone.stdio`."""
    begun, ended = anyio.Event(), anyio.Event()

    async def never() -> str:
        """Is never done."""
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return "too late"

    async def at_once() -> str:
        """Is done at once."""
        return "done"

    tools = [tool(one, title="A tool", description="A tool.") for one in (never, at_once)]
    serving = TaskServer("test", "", tools)
    theirs, ours = os.pipe()
    answers_end, our_end = os.pipe()
    with (
        os.fdopen(ours, "w") as asking,
        os.fdopen(theirs) as reading,
        os.fdopen(our_end, "w") as writing,
        os.fdopen(answers_end) as answers,
    ):
        for message in (INITIALIZE, INITIALIZED, call(1, "never"), call(2, "at_once")):
            print(json.dumps(message), file=asking)
        asking.close()
        await serving.run_over(anyio.wrap_file(reading), anyio.wrap_file(writing), grace=0.2)
        writing.close()
        answered = {one["id"]: one for one in map(json.loads, answers)}
    assert begun.is_set()
    assert ended.is_set()
    assert "result" in answered[2]
    assert answered[1]["error"]["message"] == "Request cancelled"
    assert list(answered)[-1] == 1
