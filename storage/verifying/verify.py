"""Verifying a database, in batches of threads that are looked at in one snapshot each."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ..serde import graph_serializer
from .checkpoints import check_checkpoints
from .conversations import check_conversations
from .findings import Finding, Kind
from .leftovers import homeless_rows, leftovers
from .rows import RowCheck
from .threads import snapshot, thread_batches
from .values import check_values

#: Threads that are looked at in one snapshot.
BATCH = 200


@dataclass(slots=True)
class Progress:
    """How far verifying has come."""

    threads: int = 0
    messages: int = 0
    #: Values of channels and pending writes.
    values: int = 0


Tell = Callable[[Progress], None]


async def verify(
    pool: AsyncConnectionPool[AsyncConnection[Any]],
    thread_id: str | None = None,
    *,
    serde: SerializerProtocol | None = None,
    batch: int = BATCH,
    tell: Tell = lambda progress: None,
) -> AsyncIterator[Finding]:
    """What is wrong in a database, or in one thread of it, and what is worth knowing.

    Memory has a bound, whatever the number of threads and of their messages.

    Args:
        pool: an open pool whose connections are in autocommit mode.
        serde: as the checkpointer has it.
        batch: how many threads are looked at in one snapshot.
        tell: is called as work goes on.
    """
    serde = graph_serializer(serde)
    progress = Progress()
    async with pool.connection() as connection:
        async for threads in thread_batches(connection, thread_id, batch):
            async with snapshot(connection):
                async for finding in check_threads(connection, serde, threads, progress, tell):
                    yield finding
        if thread_id is None:
            async with snapshot(connection):
                async for finding in homeless_rows(connection):
                    yield finding


async def problems(
    pool: AsyncConnectionPool[AsyncConnection[Any]],
    thread_id: str | None = None,
    *,
    serde: SerializerProtocol | None = None,
) -> list[Finding]:
    """What is wrong in a database, or in one thread of it. Empty where nothing is."""
    return [found async for found in verify(pool, thread_id, serde=serde) if found.is_problem]


async def check_threads(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    threads: Sequence[str],
    progress: Progress,
    tell: Tell,
) -> AsyncIterator[Finding]:
    """What is found in some threads, in a transaction of the caller's."""

    def seen(number: int) -> None:
        progress.messages += number
        tell(progress)

    def seen_values(number: int) -> None:
        progress.values += number
        tell(progress)

    conversations, found = await check_conversations(connection, serde, threads)
    missing: set[UUID] = set()
    # A checkpoint that lost its messages is told of once.
    valueless = {finding.about for finding in found if finding.kind is Kind.NO_VALUE}
    for finding in await check_checkpoints(connection, threads, missing):
        if finding.kind is not Kind.NO_VALUE or finding.about not in valueless:
            found.append(finding)
    damaged = {finding.thread_id for finding in found if finding.is_problem}
    for finding in found:
        yield finding
    async for finding in check_values(connection, serde, threads, seen_values):
        damaged.add(finding.thread_id)
        yield finding
    rows = RowCheck(connection, serde, conversations, missing)
    async for finding in rows.findings(seen):
        damaged.add(finding.thread_id)
        yield finding
    async for finding in leftovers(connection, threads, damaged):
        yield finding
    progress.threads += len(threads)
    tell(progress)
