"""What is in the tables without anything that leads to it.

Most of it is nothing wrong. A branch that was left, or a run that was taken back, leaves messages
that no checkpoint points at; they are kept on purpose. Values and writes that no checkpoint uses
take space and do nothing.
"""

from collections.abc import AsyncIterator, Container, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..advice import COMMAND
from ..rows import CHANNEL, LEAF_TYPE
from .findings import DeleteUnused, Finding, Kind
from .forms import with_forms

#: The writes of a step are stored before its checkpoint is; older ones than this wait for none.
PATIENCE = timedelta(hours=1)

# Where every branch ends with a message that some checkpoint points at, none was left, and there is
# nothing to count.
SELECT_LEFT = """
    WITH RECURSIVE checked AS (
        SELECT id, thread_id, leaf_id FROM conversations WHERE thread_id = ANY(%(threads)s)
    ), pointed_at AS MATERIALIZED (
        SELECT m.id, m.conversation_id FROM checked c
        JOIN checkpoint_blobs b ON b.thread_id = c.thread_id AND b.checkpoint_ns = ''
            AND b.channel = %(channel)s AND b.type = %(leaf_type)s
        JOIN messages m ON m.conversation_id = c.id AND m.digest = b.blob
        UNION
        SELECT leaf_id, id FROM checked WHERE leaf_id IS NOT NULL
    ), left_in AS MATERIALIZED (
        SELECT m.conversation_id, count(*) AS branches FROM checked c
        JOIN messages m ON m.conversation_id = c.id
        WHERE NOT EXISTS (SELECT FROM messages child WHERE child.parent_id = m.id)
        AND NOT EXISTS (SELECT FROM pointed_at p WHERE p.id = m.id)
        GROUP BY m.conversation_id
    ), reached(id, conversation_id) AS (
        SELECT p.id, p.conversation_id FROM pointed_at p JOIN left_in USING (conversation_id)
        UNION
        SELECT m.parent_id, m.conversation_id FROM reached
        JOIN messages m ON m.id = reached.id WHERE m.parent_id IS NOT NULL
    )
    SELECT c.thread_id, c.id, l.branches,
           (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)
           - (SELECT count(*) FROM reached r WHERE r.conversation_id = c.id) AS messages
    FROM left_in l JOIN checked c ON c.id = l.conversation_id
"""

# Of a thread with a checkpoint that can't be read nobody knows what is used.
SELECT_UNUSED = with_forms(
    """
    WITH used AS MATERIALIZED (
        SELECT DISTINCT k.thread_id, k.checkpoint_ns, v.key AS channel, v.value AS version
        FROM checkpoints k
        CROSS JOIN LATERAL {versions} AS v
        WHERE k.thread_id = ANY(%(threads)s)
    ), unused AS (
        SELECT b.thread_id, 1 AS number FROM checkpoint_blobs b
        WHERE b.thread_id = ANY(%(threads)s) AND NOT EXISTS (
            SELECT FROM used u WHERE u.thread_id = b.thread_id
            AND u.checkpoint_ns = b.checkpoint_ns AND u.channel = b.channel
            AND u.version = b.version
        )
        UNION ALL
        SELECT w.thread_id, 1 FROM checkpoint_writes w
        WHERE w.thread_id = ANY(%(threads)s) AND w.checkpoint_id COLLATE "C" < %(old)s
        AND w.checkpoint_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-6' AND NOT EXISTS (
            SELECT FROM checkpoints k WHERE k.thread_id = w.thread_id
            AND k.checkpoint_ns = w.checkpoint_ns AND k.checkpoint_id = w.checkpoint_id
        )
    )
    SELECT thread_id, count(*) AS number, EXISTS (
        SELECT FROM checkpoints k WHERE k.thread_id = unused.thread_id
    ) AS has_checkpoints
    FROM unused WHERE thread_id NOT IN (
        SELECT k.thread_id FROM checkpoints k
        WHERE k.thread_id = ANY(%(threads)s) AND NOT {is_whole}
    )
    GROUP BY thread_id
    """
)

# Such rows can only be where the reference was not checked, by a restore without it, say.
SELECT_HOMELESS = """
    WITH RECURSIVE known(id) AS (
        (SELECT conversation_id FROM messages ORDER BY conversation_id LIMIT 1)
        UNION ALL
        SELECT following.id FROM known CROSS JOIN LATERAL (
            SELECT conversation_id AS id FROM messages WHERE conversation_id > known.id
            ORDER BY conversation_id LIMIT 1
        ) AS following
    )
    SELECT known.id, (SELECT count(*) FROM messages m WHERE m.conversation_id = known.id) AS number
    FROM known WHERE NOT EXISTS (SELECT FROM conversations c WHERE c.id = known.id)
"""


async def leftovers(
    connection: AsyncConnection[Any], threads: Sequence[str], damaged: Container[str | None]
) -> AsyncIterator[Finding]:
    """What nothing leads to in these threads. In a transaction of the caller's.

    Args:
        damaged: the threads in which something is wrong. What is unused in them may be what is
            needed once that is restored, so it is not to be deleted.
    """
    parameters = {"threads": list(threads), "channel": CHANNEL, "leaf_type": LEAF_TYPE}
    for row in await _select(connection, SELECT_LEFT, parameters):
        yield Finding(
            row["thread_id"],
            Kind.LEFT_BRANCHES,
            str(row["id"]),
            f"{row['messages']} messages are on {row['branches']} branches that were left, by runs "
            "taken back or checkpoints pruned",
        )
    for row in await _select(connection, SELECT_UNUSED, {**parameters, "old": old_id()}):
        yield _unused(row, damaged)


def _unused(row: DictRow, damaged: Container[str | None]) -> Finding:
    thread_id, mend = row["thread_id"], None
    if not row["has_checkpoints"]:
        advice = "Restore its checkpoints from a backup, or delete the thread."
    elif thread_id in damaged:
        advice = f"`{COMMAND} repair` deletes them when nothing else is wrong with the thread."
    else:
        advice, mend = f"`{COMMAND} repair` deletes them.", DeleteUnused(thread_id)
    what = f"{row['number']} values or pending writes are stored that no checkpoint uses"
    return Finding(thread_id, Kind.UNUSED, thread_id, what, advice, mend)


async def homeless_rows(connection: AsyncConnection[Any]) -> AsyncIterator[Finding]:
    """The messages of conversations that are not there. In a transaction of the caller's."""
    for row in await _select(connection, SELECT_HOMELESS, {}):
        yield Finding(
            None,
            Kind.HOMELESS,
            str(row["id"]),
            f"{row['number']} messages belong to conversation {row['id']}, which is not there",
            f"`{COMMAND} repair` makes it anew if a thread's checkpoints point at its messages; "
            "else restore it from a backup, or delete the messages.",
        )


def old_id(now: datetime | None = None) -> str:
    """A checkpoint's id, as far as it tells the time, of so long ago that nothing waits for it."""
    moment = (now or datetime.now(UTC)) - PATIENCE
    since = moment - datetime(1582, 10, 15, tzinfo=UTC)
    ticks = f"{since // timedelta(microseconds=1) * 10:015x}"
    return f"{ticks[:8]}-{ticks[8:12]}-6{ticks[12:]}"


async def _select(
    connection: AsyncConnection[Any], query: str, parameters: dict[str, Any]
) -> list[DictRow]:
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(query, parameters)
        return await cur.fetchall()
