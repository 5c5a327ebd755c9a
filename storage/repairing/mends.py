"""The statement that mends each kind of damage, where the rest of the data says what is right.

Each runs in a transaction of the caller's that holds the conversation.
"""

from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from ..decoding import read_message
from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import row_id, title_of
from ..verifying.findings import (
    DeleteUnused,
    MakeConversation,
    Mend,
    SetColumns,
    SetDigest,
    SetKey,
    SetLeaf,
    SetLeafDigest,
    SetOwner,
    SetParent,
    SetTitle,
)
from ..verifying.leftovers import SELECT_HOMELESS, old_id
from .copying_rows import copy_branch

# When a redaction was made can't be known any more; but it is one that a trace was left of.
SET_COLUMNS = """
    UPDATE messages SET role = %s, content = %s, tool_calls = %s,
        redacted_at = CASE WHEN redaction IS NOT NULL
                      THEN coalesce(redacted_at, clock_timestamp()) END
    WHERE id = %s
"""
SET_DIGEST = "UPDATE messages SET digest = %s WHERE id = %s"
# All at once: keys are compared with what refers to them when the statement is done.
SET_KEY = """
    WITH leaf AS (
        UPDATE conversations SET leaf_id = %(key)s WHERE leaf_id = %(id)s
    )
    UPDATE messages SET
        id = CASE WHEN id = %(id)s THEN %(key)s ELSE id END,
        parent_id = CASE WHEN parent_id = %(id)s THEN %(key)s ELSE parent_id END
    WHERE id = %(id)s OR parent_id = %(id)s
"""
SET_PARENT = "UPDATE messages SET parent_id = %s WHERE id = %s"
SET_OWNER = """
    UPDATE messages SET user_id = c.user_id FROM conversations c
    WHERE c.id = %s AND messages.conversation_id = c.id AND messages.user_id <> c.user_id
"""
SET_LEAF = "UPDATE conversations SET leaf_checkpoint_id = %s, leaf_id = %s WHERE id = %s"
SET_TITLE = "UPDATE conversations SET title = %s WHERE id = %s"
# Those of the active branch first, from its beginning; then, as they were written, all others.
SELECT_SAID = """
    WITH RECURSIVE branch(id, parent_id) AS (
        SELECT m.id, m.parent_id FROM conversations c JOIN messages m ON m.id = c.leaf_id
        WHERE c.id = %(id)s
        UNION
        SELECT m.id, m.parent_id FROM branch JOIN messages m ON m.id = branch.parent_id
    )
    SELECT m.payload_type, m.payload FROM messages m
    WHERE m.conversation_id = %(id)s AND m.role = 'user'
    ORDER BY NOT EXISTS (SELECT FROM branch WHERE branch.id = m.id), m.created_at
"""
SET_LEAF_DIGEST = """
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    VALUES (%s, '', %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
DELETE_UNUSED = (
    """
    WITH used AS MATERIALIZED (
        SELECT DISTINCT k.checkpoint_ns, v.key AS channel, v.value AS version
        FROM checkpoints k
        CROSS JOIN LATERAL jsonb_each_text(k.checkpoint -> 'channel_versions') AS v
        WHERE k.thread_id = %(thread)s
    )
    DELETE FROM checkpoint_blobs b WHERE b.thread_id = %(thread)s AND NOT EXISTS (
        SELECT FROM used u WHERE u.checkpoint_ns = b.checkpoint_ns AND u.channel = b.channel
        AND u.version = b.version
    )
    """,
    """
    DELETE FROM checkpoint_writes w WHERE w.thread_id = %(thread)s
    AND w.checkpoint_id COLLATE "C" < %(old)s AND w.checkpoint_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-6'
    AND NOT EXISTS (
        SELECT FROM checkpoints k WHERE k.thread_id = w.thread_id
        AND k.checkpoint_ns = w.checkpoint_ns AND k.checkpoint_id = w.checkpoint_id
    )
    """,
)
# Of the conversations that are gone, that which has the most of what the checkpoints point at: a
# copy of the thread may be gone as well.
SELECT_GONE = """
    SELECT m.conversation_id, count(*) AS number FROM checkpoint_blobs b
    JOIN messages m ON m.digest = b.blob AND m.conversation_id = ANY(%s)
    WHERE b.thread_id = %s AND b.checkpoint_ns = '' AND b.channel = %s AND b.type = %s
    GROUP BY m.conversation_id ORDER BY number DESC, m.conversation_id
    LIMIT 1
"""
MAKE_CONVERSATION = """
    INSERT INTO conversations (id, user_id, thread_id, created_at, updated_at)
    SELECT m.conversation_id, (array_agg(u.id ORDER BY m.created_at))[1], %s, min(m.created_at),
           max(m.created_at)
    FROM messages m JOIN users u ON u.id = m.user_id
    WHERE m.conversation_id = %s GROUP BY m.conversation_id
    ON CONFLICT (thread_id) DO NOTHING
"""


async def apply(connection: AsyncConnection[Any], serde: SerializerProtocol, mend: Mend) -> None:
    """Do what mends a finding.

    Raises:
        psycopg.IntegrityError: something else is in the way.
    """
    match mend:
        case SetColumns(id_, role, content, calls):
            stored = None if calls is None else Jsonb(calls)
            await connection.execute(SET_COLUMNS, (role, content, stored, id_))
        case SetDigest(id_, digest):
            await connection.execute(SET_DIGEST, (digest, id_))
        case SetKey(id_, key):
            await connection.execute(SET_KEY, {"id": id_, "key": key})
        case SetParent():
            await _set_parent(connection, mend)
        case SetOwner(conversation_id):
            await connection.execute(SET_OWNER, (conversation_id,))
        case SetLeaf(conversation_id, checkpoint_id, leaf_id):
            await connection.execute(SET_LEAF, (checkpoint_id, leaf_id, conversation_id))
        case SetTitle(conversation_id):
            title = await _said_first(connection, serde, conversation_id)
            await connection.execute(SET_TITLE, (title, conversation_id))
        case SetLeafDigest(thread_id, version, digest):
            await connection.execute(
                SET_LEAF_DIGEST, (thread_id, CHANNEL, version, LEAF_TYPE, digest)
            )
        case DeleteUnused(thread_id):
            for statement in DELETE_UNUSED:
                await connection.execute(statement, {"thread": thread_id, "old": old_id()})
        case MakeConversation(thread_id):
            await _make_conversation(connection, thread_id)


async def _set_parent(connection: AsyncConnection[Any], mend: SetParent) -> None:
    parent = None
    if mend.parent_digest is not None:
        # Where it is missing, another conversation, which has been its parent so far, may have it.
        await copy_branch(connection, mend.conversation_id, mend.parent_digest)
        parent = row_id(mend.conversation_id, mend.parent_digest)
    await connection.execute(SET_PARENT, (parent, mend.id))


async def _said_first(
    connection: AsyncConnection[Any], serde: SerializerProtocol, conversation_id: UUID
) -> str | None:
    async with connection.cursor(name="task_agent_title", binary=True, row_factory=dict_row) as cur:
        await cur.execute(SELECT_SAID, {"id": conversation_id})
        while rows := await cur.fetchmany(10):
            for row in rows:
                try:
                    message = read_message(serde, row["payload_type"], row["payload"])
                except Exception:  # noqa: S112 - that it can't be read is told of.
                    continue
                if (title := title_of([message])) is not None:
                    return title
    return None


async def _make_conversation(connection: AsyncConnection[Any], thread_id: str) -> None:
    gone = [row["id"] for row in await _select(connection, SELECT_HOMELESS, {})]
    for row in await _select(connection, SELECT_GONE, (gone, thread_id, CHANNEL, LEAF_TYPE)):
        await connection.execute(MAKE_CONVERSATION, (thread_id, row["conversation_id"]))


async def _select(connection: AsyncConnection[Any], query: str, parameters: Any) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cur:
        await cur.execute(query, parameters)
        return await cur.fetchall()
