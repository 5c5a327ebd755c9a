"""What tasks wrote before their step was complete, stored in one statement.

The plain saver sends a statement for each write, in a transaction of several round trips.
"""

from collections.abc import Sequence
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .arrays import bytes_array, int_array, text_array

# Nothing is written to a conversation that has been deleted, or that has been redacted without this
# process knowing of it.
#: Fails where something is there already. That is rare, and cheaper than to find out for each.
INSERT = """
    INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path,
                                   idx, channel, type, blob)
    SELECT %(thread_id)s, %(namespace)s, %(checkpoint_id)s, %(task_id)s, %(task_path)s, row.*
    FROM unnest(%(positions)s::int[], %(channels)s::text[], %(types)s::text[], %(blobs)s::bytea[])
        AS row(idx, channel, type, blob)
    WHERE coalesce(
        (SELECT timestamptz_send(redacted_at) IS NOT DISTINCT FROM %(redacted_at)s
         FROM conversations WHERE thread_id = %(thread_id)s),
        %(conversation_id)s::uuid IS NULL
    )
"""
_THERE_ALREADY = "ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO "
INSERT_NEW = INSERT + _THERE_ALREADY + "NOTHING"
INSERT_OR_REPLACE = (
    INSERT
    + _THERE_ALREADY
    + "UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
)

#: The plain saver's rows of `checkpoint_writes`, as `BasePostgresSaver._dump_writes` makes them.
Dumped = Sequence[tuple[str, str, str, str, str, int, str, str, bytes]]


async def put_writes(
    cur: AsyncCursor[DictRow],
    query: str,
    dumped: Dumped,
    conversation_id: UUID | None = None,
    redacted_at: bytes | None = None,
) -> bool:
    """Store one task's writes, with one of the three statements above; whether any was new.

    All of `dumped` belong to one task. Rows that stand for the same place, of which the last one
    counts, are reduced to it, since a statement may not replace a row twice.

    Args:
        conversation_id: the thread's conversation, if it is known to have one.
        redacted_at: when the caller believes it to have been redacted last, in Postgres's binary
            form.
    """
    if not dumped:
        return True
    thread_id, namespace, checkpoint_id, task_id, task_path = dumped[0][:5]
    places = {row[5]: row for row in dumped}
    if query != INSERT_OR_REPLACE:
        # Of new rows the first one counts.
        places = {row[5]: row for row in reversed(dumped)}
    rows = list(places.values())
    await cur.execute(
        query,
        {
            "thread_id": thread_id,
            "namespace": namespace,
            "checkpoint_id": checkpoint_id,
            "task_id": task_id,
            "task_path": task_path,
            "positions": int_array(row[5] for row in rows),
            "channels": text_array(row[6] for row in rows),
            "types": text_array(row[7] for row in rows),
            "blobs": bytes_array(row[8] for row in rows),
            "conversation_id": conversation_id,
            "redacted_at": redacted_at,
        },
    )
    return cur.rowcount > 0
