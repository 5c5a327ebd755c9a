"""Going through the threads of a database, some at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

TABLES = ("conversations", "checkpoints", "checkpoint_blobs", "checkpoint_writes")

# Postgres before 18 reads all of an index to find what differs in it; asked for one after the
# other, it doesn't.
_NEXT = SQL(
    """
    {next}(thread_id, number) AS (
        (SELECT thread_id, 1 FROM {table} WHERE thread_id > %(after)s ORDER BY thread_id LIMIT 1)
        UNION ALL
        SELECT following.thread_id, previous.number + 1
        FROM {next} previous CROSS JOIN LATERAL (
            SELECT thread_id FROM {table} WHERE thread_id > previous.thread_id
            ORDER BY thread_id LIMIT 1
        ) AS following
        WHERE previous.number < %(batch)s
    )
    """
)
NEXT_THREADS = SQL("WITH RECURSIVE {} {} ORDER BY thread_id LIMIT %(batch)s").format(
    SQL(",").join(
        _NEXT.format(next=Identifier(f"next_{table}"), table=Identifier(table)) for table in TABLES
    ),
    SQL(" UNION ").join(
        SQL("SELECT thread_id FROM {}").format(Identifier(f"next_{table}")) for table in TABLES
    ),
)

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@asynccontextmanager
async def snapshot(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """A transaction that sees the database as it is at its beginning, and changes nothing."""
    async with connection.transaction():
        await connection.execute(SNAPSHOT)
        yield


async def thread_batches(
    connection: AsyncConnection[Any], thread_id: str | None, batch: int
) -> AsyncIterator[list[str]]:
    """All threads that have rows in any table, `batch` at a time; or the one that is given."""
    # A thread's id may be empty, and nothing is less than that.
    threads = ["" if thread_id is None else thread_id]
    while threads:
        yield threads
        if thread_id is not None:
            return
        threads = await _next_threads(connection, threads[-1], batch)


async def _next_threads(connection: AsyncConnection[Any], after: str, batch: int) -> list[str]:
    async with connection.cursor(row_factory=tuple_row) as cur:
        await cur.execute(NEXT_THREADS, {"after": after, "batch": batch})
        return [row[0] for row in await cur.fetchall()]
