"""What a process has to know of redacted messages, so as not to bring them back.

A run that was under way when a message was redacted has the message in its memory and goes on
putting it, in lists, in pending writes, in the state of sub-graphs. The row of it is there and
stays blank, whatever is put. Everything else is blanked before it is stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .blanking import Forgotten, id_of, message_fields
from .stored_values import Form, UnopenableValueError

SELECT_REDACTIONS = """
    SELECT c.id, timestamptz_send(c.redacted_at) AS redacted_at, m.digest, m.payload_type,
           m.payload, parent.digest AS parent_digest
    FROM conversations c
    LEFT JOIN messages m ON m.conversation_id = c.id AND m.redaction IS NOT NULL
    LEFT JOIN messages parent ON parent.id = m.parent_id
    WHERE c.thread_id = %s
"""


@dataclass(frozen=True, slots=True)
class Redactions:
    """The redacted messages of a thread: their digests, and how copies are recognised."""

    digests: frozenset[bytes]
    forgotten: Forgotten

    @classmethod
    def of(cls, rows: Iterable[DictRow], serde: SerializerProtocol) -> "Redactions":
        """What the rows of `select_redactions` tell; none of them holds what was said."""
        digests, forgotten = set(), Forgotten()
        for row in rows:
            if row["digest"] is None:
                continue
            digests.add(bytes(row["digest"]))
            value = Form(row["payload_type"], serde).open(bytes(row["payload"]))
            if (fields := message_fields(value)) is not None:
                forgotten.add(fields)
                if id_of(fields) is None:
                    parent = row["parent_digest"]
                    pair = (None if parent is None else bytes(parent), bytes(row["digest"]))
                    forgotten.rows.add(pair)
        return cls(frozenset(digests), forgotten)

    def blank(self, kind: str, blob: bytes, serde: SerializerProtocol) -> bytes:
        """A value as it may be stored: the same bytes where none of the messages is in it."""
        form = Form(kind, serde)
        if form.is_hollow:
            return blob
        try:
            value = form.open(blob)
        except UnopenableValueError:
            # Bytes of somebody else's; whether a message is among them can't be told.
            return blob
        blank = self.forgotten.blank(value)
        return blob if blank is value else form.close(blank)


async def select_redactions(cur: AsyncCursor[DictRow], thread_id: str) -> list[DictRow]:
    """A conversation and its redacted messages: a row for each, or one; none without either."""
    await cur.execute(SELECT_REDACTIONS, (thread_id,))
    return await cur.fetchall()
