"""The side that kills processes, and knows what they were told is stored. See `forking`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.embedded_support import CHECKOUT
from tests.storage.support import active_branch, fetch, on


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
    """Processes that work until they are killed, one after the other."""

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

    def _start(self, work: Any, known: Known) -> int:
        """Fork a process that works; its id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([self._uri, work]) + "\n")
        self._process.stdin.flush()
        pid: int = self._next("started", known)
        return pid

    def run(self, work: Any, life: float, *, from_start: bool) -> Known:
        """Have a process work, and kill it after so many seconds.

        Args:
            from_start: counts them from the process's start, else from when it first tells of
                something that is stored.
        """
        known = Known()
        pid = self._start(work, known)
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

    def run_to_end(self, work: Any) -> tuple[Known, int]:
        """Have a process work until it ends, or kills itself; with its exit code."""
        known = Known()
        self._start(work, known)
        return known, self._next("ended", known)


@contextmanager
def worker(module: str, uri: str) -> Iterator[Worker]:
    """A module that calls `forking.serve`, run as a process."""
    command = [sys.executable, "-m", module, uri]
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


async def await_silence(database: Database, application: str) -> None:
    """Until the server has noticed that a process is gone, and ended its sessions."""
    query = "SELECT FROM pg_stat_activity WHERE application_name = %s"
    deadline = time.monotonic() + 30
    while await fetch(database, query, application):
        assert time.monotonic() < deadline, "the sessions of a killed process don't end"
