"""The SQL of the transcript tree: conversations and messages, written and read by digest.

Every function here runs on a connection, inside a transaction, that the caller owns.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from .errors import StorageError
from .transcript import Row, row_id

#: The channel whose messages are stored as rows.
CHANNEL = "messages"

#: `checkpoint_blobs.type` of a messages channel that the tree stores. The blob is the digest of
#: the leaf.
LEAF_TYPE = "transcript"

INSERT_USER = """
    INSERT INTO users (id, subject) VALUES (%s, %s) ON CONFLICT (subject) DO NOTHING
"""
INSERT_CONVERSATION = """
    INSERT INTO conversations (id, user_id, thread_id)
    SELECT %s, id, %s FROM users WHERE subject = %s
    ON CONFLICT (thread_id) DO NOTHING
"""
SELECT_CONVERSATION = "SELECT id FROM conversations WHERE thread_id = %s"

# The microseconds keep the rows of one step in order for whoever sorts by time.
INSERT_MESSAGE = """
    INSERT INTO messages (id, conversation_id, parent_id, digest, role, content, tool_calls,
                          payload_type, payload, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,
            clock_timestamp() + %s * interval '1 microsecond')
    ON CONFLICT (conversation_id, digest) DO NOTHING
"""

# The leaf is taken from what the checkpoint points at, not from what the caller believes: a step
# that changed other channels only points at the leaf that it inherited.
UPDATE_CONVERSATION = """
    UPDATE conversations SET
        updated_at = clock_timestamp(),
        title = coalesce(title, %s),
        leaf_id = (
            SELECT m.id FROM checkpoint_blobs b
            JOIN messages m ON m.conversation_id = conversations.id AND m.digest = b.blob
            WHERE b.thread_id = conversations.thread_id AND b.checkpoint_ns = ''
            AND b.channel = %s AND b.version = %s AND b.type = %s
        )
    WHERE id = %s
    RETURNING id
"""

SELECT_MESSAGES = """
    SELECT m.id, m.parent_id, m.digest, m.payload_type, m.payload
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE c.thread_id = %s
"""


class ConversationGoneError(StorageError):
    """A conversation was deleted by somebody else while this process wrote to it."""


async def ensure_conversation(cur: AsyncCursor[DictRow], thread_id: str, subject: str) -> UUID:
    """The conversation of a thread, made if there is none yet, owned by `subject` if it is new."""
    await cur.execute(INSERT_USER, (uuid4(), subject))
    await cur.execute(INSERT_CONVERSATION, (uuid4(), thread_id, subject))
    await cur.execute(SELECT_CONVERSATION, (thread_id,))
    row = await cur.fetchone()
    if row is None:
        raise ConversationGoneError(
            f"the conversation of thread {thread_id!r} was deleted while it was written to"
        )
    found: UUID = row["id"]
    return found


async def insert_messages(
    cur: AsyncCursor[DictRow], conversation_id: UUID, rows: Sequence[Row]
) -> None:
    """Write rows, parents before children; a row that is there already is left as it is."""
    if rows:
        await cur.executemany(
            INSERT_MESSAGE,
            [
                (
                    row_id(conversation_id, row.digest),
                    conversation_id,
                    None if row.parent is None else row_id(conversation_id, row.parent),
                    row.digest,
                    row.role,
                    row.content,
                    None if row.tool_calls is None else Jsonb(row.tool_calls),
                    row.payload_type,
                    row.payload,
                    position,
                )
                for position, row in enumerate(rows)
            ],
        )


async def point_at_leaf(
    cur: AsyncCursor[DictRow],
    conversation_id: UUID,
    *,
    version: str | int | float | None,
    title: str | None,
) -> None:
    """Make the leaf that this version of the messages channel names the conversation's leaf.

    Raises:
        ConversationGoneError: there is no such conversation any more.
    """
    await cur.execute(
        UPDATE_CONVERSATION,
        (
            title,
            CHANNEL,
            None if version is None else str(version),
            LEAF_TYPE,
            conversation_id,
        ),
    )
    if await cur.fetchone() is None:
        raise ConversationGoneError(
            f"conversation {conversation_id} was deleted while it was written to"
        )


async def select_messages(connection: AsyncConnection[Any], thread_id: str) -> list[DictRow]:
    """Every message of a thread's conversation, all branches, in no particular order."""
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(SELECT_MESSAGES, (thread_id,))
        return await cur.fetchall()
