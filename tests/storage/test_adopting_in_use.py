"""Adopting while others write, while somebody kills it, and where there is a lot."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from storage.database import Database
from storage.plain.adopting import adopt_threads
from tests.storage.plain_support import (
    adopt,
    all_checkpoints,
    differences,
    plain,
    tables,
    tree,
    with_plain_versions,
    write_plain,
)
from tests.storage.plain_writer import chat, on, said
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    count,
    fetch,
    texts,
)

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))

#: Times that a process is killed.
KILLS = 60 if LONG else 12
#: Threads of the large database.
MANY = 20_000 if LONG else 1_000

LISTS = """
    SELECT count(*) AS count FROM checkpoint_blobs
    WHERE channel = 'messages' AND checkpoint_ns = '' AND type NOT IN ('transcript', 'empty')
"""

# A thread becomes many, each with the same checkpoints, which is a lot quicker than to run them.
MULTIPLY = (
    """
    INSERT INTO checkpoints SELECT 'many-' || n, checkpoint_ns, checkpoint_id,
        parent_checkpoint_id, type, checkpoint, metadata
    FROM checkpoints, generate_series(1, %(number)s) AS n WHERE thread_id = %(thread)s
    """,
    """
    INSERT INTO checkpoint_blobs SELECT 'many-' || n, checkpoint_ns, channel, version, type, blob
    FROM checkpoint_blobs, generate_series(1, %(number)s) AS n WHERE thread_id = %(thread)s
    """,
)


def multiply(url: str, thread: str, number: int) -> None:
    with psycopg.connect(url) as connection:
        for statement in MULTIPLY:
            connection.execute(statement, {"thread": thread, "number": number})


async def lists_left(database: Database) -> int:
    (row,) = await fetch(database, LISTS)
    return int(row["count"])


# Others at work


async def test_threads_are_adopted_while_their_app_goes_on_with_them(database: Database) -> None:
    names = [f"t{number}" for number in range(6)]
    before = chat(plain(database))
    for name in names:
        for number in range(3):
            await before.ainvoke(said(f"before {number}", f"b{number}"), on(name))
    graphs = [chat(tree(database)), chat(tree(database))]
    done = asyncio.Event()

    async def talk(name: str, graph: Any) -> None:
        for number in range(6):
            await graph.ainvoke(said(f"during {number}", f"d{number}"), on(name))
            # Some steps change no message, and some go back to what the plain saver wrote.
            await graph.aupdate_state(on(name), {"notes": [str(number)]}, as_node="answer")

    async def keep_adopting() -> int:
        passes = 0
        while not done.is_set():
            await adopt(database)
            passes += 1
        return passes

    async with asyncio.TaskGroup() as group:
        adopters = [group.create_task(keep_adopting()) for _ in range(2)]
        async with asyncio.TaskGroup() as talks:
            for number, name in enumerate(names):
                talks.create_task(talk(name, graphs[number % 2]))
        done.set()
    assert min(adopter.result() for adopter in adopters) > 0
    await adopt(database)
    assert await lists_left(database) == 0
    for name in names:
        graph = chat(tree(database))
        state = (await graph.aget_state(on(name))).values
        expected = [f"before {n}" for n in range(3)] + [f"during {n}" for n in range(6)]
        assert [m.text for m in state["messages"] if m.type == "human"] == expected
        assert len(state["messages"]) == 36
        await assert_rows_are_the_state(database, graph, name)
        assert len(await active_branch(database, name)) == 36


async def test_what_the_plain_saver_goes_on_to_write_is_adopted_at_the_next_pass(
    database: Database,
) -> None:
    graph = chat(plain(database))
    await graph.ainvoke(said("one", "h1"), on("t"))
    await adopt(database)
    await graph.ainvoke(said("two", "h2"), on("u"))
    # It can't read what has been adopted, and says so; it doesn't take it for something else.
    with pytest.raises(NotImplementedError, match="transcript"):
        await graph.ainvoke(said("three", "h3"), on("t"))
    await adopt(database)
    assert texts((await chat(tree(database)).aget_state(on("u"))).values["messages"])[0] == "two"
    assert await lists_left(database) == 0


async def test_a_thread_that_is_deleted_meanwhile_leaves_nothing_behind(
    database: Database,
) -> None:
    graph = chat(plain(database))
    for name in ("a", "b"):
        await graph.ainvoke(said("one", "h1"), on(name))
    async for adopted in adopt_threads(database.pool, lambda *_: "local"):
        if adopted.thread_id == "a":
            await plain(database).adelete_thread("b")
    assert [row["thread_id"] for row in await fetch(database, "SELECT * FROM conversations")] == [
        "a"
    ]


# Killed


async def start(*words: str) -> asyncio.subprocess.Process:
    """A process that adopts or ejects, and has begun to. See `adopting_process`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "adopting_process.py"),
        *words,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    return process


async def run_and_kill(what: str, url: str, after: float | None) -> int:
    """Run the process; kill it so many seconds after it has begun, if it still runs."""
    process = await start(what, url, "small")
    try:
        await asyncio.wait_for(process.communicate(), after)
    except TimeoutError:
        process.kill()
    return await process.wait()


@pytest.mark.timeout(900)
async def test_killed_at_any_instant_and_begun_again_it_comes_to_the_same(
    database: Database, database_url: str
) -> None:
    write_plain(database_url, "3.0.5")
    await asyncio.to_thread(multiply, database_url, "turns", 150)
    before = await all_checkpoints(database, plain(database))
    chance = random.Random(4)
    killed = 0
    for _ in range(KILLS // 2):
        killed += await run_and_kill("adopt", database_url, chance.uniform(0, 0.15)) != 0
        # Whatever has been done, nothing is lost and nothing is there twice.
    assert differences(await all_checkpoints(database, tree(database)), before) == []
    assert await run_and_kill("adopt", database_url, None) == 0
    assert differences(await all_checkpoints(database, tree(database)), before) == []
    rows = await tables(database, "messages", "conversations")
    for _ in range(KILLS // 2):
        killed += await run_and_kill("eject", database_url, chance.uniform(0, 0.15)) != 0
    now = map(with_plain_versions, await all_checkpoints(database, tree(database)))
    assert differences(list(now), before) == []
    assert await run_and_kill("eject", database_url, None) == 0
    assert differences(await all_checkpoints(database, plain(database)), before) == []
    assert await count(database, "messages") == 0
    # Not interrupted, it does the same.
    _ = [item async for item in adopt_threads(database.pool, lambda *_: "local")]
    assert await tables(database, "messages", "conversations") == rows
    assert killed > KILLS // 3


# Many


@pytest.mark.timeout(3600 if LONG else 180)
async def test_memory_is_bounded_however_many_threads_there_are(
    database: Database, database_url: str
) -> None:
    write_plain(database_url, "3.0.5")
    await asyncio.to_thread(multiply, database_url, "owned", MANY)
    for what, done in (("adopt", True), ("eject", False)):
        peaks = await peaks_of(what, database_url)
        assert len(peaks) == MANY // 100
        # After a tenth of the threads it has all the memory that it needs.
        assert peaks[-1] < peaks[len(peaks) // 10] + 1_024
        assert (await count(database, "messages") > MANY * 4) is done


async def peaks_of(what: str, url: str) -> list[int]:
    """The most memory, in KiB, that a process took until each hundred of its threads."""
    process = await start(what, url)
    assert process.stdout is not None
    peaks = [int(line) async for line in process.stdout]
    assert await process.wait() == 0
    return peaks
