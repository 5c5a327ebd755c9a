"""Whether checkpoints and conversations point at rows that are there, and at each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import is_transcript, row_id
from .findings import Finding, Kind

SELECT_CONVERSATIONS = """
    SELECT c.thread_id, c.id, c.title, c.leaf_id, c.leaf_checkpoint_id, c.user_id,
           u.id IS NULL AS is_ownerless, latest.checkpoint_id, latest.version, b.type, b.blob,
           leaf.id AS expected_leaf_id
    FROM conversations c
    LEFT JOIN users u ON u.id = c.user_id
    LEFT JOIN LATERAL (
        SELECT checkpoint_id, checkpoint -> 'channel_versions' ->> %(channel)s AS version
        FROM checkpoints WHERE thread_id = c.thread_id AND checkpoint_ns = ''
        ORDER BY checkpoint_id DESC LIMIT 1
    ) AS latest ON true
    LEFT JOIN checkpoint_blobs b ON b.thread_id = c.thread_id AND b.checkpoint_ns = ''
        AND b.channel = %(channel)s AND b.version = latest.version
    LEFT JOIN messages leaf ON leaf.conversation_id = c.id AND leaf.digest = b.blob
        AND b.type = %(leaf_type)s
    WHERE c.thread_id = ANY(%(threads)s)
"""
SELECT_OTHERS = """
    SELECT k.thread_id, count(*) AS checkpoints, EXISTS (
        SELECT FROM checkpoint_blobs b WHERE b.thread_id = k.thread_id AND b.type = %(leaf_type)s
    ) AS has_rows
    FROM checkpoints k
    WHERE k.thread_id = ANY(%(threads)s) AND k.checkpoint_ns = '' AND NOT EXISTS (
        SELECT FROM conversations c WHERE c.thread_id = k.thread_id
    )
    GROUP BY k.thread_id
"""
# Looking for a leaf everywhere takes a look at each conversation, so it is done for a few only.
SELECT_LEAVES = """
    WITH broken AS MATERIALIZED (
        SELECT b.thread_id, b.checkpoint_ns, b.channel, b.version, b.blob, c.id AS conversation_id,
               m.id AS message_id, row_number() OVER () AS number
        FROM checkpoint_blobs b
        JOIN conversations c ON c.thread_id = b.thread_id
        LEFT JOIN messages m ON m.conversation_id = c.id AND m.digest = b.blob
        WHERE b.thread_id = ANY(%(threads)s) AND b.type = %(leaf_type)s
        AND (m.id IS NULL OR b.checkpoint_ns <> '' OR b.channel <> %(channel)s)
    ), used AS (
        SELECT k.thread_id, k.checkpoint_ns, v.key AS channel, v.value AS version,
               count(*) AS checkpoints, min(k.checkpoint_id) AS first
        FROM checkpoints k
        CROSS JOIN LATERAL jsonb_each_text(k.checkpoint -> 'channel_versions') AS v
        WHERE k.thread_id IN (SELECT thread_id FROM broken)
        GROUP BY k.thread_id, k.checkpoint_ns, v.key, v.value
    )
    SELECT broken.*, used.checkpoints, used.first, (
        SELECT other.thread_id FROM conversations other
        JOIN messages m ON m.conversation_id = other.id AND m.digest = broken.blob
        WHERE broken.message_id IS NULL AND broken.number <= 20 LIMIT 1
    ) AS elsewhere
    FROM broken JOIN used USING (thread_id, checkpoint_ns, channel, version)
    ORDER BY used.first
"""
# A step says which channels it has given a value. Only a channel that never has a stored value, or
# that stores what changes in it, may be without one then.
SELECT_VALUES = """
    SELECT k.thread_id, k.checkpoint_ns, k.checkpoint_id, updated.channel, v.version
    FROM checkpoints k
    CROSS JOIN LATERAL jsonb_array_elements_text(
        CASE jsonb_typeof(k.checkpoint -> 'updated_channels') WHEN 'array'
        THEN k.checkpoint -> 'updated_channels' ELSE '[]' END
    ) AS updated(channel)
    CROSS JOIN LATERAL (
        SELECT k.checkpoint -> 'channel_versions' ->> updated.channel AS version
    ) AS v
    LEFT JOIN checkpoint_blobs b ON b.thread_id = k.thread_id
        AND b.checkpoint_ns = k.checkpoint_ns AND b.channel = updated.channel
        AND b.version = v.version
    WHERE k.thread_id = ANY(%(threads)s) AND b.thread_id IS NULL AND v.version IS NOT NULL
    AND NOT coalesce(k.checkpoint -> 'channel_values' ? updated.channel, false)
    AND NOT coalesce(k.metadata -> 'counters_since_delta_snapshot' ? updated.channel, false)
    AND NOT k.metadata ? 'delta_writes_versioned'
    AND EXISTS (
        SELECT FROM checkpoint_blobs other WHERE other.thread_id = k.thread_id
        AND other.checkpoint_ns = k.checkpoint_ns AND other.channel = updated.channel
    )
    ORDER BY k.thread_id, k.checkpoint_id
"""

SELECT_UNTITLED = """
    WITH RECURSIVE branch(conversation_id, id) AS (
        SELECT id, leaf_id FROM conversations
        WHERE thread_id = ANY(%(threads)s) AND title IS NULL AND leaf_id IS NOT NULL
        UNION
        SELECT branch.conversation_id, m.parent_id FROM branch
        JOIN messages m ON m.id = branch.id WHERE m.parent_id IS NOT NULL
    )
    SELECT c.thread_id, c.id, m.content FROM branch
    JOIN conversations c ON c.id = branch.conversation_id
    JOIN messages m ON m.id = branch.id
    WHERE m.role = 'user' AND m.content <> ''
"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a conversation's row says of its messages."""

    id: UUID
    thread_id: str
    user_id: UUID
    title: str | None


@dataclass(slots=True)
class Checked:
    """What is known of some threads before their rows are read."""

    findings: list[Finding] = field(default_factory=list)
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    #: Rows that have been found missing.
    missing: set[UUID] = field(default_factory=set)


async def check_conversations(
    connection: AsyncConnection[Any], serde: SerializerProtocol, threads: Sequence[str]
) -> Checked:
    """What is wrong with where conversations and checkpoints point. In a transaction of the
    caller's."""
    checked = Checked()
    parameters = {"threads": list(threads), "channel": CHANNEL, "leaf_type": LEAF_TYPE}

    async def select(query: str) -> list[DictRow]:
        async with connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(query, parameters)
            return await cur.fetchall()

    for row in await select(SELECT_CONVERSATIONS):
        checked.conversations[row["id"]] = Conversation(
            row["id"], row["thread_id"], row["user_id"], row["title"]
        )
        checked.findings += _check_conversation(row, serde)
    checked.findings += [_without_conversation(row) for row in await select(SELECT_OTHERS)]
    for row in await select(SELECT_LEAVES):
        if row["message_id"] is None:
            checked.missing.add(row_id(row["conversation_id"], row["blob"] or b""))
        checked.findings.append(_check_leaf(row))
    said = [row for row in await select(SELECT_UNTITLED) if row["content"].split()]
    checked.findings += [_untitled(row) for row in {row["id"]: row for row in said}.values()]
    checked.findings += [_without_value(row) for row in await select(SELECT_VALUES)]
    return checked


def _check_conversation(row: DictRow, serde: SerializerProtocol) -> list[Finding]:
    findings = []
    if row["is_ownerless"]:
        findings.append(
            Finding(
                row["thread_id"],
                Kind.USER,
                str(row["id"]),
                f"conversation {row['id']} belongs to user {row['user_id']}, who is not there",
                "Insert that user's row, with the name that authentication gives them.",
            )
        )
    if (finding := _check_leaf_of_conversation(row, serde)) is not None:
        findings.append(finding)
    return findings


def _check_leaf_of_conversation(row: DictRow, serde: SerializerProtocol) -> Finding | None:
    points_at = row["leaf_checkpoint_id"], row["leaf_id"]
    latest = row["checkpoint_id"]
    if row["type"] == LEAF_TYPE:
        leaf = row["expected_leaf_id"]
        if leaf is None and row["leaf_checkpoint_id"] == latest:
            return None  # The missing row is told of.
    elif row["type"] is None or not is_transcript(serde.loads_typed((row["type"], row["blob"]))):
        leaf = None
    elif row["leaf_checkpoint_id"] == latest and row["leaf_id"] is not None:
        return None  # LangGraph's saver wrote the list, and this one the rows.
    else:
        return Finding(
            row["thread_id"],
            Kind.NOT_ADOPTED,
            latest,
            f"checkpoint {latest}, the latest, holds its messages as LangGraph's own saver wrote "
            "them, and the conversation does not show them",
            "The next run makes them rows; `task-agent adopt` does now.",
        )
    if points_at == (latest, leaf):
        return None
    if latest is None:
        words = "no checkpoint is left to point at one"
        advice = (
            "Restore its checkpoints from a backup; `task-agent repair` shows it as empty, as the "
            "thread is without them, and keeps the messages."
        )
    else:
        words = f"checkpoint {latest}, the latest, points at {leaf or 'none'}"
        advice = "`task-agent repair` mends it."
    return Finding(
        row["thread_id"],
        Kind.LEAF,
        str(row["id"]),
        f"conversation {row['id']} ends with message {row['leaf_id'] or 'none'} of checkpoint "
        f"{row['leaf_checkpoint_id'] or 'none'}, but {words}",
        advice,
        mendable=True,
    )


def _without_conversation(row: DictRow) -> Finding:
    if row["has_rows"]:
        return Finding(
            row["thread_id"],
            Kind.NO_CONVERSATION,
            row["thread_id"],
            f"{row['checkpoints']} checkpoints point at messages, but there is no conversation",
            "`task-agent repair` makes it anew if its messages are still there; else restore it "
            "from a backup, or delete the thread.",
            mendable=True,
        )
    return Finding(
        row["thread_id"],
        Kind.NOT_ADOPTED,
        row["thread_id"],
        f"LangGraph's own saver wrote its {row['checkpoints']} checkpoints, and no conversation "
        "shows them",
        "The next run makes one; `task-agent adopt` does now.",
    )


def _check_leaf(row: DictRow) -> Finding:
    more = f" and {row['checkpoints'] - 1} more" if row["checkpoints"] > 1 else ""
    user = f"checkpoint {row['first']}{more}"
    digest = bytes(row["blob"] or b"").hex()
    if row["checkpoint_ns"] or row["channel"] != CHANNEL:
        return Finding(
            row["thread_id"],
            Kind.MISPLACED,
            row["first"],
            f"{user} of {row['checkpoint_ns'] or 'the root graph'} holds the digest {digest} in "
            f"channel {row['channel']!r}, where no digest belongs",
            "Restore the row of `checkpoint_blobs` from a backup.",
        )
    if row["elsewhere"] is not None:
        return Finding(
            row["thread_id"],
            Kind.FOREIGN,
            row["first"],
            f"{user} points at the message with digest {digest}, which only thread "
            f"{row['elsewhere']!r} has",
            "`task-agent repair` copies it, with those before it.",
            mendable=True,
        )
    return Finding(
        row["thread_id"],
        Kind.MISSING,
        str(row_id(row["conversation_id"], row["blob"])),
        f"{user} points at message {row_id(row['conversation_id'], row['blob'])} with digest "
        f"{digest}, which is gone",
        "`task-agent repair` puts it back if a pending write still holds it; else restore it from "
        "a backup.",
        mendable=True,
    )


def _untitled(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.TITLE,
        str(row["id"]),
        f"conversation {row['id']} has no title, though a user says something in it",
        "`task-agent repair` mends it.",
        mendable=True,
    )


def _without_value(row: DictRow) -> Finding:
    where = f" of {row['checkpoint_ns']}" if row["checkpoint_ns"] else ""
    return Finding(
        row["thread_id"],
        Kind.NO_VALUE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}{where} gave channel {row['channel']!r} a value, "
        f"version {row['version']}, which is not in `checkpoint_blobs`",
        "Restore it from a backup.",
    )
