"""Finding a message by its id: its rows, and the rows that hold the same message.

A message has one id, but may have many rows: one on each branch that came to it anew, one for each
version if it was edited, and all of them once more in each copy of the conversation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from .advice import COMMAND
from .blanking import id_of, message_fields
from .errors import StorageError
from .stored_values import Form, UnopenableValueError

_ROWS = """
    SELECT m.id, m.conversation_id, c.thread_id, c.user_id, m.parent_id, m.digest, m.role,
           m.tool_calls, m.payload_type, m.payload, m.created_at, m.redacted_at,
           m.redaction IS NOT NULL AS is_blank
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
"""
SELECT_BY_KEY = (
    f"{_ROWS} WHERE m.id = %(key)s AND c.thread_id = coalesce(%(thread_id)s, c.thread_id)"
)
# No column holds the ids of LangChain's messages, so the payloads are looked through.
SELECT_BY_ID = f"""
    {_ROWS}
    WHERE (m.payload_type <> 'msgpack' OR position(%(id)s::bytea IN m.payload) > 0)
    AND c.thread_id = coalesce(%(thread_id)s, c.thread_id)
"""
# In the same conversation a message has the same id on each branch, also where its content was
# edited. In another conversation the same id may be another message's; a copy of the conversation
# has the same digest, and so the same messages before it.
SELECT_COPIES = f"""
    {_ROWS}
    WHERE c.user_id = ANY(%(users)s) AND (
        m.digest = ANY(%(digests)s)
        OR m.conversation_id = ANY(%(conversations)s) AND (
            m.payload_type <> 'msgpack' OR m.payload = ANY(%(payloads)s) OR EXISTS (
                SELECT FROM unnest(%(ids)s::bytea[]) AS id WHERE position(id IN m.payload) > 0
            )
        )
    )
    ORDER BY c.thread_id, m.created_at, m.id
"""


class MessageNotFoundError(StorageError):
    """No message has that id."""


class AmbiguousMessageError(StorageError):
    """Several messages have that id, and they are not copies of one another."""


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row of `messages`, its payload opened."""

    stored: DictRow
    form: Form
    value: Any
    fields: dict[Any, Any]

    @property
    def id(self) -> UUID:
        found: UUID = self.stored["id"]
        return found

    @property
    def is_blank(self) -> bool:
        return bool(self.stored["is_blank"])


async def find_rows(
    cur: AsyncCursor[DictRow], serde: SerializerProtocol, name: str, thread_id: str | None
) -> list[FoundRow]:
    """The rows of the message that has this id, or whose row has it; none if there is no such row.

    Args:
        thread_id: where to look; none for everywhere.

    Raises:
        AmbiguousMessageError: several messages have the id.
        UnopenableValueError: a row that may be the message's can't be looked into.
    """
    found = await _named(cur, serde, name, thread_id)
    rows = await with_copies(cur, serde, found[:1])
    if {row.id for row in found} - {row.id for row in rows}:
        listed = "\n".join(
            f"  {row.id}  {row.stored['role']:<9}  {row.stored['created_at']:%Y-%m-%d %H:%M}"
            f"  thread {row.stored['thread_id']}"
            for row in found
        )
        raise AmbiguousMessageError(
            f"{name!r} is the id of {len(found)} messages that are no copies of one another. "
            f"Nothing was changed. Give the id of one row, or its thread:\n{listed}"
        )
    return rows


async def with_copies(
    cur: AsyncCursor[DictRow], serde: SerializerProtocol, rows: Sequence[FoundRow]
) -> list[FoundRow]:
    """These rows of one message, and all others that hold it.

    Raises:
        UnopenableValueError: a row that may be the message's can't be looked into.
    """
    found = {row.id: row for row in rows}
    while found:
        ids = {id_ for row in found.values() if (id_ := id_of(row.fields)) is not None}
        digests = {bytes(row.stored["digest"]) for row in found.values()}
        payloads = {bytes(row.stored["payload"]) for row in found.values()}
        here = {row.stored["conversation_id"] for row in found.values()}
        await cur.execute(
            SELECT_COPIES,
            {
                "users": list({row.stored["user_id"] for row in found.values()}),
                "digests": list(digests),
                "payloads": list(payloads),
                "conversations": list(here),
                "ids": [id_.encode() for id_ in ids],
            },
        )
        more = {
            row.id: row
            for row in _opened(serde, await cur.fetchall())
            if bytes(row.stored["digest"]) in digests
            or id_of(row.fields) in ids
            or bytes(row.stored["payload"]) in payloads
        }
        if more.keys() <= found.keys():
            return list(more.values())
        found = more
    return []


async def _named(
    cur: AsyncCursor[DictRow], serde: SerializerProtocol, name: str, thread_id: str | None
) -> list[FoundRow]:
    found: dict[UUID, FoundRow] = {}
    if (key := _uuid(name)) is not None:
        await cur.execute(SELECT_BY_KEY, {"key": key, "thread_id": thread_id})
        found = {row.id: row for row in _opened(serde, await cur.fetchall())}
    if not found:
        needle = name.encode(errors="replace")
        await cur.execute(SELECT_BY_ID, {"id": needle, "thread_id": thread_id})
        rows = _opened(serde, await cur.fetchall())
        found = {row.id: row for row in rows if id_of(row.fields) == name}
    return list(found.values())


def _opened(serde: SerializerProtocol, stored: Sequence[DictRow]) -> list[FoundRow]:
    rows = []
    for row in stored:
        form = Form(row["payload_type"], serde)
        value = form.open(bytes(row["payload"]))
        fields = message_fields(value)
        if fields is None:
            raise UnopenableValueError(
                f"row {row['id']} of thread {row['thread_id']!r} holds no message. Run "
                f"`{COMMAND} verify`."
            )
        rows.append(FoundRow(row, form, value, fields))
    return rows


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
