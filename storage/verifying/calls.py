"""Which call of an assistant's message a tool's row answers.

A tool's audit record shows the arguments that it was called with, and those stand in another row,
mostly the one before. To find it, only ids are kept of a conversation, and the calls of few
messages.
"""

from collections import OrderedDict
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from ..decoding import read_message
from ..transcript import mappings

#: Rows whose nearest call is remembered; of others the database is asked.
REMEMBERED = 20_000

#: Bytes of messages whose calls are kept, and what a call takes beside its text.
KEPT = 4 * 2**20
OVERHEAD = 2_000

# It ends at the first of the candidates, and where parents run in a circle.
CLIMB = """
    WITH RECURSIVE up(id) AS (
        SELECT %(start)s::uuid
        UNION
        SELECT m.parent_id FROM up JOIN messages m ON m.id = up.id
        WHERE up.id <> ALL(%(candidates)s) AND m.parent_id IS NOT NULL
    )
    SELECT id FROM up WHERE id = ANY(%(candidates)s)
"""
SELECT_PAYLOAD = "SELECT payload_type, payload FROM messages WHERE id = %s"


class Calls:
    """The calls that were asked for in one conversation, as far as its rows have been seen."""

    def __init__(self, connection: AsyncConnection[Any], serde: SerializerProtocol) -> None:
        self._connection = connection
        self._serde = serde
        #: By the call's id, the messages that ask for it: on another branch there may be another.
        #: Of all that is kept, only this grows with the conversation.
        self._askers: dict[str, tuple[UUID, ...]] = {}
        #: By row, the last message with calls before it or at it.
        self._nearest: dict[UUID, UUID | None] = {}
        self._kept: OrderedDict[UUID, tuple[int, dict[str, AIMessage]]] = OrderedDict()
        self._kept_bytes = 0

    def see(self, id_: UUID, parent_id: UUID | None, message: BaseMessage, size: int) -> None:
        """A row of the conversation, which is `size` bytes long."""
        if len(self._nearest) > REMEMBERED:
            self._nearest.clear()
        if isinstance(message, AIMessage) and (asked := _by_id(message)):
            for call_id in asked:
                self._askers[call_id] = (*self._askers.get(call_id, ()), id_)
            self._nearest[id_] = id_
            self._keep(id_, asked, size)
        elif parent_id is None:
            self._nearest[id_] = None
        elif parent_id in self._nearest:
            self._nearest[id_] = self._nearest[parent_id]

    async def before(self, parent_id: UUID | None, message: ToolMessage) -> list[BaseMessage]:
        """The message that asks for what this tool's message answers, with that call only.

        Nothing where none is known.
        """
        askers = self._askers.get(message.tool_call_id)
        if askers is None or parent_id is None:
            return []
        nearest = self._nearest.get(parent_id)
        if nearest not in askers:
            nearest = await self._climb(parent_id, askers)
        return [] if nearest is None else [await self._asked(nearest, message.tool_call_id)]

    async def _climb(self, start: UUID, candidates: tuple[UUID, ...]) -> UUID | None:
        async with self._connection.cursor(row_factory=tuple_row) as cur:
            await cur.execute(CLIMB, {"start": start, "candidates": list(candidates)})
            found = await cur.fetchone()
        return None if found is None else found[0]

    async def _asked(self, id_: UUID, call_id: str) -> AIMessage:
        if id_ in self._kept:
            self._kept.move_to_end(id_)
        else:
            async with self._connection.cursor(binary=True, row_factory=tuple_row) as cur:
                await cur.execute(SELECT_PAYLOAD, (id_,))
                found = await cur.fetchone()
            assert found is not None  # noqa: S101 - it has been seen in this transaction.
            payload_type, payload = found
            message = read_message(self._serde, payload_type, payload)
            assert isinstance(message, AIMessage)  # noqa: S101
            self._keep(id_, _by_id(message), len(payload))
        return self._kept[id_][1][call_id]

    def _keep(self, id_: UUID, asked: dict[str, AIMessage], size: int) -> None:
        size += OVERHEAD * len(asked)
        self._kept[id_] = size, asked
        self._kept_bytes += size
        while self._kept_bytes > KEPT and len(self._kept) > 1:
            _, (dropped, _) = self._kept.popitem(last=False)
            self._kept_bytes -= dropped


def _by_id(message: AIMessage) -> dict[str, AIMessage]:
    """Each call of a message by its id, in a message that holds no other."""
    asked: dict[str, AIMessage] = {}
    for call in mappings(message.tool_calls):
        if isinstance(call_id := call.get("id"), str) and call_id not in asked:
            asked[call_id] = _NOTHING_SAID.model_copy(update={"tool_calls": [call]})
    for invalid in mappings(message.invalid_tool_calls):
        if isinstance(call_id := invalid.get("id"), str) and call_id not in asked:
            asked[call_id] = _NOTHING_SAID.model_copy(update={"invalid_tool_calls": [invalid]})
    return asked


_NOTHING_SAID = AIMessage("")
