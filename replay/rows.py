"""Reading what is stored of a conversation, for exporting it and for comparing a replay with it."""

from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Database
from storage.rows import CHANNEL, LEAF_TYPE
from storage.transcript import EXECUTED_AT

from .errors import ThreadNotFoundError
from .ledger import Entry, Event
from .messages import SERDE
from .recording import RecordedRow

SELECT_CONVERSATION = """
    SELECT c.id, c.user_id, c.title, m.digest AS leaf
    FROM conversations c LEFT JOIN messages m ON m.id = c.leaf_id
    WHERE c.thread_id = %s
"""
SELECT_ROWS = """
    SELECT m.digest, p.digest AS parent, m.role, m.content, m.tool_calls, m.payload_type, m.payload
    FROM messages m LEFT JOIN messages p ON p.id = m.parent_id
    WHERE m.conversation_id = %s
    ORDER BY m.created_at, m.digest
"""
SELECT_LEAVES = """
    SELECT DISTINCT b.blob
    FROM checkpoints c JOIN checkpoint_blobs b ON b.thread_id = c.thread_id
        AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = %s AND b.type = %s
        AND b.version = c.checkpoint -> 'channel_versions' ->> b.channel
    WHERE c.thread_id = %s AND c.checkpoint_ns = ''
"""
SELECT_ENTRIES = """
    SELECT coalesce(c.key, e.key) AS key, c.tool, c.result,
        coalesce(c.created_at, e.created_at) AS at, e.position, e.item, e.action,
        e.task_number AS number, e.list_id::text, e.before, e.after, e.turn_id AS turn,
        e.thread_id AS thread, e.message_id AS message, e.undoes
    FROM (SELECT * FROM task_calls WHERE user_id = %s) c
        FULL JOIN (SELECT * FROM task_events WHERE user_id = %s) e ON e.key = c.key
    ORDER BY e.position NULLS FIRST, at
"""
SELECT_CHECKPOINTS = """
    SELECT checkpoint_id, (metadata ->> 'step')::int AS step
    FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = '' AND checkpoint_id > %s
    ORDER BY checkpoint_id
"""


_EVENT = tuple(part.name for part in fields(Event))


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A row of `conversations`."""

    id: UUID
    user_id: UUID
    title: str | None
    #: The digest of the active branch's last message.
    leaf: str | None


async def read_conversation(database: Database, thread_id: str) -> StoredConversation:
    """The conversation of a thread.

    Raises:
        ThreadNotFoundError: there is none.
    """
    rows = await _select(database, SELECT_CONVERSATION, thread_id)
    if not rows:
        raise ThreadNotFoundError(
            f"no conversation of the thread {thread_id!r} is stored. `task-agent conversations` "
            "lists those that are."
        )
    row = rows[0]
    return StoredConversation(row["id"], row["user_id"], row["title"], _hex(row["leaf"]))


async def read_rows(database: Database, conversation_id: UUID) -> list[RecordedRow]:
    """The rows of a conversation, every branch, in the order in which they were written."""
    return [
        RecordedRow(
            digest=row["digest"].hex(),
            parent=_hex(row["parent"]),
            role=row["role"],
            content=row["content"],
            tool_calls=_comparable(row),
        )
        for row in await _select(database, SELECT_ROWS, conversation_id)
    ]


async def read_reached_rows(
    database: Database, conversation_id: UUID, thread_id: str
) -> list[RecordedRow]:
    """The rows on the way to the leaf of any checkpoint that is still stored."""
    rows = await read_rows(database, conversation_id)
    parents = {row.digest: row.parent for row in rows}
    reached: set[str] = set()
    for leaf in await _select(database, SELECT_LEAVES, CHANNEL, LEAF_TYPE, thread_id):
        digest = _hex(leaf["blob"])
        while digest is not None and digest not in reached:
            reached.add(digest)
            digest = parents.get(digest)
    return [row for row in rows if row.digest in reached]


async def read_ledger(database: Database, user_id: UUID) -> list[Entry]:
    """Every writing call for a user with its changes, those that changed nothing first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in await _select(database, SELECT_ENTRIES, user_id, user_id):
        found.setdefault(row["key"], []).append(row)
    return [
        Entry(
            key=key,
            tool=rows[0]["tool"] or "",
            at=rows[0]["at"],
            result=rows[0]["result"],
            events=tuple(
                Event(**{name: row[name] for name in _EVENT})
                for row in rows
                if row["position"] is not None
            ),
        )
        for key, rows in found.items()
    ]


async def read_checkpoints(
    database: Database, thread_id: str, *, after: str
) -> list[tuple[str, int]]:
    """The id and the step number of each checkpoint of a thread, the oldest first.

    Only those whose ids follow `after`; LangGraph's ids are in the order of time.
    """
    rows = await _select(database, SELECT_CHECKPOINTS, thread_id, after)
    return [(row["checkpoint_id"], row["step"]) for row in rows]


def _comparable(row: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The row's `tool_calls`, without a time that no message tells: it is that of the write."""
    calls: list[dict[str, Any]] | None = row["tool_calls"]
    if calls is None or row["role"] != "tool":
        return calls
    message = SERDE.loads_typed((row["payload_type"], row["payload"]))
    if message.additional_kwargs.get(EXECUTED_AT):
        return calls
    return [{**call, "timestamp": None} for call in calls]


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


async def _select(database: Database, query: str, *args: Any) -> list[dict[str, Any]]:
    async with (
        database.pool.connection() as connection,
        connection.cursor(binary=True, row_factory=dict_row) as cursor,
    ):
        await cursor.execute(query.encode(), args)
        return await cursor.fetchall()
