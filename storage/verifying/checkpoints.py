"""Whether checkpoints point at messages, and have the values, that are there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..advice import COMMAND
from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import row_id
from .diagnosis import RESTORE
from .findings import Finding, Kind, RestoreMessage
from .forms import with_forms

# Looking for a leaf everywhere takes a look at each conversation, so it is done for a few only.
SELECT_LEAVES = with_forms(
    """
    WITH broken AS MATERIALIZED (
        SELECT b.thread_id, b.checkpoint_ns, b.channel, b.version,
               coalesce(b.blob, '') AS blob, c.id AS conversation_id,
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
        CROSS JOIN LATERAL {versions} AS v
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
)
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

# A step may also have taken a value over from the checkpoint before it. The one that gave it may be
# gone, and then nothing tells whether there was a value at all: some channels lose theirs with the
# next step. Those that a step of the graph has left as they were, with a stored value, do not.
SELECT_TAKEN_OVER = with_forms(
    """
    WITH taken AS MATERIALIZED (
        SELECT k.thread_id, k.checkpoint_id, k.parent_checkpoint_id, v.key AS channel,
               v.value AS version, b.thread_id IS NOT NULL AS is_stored,
               b.thread_id IS NOT NULL OR coalesce(k.checkpoint -> 'channel_values' ? v.key, false)
               OR coalesce(k.metadata -> 'counters_since_delta_snapshot' ? v.key, false)
               OR coalesce(k.checkpoint -> 'updated_channels' ? v.key, false) AS is_explained,
               coalesce(k.metadata ->> 'source' = 'loop', false) AS is_step
        FROM checkpoints k
        CROSS JOIN LATERAL {versions} AS v
        LEFT JOIN checkpoint_blobs b ON b.thread_id = k.thread_id AND b.checkpoint_ns = ''
            AND b.channel = v.key AND b.version = v.value
        WHERE k.thread_id = ANY(%(threads)s) AND k.checkpoint_ns = ''
        AND NOT k.metadata ? 'delta_writes_versioned' AND v.key !~ '^__|:'
    ), lost AS (
        SELECT thread_id, channel, version, min(checkpoint_id) AS checkpoint_id, count(*) AS number
        FROM taken GROUP BY thread_id, channel, version HAVING NOT bool_or(is_explained)
    )
    SELECT lost.* FROM lost WHERE (thread_id, channel) IN (
        SELECT k.thread_id, k.channel FROM taken k
        JOIN taken p ON p.thread_id = k.thread_id AND p.checkpoint_id = k.parent_checkpoint_id
            AND p.channel = k.channel AND p.version = k.version
        WHERE k.is_step AND k.is_stored
        AND k.thread_id IN (SELECT thread_id FROM lost)
    )
    ORDER BY thread_id, checkpoint_id, channel
    """
)

SELECT_UNREADABLE = with_forms(
    """
    SELECT k.thread_id, k.checkpoint_ns, k.checkpoint_id FROM checkpoints k
    WHERE k.thread_id = ANY(%(threads)s) AND NOT {is_whole} ORDER BY k.thread_id, k.checkpoint_id
    """
)


async def check_checkpoints(
    connection: AsyncConnection[Any], threads: Sequence[str], missing: set[UUID]
) -> list[Finding]:
    """What is wrong with where the checkpoints of some threads point.

    In a transaction of the caller's.

    Args:
        missing: the ids of messages that are found to be missing are added to it.
    """
    parameters = {"threads": list(threads), "channel": CHANNEL, "leaf_type": LEAF_TYPE}

    async def select(query: str) -> list[DictRow]:
        async with connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(query, parameters)
            return await cur.fetchall()

    findings = []
    for row in await select(SELECT_LEAVES):
        if row["checkpoint_ns"] or row["channel"] != CHANNEL:
            findings.append(_misplaced(row))
            continue
        key = row_id(row["conversation_id"], row["blob"])
        if key not in missing:
            missing.add(key)
            findings.append(_missing(row, key))
    findings += [_valueless(row) for row in await select(SELECT_VALUES)]
    findings += [_lost(row) for row in await select(SELECT_TAKEN_OVER)]
    findings += [_unreadable(row) for row in await select(SELECT_UNREADABLE)]
    return findings


def _users(row: DictRow) -> str:
    others = row["checkpoints"] - 1
    where = f" of {row['checkpoint_ns']}" if row["checkpoint_ns"] else ""
    return f"checkpoint {row['first']}{where}" + (f" and {others} more" if others else "")


def _missing(row: DictRow, key: UUID) -> Finding:
    mend = RestoreMessage(row["conversation_id"], key, row["blob"])
    what = f"{_users(row)} ends with message {key}, digest {row['blob'].hex()}, which "
    if row["elsewhere"] is None:
        return Finding(row["thread_id"], Kind.MISSING, str(key), f"{what}is gone", RESTORE, mend)
    return Finding(
        row["thread_id"],
        Kind.FOREIGN,
        str(key),
        f"{what}only thread {row['elsewhere']!r} has",
        f"`{COMMAND} repair` copies it, with those before it.",
        mend,
    )


def _misplaced(row: DictRow) -> Finding:
    return Finding(
        row["thread_id"],
        Kind.MISPLACED,
        row["first"],
        f"{_users(row)} has the digest {row['blob'].hex()} as its channel {row['channel']!r}, "
        "where no digest belongs",
        "Restore the row of `checkpoint_blobs` from a backup.",
    )


def _unreadable(row: DictRow) -> Finding:
    where = f" of {row['checkpoint_ns']}" if row["checkpoint_ns"] else ""
    return Finding(
        row["thread_id"],
        Kind.UNREADABLE_STATE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}{where} can't be read: its columns `checkpoint` and "
        "`metadata` don't hold what LangGraph stores in them",
        "Restore the row of `checkpoints` from a backup.",
    )


def _valueless(row: DictRow) -> Finding:
    where = f" of {row['checkpoint_ns']}" if row["checkpoint_ns"] else ""
    return Finding(
        row["thread_id"],
        Kind.NO_VALUE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}{where} gave channel {row['channel']!r} a value, "
        f"version {row['version']}, which is not in `checkpoint_blobs`",
        "Restore it from a backup.",
    )


def _lost(row: DictRow) -> Finding:
    others = f" and {row['number'] - 1} more" if row["number"] > 1 else ""
    return Finding(
        row["thread_id"],
        Kind.NO_VALUE,
        row["checkpoint_id"],
        f"checkpoint {row['checkpoint_id']}{others} took channel {row['channel']!r} over from the "
        f"one before, version {row['version']}, which is not in `checkpoint_blobs`",
        "Restore it from a backup.",
    )
