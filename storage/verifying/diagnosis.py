"""What is at fault where a row's digest, key and parent do not fit together."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ..transcript import digest_of, is_genuine, row_id
from .findings import Finding, Kind

# The digest says which row is the parent: that whose digest makes it.
SELECT_TRUE_PARENT = """
    SELECT parent.id FROM messages row
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

    id: UUID
    conversation_id: UUID
    digest: bytes
    payload: bytes
    parent_id: UUID | None
    parent_conversation_id: UUID | None
    parent_digest: bytes | None
    redaction: bytes | None


REPAIR = "`task-agent repair` mends it."
RESTORE = (
    "`task-agent repair` puts it back if another thread or a pending write still holds it; else "
    "restore it from a backup."
)
_ADVICE = {
    Kind.PAYLOAD: RESTORE,
    Kind.REDACTION: RESTORE,
    Kind.MISSING: RESTORE,
    Kind.DIGEST: REPAIR,
    Kind.KEY: REPAIR,
    Kind.PARENT: REPAIR,
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a row, and what would be right."""

    kind: Kind
    what: str
    #: What the column ought to hold, where that is known: the digest, the key, or the parent.
    digest: bytes | None = None
    key: UUID | None = None
    parent_id: UUID | None = None

    def finding(self, thread_id: str, id_: UUID) -> Finding:
        """The same in words, about a row of a thread."""
        return Finding(thread_id, self.kind, str(id_), self.what, _ADVICE[self.kind], mendable=True)


async def diagnose(
    connection: AsyncConnection[Any], row: Link, *, search: bool = True
) -> Diagnosis | None:
    """What is wrong with a row whose digest, key and parent don't fit; None if another row is.

    In a transaction of the caller's.

    Args:
        search: whether to look through the conversation for the row's true parent.
    """
    key = row_id(row.conversation_id, row.digest)
    if row.parent_id is not None and row.parent_digest is None:
        return Diagnosis(Kind.MISSING, f"message {row.parent_id}, before message {row.id}, is gone")
    if is_genuine(row.parent_digest, row.digest, row.payload, row.redaction):
        if row.parent_id is not None and row.parent_conversation_id != row.conversation_id:
            own = row_id(row.conversation_id, row.parent_digest or b"")
            return Diagnosis(
                Kind.PARENT,
                f"message {row.id} follows {row.parent_id}, which is another conversation's",
                parent_id=own,
            )
        return Diagnosis(
            Kind.KEY, f"message {row.id} ought to have the id {key}, by its digest", key=key
        )
    if row.redaction is not None:
        return Diagnosis(
            Kind.REDACTION,
            f"message {row.id} was redacted, and what that left of it has been changed since",
        )
    true = digest_of(row.parent_digest, row.payload)
    if key != row.id and row_id(row.conversation_id, true) == row.id:
        return Diagnosis(
            Kind.DIGEST,
            f"message {row.id} has the digest {row.digest.hex()}, but its payload and its key make "
            f"it {true.hex()}",
            digest=true,
        )
    if row.parent_id is not None and await _parent_is_at_fault(connection, row):
        return None
    if search and (bent := await _true_parent(connection, row)) is not None:
        return bent
    return Diagnosis(
        Kind.PAYLOAD,
        f"message {row.id} is not what was stored: its payload does not make its digest "
        f"{row.digest.hex()}",
    )


async def _parent_is_at_fault(connection: AsyncConnection[Any], row: Link) -> bool:
    """Whether the parent's digest was changed, and this row fits to what it was."""
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        await cur.execute(SELECT_WITH_PARENT, (row.parent_id,))
        parent = await cur.fetchone()
    if parent is None:
        return False
    true = digest_of(parent["parent_digest"], parent["payload"])
    return (
        true != parent["digest"]
        and row_id(parent["conversation_id"], true) == parent["id"]
        and digest_of(true, row.payload) == row.digest
    )


async def _true_parent(connection: AsyncConnection[Any], row: Link) -> Diagnosis | None:
    async with connection.cursor(binary=True, row_factory=dict_row) as cur:
        if digest_of(None, row.payload) == row.digest:
            true = None
            words = "is the first one, by its digest"
        else:
            await cur.execute(SELECT_TRUE_PARENT, (row.id,))
            found = await cur.fetchone()
            if found is None:
                return None
            true = found["id"]
            words = f"follows {true}, by its digest"
        await cur.execute(SELECT_IS_CIRCLE, {"id": row.id})
        counted = await cur.fetchone()
    circle = ", and so in a circle" if counted and counted["number"] else ""
    return Diagnosis(
        Kind.PARENT,
        f"message {row.id} {words}, but its parent is {row.parent_id or 'none'}{circle}",
        parent_id=true,
    )
