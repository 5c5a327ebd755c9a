"""Borrowing connections from the pool, and telling what can be done where the database fails."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from .errors import DatabaseFailedError

Pool = AsyncConnectionPool[AsyncConnection[Any]]


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[AsyncCursor[DictRow]]:
    """All or nothing, with the statements sent together where nothing is read back.

    Raises:
        DatabaseFailedError: no disk space, no connection, no answer in time.
    """
    with explained():
        async with (
            pool.connection() as connection,
            connection.pipeline(),
            connection.transaction(),
            connection.cursor(binary=True, row_factory=dict_row) as cur,
        ):
            yield cur


@asynccontextmanager
async def cursor(pool: Pool) -> AsyncIterator[AsyncCursor[DictRow]]:
    """A cursor on a connection in autocommit mode: each statement is a transaction.

    Raises:
        DatabaseFailedError: no disk space, no connection, no answer in time.
    """
    with explained():
        async with (
            pool.connection() as connection,
            connection.cursor(binary=True, row_factory=dict_row) as cur,
        ):
            yield cur


@contextmanager
def explained() -> Iterator[None]:
    """Tell what can be done where the database fails for a reason outside of this process.

    Raises:
        DatabaseFailedError: no disk space, no connection, no answer in time.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseFailedError(
            f"the database failed: {type(error).__name__}: {str(error).strip()}. Nothing was "
            "half-written. See that the server runs and has disk space, then send the message "
            "again, or resume the run."
        ) from error
