"""Verifying a database, in batches of threads that are looked at in one snapshot each."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from .checkpoints import check_conversations
from .findings import Finding
from .rows import RowCheck

#: Threads that are looked at in one snapshot.
BATCH = 200

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# Postgres before 18 reads all of an index to find what differs in it; asked for one after the
# other, it doesn't.
NEXT_THREADS = """
    WITH RECURSIVE
    talked AS (
        SELECT thread_id FROM conversations WHERE thread_id > %(after)s
        ORDER BY thread_id LIMIT %(number)s
    ), saved(thread_id, number) AS (
        (SELECT thread_id, 1 FROM checkpoints WHERE thread_id > %(after)s
         ORDER BY thread_id LIMIT 1)
        UNION ALL
        SELECT following.thread_id, saved.number + 1 FROM saved CROSS JOIN LATERAL (
            SELECT thread_id FROM checkpoints WHERE thread_id > saved.thread_id
            ORDER BY thread_id LIMIT 1
        ) AS following
        WHERE saved.number < %(number)s
    )
    SELECT thread_id FROM talked UNION SELECT thread_id FROM saved
    ORDER BY thread_id LIMIT %(number)s
"""


@dataclass(slots=True)
class Progress:
    """How far verifying has come."""

    threads: int = 0
    messages: int = 0


async def verify(
    pool: AsyncConnectionPool[AsyncConnection[Any]],
    thread_id: str | None = None,
    *,
    serde: SerializerProtocol | None = None,
    batch: int = BATCH,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> AsyncIterator[Finding]:
    """What is wrong in a database, or in one thread of it, and what is worth knowing.

    Memory has a bound, whatever the number of threads and of their messages.

    Args:
        pool: an open pool whose connections are in autocommit mode.
        serde: as the checkpointer has it.
        batch: how many threads are looked at in one snapshot.
        tell: is called as work goes on.
    """
    serde = serde or JsonPlusSerializer(allowed_msgpack_modules=None)
    progress = Progress()
    async with pool.connection() as connection:
        after = ""
        while True:
            async with connection.transaction():
                await connection.execute(SNAPSHOT)
                threads = (
                    [thread_id] if thread_id is not None else await _next(connection, after, batch)
                )
                if not threads:
                    return
                async for finding in check_threads(connection, serde, threads, progress, tell):
                    yield finding
            if thread_id is not None:
                return
            after = threads[-1]


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
    tell: Callable[[Progress], None],
) -> AsyncIterator[Finding]:
    """What is found in some threads, in a transaction of the caller's."""
    checked = await check_conversations(connection, serde, threads)
    for finding in checked.findings:
        yield finding
    rows = RowCheck(connection, serde, checked.conversations, checked.missing)
    before = progress.messages
    async for finding in rows.findings():
        yield finding
    progress.messages = before + rows.checked
    progress.threads += len(threads)
    tell(progress)


async def _next(connection: AsyncConnection[Any], after: str, number: int) -> list[str]:
    async with connection.cursor(row_factory=tuple_row) as cur:
        await cur.execute(NEXT_THREADS, {"after": after, "number": number})
        return [row[0] for row in await cur.fetchall()]
