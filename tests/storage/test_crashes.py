"""A worker is killed at any instant: what it was told is stored is there, once, and whole."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.settings import libpq_uri, parse_url
from storage.verifying import problems
from tests.storage.crash_worker import conversations
from tests.storage.embedded_support import CHECKOUT
from tests.storage.support import active_branch, fetch, on

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
KILLS = 400 if LONG else 15
CHATS = 6
#: After so many kills the threads are others, so that their first steps are interrupted as well.
KILLS_PER_THREAD = 5
#: Seconds that a worker has at most; a turn takes less.
LIFE_MAX = 0.5


@dataclass
class Known:
    """What a worker has been told."""

    #: The ids of messages that threads have.
    has: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: Lists of ids, of which a thread's messages have one.
    allows: dict[str, list[list[str]]] = field(default_factory=dict)

    def add(self, kind: str, thread_id: str, known: Any) -> None:
        if kind == "has":
            self.has[thread_id] += known
        elif kind == "allows":
            self.allows[thread_id] = known

    def update(self, later: "Known") -> None:
        for thread_id, ids in later.has.items():
            self.has[thread_id] += [id_ for id_ in ids if id_ not in self.has[thread_id]]
        self.allows |= later.allows


class Worker:
    """Processes that talk until they are killed, one after the other."""

    def __init__(self, process: subprocess.Popen[str], uri: str) -> None:
        self._process, self._uri = process, uri
        self._lines: Queue[Any] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        #: What the first process was told, which is not killed.
        self.known = Known()
        self._next("warm", self.known)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def _next(self, wanted: str, known: Known) -> Any:
        """What comes with the next line of a kind, the others added to what is known."""
        while True:
            kind, thread_id, value = self._lines.get(timeout=60)
            if kind == wanted:
                return value
            known.add(kind, thread_id, value)

    def run(self, threads: list[str], life: float, *, from_start: bool) -> Known:
        """Have a process talk, and kill it after so many seconds.

        Args:
            from_start: counts them from the process's start, else from when it first tells of
                something that is stored.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([self._uri, threads]) + "\n")
        self._process.stdin.flush()
        known = Known()
        pid = self._next("started", known)
        if not from_start:
            known.add(*self._lines.get(timeout=60))
        killed_at = time.monotonic() + life
        while (left := killed_at - time.monotonic()) > 0:
            with suppress(Empty):
                kind, thread_id, value = self._lines.get(timeout=left)
                assert kind != "ended", f"the process ended by itself, with {value}"
                known.add(kind, thread_id, value)
        os.kill(pid, signal.SIGKILL)
        assert self._next("ended", known) == -signal.SIGKILL
        return known


@contextmanager
def worker(uri: str) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.storage.crash_worker", uri]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=CHECKOUT) as process:
        try:
            yield Worker(process, uri)
        finally:
            process.kill()


async def messages(database: Database, thread_id: str) -> list[BaseMessage]:
    """A thread's messages, as a process that knows nothing reads them; the rows have the same."""
    found = await TranscriptSaver(database.pool).aget_tuple(on(thread_id))
    shown = found.checkpoint["channel_values"].get("messages", []) if found else []
    serde = JsonPlusSerializer()
    rows = await active_branch(database, thread_id)
    assert [serde.loads_typed((row["payload_type"], row["payload"])) for row in rows] == shown
    return list(shown)


async def check(database: Database, known: Known) -> None:
    """What was told to be stored is there, once, in its order."""
    for thread_id, acknowledged in known.has.items():
        ids = [str(message.id) for message in await messages(database, thread_id)]
        assert len(set(ids)) == len(ids)
        assert [id_ for id_ in ids if id_ in set(acknowledged)] == acknowledged
    for thread_id, allowed in known.allows.items():
        assert [str(message.id) for message in await messages(database, thread_id)] in allowed


async def check_whole(database: Database, known: Known) -> None:
    """Nothing is left open, foreign, lost or done twice."""
    added: Counter[str] = Counter()
    for thread_id in known.has:
        asked, answered = [], []
        for message in await messages(database, thread_id):
            if isinstance(message, AIMessage):
                asked += [call["id"] for call in message.tool_calls]
            if isinstance(message, ToolMessage):
                answered.append(message.tool_call_id)
                [change] = json.loads(str(message.text))["results"]
                if change["action"] == "added":
                    added[change["task"]["title"]] += 1
        assert asked == answered
    assert set(added.values()) == {1}
    tasks = Counter(row["title"] for row in await fetch(database, "SELECT title FROM tasks"))
    assert set(tasks.values()) == {1}
    assert added.keys() <= tasks.keys()
    serde = JsonPlusSerializer()
    rows = await fetch(
        database,
        "SELECT c.thread_id, m.payload_type, m.payload FROM messages m"
        " JOIN conversations c ON c.id = m.conversation_id",
    )
    for row in rows:
        message = serde.loads_typed((row["payload_type"], row["payload"]))
        owner = str(message.id).removeprefix("result-").split(":")[0]
        assert owner == row["thread_id"] or row["thread_id"].startswith("copy")
    assert await problems(database.pool) == []


async def await_silence(database: Database, application: str) -> None:
    """Until the server has noticed that a process is gone, and ended its sessions."""
    query = "SELECT FROM pg_stat_activity WHERE application_name = %s"
    deadline = time.monotonic() + 30
    while await fetch(database, query, application):
        assert time.monotonic() < deadline, "the sessions of a killed process don't end"


@pytest.mark.timeout(3600 if LONG else 180)
async def test_a_worker_that_is_killed_at_any_instant_loses_nothing_it_was_told_is_stored(
    database: Database, database_url: str
) -> None:
    chance = random.Random(20261125)
    application = f"worker {uuid4()}"
    url = parse_url(database_url).update_query_dict({"application_name": application})
    with worker(libpq_uri(url)) as processes:
        known = processes.known
        for kill in range(KILLS):
            threads = [f"chat {kill // KILLS_PER_THREAD}-{number}" for number in range(CHATS)]
            told = await asyncio.to_thread(
                processes.run,
                threads,
                chance.uniform(0, LIFE_MAX),
                from_start=chance.random() < 0.1,
            )
            await await_silence(database, application)
            known.update(told)
            await check(database, told)
    told = Known()
    async with conversations(database, told.add) as talks:
        await asyncio.gather(*(talks.resume(thread_id) for thread_id in known.has))
    known.update(told)
    await check(database, known)
    await check_whole(database, known)
    count = sum(map(len, known.has.values()))
    assert count > KILLS * CHATS
    assert len(known.allows) > KILLS / 4
