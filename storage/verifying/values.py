"""Whether the values and pending writes that checkpoints have can be read, the oldest's too.

Nothing tells what a value has to be, as digests do of messages. What can be seen is that its bytes
are no value any more: cut off, overwritten, or said to be in a form that they aren't in. They are
gone through as the serialiser would, an object's content too, without making anything of them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from ..stored_values import HOLLOW, Form
from .findings import Finding, Kind
from .forms import with_forms

#: Values that are fetched at once.
CHUNK = 250

#: Bytes of a value that is fetched by itself, so that what is fetched at once has a bound.
LARGE = 200_000

# What no checkpoint uses is told of with what is left over.
SELECT_VALUES = with_forms(
    """
    WITH used AS MATERIALIZED (
        SELECT k.thread_id, k.checkpoint_ns, v.key AS channel, v.value AS version,
               count(*) AS checkpoints, min(k.checkpoint_id) AS first
        FROM checkpoints k CROSS JOIN LATERAL {versions} AS v
        WHERE k.thread_id = ANY(%(threads)s)
        GROUP BY k.thread_id, k.checkpoint_ns, v.key, v.value
    )
    SELECT b.thread_id, b.checkpoint_ns, b.channel, b.version, b.type, used.checkpoints, used.first,
           octet_length(b.blob) AS bytes,
           CASE WHEN octet_length(b.blob) <= %(large)s THEN b.blob END AS blob
    FROM checkpoint_blobs b JOIN used USING (thread_id, checkpoint_ns, channel, version)
    WHERE b.thread_id = ANY(%(threads)s) AND b.type <> ALL(%(hollow)s)
    """
)
SELECT_VALUE = """
    SELECT blob FROM checkpoint_blobs
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(checkpoint_ns)s
    AND channel = %(channel)s AND version = %(version)s
"""
SELECT_WRITES = """
    SELECT w.thread_id, w.checkpoint_ns, w.checkpoint_id AS first, 1 AS checkpoints, w.task_id,
           w.idx, w.channel, coalesce(w.type, '') AS type, octet_length(w.blob) AS bytes,
           CASE WHEN octet_length(w.blob) <= %(large)s THEN w.blob END AS blob
    FROM checkpoint_writes w
    JOIN checkpoints k ON k.thread_id = w.thread_id AND k.checkpoint_ns = w.checkpoint_ns
        AND k.checkpoint_id = w.checkpoint_id
    WHERE w.thread_id = ANY(%(threads)s) AND coalesce(w.type, '') <> ALL(%(hollow)s)
"""
SELECT_WRITE = """
    SELECT blob FROM checkpoint_writes
    WHERE thread_id = %(thread_id)s AND checkpoint_ns = %(checkpoint_ns)s
    AND checkpoint_id = %(first)s AND task_id = %(task_id)s AND idx = %(idx)s
"""


async def check_values(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    threads: Sequence[str],
    seen: Callable[[int], None],
) -> AsyncIterator[Finding]:
    """What can't be read of what the checkpoints of some threads have.

    In a transaction of the caller's. `seen` is told the number of values as they are checked.
    """
    parameters = {"threads": list(threads), "hollow": list(HOLLOW), "large": LARGE}
    for table, select_all, select_one in (
        ("checkpoint_blobs", SELECT_VALUES, SELECT_VALUE),
        ("checkpoint_writes", SELECT_WRITES, SELECT_WRITE),
    ):
        async with connection.cursor(
            name="task_agent_verify_values", binary=True, row_factory=dict_row
        ) as cursor:
            await cursor.execute(select_all, parameters)
            while rows := await cursor.fetchmany(CHUNK):
                for row in rows:
                    if (row["bytes"] or 0) > LARGE:
                        row["blob"] = await _blob(connection, select_one, row)
                    if (damage := damage_of(serde, row["type"], row["blob"])) is not None:
                        yield _unreadable(row, table, damage)
                    row["blob"] = None
                seen(len(rows))


def damage_of(serde: SerializerProtocol, kind: str, blob: bytes | None) -> str | None:
    """Why a value can't be read; none if it can."""
    if blob is None:
        return "there are no bytes"
    try:
        Form(kind, serde).go_through(blob)
    except Exception as error:
        # Whatever comes of bytes that no serialiser wrote.
        return f"{type(error).__name__}: {error}"
    return None


async def _blob(connection: AsyncConnection[Any], query: str, row: DictRow) -> bytes | None:
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(query, row)
        found = await cur.fetchone()
    return None if found is None else found["blob"]


def _unreadable(row: DictRow, table: str, damage: str) -> Finding:
    where = f" of {row['checkpoint_ns']}" if row["checkpoint_ns"] else ""
    others = row["checkpoints"] - 1
    who = f"checkpoint {row['first']}{where}" + (f" and {others} more" if others else "")
    if table == "checkpoint_blobs":
        what = f"the value of channel {row['channel']!r}, version {row['version']}"
    else:
        what = f"what task {row['task_id']} wrote to channel {row['channel']!r}"
    return Finding(
        row["thread_id"],
        Kind.UNREADABLE_STATE,
        row["first"],
        f"{who} can't be read: {what}, is not in the form {row['type']!r} that it is said to be "
        f"in ({damage})",
        f"Restore the row of `{table}` from a backup.",
    )
