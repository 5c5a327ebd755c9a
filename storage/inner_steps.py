"""A checkpoint of a sub-graph, stored by one statement."""

from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .steps import Step, checkpoint_columns

# The checkpoint of a sub-graph, which has no rows. Nothing is written to a thread whose
# conversation was deleted, or redacted without this process knowing of it.
PUT_INNER = """
    WITH conversation AS (
        SELECT coalesce(
            (SELECT timestamptz_send(redacted_at) IS NOT DISTINCT FROM %(redacted_at)s
             FROM conversations WHERE thread_id = %(thread_id)s),
            %(conversation_id)s::uuid IS NULL
        ) AS is_as_known
    ), blobs AS (
        INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT %(thread_id)s, %(namespace)s, row.channel, row.version, row.type, row.blob
        FROM conversation, unnest(
            %(blob_channels)s::text[], %(blob_versions)s::text[], %(blob_types)s::text[],
            %(blobs)s::bytea[]
        ) AS row(channel, version, type, blob)
        WHERE is_as_known
        ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
    ), checkpoint AS (
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id,
                                 checkpoint, metadata)
        SELECT %(thread_id)s, %(namespace)s, %(checkpoint_id)s, %(parent_checkpoint_id)s,
               %(checkpoint)s, %(metadata)s
        FROM conversation WHERE is_as_known
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
        DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
    )
    SELECT is_as_known FROM conversation
"""


async def put_inner(
    cur: AsyncCursor[DictRow], conversation_id: UUID | None, namespace: str, step: Step
) -> bool:
    """Write a checkpoint of a sub-graph and its blobs, or nothing.

    Args:
        conversation_id: the thread's conversation, if it is known to have one.

    Returns:
        False, and nothing is written, if the conversation has been deleted, or redacted of which
        this process doesn't know.
    """
    names = {"conversation_id": conversation_id, "namespace": namespace, **checkpoint_columns(step)}
    await cur.execute(PUT_INNER, names)
    (row,) = await cur.fetchall()
    return bool(row["is_as_known"])
