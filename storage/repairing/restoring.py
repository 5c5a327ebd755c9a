"""Putting messages back, whose rows are missing or hold something else.

The same message may be stored elsewhere: in another conversation, of which one is a copy, and in
what tasks wrote before their step was complete, or a run was given. Whether it is the same, its
digest tells.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.types import Send
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from ..rows import CHANNEL, LEAF_TYPE
from ..transcript import Row, digest_of, row_id
from ..verifying.columns import expected_row
from ..verifying.findings import RestoreMessage
from .copying_rows import copy_branch, replace_from_copy

#: Messages that are tried as the one before a missing message.
MOST_PARENTS = 5_000

#: Messages that are tried in a row, and of one step as the first of them.
FEW = 50

#: A message, and before it the type and the bytes in which it is stored.
Stored = tuple[str, bytes, BaseMessage]

SELECT_PARENT_ELSEWHERE = """
    SELECT parent.digest FROM conversations c
    JOIN messages m ON m.conversation_id = c.id AND m.digest = %s
    JOIN messages parent ON parent.id = m.parent_id
    LIMIT 1
"""
SELECT_LEAVES = """
    SELECT DISTINCT blob AS digest FROM checkpoint_blobs WHERE thread_id = %s AND type = %s
    AND octet_length(blob) = 32
"""
SELECT_TIPS = """
    SELECT m.digest FROM messages m WHERE m.conversation_id = %s AND NOT EXISTS (
        SELECT FROM messages child WHERE child.parent_id = m.id
    )
"""
SELECT_PARENTS = """
    SELECT parent.digest FROM messages m JOIN messages parent ON parent.id = m.parent_id
    WHERE m.id = ANY(%s)
"""
# The writes of a step in the order in which they are applied.
SELECT_WRITES = """
    SELECT checkpoint_id AS step, channel = %s AS is_messages, type, blob FROM checkpoint_writes
    WHERE thread_id = %s AND type IS NOT NULL
    ORDER BY checkpoint_ns, checkpoint_id, task_path, task_id, idx
"""
SELECT_VALUES = """
    SELECT version AS step, false AS is_messages, type, blob FROM checkpoint_blobs
    WHERE thread_id = %s AND type <> ALL(%s) AND blob IS NOT NULL
"""
INSERT_ROW = """
    INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content,
                          tool_calls, payload_type, payload, created_at)
    SELECT %(id)s, c.id, c.user_id, %(parent_id)s, %(digest)s, %(role)s, %(content)s,
           %(tool_calls)s, %(payload_type)s, %(payload)s, coalesce(
               (SELECT created_at + interval '1 microsecond' FROM messages
                WHERE id = %(parent_id)s),
               (SELECT min(created_at) - interval '1 microsecond' FROM messages
                WHERE conversation_id = c.id),
               c.created_at
           )
    FROM conversations c WHERE c.id = %(conversation_id)s
    ON CONFLICT DO NOTHING
"""
REPLACE_PAYLOAD = "UPDATE messages SET payload_type = %s, payload = %s WHERE id = %s"


async def restore(
    connection: AsyncConnection[Any],
    serde: SerializerProtocol,
    thread_id: str,
    wanted: Sequence[RestoreMessage],
) -> None:
    """Put back what can be found of what is wanted, all of one conversation.

    In a transaction of the caller's that holds the conversation.
    """
    restoring = _Restoring(connection, serde, thread_id, wanted[0].conversation_id)
    await restoring.from_copies(wanted)
    if restoring.wanted:
        await restoring.from_writes()


class _Restoring:
    def __init__(
        self,
        connection: AsyncConnection[Any],
        serde: SerializerProtocol,
        thread_id: str,
        conversation_id: UUID,
    ) -> None:
        self._connection = connection
        self._serde = serde
        self._thread_id = thread_id
        self._conversation_id = conversation_id
        #: What has not been found, by the message's id.
        self.wanted: dict[UUID, RestoreMessage] = {}
        #: The digests that checkpoints of the thread end with.
        self._leaves: list[bytes] = []

    async def from_copies(self, wanted: Sequence[RestoreMessage]) -> None:
        """Look in other conversations."""
        self._leaves = await self._digests(SELECT_LEAVES, self._thread_id, LEAF_TYPE)
        known = {row_id(self._conversation_id, digest): digest for digest in self._leaves}
        for mend in wanted:
            digest = mend.digest or known.get(mend.id) or await self._digest_before(mend)
            if digest is None or not await self._copy(mend, digest):
                self.wanted[mend.id] = mend

    async def _digest_before(self, mend: RestoreMessage) -> bytes | None:
        """What comes, in another conversation, before the message that follows the wanted one."""
        if mend.child_digest is None:
            return None
        for digest in await self._digests(SELECT_PARENT_ELSEWHERE, mend.child_digest):
            if row_id(self._conversation_id, digest) == mend.id:
                return digest
        return None

    async def _copy(self, mend: RestoreMessage, digest: bytes) -> bool:
        if not mend.is_there:
            return await copy_branch(self._connection, mend.conversation_id, digest)
        return await replace_from_copy(
            self._connection, mend.conversation_id, mend.id, digest, redacted=mend.is_redacted
        )

    async def from_writes(self) -> None:
        """Look in what tasks have written and runs were given."""
        # What was redacted is there as it was before, if at all.
        self.wanted = {id_: mend for id_, mend in self.wanted.items() if not mend.is_redacted}
        # What is there tells what comes before it. What is missing comes, most likely, after a
        # message that nothing follows now; else after one that a step ended with.
        there = [id_ for id_, mend in self.wanted.items() if mend.is_there]
        parents: list[bytes | None] = [None, *await self._digests(SELECT_PARENTS, there)]
        if len(there) < len(self.wanted):
            parents += await self._digests(SELECT_TIPS, self._conversation_id)
        await self._try(list(dict.fromkeys(parents)))
        if any(not mend.is_there for mend in self.wanted.values()):
            tried = set(parents)
            await self._try([digest for digest in self._leaves if digest not in tried])

    async def _try(self, parents: Sequence[bytes | None]) -> None:
        """Try whether what is stored is what is wanted, after one of these messages."""
        if not parents:
            return
        async for messages in self._sequences():
            if not self.wanted:
                return
            stored = [(*self._serde.dumps_typed(message), message) for message in messages]
            # As a whole it may be a transcript; else a few messages after some other.
            await self._put_back(None, stored)
            for start in range(min(len(stored), FEW)):
                for parent in parents[:MOST_PARENTS]:
                    await self._put_back(parent, stored[start : start + FEW])

    async def _put_back(self, parent: bytes | None, stored: Sequence[Stored]) -> None:
        """Put these messages after `parent`, up to the last that is wanted, if one is."""
        digests, needed = [parent], 0
        for _, payload, _ in stored:
            digests.append(digest_of(digests[-1], payload))
            if row_id(self._conversation_id, digests[-1] or b"") in self.wanted:
                needed = len(digests) - 1
        for before, (payload_type, payload, message) in zip(
            digests[:needed], stored[:needed], strict=True
        ):
            await self._put_row(
                expected_row([], message, parent=before, payload_type=payload_type, payload=payload)
            )

    async def _put_row(self, row: Row) -> None:
        id_ = row_id(self._conversation_id, row.digest)
        mend = self.wanted.pop(id_, None)
        if mend is not None and mend.is_there:
            await self._connection.execute(REPLACE_PAYLOAD, (row.payload_type, row.payload, id_))
            return
        await self._connection.execute(
            INSERT_ROW,
            {
                "id": id_,
                "conversation_id": self._conversation_id,
                "parent_id": row.parent and row_id(self._conversation_id, row.parent),
                "digest": row.digest,
                "role": row.role,
                "content": row.content,
                "tool_calls": None if row.tool_calls is None else Jsonb(row.tool_calls),
                "payload_type": row.payload_type,
                "payload": row.payload,
            },
        )

    async def _sequences(self) -> AsyncIterator[list[BaseMessage]]:
        """Messages that may follow each other: those of a step, and those of a value."""
        step: Any = None
        messages: list[BaseMessage] = []
        async for row in self._stored():
            try:
                found = list(_messages_in(self._serde.loads_typed((row["type"], row["blob"]))))
            except Exception:  # noqa: S112 - what can't be read holds nothing that could be found.
                continue
            if not row["is_messages"]:
                yield found
                continue
            if row["step"] != step:
                yield messages
                step, messages = row["step"], []
            messages += found
        yield messages

    async def _stored(self) -> AsyncIterator[DictRow]:
        for query, parameters in (
            (SELECT_WRITES, (CHANNEL, self._thread_id)),
            (SELECT_VALUES, (self._thread_id, [LEAF_TYPE, "empty"])),
        ):
            async with self._connection.cursor(
                name="task_agent_restore", binary=True, row_factory=dict_row
            ) as cur:
                await cur.execute(query, parameters)
                while rows := await cur.fetchmany(20):
                    for row in rows:
                        yield row

    async def _digests(self, query: str, *parameters: Any) -> list[bytes]:
        async with self._connection.cursor(binary=True, row_factory=dict_row) as cur:
            await cur.execute(query, parameters)
            return [row["digest"] for row in await cur.fetchall()]


def _messages_in(value: Any) -> Iterator[BaseMessage]:
    """The messages that a stored value holds, in order."""
    if isinstance(value, BaseMessage):
        yield value
    elif isinstance(value, Send):
        yield from _messages_in(value.arg)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _messages_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _messages_in(item)
