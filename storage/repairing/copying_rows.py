"""Taking messages over from another conversation.

A digest names a message and all before it. So a row of another conversation that has a digest, and
fits to it, is the message that is wanted, whoever wrote it.
"""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..transcript import row_id

SELECT_SOURCES = """
    SELECT m.id, m.redaction IS NOT NULL AS is_redacted FROM conversations c
    JOIN messages m ON m.conversation_id = c.id AND m.digest = %s
    LEFT JOIN messages parent ON parent.id = m.parent_id
    WHERE c.id <> %s AND CASE
        WHEN m.redaction IS NULL THEN sha256(coalesce(parent.digest, '') || m.payload) = m.digest
        ELSE sha256('redacted'::bytea || m.digest || m.payload) = m.redaction
    END
    ORDER BY m.created_at LIMIT 10
"""
# Up to the first message that the conversation has itself.
SELECT_CHAIN = """
    WITH RECURSIVE up(id, parent_id, digest, payload, redaction, place) AS (
        SELECT id, parent_id, digest, payload, redaction, 1 FROM messages WHERE id = %(source)s
        UNION ALL
        SELECT m.id, m.parent_id, m.digest, m.payload, m.redaction, place + 1 FROM up
        JOIN messages m ON m.id = up.parent_id
        WHERE place < %(most)s AND NOT EXISTS (
            SELECT FROM messages own
            WHERE own.conversation_id = %(conversation)s AND own.digest = up.digest
        )
    )
    SELECT up.id, up.digest, parent.digest AS parent_digest,
           own.id IS NOT NULL AS is_there,
           CASE
               WHEN up.redaction IS NULL
               THEN sha256(coalesce(parent.digest, '') || up.payload) = up.digest
               ELSE sha256('redacted'::bytea || up.digest || up.payload) = up.redaction
           END AS is_genuine
    FROM up LEFT JOIN messages parent ON parent.id = up.parent_id
    LEFT JOIN messages own ON own.conversation_id = %(conversation)s AND own.digest = up.digest
    ORDER BY place DESC
"""
COUNT_ROWS = """
    SELECT count(*) AS number FROM messages other
    JOIN messages m ON m.conversation_id = other.conversation_id WHERE m.id = %s
"""
INSERT_COPY = """
    INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content,
                          tool_calls, payload_type, payload, created_at, redacted_at, redaction)
    SELECT %s, c.id, c.user_id, %s, m.digest, m.role, m.content, m.tool_calls, m.payload_type,
           m.payload, m.created_at, m.redacted_at, m.redaction
    FROM messages m JOIN conversations c ON c.id = %s WHERE m.id = %s
    ON CONFLICT DO NOTHING
"""
REPLACE = """
    UPDATE messages SET payload_type = m.payload_type, payload = m.payload,
                        redacted_at = m.redacted_at, redaction = m.redaction
    FROM messages m WHERE m.id = %s AND messages.id = %s
"""


async def copy_branch(
    connection: AsyncConnection[Any], conversation_id: UUID, digest: bytes
) -> bool:
    """Take a message, and those before it that are missing as well, from another conversation.

    In a transaction of the caller's. Returns whether the conversation has it now.
    """
    for source in await _select(connection, SELECT_SOURCES, (digest, conversation_id)):
        (rows,) = await _select(connection, COUNT_ROWS, (source["id"],))
        chain = await _select(
            connection,
            SELECT_CHAIN,
            {"source": source["id"], "conversation": conversation_id, "most": rows["number"]},
        )
        missing = [row for row in chain if not row["is_there"]]
        if not all(row["is_genuine"] for row in missing):
            continue
        for row in missing:
            parent = row["parent_digest"]
            await connection.execute(
                INSERT_COPY,
                (
                    row_id(conversation_id, row["digest"]),
                    None if parent is None else row_id(conversation_id, parent),
                    conversation_id,
                    row["id"],
                ),
            )
        return True
    return False


async def replace_from_copy(
    connection: AsyncConnection[Any],
    conversation_id: UUID,
    id_: UUID,
    digest: bytes,
    *,
    redacted: bool,
) -> bool:
    """Give a row what the same message in another conversation holds. Returns whether one does.

    In a transaction of the caller's.

    Args:
        redacted: whether only a redacted message will do, since what was forgotten is not to come
            back.
    """
    for source in await _select(connection, SELECT_SOURCES, (digest, conversation_id)):
        if source["is_redacted"] or not redacted:
            await connection.execute(REPLACE, (source["id"], id_))
            return True
    return False


async def _select(connection: AsyncConnection[Any], query: str, parameters: Any) -> list[DictRow]:
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(query, parameters)
        return await cur.fetchall()
