"""Pruning a thread to its latest checkpoint, in one transaction that its steps take note of."""

from collections.abc import Sequence
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.postgres.base import PRUNE_DELTA_THREADS_SQL, PRUNE_SNAPSHOT_SQL
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow

from .rows import LOCK_CONVERSATIONS

# The row is another version of itself afterwards, by which a step that has waited for it knows that
# checkpoints may be gone. And a step that commits after the snapshot, which would lose values that
# seem to be unused in it, has this transaction begin anew.
TOUCH_CONVERSATION = "UPDATE conversations SET leaf_id = leaf_id WHERE thread_id = %s"


async def refuse_delta_channels(cur: AsyncCursor[DictRow], threads: Sequence[str]) -> None:
    """See that all of these threads can be pruned.

    Raises:
        NotImplementedError: one of them keeps changes to what would go.
    """
    await cur.execute(PRUNE_DELTA_THREADS_SQL, (threads, threads))
    if found := sorted({row["thread_id"] for row in await cur.fetchall()}):
        raise NotImplementedError(
            "can't prune a thread to its latest checkpoint that keeps a DeltaChannel, which is "
            f"stored as changes to what was before: {', '.join(map(repr, found))}. Leave it out, "
            "or delete it."
        )


async def wait_for_step(connection: AsyncConnection[Any], thread_id: str) -> None:
    """Let a step of the thread be stored that is about to be, so that pruning collides less."""
    await connection.execute(LOCK_CONVERSATIONS, ([thread_id],))


async def prune_thread(connection: AsyncConnection[Any], thread_id: str) -> None:
    """Prune a thread to the latest checkpoint of each of its graphs, and keep every message.

    In a transaction of the caller's that has not begun to read.

    Raises:
        SerializationFailure: a step was stored meanwhile; nothing was pruned.
    """
    await connection.execute(PRUNE_SNAPSHOT_SQL)
    await connection.execute(TOUCH_CONVERSATION, (thread_id,))
    await AsyncPostgresSaver(connection).aprune([thread_id])
