"""A copy of a thread: the conversation with its whole tree, and every checkpoint."""

from uuid import uuid4

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .errors import StorageError
from .transcript import row_id

# All that is read is as it was at one moment, whatever is written to the source or deleted from it
# meanwhile; nobody waits.
ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
SELECT_TARGET = """
    SELECT 1 FROM conversations WHERE thread_id = %(target)s
    UNION ALL SELECT 1 FROM checkpoints WHERE thread_id = %(target)s LIMIT 1
"""
COPY_CONVERSATION = """
    INSERT INTO conversations (id, user_id, thread_id, title, leaf_checkpoint_id, redacted_at)
    SELECT %s, user_id, %s, title, leaf_checkpoint_id, redacted_at
    FROM conversations WHERE thread_id = %s
    RETURNING id
"""
SELECT_TREE = """
    SELECT m.id, m.parent_id, m.digest FROM messages m
    JOIN conversations c ON c.id = m.conversation_id WHERE c.thread_id = %s
"""
# The keys depend on the conversation, so each message has another in the copy.
COPY_MESSAGES = """
    INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content,
                          tool_calls, payload_type, payload, created_at, redacted_at, redaction)
    SELECT copy.id, %s, m.user_id, copy.parent_id, m.digest, m.role, m.content,
           m.tool_calls, m.payload_type, m.payload, m.created_at, m.redacted_at, m.redaction
    FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS copy(source, id, parent_id)
    JOIN messages m ON m.id = copy.source
"""
COPY_LEAF = """
    UPDATE conversations SET leaf_id = m.id
    FROM conversations source
    JOIN messages leaf ON leaf.id = source.leaf_id
    JOIN messages m ON m.digest = leaf.digest
    WHERE source.thread_id = %s AND m.conversation_id = %s AND conversations.id = %s
"""
# The runs get other ids, made from the old ones, so that deleting a run of the source leaves the
# copy alone.
COPY_CHECKPOINTS = (
    """
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type,
                             checkpoint, metadata)
    SELECT %(target)s, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint,
        metadata
        || CASE WHEN metadata ? 'thread_id'
           THEN jsonb_build_object('thread_id', %(target)s::text) ELSE '{}' END
        || CASE WHEN metadata ? 'run_id'
           THEN jsonb_build_object(
               'run_id', md5((metadata ->> 'run_id') || %(target)s::text)::uuid
           ) ELSE '{}' END
    FROM checkpoints WHERE thread_id = %(source)s
    """,
    """
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %(target)s, checkpoint_ns, channel, version, type, blob
    FROM checkpoint_blobs WHERE thread_id = %(source)s
    """,
    """
    INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path,
                                   idx, channel, type, blob)
    SELECT %(target)s, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
    FROM checkpoint_writes WHERE thread_id = %(source)s
    """,
)


class ThreadExistsError(StorageError):
    """A thread can't be made under a name that another one has."""

    def __init__(self, target: str) -> None:
        super().__init__(
            f"there is a thread {target!r} already, and a copy would mix with it. Copy to another "
            "name, or delete that thread first."
        )


async def copy_thread(cur: AsyncCursor[DictRow], source: str, target: str) -> None:
    """Copy a thread to one that is not there yet; the copy has the same owner.

    In a transaction of the caller's that has not begun to read.

    Raises:
        ThreadExistsError: there is a thread of the target's name.
        UniqueViolation: there has been one since the transaction began.
    """
    await cur.execute(ONE_MOMENT)
    await cur.execute(SELECT_TARGET, {"target": target})
    if await cur.fetchone() is not None:
        raise ThreadExistsError(target)
    await cur.execute(COPY_CONVERSATION, (uuid4(), target, source))
    if (conversation := await cur.fetchone()) is not None:
        await cur.execute(SELECT_TREE, (source,))
        rows = await cur.fetchall()
        copies = {row["id"]: row_id(conversation["id"], bytes(row["digest"])) for row in rows}
        await cur.execute(
            COPY_MESSAGES,
            (
                conversation["id"],
                list(copies),
                list(copies.values()),
                [copies.get(row["parent_id"]) for row in rows],
            ),
        )
        await cur.execute(COPY_LEAF, (source, conversation["id"], conversation["id"]))
    for statement in COPY_CHECKPOINTS:
        await cur.execute(statement, {"source": source, "target": target})
