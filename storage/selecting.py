"""The SQL of reading: checkpoints with what belongs to them, and the messages of a thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from langgraph.checkpoint.postgres.base import SELECT_SQL
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, tuple_row

from .reading import StoredRow
from .rows import CHANNEL, LEAF_TYPE

_CONVERSATION = """,
    (
        SELECT array[uuid_send(c.id), timestamptz_send(c.redacted_at)]
        FROM conversations c WHERE c.thread_id = checkpoints.thread_id
    ) AS conversation
"""
#: The plain saver's query, and the conversation: its id and its last redaction, as bytes to be
#: compared with others.
SELECT_CHECKPOINTS = _CONVERSATION.join(SELECT_SQL.rsplit("\n", 1))

#: A checkpoint of the root graph with one version of a channel.
OF_VERSION = """
    WHERE thread_id = %s AND checkpoint_ns = ''
    AND checkpoint -> 'channel_versions' ->> %s = %s LIMIT 1
"""

# Bytes are read without making objects of them that nobody needs.
SELECT_MESSAGES = """
    SELECT uuid_send(m.id), uuid_send(m.parent_id), m.digest, m.payload_type, m.payload,
           m.redaction
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE c.thread_id = %s
"""

#: The columns of `SELECT_CHECKPOINTS` with their types.
_COLUMNS = {
    "thread_id": "text",
    "checkpoint": "jsonb",
    "checkpoint_ns": "text",
    "checkpoint_id": "text",
    "parent_checkpoint_id": "text",
    "metadata": "jsonb",
    "channel_values": "bytea[]",
    "pending_writes": "bytea[]",
    "conversation": "bytea[]",
}
# For a process that knows nothing of the thread: one round trip in place of two. (A row is either a
# checkpoint or a message. Messages as an array would end where an array does, at a gigabyte.)
_SELECT_BOTH = """
    WITH found AS ({checkpoints})
    SELECT {columns}, NULL::bytea, NULL::bytea, NULL::bytea, NULL::text, NULL::bytea, NULL::bytea
    FROM found
    UNION ALL SELECT {nulls}, message.* FROM ({messages}) AS message
"""


async def select_checkpoint_and_messages(
    cur: AsyncCursor[DictRow], where: str, args: Sequence[Any], thread_id: str
) -> tuple[list[DictRow], list[StoredRow]]:
    """The checkpoints that `SELECT_CHECKPOINTS` finds, and what `select_messages` does."""
    both = _SELECT_BOTH.format(
        checkpoints=SELECT_CHECKPOINTS + where,
        columns=", ".join(_COLUMNS),
        nulls=", ".join(f"NULL::{kind}" for kind in _COLUMNS.values()),
        messages=SELECT_MESSAGES,
    )
    async with cur.connection.cursor(binary=True, row_factory=tuple_row) as rows:
        await rows.execute(both, (*args, thread_id))
        found = await rows.fetchall()
    width = len(_COLUMNS)
    checkpoints = [dict(zip(_COLUMNS, row, strict=False)) for row in found if row[0] is not None]
    return checkpoints, [row[width:] for row in found if row[0] is None]


async def select_messages(connection: AsyncConnection[Any], thread_id: str) -> list[StoredRow]:
    """Every message of a thread's conversation, all branches, in no particular order."""
    async with connection.cursor(binary=True, row_factory=tuple_row) as cur:
        await cur.execute(SELECT_MESSAGES, (thread_id,))
        return cast(list[StoredRow], await cur.fetchall())


def leaf_of(value: DictRow) -> bytes | None:
    """The digest that a selected checkpoint holds in the place of its messages."""
    for channel, kind, blob in value["channel_values"] or ():
        if channel == _CHANNEL and kind == _LEAF_TYPE:
            return bytes(blob or b"")
    return None


def without_leaf(values: Sequence[Sequence[bytes]]) -> list[Sequence[bytes]]:
    """A selected checkpoint's values, but for the leaf, which no serialiser can read."""
    return [value for value in values if value[1] != _LEAF_TYPE]


@dataclass(frozen=True, slots=True)
class InRows:
    """A value of the messages channel that is stored in rows, by its version."""

    version: str


def set_rows_aside(selected: Sequence[Any]) -> tuple[list[Any], InRows | None]:
    """What the plain saver selects of a `DeltaChannel`'s history, and what it couldn't decode."""
    others, found = [], None
    for row in selected:
        if row["_kind"] == "b" and row["channel"] == CHANNEL and row["type"] == LEAF_TYPE:
            found = InRows(row["version"])
        else:
            others.append(row)
    return others, found


_CHANNEL, _LEAF_TYPE = CHANNEL.encode(), LEAF_TYPE.encode()
