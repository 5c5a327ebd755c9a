"""Conversations, and how a checkpoint names the rows of its messages.

Every function here runs on a connection, inside a transaction, that the caller owns.
"""

from uuid import UUID, uuid4

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .errors import StorageError
from .refusing import storable_name

#: The channel whose messages are stored as rows.
CHANNEL = "messages"

#: `checkpoint_blobs.type` of a messages channel that the tree stores. The blob is the digest of
#: the leaf.
LEAF_TYPE = "transcript"

LOCK_CONVERSATIONS = """
    SELECT id FROM conversations WHERE thread_id = ANY(%s) ORDER BY thread_id FOR UPDATE
"""

INSERT_USER = """
    INSERT INTO users (id, subject) VALUES (%s, %s) ON CONFLICT (subject) DO NOTHING
"""
INSERT_CONVERSATION = """
    INSERT INTO conversations (id, user_id, thread_id)
    SELECT %s, id, %s FROM users WHERE subject = %s
    ON CONFLICT (thread_id) DO NOTHING
"""
SELECT_CONVERSATION = "SELECT id FROM conversations WHERE thread_id = %s"


class ConversationGoneError(StorageError):
    """A conversation, or the checkpoint that a step follows, was deleted by somebody else while
    this process wrote to it, or one of its messages was redacted, or that can't be ruled out."""


async def ensure_conversation(cur: AsyncCursor[DictRow], thread_id: str, subject: str) -> UUID:
    """The conversation of a thread, made if there is none yet, owned by `subject` if it is new."""
    storable_name("user", subject)
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
