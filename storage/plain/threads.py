"""Going through the threads of a database, some at a time, as they are taken over or given back."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from psycopg.rows import DictRow

from ..connections import Pool, cursor
from ..errors import NoSuchThreadError


async def count(pool: Pool, query: str) -> int:
    """What a query counts, as its column `count`."""
    async with cursor(pool) as cur:
        await cur.execute(query)
        row = await cur.fetchone()
        return 0 if row is None else int(row["count"])


async def each_thread(
    pool: Pool,
    query: str,
    names: Mapping[str, Any],
    *,
    thread_id: str | None,
    batch: int,
    absent: str,
) -> AsyncIterator[DictRow]:
    """What a query says of each thread, or of the one that is named, in the order of their ids.

    No connection is held while a thread is worked on.

    Args:
        query: gives `limit` threads at most, those after the thread `after`, or `thread_id` alone.
        absent: what the database lacks of a thread that isn't there, for the error.

    Raises:
        NoSuchThreadError: the thread that is named is not there.
    """
    after: str | None = None
    while True:
        places = {"after": after, "thread_id": thread_id, "limit": batch}
        async with cursor(pool) as cur:
            await cur.execute(query, {**names, **places})
            page = await cur.fetchall()
        if thread_id is not None and not page:
            raise NoSuchThreadError(f"there is no thread {thread_id!r}: {absent}.")
        for row in page:
            yield row
        if len(page) < batch:
            return
        after = page[-1]["thread_id"]
