"""Repairing threads, each in one transaction that its runs wait for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ..rows import LOCK_CONVERSATIONS
from ..serde import graph_serializer
from ..verifying import Finding, Kind, Progress, check_threads
from ..verifying.findings import RestoreMessage
from ..verifying.leftovers import homeless_rows
from ..verifying.threads import snapshot, thread_batches
from ..verifying.verify import BATCH, Tell
from .mends import apply
from .restoring import restore

#: What is mended may bring to light what was hidden behind it, but not for ever.
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of one thread in which something was wrong."""

    #: None for messages that no thread has.
    thread_id: str | None
    mended: list[Finding]
    #: What is wrong still.
    left: list[Finding]


async def repair(
    pool: AsyncConnectionPool[AsyncConnection[Any]],
    thread_id: str | None = None,
    *,
    serde: SerializerProtocol | None = None,
    dry_run: bool = False,
    batch: int = BATCH,
    tell: Tell = lambda progress: None,
) -> AsyncIterator[Repaired]:
    """Mend what can be mended in a database, or in one thread of it.

    What was mended is right by the digests: nothing is guessed. Doing it again changes nothing.

    Args:
        pool: an open pool whose connections are in autocommit mode.
        serde: as the checkpointer has it.
        dry_run: to change nothing, and say what would be mended. Threads are locked all the same.
        batch: how many threads are verified in one snapshot.
        tell: is called as work goes on.
    """
    serde = graph_serializer(serde)
    progress = Progress()
    async with pool.connection() as connection:
        async for threads in thread_batches(connection, thread_id, batch):
            async with snapshot(connection):
                found = check_threads(connection, serde, threads, progress, tell)
                names = {f.thread_id async for f in found if f.is_problem or f.mendable}
            for name in threads:
                if name in names:
                    repaired = await _repair_thread(connection, serde, name, dry_run)
                    if repaired.mended or repaired.left:
                        yield repaired
        if thread_id is None:
            async with snapshot(connection):
                homeless = [finding async for finding in homeless_rows(connection)]
            if homeless:
                yield Repaired(None, mended=[], left=homeless)


async def _repair_thread(
    connection: AsyncConnection[Any], serde: SerializerProtocol, thread_id: str, dry_run: bool
) -> Repaired:
    async with connection.transaction(force_rollback=dry_run):
        await connection.execute(LOCK_CONVERSATIONS, ([thread_id],))
        told: dict[tuple[Kind, str], Finding] = {}
        left = await _findings(connection, serde, thread_id)
        for _ in range(ROUNDS):
            told = {**left, **told}
            await _mend(connection, serde, thread_id, list(left.values()))
            before, left = left, await _findings(connection, serde, thread_id)
            if left == before:
                break
    return Repaired(
        thread_id,
        mended=[finding for key, finding in told.items() if key not in left],
        left=[finding for finding in left.values() if finding.is_problem],
    )


async def _findings(
    connection: AsyncConnection[Any], serde: SerializerProtocol, thread_id: str
) -> dict[tuple[Kind, str], Finding]:
    """What is wrong, or can be done, in a thread, by kind and place."""
    found = check_threads(connection, serde, [thread_id], Progress(), lambda progress: None)
    return {(f.kind, f.about): f async for f in found if f.is_problem or f.mendable}


async def _mend(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    thread_id: str,
    findings: list[Finding],
) -> None:
    wanted = []
    for finding in findings:
        if isinstance(finding.mend, RestoreMessage):
            wanted.append(finding.mend)
        elif finding.mend is not None:
            async with _attempt(connection):
                await apply(connection, serde, finding.mend)
    if wanted:
        async with _attempt(connection):
            await restore(connection, serde, thread_id, wanted)


@asynccontextmanager
async def _attempt(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Do it, or not at all where something else is in the way.

    That may be mended later, or can't be; verifying again tells.
    """
    with suppress(psycopg.IntegrityError):
        async with connection.transaction():
            yield
