"""The agent with its tools while sessions are terminated and servers are killed under it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from migrations.run import migrate
from storage.database import connect
from storage.embedded import hold
from storage.errors import DatabaseFailedError
from tests.storage.crash_worker import conversations
from tests.storage.embedded_support import answers, postmaster, used_home, wait_until
from tests.storage.killing import Known, check

THREADS = 4
TURNS = 3

Strike = Callable[[int], Awaitable[None]]


async def talk_through(uri: str, strike: Strike, strikes: int) -> None:
    """Turns on several threads, to their end, while the database is struck again and again."""
    known = Known()

    async def talk(thread_id: str) -> None:
        for _ in range(100):
            try:
                # One that was broken off is resumed first, as a user does who sends it again.
                await talks.chat(thread_id, turns=TURNS)
            except DatabaseFailedError:
                continue
            return
        pytest.fail(f"{thread_id} does not get to an end")

    async with connect(uri) as database, conversations(database, known.add) as talks:
        talking = asyncio.gather(*(talk(f"chat {n}") for n in range(THREADS)))
        for number in range(strikes):
            await asyncio.wait({talking}, timeout=0.15)
            await strike(number)
        await talking
    async with connect(uri) as database:
        await check(database, known)
        assert len(known.has) == THREADS


async def test_turns_go_on_while_sessions_are_terminated(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as killer:

        async def terminate(number: int) -> None:
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        await talk_through(database_url, terminate, strikes=15)


@pytest.fixture
def home() -> Iterator[Path]:
    with used_home() as path:
        yield path


async def test_turns_go_on_while_the_server_is_killed(home: Path) -> None:
    with hold(home) as uri:
        migrate(uri)

        async def kill(number: int) -> None:
            """The whole server, or one session's process, which takes all sessions with it."""
            await asyncio.to_thread(wait_until, lambda: answers(uri), "the server answers")
            pid = postmaster(home)
            if number % 2 == 0:
                async with await psycopg.AsyncConnection.connect(uri) as connection:
                    found = await connection.execute(
                        "SELECT pid FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 1"
                    )
                    (pid,) = await found.fetchone() or (pid,)
            os.kill(pid, signal.SIGKILL)

        await talk_through(uri, kill, strikes=4)
