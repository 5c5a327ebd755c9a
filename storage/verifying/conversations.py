"""Whether conversations show what the latest checkpoints of their threads show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..advice import COMMAND
from ..decoding import read_message
from ..plain.form import EMPTY_TYPE
from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import is_transcript
from .diagnosis import REPAIR
from .findings import Finding, Kind, MakeConversation, SetLeaf, SetLeafDigest, SetTitle
from .forms import with_forms
from .values import damage_of

SELECT_CONVERSATIONS = with_forms(
    """
    SELECT c.thread_id, c.id, c.title, c.leaf_id, c.leaf_checkpoint_id, c.user_id,
           u.id IS NULL AS is_ownerless, latest.checkpoint_id, latest.version, b.type, b.blob,
           latest.version IS NOT NULL AND NOT latest.is_inline AND b.type IS NULL AS is_lost,
           coalesce(latest.is_whole, true) AS is_readable,
           leaf.id AS expected_leaf_id, shown.digest AS shown_digest
    FROM conversations c
    LEFT JOIN users u ON u.id = c.user_id
    LEFT JOIN messages shown ON shown.id = c.leaf_id AND shown.conversation_id = c.id
    LEFT JOIN LATERAL (
        SELECT checkpoint_id, checkpoint -> 'channel_versions' ->> %(channel)s AS version,
               coalesce(checkpoint -> 'channel_values' ? %(channel)s, false) AS is_inline,
               {is_whole} AS is_whole
        FROM checkpoints k WHERE thread_id = c.thread_id AND checkpoint_ns = ''
        ORDER BY checkpoint_id DESC LIMIT 1
    ) AS latest ON true
    LEFT JOIN checkpoint_blobs b ON b.thread_id = c.thread_id AND b.checkpoint_ns = ''
        AND b.channel = %(channel)s AND b.version = latest.version
    LEFT JOIN messages leaf ON leaf.conversation_id = c.id AND leaf.digest = b.blob
        AND b.type = %(leaf_type)s
    WHERE c.thread_id = ANY(%(threads)s)
    ORDER BY c.thread_id
    """
)
# From the last message to the first, however the rows lie.
SELECT_BRANCH = """
    WITH RECURSIVE branch(id, parent_id, place) AS (
        SELECT id, parent_id, 1 FROM messages WHERE id = %s
        UNION ALL
        SELECT m.id, m.parent_id, place + 1 FROM branch JOIN messages m ON m.id = branch.parent_id
        WHERE place <= %s
    )
    SELECT m.payload_type, m.payload FROM branch JOIN messages m ON m.id = branch.id
    ORDER BY place
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


async def check_conversations(
    connection: AsyncConnection[Any], serde: SerializerProtocol, threads: Sequence[str]
) -> tuple[list[Conversation], list[Finding]]:
    """The conversations of some threads, and what is wrong with them, but for their messages.

    In a transaction of the caller's.
    """
    parameters = {"threads": list(threads), "channel": CHANNEL, "leaf_type": LEAF_TYPE}

    async def select(query: str) -> list[DictRow]:
        async with connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(query, parameters)
            return await cur.fetchall()

    conversations, findings = [], []
    for row in await select(SELECT_CONVERSATIONS):
        conversations.append(
            Conversation(row["id"], row["thread_id"], row["user_id"], row["title"])
        )
        if row["is_ownerless"]:
            findings.append(_ownerless(row))
        if (finding := await _check_leaf(connection, serde, row)) is not None:
            findings.append(finding)
    findings += [_without_conversation(row) for row in await select(SELECT_OTHERS)]
    said = {row["id"]: row for row in await select(SELECT_UNTITLED) if row["content"].split()}
    findings += [_untitled(row) for row in said.values()]
    return conversations, findings


async def _check_leaf(
    connection: AsyncConnection[Any], serde: SerializerProtocol, row: DictRow
) -> Finding | None:
    """Whether a conversation ends where the latest checkpoint of its thread does."""
    if not row["is_readable"]:
        return None  # That is told of with the checkpoints.
    latest, leaf = row["checkpoint_id"], None
    is_of_latest = row["leaf_checkpoint_id"] == latest
    if row["type"] == LEAF_TYPE:
        leaf = row["expected_leaf_id"]
        if leaf is None and is_of_latest:
            return None  # A message is missing, which is told of.
    elif row["type"] not in (None, EMPTY_TYPE):
        try:
            listed = serde.loads_typed((row["type"], row["blob"]))
        except Exception as error:
            # Whatever the serialiser makes of bytes that it did not write.
            if damage_of(serde, row["type"], row["blob"]) is not None:
                return None  # That is told of with the values.
            return _unreadable(row, error)
        if is_transcript(listed):
            # LangGraph's own saver wrote the list. This one may have written the rows to it.
            if not is_of_latest or row["leaf_id"] is None:
                return _not_shown(row)
            if await _is_branch(connection, serde, row["leaf_id"], listed):
                return None
        elif row["leaf_checkpoint_id"] is None and row["leaf_id"] is None:
            # Adopting was stopped before it came to the latest list.
            return _not_shown(row)
    elif row["is_lost"] and is_of_latest and row["shown_digest"]:
        return _valueless(row)
    if (row["leaf_checkpoint_id"], row["leaf_id"]) == (latest, leaf):
        return None
    return _elsewhere(row, leaf)


async def _is_branch(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    leaf_id: UUID,
    messages: list[BaseMessage],
) -> bool:
    """Whether these messages are those of a branch, which are read one at a time."""
    async with connection.cursor(
        name="task_agent_branch", binary=True, row_factory=dict_row
    ) as cur:
        await cur.execute(SELECT_BRANCH, (leaf_id, len(messages)))
        for message in reversed(messages):
            row = await cur.fetchone()
            if row is None:
                return False
            try:
                shown = read_message(serde, row["payload_type"], row["payload"])
            except Exception:
                return True  # That it can't be read is told of with the rows.
            if shown != message:
                return False
        return await cur.fetchone() is None


def _unreadable(row: DictRow, error: Exception) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.UNREADABLE_STATE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}, the latest, can't be read: of its messages, version "
        f"{row['version']} and type {row['type']!r}, the serialiser says: {error}",
        "Restore the row of `checkpoint_blobs` from a backup.",
    )


def _ownerless(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.USER,
        str(row["id"]),
        f"conversation {row['id']} belongs to user {row['user_id']}, who is not there",
        "Insert that user's row, with the name that authentication gives them.",
    )


def _elsewhere(row: DictRow, leaf: UUID | None) -> Finding:
    latest = row["checkpoint_id"]
    if latest is None:
        words = "no checkpoint is left to point at one"
        advice = (
            f"Restore its checkpoints from a backup; `{COMMAND} repair` shows it as empty, as the "
            "thread is without them, and keeps the messages."
        )
    else:
        words, advice = f"checkpoint {latest}, the latest, points at {leaf or 'none'}", REPAIR
    return Finding(
        row["thread_id"],
        Kind.LEAF,
        str(row["id"]),
        f"conversation {row['id']} ends with message {row['leaf_id'] or 'none'} of checkpoint "
        f"{row['leaf_checkpoint_id'] or 'none'}, but {words}",
        advice,
        SetLeaf(row["id"], latest, leaf),
    )


def _not_shown(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.NOT_ADOPTED,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}, the latest, holds its messages as LangGraph's own "
        "saver wrote them, and the conversation does not show them",
        f"The next run makes them rows; `{COMMAND} adopt` does now.",
    )


def _valueless(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.NO_VALUE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}, the latest, has no messages, version "
        f"{row['version']}, but the conversation ends there with message {row['leaf_id']}",
        REPAIR,
        SetLeafDigest(row["thread_id"], row["version"], row["shown_digest"]),
    )


def _without_conversation(row: DictRow) -> Finding:
    if row["has_rows"]:
        return Finding(
            row["thread_id"],
            Kind.NO_CONVERSATION,
            row["thread_id"],
            f"{row['checkpoints']} checkpoints point at messages, but there is no conversation",
            f"`{COMMAND} repair` makes it anew if its messages are still there; else restore it "
            "from a backup, or delete the thread.",
            MakeConversation(row["thread_id"]),
        )
    return Finding(
        row["thread_id"],
        Kind.NOT_ADOPTED,
        row["thread_id"],
        f"LangGraph's own saver wrote its {row['checkpoints']} checkpoints, and no conversation "
        "shows them",
        f"The next run makes one; `{COMMAND} adopt` does now.",
    )


def _untitled(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.TITLE,
        str(row["id"]),
        f"conversation {row['id']} has no title, though a user says something in it",
        REPAIR,
        SetTitle(row["id"]),
    )
