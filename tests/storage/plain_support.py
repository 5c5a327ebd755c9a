"""Databases that LangGraph's plain savers wrote, and what one of them reads there."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import StateSnapshot
from psycopg import sql
from psycopg.types.json import Jsonb

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.plain.adopting import Adopted, adopt_threads
from storage.plain.ejecting import Ejected, eject_threads
from storage.plain.form import plain_version
from tests.storage.plain_writer import TABLES, graph_of, on, write
from tests.storage.support import fetch

DATA = Path(__file__).parent / "data"

#: Versions of langgraph-checkpoint-postgres; the last is the one that is installed.
VERSIONS = ("2.0.2", "2.0.25", "3.0.5", "installed")


def write_plain(url: str, version: str) -> None:
    """Fill a database with what a version of the plain savers writes."""
    if version == "installed":
        write(url)
        return
    dumped = json.loads(gzip.decompress((DATA / f"plain_{version}.json.gz").read_bytes()))
    with psycopg.connect(url) as connection:
        for table, binary in TABLES.items():
            for row in dumped[table]:
                values = [
                    b64decode(value)
                    if name in binary and value is not None
                    else Jsonb(value)
                    if isinstance(value, dict)
                    else value
                    for name, value in row.items()
                ]
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        sql.Identifier(table),
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
                    ),
                    values,
                )


async def adopt(database: Database, user: str = "local", **options: Any) -> list[Adopted]:
    """Take all threads over; those that name a user are that one's, others `user`'s."""
    return [
        adopted
        async for adopted in adopt_threads(database.pool, lambda _, named: named or user, **options)
    ]


async def eject(database: Database, **options: Any) -> list[Ejected]:
    """Write plain checkpoints of all threads."""
    return [ejected async for ejected in eject_threads(database.pool, **options)]


def adopted_lists(adopted: Iterable[Adopted]) -> int:
    return sum(item.lists for item in adopted)


async def thread_ids(database: Database) -> list[str]:
    """The threads that have checkpoints."""
    rows = await fetch(database, "SELECT DISTINCT thread_id FROM checkpoints ORDER BY thread_id")
    return [row["thread_id"] for row in rows]


async def all_checkpoints(
    database: Database, saver: BaseCheckpointSaver[Any]
) -> list[CheckpointTuple]:
    """Every checkpoint of every thread and namespace, as a saver reads it."""
    # Thread by thread: of old checkpoints of several, the plain saver misses pending sends.
    return [
        item
        for thread_id in await thread_ids(database)
        for item in sorted([found async for found in saver.alist(on(thread_id))], key=_place)
    ]


def all_checkpoints_sync(url: str) -> list[CheckpointTuple]:
    """The same by `PostgresSaver`."""
    with PostgresSaver.from_conn_string(url) as saver:
        ids = sorted({item.config["configurable"]["thread_id"] for item in saver.list(None)})
        return [item for id_ in ids for item in sorted(saver.list(on(id_)), key=_place)]


def _place(item: CheckpointTuple) -> list[str]:
    configurable = item.config["configurable"]
    return [configurable[name] for name in ("checkpoint_ns", "checkpoint_id")]


async def all_states(database: Database, saver: BaseCheckpointSaver[Any]) -> list[Any]:
    """What the graphs make of the threads: values, next nodes, tasks and where they come from."""
    states = []
    for thread_id in await thread_ids(database):
        graph = graph_of(thread_id, saver)
        states += [_shown(state) async for state in graph.aget_state_history(on(thread_id))]
        states.append(_shown(await graph.aget_state(on(thread_id), subgraphs=True)))
    return states


def _shown(state: Any) -> Any:
    """A state without the saver, which the config of a sub-graph's state names."""
    if not isinstance(state, StateSnapshot):
        return state
    configurable = state.config["configurable"]
    return state._replace(
        config={"configurable": {k: v for k, v in configurable.items() if k[:2] != "__"}},
        tasks=tuple(task._replace(state=_shown(task.state)) for task in state.tasks),
    )


async def read_all(database: Database, saver: BaseCheckpointSaver[Any]) -> list[Any]:
    """All that a saver shows of a database."""
    return [*await all_checkpoints(database, saver), *await all_states(database, saver)]


def differences(found: list[Any], expected: list[Any]) -> list[tuple[Any, Any]]:
    """What is not the same: pairs, so that a failing test shows nothing else."""
    return [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]


def with_plain_versions(item: CheckpointTuple) -> CheckpointTuple:
    """The same checkpoint with versions in the plain saver's form."""

    def plain(versions: Any) -> Any:
        return {channel: plain_version(version) for channel, version in versions.items()}

    return item._replace(
        checkpoint={
            **item.checkpoint,
            "channel_versions": plain(item.checkpoint["channel_versions"]),
            "versions_seen": {
                node: plain(seen) for node, seen in item.checkpoint["versions_seen"].items()
            },
        }
    )


def plain(database: Database) -> AsyncPostgresSaver:
    return AsyncPostgresSaver(database.pool)


def tree(database: Database) -> TranscriptSaver:
    """A saver that remembers nothing."""
    return TranscriptSaver(database.pool)


async def tables(database: Database, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Whole tables."""
    return {
        name: await fetch(database, f"SELECT * FROM {name} t ORDER BY t::text") for name in names
    }
