"""Deleting what runs and threads have written, each in one transaction of the caller's."""

from collections.abc import Sequence

from langgraph.checkpoint.postgres.base import PRUNE_DELETE_THREADS_SQL
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .rows import CHANNEL, LEAF_TYPE

DELETE_CONVERSATIONS = "DELETE FROM conversations WHERE thread_id = ANY(%s)"

DELETE_RUNS = """
    WITH gone AS (
        DELETE FROM checkpoints WHERE metadata ->> 'run_id' = ANY(%s)
        RETURNING thread_id, checkpoint_ns, checkpoint_id
    ), writes AS (
        DELETE FROM checkpoint_writes w USING gone
        WHERE w.thread_id = gone.thread_id AND w.checkpoint_ns = gone.checkpoint_ns
        AND w.checkpoint_id = gone.checkpoint_id
    )
    SELECT DISTINCT thread_id FROM gone
"""

# What only the deleted checkpoints used.
DELETE_UNUSED_BLOBS = """
    DELETE FROM checkpoint_blobs b WHERE b.thread_id = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
"""

# The conversation shows what the latest checkpoint that is left shows.
MOVE_LEAVES_BACK = """
    UPDATE conversations SET
        updated_at = clock_timestamp(),
        leaf_id = (
            SELECT m.id FROM (
                SELECT checkpoint -> 'channel_versions' ->> %s AS version FROM checkpoints
                WHERE thread_id = conversations.thread_id AND checkpoint_ns = ''
                ORDER BY checkpoint_id DESC LIMIT 1
            ) latest
            JOIN checkpoint_blobs b ON b.thread_id = conversations.thread_id
                AND b.checkpoint_ns = '' AND b.channel = %s AND b.version = latest.version
                AND b.type = %s
            JOIN messages m ON m.conversation_id = conversations.id AND m.digest = b.blob
        )
    WHERE thread_id = ANY(%s)
"""


async def delete_threads(cur: AsyncCursor[DictRow], thread_ids: Sequence[str]) -> None:
    """Delete threads: conversations, with their messages, and checkpoints."""
    await cur.execute(DELETE_CONVERSATIONS, (thread_ids,))
    for statement in PRUNE_DELETE_THREADS_SQL:
        await cur.execute(statement, (thread_ids,))


async def delete_runs(cur: AsyncCursor[DictRow], run_ids: Sequence[str]) -> None:
    """Delete the checkpoints of runs, so that their threads are as they were before.

    The messages stay in the tree, on a branch that no checkpoint points at.
    """
    await cur.execute(DELETE_RUNS, (run_ids,))
    threads = [row["thread_id"] for row in await cur.fetchall()]
    if threads:
        await cur.execute(DELETE_UNUSED_BLOBS, (threads,))
        await cur.execute(MOVE_LEAVES_BACK, (CHANNEL, CHANNEL, LEAF_TYPE, threads))
