"""Whether each message's row is what its payload and the row before it make it."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage, ToolMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from ..decoding import read_message
from ..transcript import title_of
from .calls import Calls
from .columns import differing_columns, expected_row
from .conversations import Conversation
from .diagnosis import REPAIR, Link, diagnose
from .findings import Finding, Kind, SetColumns, SetOwner, SetTitle

#: Rows that are fetched at once.
CHUNK = 250

#: Bytes of a row that is fetched by itself, so that what is fetched at once has a bound.
LARGE = 200_000

#: Rows of a conversation whose true parent is searched for; each search reads the conversation.
SEARCHES = 100

_SELECT = """
    SELECT m.id, m.conversation_id, m.parent_id, m.digest, m.role, m.payload_type, m.redaction,
           m.user_id, m.redacted_at IS NOT NULL AS has_time_of_redaction,
           parent.conversation_id AS parent_conversation_id, parent.digest AS parent_digest,
           CASE WHEN size.bytes <= %(large)s THEN m.content END AS content,
           CASE WHEN size.bytes <= %(large)s THEN m.tool_calls END AS tool_calls,
           CASE WHEN size.bytes <= %(large)s THEN m.payload END AS payload
    FROM messages m
    LEFT JOIN messages parent ON parent.id = m.parent_id
    CROSS JOIN LATERAL (
        SELECT octet_length(m.payload) + octet_length(m.content)
               + coalesce(pg_column_size(m.tool_calls), 0) AS bytes
    ) AS size
"""
# Parents mostly come before their children, as they were written. Nothing but speed rests on that.
SELECT_ROWS = (
    _SELECT
    + """
    WHERE m.conversation_id = ANY(%(conversations)s) ORDER BY m.conversation_id, m.created_at
"""
)
SELECT_SOME = _SELECT + "WHERE m.id = ANY(%(ids)s)"
SELECT_LARGE = "SELECT content, tool_calls, payload FROM messages WHERE id = %s"
# A digest says what comes before a message, but not what comes before a redacted one: its parents
# could run in a circle, and every digest would be right.
SELECT_CIRCLE = """
    WITH RECURSIVE down(id) AS (
        SELECT id FROM messages WHERE conversation_id = %(id)s AND parent_id IS NULL
        UNION ALL
        SELECT m.id FROM down
        JOIN messages m ON m.conversation_id = %(id)s AND m.parent_id = down.id
    )
    SELECT m.id, m.parent_id FROM messages m
    WHERE m.conversation_id = %(id)s AND m.redaction IS NOT NULL
    AND NOT EXISTS (SELECT FROM down WHERE down.id = m.id)
    LIMIT 1
"""
SELECT_HOLDS = "SELECT tool_calls IS NOT DISTINCT FROM %s AS holds FROM messages WHERE id = %s"


class RowCheck:
    """The rows of some conversations, one after the other. In a transaction of the caller's.

    Args:
        missing: rows that are known to be missing, and are not told of again; others are added.
    """

    def __init__(
        self,
        connection: AsyncConnection[Any],
        serde: SerializerProtocol,
        conversations: Sequence[Conversation],
        missing: set[UUID],
    ) -> None:
        self._connection = connection
        self._serde = serde
        self._conversations = {stored.id: stored for stored in conversations}
        self._missing = missing

    async def findings(self, seen: Callable[[int], None]) -> AsyncIterator[Finding]:
        """What is wrong with them. `seen` is told the number of rows as they are checked."""
        current: _Conversation | None = None
        async with self._connection.cursor(
            name="task_agent_verify", binary=True, row_factory=dict_row
        ) as cursor:
            ids = list(self._conversations)
            await cursor.execute(SELECT_ROWS, {"conversations": ids, "large": LARGE})
            while rows := await cursor.fetchmany(CHUNK):
                for row in rows:
                    if current is None or row["conversation_id"] != current.id:
                        for finding in await self._finish(current):
                            yield finding
                        current = self._begin(row["conversation_id"])
                    for finding in await self._check(current, row):
                        yield finding
                seen(len(rows))
        for finding in await self._finish(current):
            yield finding

    def _begin(self, conversation_id: UUID) -> "_Conversation":
        calls = Calls(self._connection, self._serde)
        return _Conversation(self._conversations[conversation_id], calls)

    async def _check(self, current: "_Conversation", row: DictRow) -> list[Finding]:
        await self._complete(row)
        if (finding := await self._diagnose(current, row)) is not None:
            # What a damaged row says of other things is not to be relied on.
            current.is_damaged = True
            if finding.kind is Kind.MISSING:
                if row["parent_id"] in self._missing:
                    return []
                self._missing.add(row["parent_id"])
            return [finding]
        try:
            message = read_message(self._serde, row["payload_type"], row["payload"])
        except Exception as error:
            # Whatever the serialiser makes of bytes that it did not write.
            current.is_damaged = True
            return [_unreadable(current.thread_id, row, error)]
        current.see(row, message)
        differs = await self._differs(current, row, message)
        if differs is not None and isinstance(message, ToolMessage):
            # The call that it answers may be a later row, where times were changed.
            current.postponed.append(row["id"])
            return []
        return [] if differs is None else [differs]

    async def _finish(self, current: "_Conversation | None") -> list[Finding]:
        """What can be said when all rows of a conversation have been seen."""
        if current is None:
            return []
        findings = []
        if current.strangers:
            findings.append(_strange(current))
        # Where rows are damaged, calls and titles may be missing that are there.
        if not current.is_damaged:
            for start in range(0, len(current.postponed), CHUNK):
                findings += await self._differing_later(
                    current, current.postponed[start : start + CHUNK]
                )
            if current.unsaid_title is not None:
                findings.append(_untitled(current))
            if current.is_redacted:
                findings += await self._circles(current)
        return findings

    async def _circles(self, current: "_Conversation") -> list[Finding]:
        async with self._connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(SELECT_CIRCLE, {"id": current.id})
            rows = await cur.fetchall()
        return [
            Finding(
                current.thread_id,
                Kind.PARENT,
                str(row["id"]),
                f"the redacted message {row['id']} follows {row['parent_id']}, which follows it",
                "Restore its `parent_id` from a backup.",
            )
            for row in rows
        ]

    async def _differing_later(
        self, current: "_Conversation", ids: Sequence[UUID]
    ) -> list[Finding]:
        async with self._connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(SELECT_SOME, {"ids": ids, "large": LARGE})
            rows = await cur.fetchall()
        findings = []
        for row in rows:
            await self._complete(row)
            message = read_message(self._serde, row["payload_type"], row["payload"])
            if (differs := await self._differs(current, row, message)) is not None:
                findings.append(differs)
        return findings

    async def _complete(self, row: DictRow) -> None:
        """Fetch what was too large to be fetched with others."""
        if row["payload"] is None:
            async with self._connection.cursor(binary=True, row_factory=dict_row) as cur:
                await cur.execute(SELECT_LARGE, (row["id"],))
                row.update(await cur.fetchone() or {})

    async def _diagnose(self, current: "_Conversation", row: DictRow) -> Finding | None:
        link = Link(
            thread_id=current.thread_id,
            id=row["id"],
            conversation_id=row["conversation_id"],
            digest=row["digest"],
            payload=row["payload"],
            redaction=row["redaction"],
            parent_id=row["parent_id"],
            parent_conversation_id=row["parent_conversation_id"],
            parent_digest=row["parent_digest"],
        )
        if link.is_sound:
            return None
        current.searches += 1
        return await diagnose(self._connection, link, search=current.searches <= SEARCHES)

    async def _differs(
        self, current: "_Conversation", row: DictRow, message: BaseMessage
    ) -> Finding | None:
        """Whether columns are not what the message makes them."""
        before: list[BaseMessage] = []
        if isinstance(message, ToolMessage):
            before = await current.calls.before(row["parent_id"], message)
        expected = expected_row(
            before,
            message,
            parent=row["parent_digest"],
            payload_type=row["payload_type"],
            payload=row["payload"],
            stored_calls=row["tool_calls"],
        )
        names = differing_columns(expected, row["role"], row["content"], row["tool_calls"])
        if "tool_calls" in names and await self._holds(row["id"], expected.tool_calls):
            names.remove("tool_calls")
        if row["has_time_of_redaction"] != (row["redaction"] is not None):
            names.append("redacted_at")
        if not names:
            return None
        return Finding(
            current.thread_id,
            Kind.COLUMNS,
            str(row["id"]),
            f"{' and '.join(names)} of message {row['id']} differ from what its payload says",
            REPAIR,
            SetColumns(row["id"], expected.role, expected.content, expected.tool_calls),
        )

    async def _holds(self, id_: UUID, calls: Any) -> bool:
        """Whether Postgres, which compares numbers by value, finds these calls in the row."""
        async with self._connection.cursor(row_factory=dict_row) as cur:
            await cur.execute(SELECT_HOLDS, (None if calls is None else Jsonb(calls), id_))
            found = await cur.fetchone()
        return bool(found and found["holds"])


class _Conversation:
    """What has been seen of one conversation."""

    def __init__(self, stored: Conversation, calls: Calls) -> None:
        self.id = stored.id
        self.thread_id = stored.thread_id
        self.user_id = stored.user_id
        #: The title, as long as no message has been seen in which a user says it.
        self.unsaid_title = stored.title
        self.calls = calls
        #: Messages of another owner.
        self.strangers = 0
        #: Tools' rows that do not fit to what was asked for, as far as that has been seen.
        self.postponed: list[UUID] = []
        self.is_damaged = False
        self.is_redacted = False
        self.searches = 0

    def see(self, row: DictRow, message: BaseMessage) -> None:
        self.is_redacted = self.is_redacted or row["redaction"] is not None
        self.strangers += row["user_id"] != self.user_id
        self.calls.see(row["id"], row["parent_id"], message, len(row["payload"]))
        if self.unsaid_title is not None and title_of([message]) == self.unsaid_title:
            self.unsaid_title = None


def _strange(conversation: _Conversation) -> Finding:
    return Finding(
        conversation.thread_id,
        Kind.OWNER,
        str(conversation.id),
        f"{conversation.strangers} messages of conversation {conversation.id} name another owner "
        f"than user {conversation.user_id}, whose it is",
        REPAIR,
        SetOwner(conversation.id),
    )


def _unreadable(thread_id: str, row: DictRow, error: Exception) -> Finding:
    return Finding(
        thread_id,
        Kind.UNREADABLE,
        str(row["id"]),
        f"message {row['id']} is what was stored, but can't be decoded as "
        f"{row['payload_type']!r}: {type(error).__name__}: {error}",
        "Give the checkpointer the serialiser that wrote it, or let its class be restored.",
    )


def _untitled(conversation: _Conversation) -> Finding:
    return Finding(
        conversation.thread_id,
        Kind.TITLE,
        str(conversation.id),
        f"no user says {conversation.unsaid_title!r}, the title of conversation {conversation.id}",
        REPAIR,
        SetTitle(conversation.id),
    )
