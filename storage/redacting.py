"""Forgetting one message for good: the command `redact`.

The message's rows are blanked, on every branch and in every copy of the conversation that its owner
made, and so is all that LangGraph has stored of it elsewhere. That is one transaction. A redacted
row keeps its digest, on which the digests of all messages after it depend, and gets a `redaction`
in which the digest and the blanked payload are bound together: `transcript.is_genuine` accepts
either.

A run that is under way in another process still has the message in its memory. What it writes from
then on is blanked before it is stored (see `Redactions`); what it was writing at that very moment
is looked for once more after the transaction. Only of a message that has no row yet, because the
step that says it isn't complete, no trace can be left, and the run may still store it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from .advice import ADVICE
from .blanking import (
    REDACTED,
    SHORT,
    Forgotten,
    blank_message,
    text_of,
    with_fields,
)
from .connections import Pool
from .errors import StorageError
from .finding import AmbiguousMessageError, FoundRow, MessageNotFoundError, find_rows, with_copies
from .redacting_calls import CallTree, blank_calls, blank_records
from .redacting_values import blank_values, find_in_values
from .rows import LOCK_CONVERSATIONS
from .serde import graph_serializer
from .transcript import cut_title, redaction_of, storable
from .writers import wait_for_writers

#: How often a run may bring the message back while it is redacted before that is told.
PASSES = 5

BLANK_ROW = """
    UPDATE messages SET content = %s, tool_calls = %s, payload = %s, redaction = %s,
                        redacted_at = clock_timestamp()
    WHERE id = %s
"""
BLANK_TITLES = """
    UPDATE conversations SET title = %s WHERE id = ANY(%s) AND title = ANY(%s) AND title <> %s
"""
NOTE_REDACTION = "UPDATE conversations SET redacted_at = clock_timestamp() WHERE id = ANY(%s)"
SELECT_QUOTING = """
    SELECT count(*) FROM messages
    WHERE conversation_id = ANY(%s) AND redacted_at IS NULL AND EXISTS (
        SELECT FROM unnest(%s::text[]) AS words WHERE strpos(content, words) > 0
    )
"""


class RedactionUnfinishedError(StorageError):
    """A run goes on writing the message while it is redacted."""


@dataclass(frozen=True, slots=True)
class RedactedRow:
    """A row that is blank now."""

    id: UUID
    thread_id: str
    role: str
    created_at: datetime
    #: When it had been blanked before; none if this redaction did it.
    redacted_before: datetime | None


@dataclass(slots=True)
class Redaction:
    """What a redaction blanked, or would blank."""

    rows: list[RedactedRow] = field(default_factory=list)
    #: How many places other than rows held a copy: titles, arguments in audit records, checkpoints,
    #: channel values, pending writes.
    places: Counter[str] = field(default_factory=Counter)
    #: The threads that were looked through.
    threads: list[str] = field(default_factory=list)
    #: Other messages of these conversations that have the same words in them, and keep them.
    quoting: int = 0
    #: Calls that the message asked for and that nothing has answered.
    unanswered_calls: int = 0


async def redact(
    pool: Pool,
    message_id: str,
    *,
    thread_id: str | None = None,
    serde: SerializerProtocol | None = None,
    dry_run: bool = False,
) -> Redaction:
    """Blank a message everywhere, or nowhere; or with `dry_run` tell what would be.

    Args:
        pool: an open pool whose connections are in autocommit mode.
        message_id: the id of a row, or of the LangChain message in it.
        thread_id: the thread to look for it in; else all are looked through.
        serde: as the checkpointer that wrote the message has it; it is needed for its key if values
            are encrypted.

    Raises:
        MessageNotFoundError: there is no such message.
        AmbiguousMessageError: there are several; nothing was changed.
        UnopenableValueError: a value may hold the message but can't be changed; nothing was.
        RedactionUnfinishedError: all was blanked, but a run goes on bringing it back.
    """
    async with pool.connection() as connection:
        work = _Work(connection, graph_serializer(serde), message_id, thread_id)
        async with connection.transaction(force_rollback=dry_run):
            done = await work.once()
        if dry_run:
            return done
        for _ in range(PASSES):
            await wait_for_writers(connection)
            async with connection.transaction():
                more = await work.once()
            if not more.places:
                return done
            done.places += more.places
    raise RedactionUnfinishedError(
        f"message {message_id!r} was blanked, but a run that is under way brings it back. Cancel "
        "the thread's runs, then redact it again."
    )


class _Work:
    """A redaction, from finding the message to noting that it is gone."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        serde: SerializerProtocol,
        name: str,
        thread_id: str | None,
    ) -> None:
        self._connection = connection
        self._serde = serde
        self._name = name
        self._thread_id = thread_id
        #: Filled by the first pass: later ones find the rows blank.
        self._forgotten = Forgotten()
        self._threads: list[str] = []

    async def once(self) -> Redaction:
        """Find the message and blank it, in a transaction of the caller's."""
        async with self._connection.cursor(binary=True, row_factory=dict_row) as cur:
            rows = await find_rows(cur, self._serde, self._name, self._thread_id)
            if not rows and not self._forgotten.ids:
                await self._find_in_values()
            rows, conversations = await self._lock(cur, rows)
            for row in rows:
                self._forgotten.add(row.fields)
            done = Redaction(threads=self._threads)
            done.rows = [
                RedactedRow(
                    id=row.id,
                    thread_id=row.stored["thread_id"],
                    role=row.stored["role"],
                    created_at=row.stored["created_at"],
                    redacted_before=row.stored["redacted_at"] if row.is_blank else None,
                )
                for row in rows
            ]
            tree = await CallTree.read(cur, {row.stored["conversation_id"] for row in rows})
            await self._blank_rows(cur, [row for row in rows if not row.is_blank], tree, done)
            asking = {row.id for row in rows}
            if records := await blank_records(cur, tree, asking):
                done.places["audit records of the tools' answers"] += records
            done.unanswered_calls = tree.unanswered(asking)
            await self._blank_titles(cur, conversations, done)
            done.places += await blank_values(
                self._connection, self._serde, self._threads, self._forgotten
            )
            if done.places:
                await cur.execute(NOTE_REDACTION, (conversations,))
            words = [storable(text) for text in self._forgotten.texts if len(text) > SHORT]
            await cur.execute(SELECT_QUOTING, (conversations, words))
            (counted,) = await cur.fetchall()
            done.quoting = counted["count"]
            return done

    # Finding

    async def _find_in_values(self) -> None:
        """A message that is in no row: one that the plain saver wrote, or that was removed."""
        found = await find_in_values(self._connection, self._serde, self._name, self._thread_id)
        if not found:
            where = "" if self._thread_id is None else f" in thread {self._thread_id!r}"
            raise MessageNotFoundError(
                f"there is no message {self._name!r}{where}. {ADVICE.messages}"
            )
        if len(found) > 1:
            listed = "\n".join(f"  thread {thread_id}" for thread_id in sorted(found))
            raise AmbiguousMessageError(
                f"{self._name!r} is the id of messages in {len(found)} threads. Nothing was "
                f"changed. Name the thread:\n{listed}"
            )
        for thread_id, messages in found.items():
            self._threads = [thread_id]
            for fields in messages:
                self._forgotten.add(fields)

    async def _lock(
        self, cur: AsyncCursor[DictRow], rows: list[FoundRow]
    ) -> tuple[list[FoundRow], list[UUID]]:
        """Lock the conversations before anything is changed, and look at their rows again."""
        threads = sorted({*self._threads, *(row.stored["thread_id"] for row in rows)})
        await cur.execute(LOCK_CONVERSATIONS, (threads,))
        conversations = [row["id"] for row in await cur.fetchall()]
        self._threads = threads
        if not rows:
            return rows, conversations
        rows = await with_copies(cur, self._serde, rows)
        if {row.stored["thread_id"] for row in rows} <= set(threads):
            return rows, conversations
        # Somebody has just made another copy.
        return await self._lock(cur, rows)

    # Blanking

    async def _blank_rows(
        self, cur: AsyncCursor[DictRow], rows: Sequence[FoundRow], tree: CallTree, done: Redaction
    ) -> None:
        for row in rows:
            blank = blank_message(row.fields)
            payload = row.form.close(with_fields(row.value, blank))
            text = storable(text_of(blank.get("content")))
            digest = bytes(row.stored["digest"])
            calls = await blank_calls(cur, tree, row.stored, text)
            await cur.execute(
                BLANK_ROW,
                (
                    text,
                    None if calls is None else Jsonb(calls),
                    payload,
                    redaction_of(digest, payload),
                    row.id,
                ),
            )
            done.places["rows of messages"] += 1

    async def _blank_titles(
        self, cur: AsyncCursor[DictRow], conversations: list[UUID], done: Redaction
    ) -> None:
        titles = [
            title
            for kind, content in self._forgotten.contents
            if kind == "human" and (title := cut_title(text_of(content)))
        ]
        await cur.execute(BLANK_TITLES, (REDACTED, conversations, titles, REDACTED))
        if cur.rowcount:
            done.places["titles of conversations"] += cur.rowcount
