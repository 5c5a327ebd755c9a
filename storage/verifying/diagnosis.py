"""What is at fault where a row's digest, key and parent do not fit together."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ..advice import COMMAND
from ..transcript import digest_of, is_genuine, row_id
from .findings import Finding, Kind, Mend, RestoreMessage, SetDigest, SetKey, SetParent

REPAIR = f"`{COMMAND} repair` mends it."
RESTORE = (
    f"`{COMMAND} repair` puts it back if another thread or a pending write still holds it; else "
    "restore it from a backup."
)

# The digest says which row is the parent: that whose digest makes it.
SELECT_TRUE_PARENT = """
    SELECT parent.id, parent.digest FROM messages row
    JOIN messages parent ON parent.conversation_id = row.conversation_id
    WHERE row.id = %s AND sha256(parent.digest || row.payload) = row.digest
"""
SELECT_WITH_PARENT = """
    SELECT m.id, m.conversation_id, m.digest, m.payload, parent.digest AS parent_digest
    FROM messages m LEFT JOIN messages parent ON parent.id = m.parent_id WHERE m.id = %s
"""
SELECT_IS_CIRCLE = """
    WITH RECURSIVE up(id) AS (
        SELECT parent_id FROM messages WHERE id = %(id)s
        UNION
        SELECT m.parent_id FROM up JOIN messages m ON m.id = up.id
    )
    SELECT count(*) AS number FROM up WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A row, and the row that it says comes before it."""

    thread_id: str
    id: UUID
    conversation_id: UUID
    digest: bytes
    payload: bytes
    redaction: bytes | None
    parent_id: UUID | None
    #: Of the row before it; none where there is no such row.
    parent_conversation_id: UUID | None
    parent_digest: bytes | None

    @property
    def key(self) -> UUID:
        """The id that the digest makes."""
        return row_id(self.conversation_id, self.digest)

    @property
    def is_sound(self) -> bool:
        """Whether digest, key and parent are what they have to be."""
        return (
            self.parent_conversation_id
            == (None if self.parent_id is None else self.conversation_id)
            and is_genuine(self.parent_digest, self.digest, self.payload, self.redaction)
            and self.key == self.id
        )

    def finding(self, kind: Kind, what: str, advice: str, mend: Mend) -> Finding:
        return Finding(self.thread_id, kind, str(self.id), what, advice, mend)


async def diagnose(
    connection: AsyncConnection[Any], row: Link, *, search: bool = True
) -> Finding | None:
    """What is wrong with a row that is not sound; None if it is another row that is at fault.

    In a transaction of the caller's.

    Args:
        search: whether to look through the conversation for the row's true parent.
    """
    if row.parent_id is not None and row.parent_conversation_id is None:
        bent = await _bent(connection, row) if row.redaction is None and search else None
        if bent is not None:
            return bent
        # The missing row is what this is about.
        mend = RestoreMessage(row.conversation_id, row.parent_id, child_digest=row.digest)
        what = f"message {row.parent_id}, which message {row.id} follows, is gone"
        return Finding(row.thread_id, Kind.MISSING, str(row.parent_id), what, RESTORE, mend)
    if is_genuine(row.parent_digest, row.digest, row.payload, row.redaction):
        return _misplaced(row)
    restore = RestoreMessage(
        row.conversation_id,
        row.id,
        row.digest,
        is_there=True,
        is_redacted=row.redaction is not None,
    )
    if row.redaction is not None:
        what = f"message {row.id} was redacted, and what that left of it has been changed since"
        return row.finding(Kind.REDACTION, what, RESTORE, restore)
    true = digest_of(row.parent_digest, row.payload)
    if row.key != row.id and row_id(row.conversation_id, true) == row.id:
        what = (
            f"message {row.id} has the digest {row.digest.hex()}, but its payload and its id make "
            f"it {true.hex()}"
        )
        return row.finding(Kind.DIGEST, what, REPAIR, SetDigest(row.id, true))
    if row.parent_id is not None and await _parent_is_at_fault(connection, row):
        return None
    if search and (bent := await _bent(connection, row)) is not None:
        return bent
    what = (
        f"message {row.id} is not what was stored: its payload does not make its digest "
        f"{row.digest.hex()}"
    )
    return row.finding(Kind.PAYLOAD, what, RESTORE, restore)


def _misplaced(row: Link) -> Finding:
    """A row that holds what was stored, but not where it belongs."""
    if row.parent_id is not None and row.parent_conversation_id != row.conversation_id:
        return row.finding(
            Kind.PARENT,
            f"message {row.id} follows message {row.parent_id}, which is another conversation's",
            REPAIR,
            SetParent(row.conversation_id, row.id, row.parent_digest),
        )
    what = f"message {row.id} ought to have the id {row.key}, which its digest makes"
    return row.finding(Kind.KEY, what, REPAIR, SetKey(row.id, row.key))


async def _parent_is_at_fault(connection: AsyncConnection[Any], row: Link) -> bool:
    """Whether the parent's digest was changed, and this row fits to what it was."""
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(SELECT_WITH_PARENT, (row.parent_id,))
        parent = await cur.fetchone()
    if parent is None:
        return False
    true = digest_of(parent["parent_digest"], parent["payload"])
    return (
        row_id(parent["conversation_id"], true) == parent["id"]
        and digest_of(true, row.payload) == row.digest
    )


async def _bent(connection: AsyncConnection[Any], row: Link) -> Finding | None:
    """Whether the row has the wrong parent, and no other fault."""
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        if digest_of(None, row.payload) == row.digest:
            true, words = None, "is the first one, by its digest"
        else:
            await cur.execute(SELECT_TRUE_PARENT, (row.id,))
            if (found := await cur.fetchone()) is None:
                return None
            true, words = found["digest"], f"follows {found['id']}, by its digest"
        await cur.execute(SELECT_IS_CIRCLE, {"id": row.id})
        counted = await cur.fetchone()
    circle = ", and so in a circle" if counted and counted["number"] else ""
    return row.finding(
        Kind.PARENT,
        f"message {row.id} {words}, but its parent is {row.parent_id or 'none'}{circle}",
        REPAIR,
        SetParent(row.conversation_id, row.id, true),
    )
