"""A client's end is closed when what it asked before has been answered.

MCP's session cancels the calls that are under way when its input ends, and answers none of them. So
something stands between the transport and the session that counts what was asked and what was
answered, and passes the end of the input on when nothing is left to answer, or when time is up.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from .unreadable import refusal

Received = MemoryObjectReceiveStream[SessionMessage | Exception]
Sent = MemoryObjectSendStream[SessionMessage]

#: Seconds in which the answers to calls that were cancelled have to be written.
LAST = 1.0


class _Open:
    """The requests that have no answer yet."""

    def __init__(self) -> None:
        # A client that uses an id twice gets two answers.
        self._ids: Counter[RequestId] = Counter()
        self._closed = anyio.Event()

    def note(self, message: SessionMessage | Exception) -> None:
        """A message that goes to the session or comes from it."""
        root = None if isinstance(message, Exception) else message.message.root
        if isinstance(root, JSONRPCRequest):
            self._ids[root.id] += 1
        elif isinstance(root, JSONRPCResponse | JSONRPCError) and self._ids[root.id] > 0:
            self._ids[root.id] -= 1
            self._closed.set()

    def ids(self) -> list[RequestId]:
        return list(self._ids.elements())

    async def none(self) -> None:
        """Wait until all have one."""
        while self.ids():
            self._closed = anyio.Event()
            await self._closed.wait()


@asynccontextmanager
async def finishing(
    received: Received, sent: Sent, within: float
) -> AsyncIterator[tuple[Received, Sent]]:
    """The streams for a session that answers what was asked before its input ended.

    Args:
        received: from the transport; when it ends, the client asks no more.
        sent: to the transport.
        within: seconds that calls have from then on. One that takes longer is cancelled, and
            answered so.
    """
    unanswered = _Open()
    to_session, asked = anyio.create_memory_object_stream[SessionMessage | Exception]()
    answers, from_session = anyio.create_memory_object_stream[SessionMessage]()

    async def ask() -> None:
        async with received, to_session:
            async for message in received:
                refused = refusal(message) if isinstance(message, Exception) else None
                if refused is not None:
                    await sent.send(SessionMessage(JSONRPCMessage(refused)))
                    continue
                unanswered.note(message)
                await to_session.send(message)
            with anyio.move_on_after(within):
                await unanswered.none()
            with anyio.move_on_after(LAST):
                for id_ in unanswered.ids():
                    await to_session.send(_cancellation(id_))
                await unanswered.none()

    async def answer() -> None:
        async with sent, from_session:
            async for message in from_session:
                await sent.send(message)
                unanswered.note(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(answer)
        yield asked, answers


def _cancellation(id_: RequestId) -> SessionMessage:
    reason = "the client has closed its end"
    cancelled = JSONRPCNotification(
        jsonrpc="2.0",
        method="notifications/cancelled",
        params={"requestId": id_, "reason": reason},
    )
    return SessionMessage(JSONRPCMessage(cancelled))
