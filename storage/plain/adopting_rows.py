"""The SQL of adopting: which lists there are, and their rows and leaves.

Every function here runs in a transaction that the caller owns.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from ..rows import LEAF_TYPE
from ..transcript import Row, row_id
from .form import EMPTY_TYPE
from .lists import Place

#: Key in checkpoints' metadata of the user's name that LangGraph's server knows.
USER_KEY = "langgraph_auth_user_id"

#: What isn't a list any more, or never was one.
TAKEN = [LEAF_TYPE, EMPTY_TYPE]

SELECT_THREADS = """
    SELECT t.thread_id, EXISTS (
        SELECT FROM conversations c WHERE c.thread_id = t.thread_id
    ) AND NOT EXISTS (
        SELECT FROM checkpoint_blobs b WHERE b.thread_id = t.thread_id AND b.checkpoint_ns = ''
        AND b.channel = %(channel)s AND b.type <> ALL(%(taken)s)
    ) AS done
    FROM (
        SELECT DISTINCT thread_id FROM checkpoints
        WHERE checkpoint_ns = '' AND (%(after)s::text IS NULL OR thread_id > %(after)s)
        AND (%(thread_id)s::text IS NULL OR thread_id = %(thread_id)s)
        ORDER BY thread_id LIMIT %(limit)s
    ) AS t
    ORDER BY t.thread_id
"""
COUNT_THREADS = (
    "SELECT count(DISTINCT thread_id) AS count FROM checkpoints WHERE checkpoint_ns = ''"
)

SELECT_FACTS = """
    SELECT min(checkpoint ->> 'ts') AS first, max(checkpoint ->> 'ts') AS last,
        (array_agg(metadata ->> %(user_key)s ORDER BY checkpoint_id)
            FILTER (WHERE metadata ? %(user_key)s))[1] AS user,
        bool_or(
            metadata -> 'counters_since_delta_snapshot' ? %(channel)s
            OR metadata ? 'delta_writes_versioned'
            OR checkpoint -> 'channel_values' -> %(channel)s = 'true'
        ) AS deltas
    FROM checkpoints WHERE thread_id = %(thread_id)s AND checkpoint_ns = ''
"""
# In the order in which they were written, so that a message's time is that of its first checkpoint.
# What no checkpoint names comes last.
SELECT_LISTS = """
    SELECT b.version, coalesce(octet_length(b.blob), 0) AS size, first.ts
    FROM checkpoint_blobs b
    LEFT JOIN (
        SELECT checkpoint -> 'channel_versions' ->> %(channel)s AS version,
               min(checkpoint_id) AS id, min(checkpoint ->> 'ts') AS ts
        FROM checkpoints WHERE thread_id = %(thread_id)s AND checkpoint_ns = '' GROUP BY 1
    ) AS first ON first.version = b.version
    WHERE b.thread_id = %(thread_id)s AND b.checkpoint_ns = '' AND b.channel = %(channel)s
    AND b.type <> ALL(%(taken)s)
    ORDER BY first.id NULLS LAST, b.version
"""
SELECT_BLOBS = """
    SELECT version, type, blob FROM checkpoint_blobs
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = '' AND channel = %(channel)s
    AND version = ANY(%(versions)s) AND type <> ALL(%(taken)s)
"""

INSERT_CONVERSATION = """
    INSERT INTO conversations (id, user_id, thread_id, created_at, updated_at)
    SELECT %s, id, %s, coalesce(%s, clock_timestamp()), coalesce(%s, clock_timestamp())
    FROM users WHERE subject = %s AND EXISTS (
        SELECT FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = ''
    )
    ON CONFLICT (thread_id) DO NOTHING
    RETURNING id
"""
SELECT_CONVERSATION = "SELECT id FROM conversations WHERE thread_id = %s"
LOCK_CONVERSATION = "SELECT id FROM conversations WHERE thread_id = %s FOR UPDATE"
SELECT_REDACTED = """
    SELECT parent.digest AS parent, m.payload, m.digest FROM messages m
    LEFT JOIN messages parent
        ON parent.conversation_id = m.conversation_id AND parent.id = m.parent_id
    WHERE m.conversation_id = %s AND m.redaction IS NOT NULL
"""
SELECT_STORED = "SELECT digest FROM messages WHERE conversation_id = %s AND digest = ANY(%s)"
INSERT_MESSAGES = """
    INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content,
                          tool_calls, payload_type, payload, created_at)
    SELECT row.id, c.id, c.user_id, row.parent_id, row.digest, row.role, row.content,
           row.tool_calls, row.payload_type, row.payload,
           coalesce(row.created_at, clock_timestamp()) + row.place * interval '1 microsecond'
    FROM conversations c, unnest(
        %(ids)s::uuid[], %(parent_ids)s::uuid[], %(digests)s::bytea[], %(roles)s::text[],
        %(contents)s::text[], %(tool_calls)s::jsonb[], %(payload_types)s::text[],
        %(payloads)s::bytea[], %(times)s::timestamptz[], %(places)s::int[]
    ) AS row(id, parent_id, digest, role, content, tool_calls, payload_type, payload, created_at,
             place)
    WHERE c.id = %(conversation_id)s
"""
REPLACE_BLOBS = """
    UPDATE checkpoint_blobs b SET type = %(leaf_type)s, blob = leaf.digest
    FROM unnest(%(versions)s::text[], %(leaves)s::bytea[]) AS leaf(version, digest)
    WHERE b.thread_id = %(thread_id)s AND b.checkpoint_ns = '' AND b.channel = %(channel)s
    AND b.version = leaf.version
"""
# The conversation shows what the latest checkpoint shows, unless that one's list is still to be
# adopted.
UPDATE_CONVERSATION = """
    WITH latest AS (
        SELECT k.checkpoint_id, m.id,
            coalesce(b.type <> ALL(%(taken)s) AND b.version <> ALL(%(left)s), false) AS is_list
        FROM (
            SELECT checkpoint_id, checkpoint -> 'channel_versions' ->> %(channel)s AS version
            FROM checkpoints WHERE thread_id = %(thread_id)s AND checkpoint_ns = ''
            ORDER BY checkpoint_id DESC LIMIT 1
        ) AS k
        LEFT JOIN checkpoint_blobs b ON b.thread_id = %(thread_id)s AND b.checkpoint_ns = ''
            AND b.channel = %(channel)s AND b.version = k.version
        LEFT JOIN messages m ON m.conversation_id = %(conversation_id)s AND m.digest = b.blob
            AND b.type = %(leaf_type)s
    )
    UPDATE conversations SET
        title = coalesce(title, %(title)s),
        created_at = least(created_at, %(first)s),
        leaf_id = CASE WHEN latest.is_list THEN leaf_id ELSE latest.id END,
        leaf_checkpoint_id =
            CASE WHEN latest.is_list THEN leaf_checkpoint_id ELSE latest.checkpoint_id END
    FROM latest WHERE conversations.id = %(conversation_id)s
"""


async def select_redacted(
    cur: AsyncCursor[DictRow], conversation_id: UUID | None
) -> dict[Place, bytes]:
    """Blanked messages by their places, with the digests that they kept."""
    if conversation_id is None:
        return {}
    await cur.execute(SELECT_REDACTED, (conversation_id,))
    return {
        (row["parent"] and bytes(row["parent"]), bytes(row["payload"])): bytes(row["digest"])
        for row in await cur.fetchall()
    }


async def select_stored(
    cur: AsyncCursor[DictRow], conversation_id: UUID, digests: Sequence[bytes]
) -> set[bytes]:
    """Which of these digests rows have already."""
    await cur.execute(SELECT_STORED, (conversation_id, digests))
    return {bytes(row["digest"]) for row in await cur.fetchall()}


async def insert_messages(
    cur: AsyncCursor[DictRow],
    conversation_id: UUID,
    rows: Sequence[tuple[Row, datetime | None, int]],
) -> None:
    """Write rows that are not there yet, each with its time and its place in it."""

    def key(digest: bytes | None) -> UUID | None:
        return None if digest is None else row_id(conversation_id, digest)

    await cur.execute(
        INSERT_MESSAGES,
        {
            "conversation_id": conversation_id,
            "ids": [key(row.digest) for row, _, _ in rows],
            "parent_ids": [key(row.parent) for row, _, _ in rows],
            "digests": [row.digest for row, _, _ in rows],
            "roles": [row.role for row, _, _ in rows],
            "contents": [row.content for row, _, _ in rows],
            "tool_calls": [
                None if row.tool_calls is None else Jsonb(row.tool_calls) for row, _, _ in rows
            ],
            "payload_types": [row.payload_type for row, _, _ in rows],
            "payloads": [row.payload for row, _, _ in rows],
            "times": [when for _, when, _ in rows],
            "places": [place for _, _, place in rows],
        },
    )
