"""The SQL of reading: checkpoints with what belongs to them, and the messages of a thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from langgraph.checkpoint.postgres.base import SELECT_SQL
from psycopg import AsyncConnection
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
