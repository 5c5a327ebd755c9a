"""A checkpoint of a sub-graph, stored by one statement."""

from typing import NamedTuple
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .steps import Step, checkpoint_columns

# The checkpoint of a sub-graph, which has no rows. Nothing is written to a thread whose
# conversation was deleted, or redacted without this process knowing of it; nor where the checkpoint
# before is gone, and with it the values that this one doesn't write again. That checkpoint becomes
# another version of itself: who deletes it meanwhile is waited for, and who means to delete it
# afterwards waits, and if it looks at an older state of the tables begins anew.
PUT_INNER = """
    WITH conversation AS (
        SELECT coalesce(
            (SELECT timestamptz_send(redacted_at) IS NOT DISTINCT FROM %(redacted_at)s
             FROM conversations WHERE thread_id = %(thread_id)s),
            %(conversation_id)s::uuid IS NULL
        ) AS is_as_known
    ), parent AS (
        UPDATE checkpoints SET metadata = metadata
        WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(namespace)s
        AND checkpoint_id = %(parent_checkpoint_id)s AND checkpoint_id <> %(checkpoint_id)s
        AND NOT %(whole)s
        RETURNING checkpoint_id
    ), place AS (
        SELECT is_as_known, %(whole)s OR %(parent_checkpoint_id)s::text IS NULL
            OR EXISTS (SELECT FROM parent) AS has_all_values
        FROM conversation
    ), blobs AS (
        INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT %(thread_id)s, %(namespace)s, row.channel, row.version, row.type, row.blob
        FROM place, unnest(
            %(blob_channels)s::text[], %(blob_versions)s::text[], %(blob_types)s::text[],
            %(blobs)s::bytea[]
        ) AS row(channel, version, type, blob)
        WHERE is_as_known AND has_all_values
        ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
    ), checkpoint AS (
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id,
                                 checkpoint, metadata)
        SELECT %(thread_id)s, %(namespace)s, %(checkpoint_id)s, %(parent_checkpoint_id)s,
               %(checkpoint)s, %(metadata)s
        FROM place WHERE is_as_known AND has_all_values
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
        DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
    )
    SELECT is_as_known, has_all_values FROM place
"""


class Put(NamedTuple):
    """What has become of a sub-graph's checkpoint. It is stored if it is both."""

    #: Whether the conversation is there, and was redacted when this process believes it was.
    is_as_known: bool
    #: Whether all values are stored that the checkpoint doesn't bring.
    has_all_values: bool


async def put_inner(
    cur: AsyncCursor[DictRow], conversation_id: UUID | None, namespace: str, step: Step
) -> Put:
    """Write a checkpoint of a sub-graph and its blobs, or nothing.

    Args:
        conversation_id: the thread's conversation, if it is known to have one.
    """
    names = {
        "conversation_id": conversation_id,
        "namespace": namespace,
        "whole": step.whole,
        **checkpoint_columns(step),
    }
    await cur.execute(PUT_INNER, names)
    (row,) = await cur.fetchall()
    return Put(row["is_as_known"], row["has_all_values"])
