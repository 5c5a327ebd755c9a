"""Deleting what runs and threads have written, each in one transaction of the caller's.

Both lock the conversations first. So they wait for each other, and for a step that is being
written, instead of running into each other half-way. Both leave each row as another version of
itself, or as none, by which a step that waited for it knows of them.
"""

from collections.abc import Sequence

from langgraph.checkpoint.postgres.base import (
    PRUNE_DELETE_THREADS_SQL,
    PRUNE_DELTA_THREADS_SQL,
)
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .rows import CHANNEL, LEAF_TYPE, LOCK_CONVERSATIONS

DELETE_CONVERSATIONS = "DELETE FROM conversations WHERE thread_id = ANY(%s)"

SELECT_THREADS_OF_RUNS = """
    SELECT DISTINCT thread_id FROM checkpoints WHERE metadata ->> 'run_id' = ANY(%s)
"""
# A sub-graph's step, which doesn't wait for the conversation, may be about to follow one of them.
HOLD_RUNS = """
    SELECT FROM checkpoints WHERE thread_id = ANY(%s) AND metadata ->> 'run_id' = ANY(%s)
    ORDER BY thread_id, checkpoint_ns, checkpoint_id FOR UPDATE
"""
# A later checkpoint may have a deleted one as its parent. Then it follows the one before, as far
# back as something is left, so that history stays in one piece.
RELINK = """
    WITH RECURSIVE gone AS (
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id FROM checkpoints
        WHERE thread_id = ANY(%(threads)s) AND metadata ->> 'run_id' = ANY(%(runs)s)
    ), followed AS (
        SELECT c.thread_id, c.checkpoint_ns, c.checkpoint_id, gone.parent_checkpoint_id AS parent
        FROM checkpoints c JOIN gone ON gone.thread_id = c.thread_id
            AND gone.checkpoint_ns = c.checkpoint_ns
            AND gone.checkpoint_id = c.parent_checkpoint_id
        WHERE c.metadata ->> 'run_id' = ANY(%(runs)s) IS NOT true
        UNION ALL
        SELECT f.thread_id, f.checkpoint_ns, f.checkpoint_id, gone.parent_checkpoint_id
        FROM followed f JOIN gone ON gone.thread_id = f.thread_id
            AND gone.checkpoint_ns = f.checkpoint_ns AND gone.checkpoint_id = f.parent
    )
    UPDATE checkpoints c SET parent_checkpoint_id = f.parent FROM followed f
    WHERE c.thread_id = f.thread_id AND c.checkpoint_ns = f.checkpoint_ns
    AND c.checkpoint_id = f.checkpoint_id AND NOT EXISTS (
        SELECT 1 FROM gone WHERE gone.thread_id = f.thread_id
        AND gone.checkpoint_ns = f.checkpoint_ns AND gone.checkpoint_id = f.parent
    )
    RETURNING c.thread_id
"""
DELETE_RUNS = """
    WITH gone AS (
        DELETE FROM checkpoints WHERE thread_id = ANY(%s) AND metadata ->> 'run_id' = ANY(%s)
        RETURNING thread_id, checkpoint_ns, checkpoint_id
    )
    DELETE FROM checkpoint_writes w USING gone
    WHERE w.thread_id = gone.thread_id AND w.checkpoint_ns = gone.checkpoint_ns
    AND w.checkpoint_id = gone.checkpoint_id
"""

# What only the deleted checkpoints used.
DELETE_UNUSED_BLOBS = """
    DELETE FROM checkpoint_blobs b WHERE b.thread_id = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
"""

# The conversation shows what the latest checkpoint that is left shows. Where none is left, nothing
# has been said, and there is nothing to take a title from. Where the latest of all is left, the
# conversation stays; what it shows may be rows made of a list of LangGraph's own saver.
MOVE_LEAVES_BACK = """
    UPDATE conversations SET
        updated_at = clock_timestamp(),
        title = CASE WHEN latest.checkpoint_id IS NULL THEN NULL ELSE title END,
        leaf_checkpoint_id = latest.checkpoint_id,
        leaf_id = CASE WHEN leaf_checkpoint_id = latest.checkpoint_id THEN leaf_id ELSE (
            SELECT m.id FROM checkpoint_blobs b
            JOIN messages m ON m.conversation_id = conversations.id AND m.digest = b.blob
            WHERE b.thread_id = conversations.thread_id AND b.checkpoint_ns = ''
            AND b.channel = %s AND b.version = latest.version AND b.type = %s
        ) END
    FROM unnest(%s::text[]) AS thread(id)
    LEFT JOIN LATERAL (
        SELECT checkpoint_id, checkpoint -> 'channel_versions' ->> %s AS version
        FROM checkpoints WHERE thread_id = thread.id AND checkpoint_ns = ''
        ORDER BY checkpoint_id DESC LIMIT 1
    ) AS latest ON true
    WHERE conversations.thread_id = thread.id
"""


async def delete_threads(cur: AsyncCursor[DictRow], thread_ids: Sequence[str]) -> None:
    """Delete threads: conversations, with their messages, and checkpoints."""
    await cur.execute(LOCK_CONVERSATIONS, (thread_ids,))
    await cur.execute(DELETE_CONVERSATIONS, (thread_ids,))
    for statement in PRUNE_DELETE_THREADS_SQL:
        await cur.execute(statement, (thread_ids,))


async def delete_runs(cur: AsyncCursor[DictRow], run_ids: Sequence[str]) -> None:
    """Delete the checkpoints of runs, so that their threads are as they were before.

    The messages stay in the tree, on a branch that no checkpoint points at.

    Raises:
        NotImplementedError: what is left of a thread is stored as changes to what would go.
    """
    await cur.execute(SELECT_THREADS_OF_RUNS, (run_ids,))
    threads = [row["thread_id"] for row in await cur.fetchall()]
    if threads:
        await cur.execute(LOCK_CONVERSATIONS, (threads,))
        await cur.execute(HOLD_RUNS, (threads, run_ids))
        await cur.execute(RELINK, {"threads": threads, "runs": run_ids})
        if relinked := list({row["thread_id"] for row in await cur.fetchall()}):
            await _refuse_delta_channels(cur, relinked)
        await cur.execute(DELETE_RUNS, (threads, run_ids))
        await cur.execute(DELETE_UNUSED_BLOBS, (threads,))
        await cur.execute(MOVE_LEAVES_BACK, (CHANNEL, LEAF_TYPE, threads, CHANNEL))


async def _refuse_delta_channels(cur: AsyncCursor[DictRow], threads: Sequence[str]) -> None:
    await cur.execute(PRUNE_DELTA_THREADS_SQL, (threads, threads))
    if found := sorted({row["thread_id"] for row in await cur.fetchall()}):
        raise NotImplementedError(
            "can't delete a run that later ones follow where a thread keeps a DeltaChannel, which "
            f"is stored as changes to what was before: {', '.join(map(repr, found))}. Delete the "
            "later runs as well, or the thread."
        )
