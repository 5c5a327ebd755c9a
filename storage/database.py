"""The connection to Postgres: one pool, for the checkpointer and for SQLModel sessions alike."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from .connections import ANSWER_TIMEOUT, Connections, Pool
from .embedded import hold
from .errors import DatabaseUnreachableError, StorageError
from .pool import make_pool, probe
from .settings import DatabaseSettings, libpq_uri, shown

ADVICE = (
    "Check DATABASE_URL, and that the server runs and lets you in; "
    "unset DATABASE_URL to use the embedded server."
)


class DatabaseNotOpenError(StorageError):
    """Something wanted the process's database before it was opened."""


class Database:
    """An open pool and the SQLAlchemy engine that borrows from it.

    Made by `connect` or `open_database`, which also close it.
    """

    def __init__(self, pool: Pool, *, answer_timeout: float = ANSWER_TIMEOUT) -> None:
        self.pool = pool
        self._connections = Connections(pool, answer_timeout=answer_timeout)
        # The engine pools nothing itself: it borrows from `pool`, and closing gives back.
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._borrow,
            poolclass=NullPool,
            # Else each borrowed connection is asked for the hstore type first.
            use_native_hstore=False,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A SQLModel session. Leaving the block without a commit rolls back."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def check(self) -> None:
        """See that the server answers, on a new connection if need be.

        Raises:
            DatabaseFailedError: it doesn't.
        """
        await self.pool.putconn(await self._connections.checked())

    async def _borrow(self) -> psycopg.AsyncConnection[Any]:
        # What a session does can't be done again, so a link that was cut while idle (a restart, a
        # suspended server) is replaced before.
        connection = await self._connections.checked()
        await connection.set_autocommit(False)
        # Whoever has waited for a lock has to see what was committed meanwhile, also where the
        # server's default is to isolate more.
        await connection.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
        return connection


async def _reset(connection: psycopg.AsyncConnection[Any]) -> None:
    """The checkpointer's connections are in autocommit mode; SQLAlchemy's are not."""
    await connection.set_autocommit(True)
    await connection.set_isolation_level(None)


@asynccontextmanager
async def connect(
    url: URL | str, settings: DatabaseSettings | None = None
) -> AsyncIterator[Database]:
    """Open a pool on the server at `url` for the length of the block.

    Raises:
        DatabaseUnreachableError: no connection could be made.
    """
    settings = settings or DatabaseSettings()
    url = make_url(url)
    uri = libpq_uri(url)
    await probe(uri, shown(url), ADVICE)
    async with make_pool(
        uri,
        size=settings.pool_size,
        timeout=settings.pool_timeout,
        prepare=settings.prepares,
        name="task-agent",
        reset=_reset,
    ) as pool:
        database = Database(pool, answer_timeout=settings.answer_timeout)
        try:
            yield database
        finally:
            await database.engine.dispose()


@contextmanager
def database_uri(settings: DatabaseSettings | None = None) -> Iterator[str]:
    """The libpq URI of the configured database, its embedded server held while in the block."""
    settings = settings or DatabaseSettings()
    if settings.url is not None:
        yield libpq_uri(settings.url)
        return
    with hold() as uri:
        yield uri


@asynccontextmanager
async def open_database(settings: DatabaseSettings | None = None) -> AsyncIterator[Database]:
    """The database that the settings name, embedded where they name none.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        EmbeddedPostgresError: the embedded server could not be started.
    """
    settings = settings or DatabaseSettings()
    async with AsyncExitStack() as stack:
        held = database_uri(settings)
        # Starting a server blocks; leaving does too, a little.
        uri = await asyncio.to_thread(held.__enter__)
        stack.push_async_callback(asyncio.to_thread, held.__exit__, None, None, None)
        yield await stack.enter_async_context(connect(uri, settings))


_shared: list[Database] = []


@contextmanager
def share(database: Database) -> Iterator[None]:
    """Make `database` the process's own while in the block, for parts started without it.

    `langgraph dev` enters the checkpointer first and imports the graph afterwards, with no way
    to hand one to the other.
    """
    _shared.append(database)
    try:
        yield
    finally:
        _shared.remove(database)


def shared_database() -> Database:
    """The process's own database.

    Raises:
        DatabaseNotOpenError: none is open; it is opened by the checkpointer of `langgraph.json`.
    """
    if not _shared:
        raise DatabaseNotOpenError(
            "no database is open in this process. Start the server with `task-agent dev`, whose "
            "checkpointer opens it, or call storage.database.open_database() and share() first."
        )
    return _shared[-1]


__all__ = [
    "Database",
    "DatabaseNotOpenError",
    "DatabaseUnreachableError",
    "connect",
    "database_uri",
    "open_database",
    "share",
    "shared_database",
]
