"""Waiting for the statements of others that were under way when something was changed.

What a statement sees is what had been committed when it began. So after a deletion or a redaction
has been committed, a statement that began before may still store what was deleted. When it has
ended, it can be seen, and cleared away.
"""

import asyncio
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import scalar_row

#: Seconds to wait at most.
PATIENCE = 10.0
INTERVAL = 0.01

SELECT_WRITERS = """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation IN ('messages'::regclass, 'checkpoints'::regclass, 'checkpoint_blobs'::regclass,
                     'checkpoint_writes'::regclass)
"""


async def wait_for_writers(connection: AsyncConnection[Any]) -> None:
    """Wait until whoever writes messages or checkpoints now has committed, or given up.

    Nobody is kept from writing meanwhile. On a connection that is in no transaction.
    """
    waited_for = await _writers(connection)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while waited_for and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(INTERVAL)
        waited_for &= await _writers(connection)


async def _writers(connection: AsyncConnection[Any]) -> set[str]:
    async with connection.cursor(row_factory=scalar_row) as cur:
        await cur.execute(SELECT_WRITERS)
        return set(await cur.fetchall())
