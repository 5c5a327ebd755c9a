"""A way to the server that tests can cut, silence or close: what networks do to connections."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from psycopg.conninfo import conninfo_to_dict

from storage.settings import libpq_uri, parse_url

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(
        self,
        client: Streams,
        server: Streams,
        asks: Callable[[], bool],
        answers: Callable[[], bool],
    ) -> None:
        self.client, self.server = client, server
        #: Told of each request and of each answer, they say whether to deliver it.
        self._asks, self._answers = asks, answers
        self.silent = False

    async def run(self) -> None:
        pumps = [
            asyncio.ensure_future(self._pump(self.client[0], self.server[1], self._asks)),
            asyncio.ensure_future(self._pump(self.server[0], self.client[1], self._answers)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if self.silent:
                # What one side does the other never hears.
                await asyncio.wait(pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            self.cut()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        may_deliver: Callable[[], bool],
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not may_deliver():
                    return
                if not self.silent:
                    target.write(data)
                    await target.drain()

    def cut(self) -> None:
        for _, writer in (self.client, self.server):
            writer.transport.abort()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Drops the connection at the end of the block, which ends when its socket is closed."""
    try:
        yield
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


class Relay:
    """Forwards connections to a server, from a thread of its own.

    The server sees the account of this process at its socket, whoever connects to the relay.
    """

    def __init__(self, uri: str) -> None:
        self._url = parse_url(uri)
        target = conninfo_to_dict(libpq_uri(self._url))
        self._host, self._port = str(target.get("host")), int(target.get("port") or 5432)
        self._loop = asyncio.new_event_loop()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepts = True
        self._until_loss: int | None = None
        #: How often a client has sent something.
        self.requests = 0
        self.port = 0

    @property
    def uri(self) -> str:
        """The same database, by way of the relay."""
        url = self._url.difference_update_query(["host", "port"])
        return libpq_uri(url.set(host="127.0.0.1", port=self.port))

    @property
    def count(self) -> int:
        """How many connections there are."""
        return self._do(lambda: len(self._connections))

    def cut(self) -> None:
        """End every connection: both sides are told."""

        def cut() -> None:
            for connection in self._connections:
                connection.cut()

        self._do(cut)

    def silence(self) -> None:
        """Deliver nothing any more on the connections there are, and tell neither side."""

        def silence() -> None:
            for connection in self._connections:
                connection.silent = True

        self._do(silence)

    def lose_answer(self, after: int) -> None:
        """Deliver so many answers of the server, and end the connection that gets the next one.

        What was asked for has been done then, and who asked is not told.
        """
        self._do(lambda: setattr(self, "_until_loss", after))

    @property
    def lost(self) -> bool:
        """Whether the answer that was to be lost is lost."""
        return self._do(lambda: self._until_loss is None)

    def close(self) -> None:
        """End every connection and refuse new ones, as a server that has stopped."""
        self._do(lambda: setattr(self, "_accepts", False))
        self.cut()

    def open(self) -> None:
        """Take connections again."""
        self._do(lambda: setattr(self, "_accepts", True))

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        """Forwards while in the block."""
        thread = threading.Thread(target=self._loop.run_forever, name="relay")
        thread.start()
        try:
            listening = asyncio.run_coroutine_threadsafe(
                asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
            ).result(10)
            self.port = listening.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                asyncio.run_coroutine_threadsafe(self._stop(listening), self._loop).result(10)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def _may_ask(self) -> bool:
        self.requests += 1
        return True

    def _may_answer(self) -> bool:
        if self._until_loss is None:
            return True
        self._until_loss -= 1
        if self._until_loss >= 0:
            return True
        self._until_loss = None
        return False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            server = await self._connect() if self._accepts else None
            if server is None:
                return
            async with _closing(server[1]):
                # It may have been closed while it connected.
                if not self._accepts:
                    return
                connection = _Connection((reader, writer), server, self._may_ask, self._may_answer)
                self._connections.add(connection)
                try:
                    await connection.run()
                finally:
                    self._connections.discard(connection)

    async def _connect(self) -> Streams | None:
        with suppress(OSError):
            if self._host.startswith("/"):
                return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
            return await asyncio.open_connection(self._host, self._port)
        return None

    async def _stop(self, listening: asyncio.Server) -> None:
        self._accepts = False
        # Whom the loop has let in has a task of the loop first, and is left open for ever if the
        # server is closed before that has begun. So nobody else is let in, and then it is closed.
        self._loop.remove_reader(listening.sockets[0].fileno())
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for connection in self._connections:
                connection.cut()
            await asyncio.wait(tasks)
        listening.close()

    def _do(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


@contextmanager
def relayed(uri: str) -> Iterator[Relay]:
    """A relay to the database at `uri`."""
    with Relay(uri).running() as relay:
        yield relay
