"""`verify` reads what every checkpoint has, not only the latest: values and pending writes."""

import asyncio
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Send

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.plain import adopting
from storage.plain.adopting import adopt_threads
from storage.plain.ejecting import eject_threads
from storage.verifying import Finding, Kind, Progress, problems, verify
from tests.storage.damage import execute
from tests.storage.plain_support import VERSIONS, write_plain
from tests.storage.speaking import graph_of
from tests.storage.support import XorSerializer, chat_graph, fetch, say


@dataclass
class Mine:
    """A class that the serialiser was not told of."""

    number: int


#: Of every form that LangGraph's serialiser has.
THINGS: list[Any] = [
    *(None, b"bytes", bytearray(b"bytes"), [], {}, {1: 2, (1, 2): "x"}, {"a"}, 2.5),
    *(datetime(2026, 11, 25, tzinfo=UTC), Decimal("0.1"), UUID(int=7), Send("a", {"b": 1})),
    *([HumanMessage("in it")], Mine(1), {"deep": [{"deeper": AIMessage("in it")}]}),
]

VALUES = """
    SELECT b.*, (
        SELECT min(checkpoint_id) FROM checkpoints k WHERE k.thread_id = b.thread_id
        AND k.checkpoint_ns = b.checkpoint_ns
        AND k.checkpoint -> 'channel_versions' ->> b.channel = b.version
    ) AS first
    FROM checkpoint_blobs b WHERE type = 'msgpack' ORDER BY channel, version
"""
SET_VALUE = """
    UPDATE checkpoint_blobs SET type = %s, blob = %s
    WHERE thread_id = %s AND checkpoint_ns = %s AND channel = %s AND version = %s
"""
SET_WRITE = """
    UPDATE checkpoint_writes SET blob = %s WHERE checkpoint_id = %s AND task_id = %s AND idx = %s
"""


async def turns(database: Database, *things: Any, serde: Any = None) -> None:
    """A thread with a run for each of these things, which it keeps beside its messages."""
    saver = TranscriptSaver(database.pool, serde=serde)
    for number, thing in enumerate(things):
        graph = graph_of(saver, AIMessage("said"), beside=thing)
        await say(graph, "t", f"run {number}")


async def named(database: Database) -> list[tuple[str | None, Kind, str]]:
    found = await problems(database.pool)
    assert await problems(database.pool, "t") == found
    return [(problem.thread_id, problem.kind, problem.about) for problem in found]


@pytest.mark.parametrize("serde", [None, XorSerializer()], ids=["plain", "encrypted"])
async def test_values_of_every_form_are_sound(database: Database, serde: Any) -> None:
    await turns(database, *THINGS, serde=serde)
    assert await problems(database.pool, serde=serde) == []


async def test_pickled_values_are_sound_where_they_can_be_read(database: Database) -> None:
    serde = JsonPlusSerializer(pickle_fallback=True)
    await turns(database, complex(1, 2), serde=serde)
    assert await fetch(database, "SELECT 1 FROM checkpoint_blobs WHERE type = 'pickle'") != []
    assert await problems(database.pool, serde=serde) == []
    assert {found.kind for found in await problems(database.pool)} == {Kind.UNREADABLE_STATE}


def cut(blob: bytes) -> tuple[str, bytes | None]:
    return "msgpack", blob[:-1]


def overwritten(blob: bytes) -> tuple[str, bytes | None]:
    return "msgpack", b"\xc1" * len(blob)


def gone(blob: bytes) -> tuple[str, bytes | None]:
    return "msgpack", None


def misnamed(blob: bytes) -> tuple[str, bytes | None]:
    return "xml", blob


@pytest.mark.parametrize("damage", [cut, overwritten, gone, misnamed])
async def test_a_damaged_value_of_any_checkpoint_is_named_with_the_first_that_has_it(
    database: Database, damage: Callable[[bytes], tuple[str, bytes | None]]
) -> None:
    await turns(database, [1], [HumanMessage("hi")], {"a": 2})
    rows = await fetch(database, VALUES)
    channels = [row["channel"] for row in rows]
    assert channels.count("beside") == 3
    for row in rows:
        place = [row[name] for name in ("thread_id", "checkpoint_ns", "channel", "version")]
        await execute(database, SET_VALUE, *damage(row["blob"]), *place)
        assert await named(database) == [("t", Kind.UNREADABLE_STATE, row["first"])]
        (problem,) = await problems(database.pool)
        assert row["channel"] in problem.what
        assert row["version"] in problem.what
        await execute(database, SET_VALUE, row["type"], row["blob"], *place)
    assert await named(database) == []


async def test_damage_inside_of_an_object_that_reading_would_pass_over_is_named(
    database: Database,
) -> None:
    await turns(database, [HumanMessage("a thing to remember")])
    (row,) = [row for row in await fetch(database, VALUES) if row["channel"] == "beside"]
    # The object's class is a text of 0xC1 now, which no text begins with.
    blob = (
        row["blob"]
        .replace(b"\xaclangchain_co", b"\xc1langchain_co")
        .replace(b"langchain_core", b"\xc1angchain_core")
    )
    assert blob != row["blob"]
    await execute(database, "UPDATE checkpoint_blobs SET blob = %s WHERE channel = 'beside'", blob)
    assert await named(database) == [("t", Kind.UNREADABLE_STATE, row["first"])]


async def test_a_damaged_pending_write_of_any_checkpoint_is_named(database: Database) -> None:
    await turns(database, [1], [2])
    rows = await fetch(
        database, "SELECT * FROM checkpoint_writes WHERE type = 'msgpack' ORDER BY checkpoint_id"
    )
    assert len({row["checkpoint_id"] for row in rows}) > 2
    for row in rows:
        place = [row[name] for name in ("checkpoint_id", "task_id", "idx")]
        await execute(database, SET_WRITE, row["blob"][:-1], *place)
        assert await named(database) == [("t", Kind.UNREADABLE_STATE, row["checkpoint_id"])]
        (problem,) = await problems(database.pool)
        assert row["task_id"] in problem.what
        await execute(database, SET_WRITE, row["blob"], *place)


async def test_an_older_list_of_the_plain_saver_is_read_too(database: Database) -> None:
    graph = chat_graph(AsyncPostgresSaver(database.pool))
    await say(graph, "t", "one")
    await say(graph, "t", "two")
    (row, *_) = [row for row in await fetch(database, VALUES) if row["channel"] == "messages"]
    place = [row[name] for name in ("thread_id", "checkpoint_ns", "channel", "version")]
    await execute(database, SET_VALUE, "msgpack", row["blob"][:-1], *place)
    assert await named(database) == [("t", Kind.UNREADABLE_STATE, row["first"])]


async def test_what_no_checkpoint_has_is_not_read(database: Database) -> None:
    await turns(database, [1], [2])
    await execute(
        database,
        "INSERT INTO checkpoint_blobs VALUES ('t', '', 'beside', '99', 'msgpack', '\\xc1')",
    )
    assert [found.kind async for found in verify(database.pool)] == [Kind.UNUSED]


async def test_how_many_values_were_read_is_told(database: Database) -> None:
    await turns(database, [1], [2])
    (row,) = await fetch(
        database,
        "SELECT (SELECT count(*) FROM checkpoint_blobs WHERE type = 'msgpack')"
        " + (SELECT count(*) FROM checkpoint_writes WHERE type = 'msgpack') AS number",
    )
    told: list[int] = []

    def tell(progress: Progress) -> None:
        told.append(progress.values)

    assert [found async for found in verify(database.pool, tell=tell)] == []
    assert told == sorted(told)
    assert told[-1] >= row["number"]


async def test_memory_has_a_bound_however_many_great_values_there_are(database: Database) -> None:
    """A hundred values of 2 MB."""
    await turns(database, [1])
    await execute(
        database,
        """
        WITH latest AS (SELECT * FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1),
        numbers AS (SELECT n FROM generate_series(1, 100) AS n),
        more AS (
            INSERT INTO checkpoint_blobs
            SELECT 't', '', 'more ' || n, '1', 'msgpack', '\\xdb001e8480'::bytea
                   || convert_to(repeat('x', 2000000), 'UTF8') FROM numbers
        )
        UPDATE checkpoints k SET checkpoint = jsonb_set(
            k.checkpoint, '{channel_versions}', (k.checkpoint -> 'channel_versions')
            || (SELECT jsonb_object_agg('more ' || n, '1') FROM numbers)
        ) FROM latest WHERE k.checkpoint_id = latest.checkpoint_id
        """,
    )
    assert await problems(database.pool) == []
    told = Progress()

    def tell(progress: Progress) -> None:
        told.values = progress.values

    tracemalloc.start()
    try:
        assert [found async for found in verify(database.pool, tell=tell)] == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told.values > 100
    assert peak < 30_000_000


# While a database is taken over


async def wrong(database: Database) -> list[Finding]:
    return [found async for found in verify(database.pool) if found.kind is not Kind.NOT_ADOPTED]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_database_is_sound_at_each_step_of_adopting_and_ejecting_it(
    database: Database, database_url: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(write_plain, database_url, version)
    monkeypatch.setattr(adopting, "STEP_BYTES", 1)
    assert await wrong(database) == []
    steps = 0
    async for _ in adopt_threads(database.pool, lambda *_: "local"):
        steps += 1
        assert await wrong(database) == []
    assert steps > 20
    async for _ in eject_threads(database.pool):
        assert await wrong(database) == []
    assert await wrong(database) == []
