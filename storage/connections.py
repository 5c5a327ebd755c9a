"""Borrowing connections from the pool, and what is done when the database fails.

A link breaks: the server restarts, a hosting service suspends it, somebody terminates a session, a
network forgets a connection that was idle. Two transactions get in each other's way. Such failures
pass, and what was being done is done again, as long as that is safe:

- Reading is.
- Every write but one has the same end whether it is done once or twice, because rows are keyed by
  the ids of what they hold: what a statement has stored already it finds there and leaves, or
  replaces by the same. That goes for steps, pending writes, and deleting threads, runs and
  checkpoints. So it does not matter whether the commit of an attempt that got no answer took place,
  nor whether the server is still busy with it: the second attempt waits for its locks.
- Copying a thread is not, since the copy would be there already. It is done again when the server
  says of the attempt before that it was rolled back.

Nothing is done again inside of a transaction that a caller has begun.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.errors import (
    DeadlockDetected,
    DuplicatePreparedStatement,
    InvalidSqlStatementName,
    PipelineAborted,
    SerializationFailure,
)
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from .arrays import take_arrays
from .errors import DatabaseFailedError
from .pipelined import PipelinedCursor

Pool = AsyncConnectionPool[AsyncConnection[Any]]
T = TypeVar("T")

#: Seconds without an answer after which a connection counts as broken, where nobody says otherwise.
ANSWER_TIMEOUT = 30.0

#: Often enough to outlast the 15 seconds for which PgBouncer refuses everything after its server
#: refused it, and seldom enough not to keep a server from recovering: 0.1 s, 0.3 s … 5 s apart.
ATTEMPTS = 8
FIRST_WAIT = 0.1
_WAIT = wait_exponential_jitter(multiplier=0.3, exp_base=3, max=5, jitter=0.1)

_TRANSACTION_NUMBER = "SELECT pg_current_xact_id()::text AS number"
_FATE = "SELECT pg_xact_status(%s::xid8) AS fate"


#: What a server says when it ends a session: it stops, it has crashed, it starts, the session was
#: idle for too long.
_GOODBYES = ("57P01", "57P02", "57P03", "57P05")


class LinkBrokenError(DatabaseFailedError):
    """The connection is gone, and with it any answer that was under way."""


class CollisionError(DatabaseFailedError):
    """The transaction was rolled back because of another one: a deadlock, or out of order."""


_PASSING = (LinkBrokenError, CollisionError)


class Connections:
    """A pool as the checkpointer and SQLModel's sessions use it.

    Args:
        pool: an open pool whose connections are in autocommit mode.
        answer_timeout: seconds without an answer after which a connection counts as broken. A link
            that was cut without a word would be waited for as long as the network's stack likes.
    """

    def __init__(self, pool: Pool, *, answer_timeout: float = ANSWER_TIMEOUT) -> None:
        self.pool = pool
        self.answer_timeout = answer_timeout
        #: When the idle connections were last exchanged for new ones.
        self._renewed_at = 0.0

    @asynccontextmanager
    async def cursor(self, *, patient: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """A cursor on a connection in autocommit mode: each statement is a transaction.

        Args:
            patient: waits for answers without a limit, for work that is as long as a thread is.

        Raises:
            DatabaseFailedError: no disk space, no connection, no answer in time.
        """
        async with (
            self._borrowed(patient) as connection,
            connection.cursor(binary=True, row_factory=dict_row) as cur,
        ):
            yield cur

    @asynccontextmanager
    async def transaction(self, *, patient: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        """All or nothing, with the statements sent together where nothing is read back.

        Args:
            patient: waits for answers without a limit, for work that is as long as a thread is.

        Raises:
            DatabaseFailedError: no disk space, no connection, no answer in time.
        """
        async with (
            self._borrowed(patient) as connection,
            connection.pipeline(),
            connection.transaction(),
            PipelinedCursor(connection) as cur,
        ):
            yield cur

    async def retried(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, done again where the database failed for a reason that passes.

        Args:
            work: has to have the same end whether it is done once or twice.

        Raises:
            DatabaseFailedError: it goes on failing, or for a reason that does not pass.
        """

        async def attempt() -> T:
            begun_at = time.monotonic()
            try:
                return await work()
            except LinkBrokenError:
                await self._renew(begun_at)
                raise

        try:
            # That does it, nearly always, and costs nothing more.
            return await attempt()
        except _PASSING:
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(_PASSING),
                stop=stop_after_attempt(ATTEMPTS - 1)
                | stop_after_delay(self.pool.timeout + self.answer_timeout),
                wait=_WAIT,
                reraise=True,
            )
        await asyncio.sleep(FIRST_WAIT)
        return await retrying(attempt)

    async def repeatable(self, work: Callable[[AsyncCursor[DictRow]], Awaitable[None]]) -> None:
        """Do `work` in a transaction of its own, which may be as long as a thread is.

        Args:
            work: has to have the same end whether it is done once or twice.

        Raises:
            DatabaseFailedError: it goes on failing, or for a reason that does not pass.
        """

        async def attempt() -> None:
            async with self.transaction(patient=True) as cur:
                await work(cur)

        await self.retried(attempt)

    async def once(self, work: Callable[[AsyncCursor[DictRow]], Awaitable[None]]) -> None:
        """Do `work` in a transaction of its own, once, though an answer may get lost.

        Raises:
            DatabaseFailedError: it goes on failing, or for a reason that does not pass.
        """
        number: str | None = None

        async def attempt() -> None:
            nonlocal number
            if number is not None and await self._has_committed(number):
                return
            number = None
            async with self.transaction(patient=True) as cur:
                await work(cur)
                # Where this is not answered, the commit has not been asked for either.
                await cur.execute(_TRANSACTION_NUMBER)
                row = await cur.fetchone()
                number = None if row is None else row["number"]

        await self.retried(attempt)

    async def checked(self) -> AsyncConnection[Any]:
        """A connection that answers, at the price of a round trip; give it back with `putconn`.

        For work that can't be done again: a link that broke while it was idle is found out here.

        Raises:
            DatabaseFailedError: there is none.
        """

        async def attempt() -> AsyncConnection[Any]:
            with self._explained():
                connection = await self.pool.getconn()
                try:
                    async with _noticed(connection), asyncio.timeout(self.answer_timeout):
                        await AsyncConnectionPool.check_connection(connection)
                except BaseException:
                    await self.pool.putconn(connection)
                    raise
                return connection

        return await self.retried(attempt)

    @asynccontextmanager
    async def _borrowed(self, patient: bool) -> AsyncIterator[AsyncConnection[Any]]:
        with self._explained():
            # When the time is out, psycopg asks the server to give up, and closes the connection
            # if that is not answered either.
            async with (
                self.pool.connection() as connection,
                _noticed(connection),
                asyncio.timeout(None if patient else self.answer_timeout),
            ):
                take_arrays(connection)
                yield connection

    async def _renew(self, begun_at: float) -> None:
        """Exchange the idle connections, of which more may be broken, for new ones.

        Not asked one by one, since a silent link keeps whoever asks waiting. Callers that met
        broken links at once exchange them once.
        """
        if begun_at >= self._renewed_at:
            self._renewed_at = time.monotonic()
            await self.pool.drain()

    async def _has_committed(self, number: str) -> bool:
        async with self.cursor() as cur:
            await cur.execute(_FATE, (number,))
            row = await cur.fetchone()
        fate = row and row["fate"]
        if fate == "in progress":
            # A server that has not noticed yet that nobody is waiting for it any more.
            raise CollisionError(_told("the server is busy with an attempt that was cut off"))
        return bool(fate == "committed")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell what can be done where the database fails for a reason outside of this process."""
        try:
            yield
        except (PoolTimeout, TooManyRequests) as error:
            raise DatabaseFailedError(
                _told(
                    f"no connection was free within {self.pool.timeout:g} s: all "
                    f"{self.pool.max_size} that this process may open are in use, or the server "
                    "lets nobody in. Allow more (TASK_AGENT_POOL_SIZE, pool_size), or a longer "
                    "wait (TASK_AGENT_POOL_TIMEOUT, pool_timeout)"
                )
            ) from error
        except TimeoutError as error:
            raise DatabaseFailedError(
                _told(
                    f"a statement took longer than {self.answer_timeout:g} s "
                    "(TASK_AGENT_ANSWER_TIMEOUT, answer_timeout)"
                )
            ) from error
        except (SerializationFailure, DeadlockDetected) as error:
            raise CollisionError(_told(_words(error))) from error
        except (InvalidSqlStatementName, DuplicatePreparedStatement) as error:
            raise DatabaseFailedError(
                _told(
                    f"{_words(error)}. A pooler in between, such as PgBouncer in transaction mode, "
                    "mixes up prepared statements: prepare none (TASK_AGENT_PREPARE, prepare), "
                    "or set max_prepared_statements in PgBouncer 1.21 or later"
                )
            ) from error
        except psycopg.OperationalError as error:
            raise DatabaseFailedError(_told(_words(error))) from error


def cursor(pool: Pool) -> AbstractAsyncContextManager[AsyncCursor[DictRow]]:
    """`Connections.cursor`, for work that takes long and is not done again."""
    return Connections(pool).cursor(patient=True)


def transaction(pool: Pool) -> AbstractAsyncContextManager[AsyncCursor[DictRow]]:
    """`Connections.transaction`, for work that takes long and is not done again."""
    return Connections(pool).transaction(patient=True)


@asynccontextmanager
async def _noticed(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Tell a connection that is gone from a statement that failed on one that is not."""
    try:
        yield
    except (psycopg.Error, TimeoutError) as error:
        if not (connection.closed or _says_goodbye(error)):
            raise
        # The pool throws it away, also where its end has not been heard of yet.
        connection.pgconn.finish()
        raise LinkBrokenError(_told(_words(error))) from error


def _says_goodbye(error: Exception) -> bool:
    if isinstance(error, PipelineAborted) or not isinstance(error, psycopg.OperationalError):
        return False
    # Without a code it is not from the server, but about the way there.
    return error.sqlstate is None or error.sqlstate in _GOODBYES


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".removesuffix(": ")


def _told(reason: str) -> str:
    return (
        f"the database failed: {reason.removesuffix('.')}. Nothing was half-written. See that the "
        "server runs and has disk space, then send the message again, or resume the run."
    )
