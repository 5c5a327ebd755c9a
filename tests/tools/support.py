"""A user who calls the tools of a real server over a real session, in this process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import psycopg
from mcp import ClientSession
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import CallToolResult, TextContent
from psycopg.rows import dict_row

from storage.database import Database
from tools.context import (
    META_KEY,
    META_MESSAGE,
    META_NOW,
    META_RECORDED_ONLY,
    META_THREAD,
    META_TIME_ZONE,
    META_TURN,
    META_USER,
    Identify,
)
from tools.server import create_server

#: A Wednesday.
NOW = "2026-11-18T10:00:00+01:00"
ANN = {META_USER: "ann", META_TIME_ZONE: "Europe/Berlin", META_NOW: NOW}

_turns = count(1)


@asynccontextmanager
async def client(
    database: Database, identify: Identify | None = None
) -> AsyncIterator[ClientSession]:
    """A session with a server of its own."""
    server = create_server(lambda: database, identify=identify)
    async with create_connected_server_and_client_session(server) as session:
        yield session


@dataclass(frozen=True)
class Person:
    """Somebody who calls tools: with what each call says of itself in `_meta`."""

    session: ClientSession
    meta: Mapping[str, Any]

    def at(self, now: str) -> "Person":
        """The same at another time."""
        return self.saying({META_NOW: now})

    def saying(self, meta: Mapping[str, Any]) -> "Person":
        return replace(self, meta={**self.meta, **meta})

    def turn(self, thread: str = "thread") -> "Person":
        """The same in a new turn of a conversation."""
        number = next(_turns)
        return self.saying(
            {META_THREAD: thread, META_TURN: f"turn {number}", META_MESSAGE: f"message {number}"}
        )

    def call(self, key: str, *, recorded_only: bool = False) -> "Person":
        """The same, making the call with that key, or asking after it."""
        return self.saying({META_KEY: key, META_RECORDED_ONLY: recorded_only})

    async def ask(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self.session.call_tool(tool, arguments, meta=dict(self.meta))

    async def answer(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers, when it does what it is asked for."""
        result = await self.ask(tool, **arguments)
        assert not result.isError, result.content
        assert result.structuredContent is not None
        return result.structuredContent

    async def error(self, tool: str, **arguments: Any) -> str:
        """The text of an error."""
        result = await self.ask(tool, **arguments)
        assert result.isError
        [block] = result.content
        assert isinstance(block, TextContent)
        return block.text

    async def one(self, tool: str, **item: Any) -> dict[str, Any]:
        """The result of a call that does one item."""
        answer = await self.answer(tool, tasks=[item])
        [result] = answer["results"]
        assert result["status"] in ("done", "unchanged"), result
        return dict(result)

    async def refused(self, tool: str, **item: Any) -> str:
        """Why a call that names one item fails."""
        result = await self.ask(tool, tasks=[item])
        assert result.isError
        assert result.structuredContent is not None
        [found] = result.structuredContent["results"]
        assert found["status"] == "failed"
        return str(found["error"])

    async def add(self, *titles: str, **values: Any) -> dict[str, Any]:
        """The last of the tasks that are added with these titles."""
        answer = await self.answer(
            "add_tasks", tasks=[{"title": title, **values} for title in titles]
        )
        assert answer["failed"] == 0, answer
        return dict(answer["results"][-1]["task"])

    async def named(self, tool: str, *references: str | int, **arguments: Any) -> dict[str, Any]:
        """The last result of a call that names tasks and nothing else."""
        answer = await self.answer(tool, tasks=list(references), **arguments)
        return dict(answer["results"][-1])

    async def task(self, reference: str | int) -> dict[str, Any]:
        """A task as it is."""
        return dict((await self.named("get_tasks", reference))["task"])

    async def titles(self, **conditions: Any) -> list[str]:
        answer = await self.answer("find_tasks", **conditions)
        return [task["title"] for task in answer["tasks"]]


@asynccontextmanager
async def person(database: Database, name: str = "ann", **meta: Any) -> AsyncIterator[Person]:
    """Somebody with a session of their own."""
    async with client(database) as session:
        yield Person(session, {**ANN, META_USER: name, **meta})


def rows(database_url: str, query: str) -> list[dict[str, Any]]:
    """What is stored."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def counts(database_url: str) -> tuple[int, int]:
    """How many tasks and events there are."""
    [row] = rows(
        database_url,
        "SELECT (SELECT count(*) FROM tasks) AS tasks,"
        " (SELECT count(*) FROM task_events) AS events",
    )
    return row["tasks"], row["events"]
