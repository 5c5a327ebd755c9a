"""Writing plain checkpoints back, for LangGraph's own saver to go on with.

Each leaf becomes the list that it stands for, the channels' versions get the plain saver's form,
and the rows go. For one thread that is one transaction: it is in the tree, or it is plain. Which of
them shows in the database itself, so whoever was stopped just begins again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..connections import Pool, transaction
from ..reading import TranscriptError
from ..rows import LEAF_TYPE
from .adopting_rows import LOCK_CONVERSATION, SELECT_CONVERSATION
from .ejecting_rows import (
    DELETE_CONVERSATION,
    HAS_SHORT_VERSIONS,
    Tree,
    replace_leaves,
    replace_versions,
    select_leaves,
)
from .threads import count, each_thread

SELECT_THREADS = f"""
    SELECT t.thread_id,
        EXISTS (SELECT FROM conversations c WHERE c.thread_id = t.thread_id) AS has_rows,
        EXISTS (SELECT FROM checkpoints k WHERE k.thread_id = t.thread_id) AS has_checkpoints,
        EXISTS (
            SELECT FROM checkpoint_blobs b
            WHERE b.thread_id = t.thread_id AND b.type = %(leaf_type)s
        ) OR EXISTS (
            SELECT FROM checkpoints k WHERE k.thread_id = t.thread_id AND {HAS_SHORT_VERSIONS}
        ) AS has_work
    FROM (
        (
            SELECT thread_id FROM conversations
            WHERE (%(after)s::text IS NULL OR thread_id > %(after)s)
            AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
            ORDER BY thread_id LIMIT %(limit)s
        ) UNION (
            SELECT DISTINCT thread_id FROM checkpoints
            WHERE (%(after)s::text IS NULL OR thread_id > %(after)s)
            AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
            ORDER BY thread_id LIMIT %(limit)s
        )
        ORDER BY thread_id LIMIT %(limit)s
    ) AS t
    ORDER BY t.thread_id
"""  # noqa: S608 - what is put in is a constant.
COUNT_THREADS = """
    SELECT count(*) AS count FROM (
        SELECT thread_id FROM conversations UNION SELECT thread_id FROM checkpoints
    ) AS t
"""


@dataclass(frozen=True, slots=True)
class Ejected:
    """What was done for a thread, or would be."""

    thread_id: str
    #: Leaves that are lists now.
    lists: int = 0
    #: Bytes of those lists.
    size: int = 0
    #: Checkpoints whose versions have the plain form now.
    checkpoints: int = 0
    #: Rows that were deleted.
    messages: int = 0
    #: How many of them no checkpoint led to; none where that can't be told, since some of the
    #: thread's lists were plain already.
    unreached: int | None = 0
    #: Why the thread was left as it is.
    left: str | None = None


async def count_threads(pool: Pool) -> int:
    """How many threads have checkpoints or a conversation."""
    return await count(pool, COUNT_THREADS)


async def eject_threads(
    pool: Pool,
    *,
    thread_id: str | None = None,
    serde: SerializerProtocol | None = None,
    keep_rows: bool = False,
    batch: int = 100,
    dry_run: bool = False,
) -> AsyncIterator[Ejected]:
    """Write plain checkpoints of all threads, or of the one named, and tell of each.

    Threads that are plain already are told of too, with nothing done. No run may be going on: it
    would go on with versions that its thread doesn't have any more.

    Args:
        serde: the serialiser of the plain saver that will read the threads. It is asked only for
            messages whose payload is not in msgpack.
        keep_rows: leave conversations and messages where they are. Nobody keeps them in step.
        batch: threads that are looked up at a time.
        dry_run: read everything, write nothing.

    Raises:
        NoSuchThreadError: there is nothing of the thread that is named.
        DatabaseFailedError: no disk space, no connection, no answer in time.
    """
    serde = serde or JsonPlusSerializer(allowed_msgpack_modules=None)
    rows = each_thread(
        pool,
        SELECT_THREADS,
        {"leaf_type": LEAF_TYPE},
        thread_id=thread_id,
        batch=batch,
        absent="the database holds no checkpoint and no conversation of it",
    )
    async for row in rows:
        name = row["thread_id"]
        if not row["has_checkpoints"]:
            yield Ejected(name, left="it has a conversation, but no checkpoints")
        elif row["has_work"] or (row["has_rows"] and not keep_rows):
            yield await _eject(pool, name, serde, keep_rows=keep_rows, dry_run=dry_run)
        else:
            yield Ejected(name)


async def _eject(
    pool: Pool, thread_id: str, serde: SerializerProtocol, *, keep_rows: bool, dry_run: bool
) -> Ejected:
    try:
        async with transaction(pool) as cur:
            # Steps of the thread wait; afterwards they find that its conversation is gone.
            await cur.execute(SELECT_CONVERSATION if dry_run else LOCK_CONVERSATION, (thread_id,))
            row = await cur.fetchone()
            conversation_id = None if row is None else row["id"]
            leaves, are_all = await select_leaves(cur, thread_id)
            tree = await Tree.read(cur, conversation_id, serde)
            size = await replace_leaves(cur, thread_id, leaves, tree, dry_run=dry_run)
            checkpoints = await replace_versions(cur, thread_id, dry_run=dry_run)
            if conversation_id is None or keep_rows:
                return Ejected(thread_id, len(leaves), size, checkpoints)
            if not dry_run:
                await cur.execute(DELETE_CONVERSATION, (conversation_id,))
            unreached = len(tree) - tree.reached if are_all else None
            return Ejected(thread_id, len(leaves), size, checkpoints, len(tree), unreached)
    except TranscriptError as error:
        return Ejected(thread_id, left=str(error))
