"""Connections as a saver needs them, whoever opens the database."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from .connections import Pool
from .errors import DatabaseUnreachableError, UnsuitablePoolError

#: Seconds for the first connection; a server that hasn't answered by then is not reachable.
CONNECT_TIMEOUT = 10
#: When the network counts as broken, in libpq's names: seconds, and for `tcp_user_timeout`
#: milliseconds. The system's own limits are hours, in which a link that is lost looks like a slow
#: one.
NETWORK_LIMITS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: Seconds of trying, at growing distances, to replace a connection. Then who waits for one begins
#: anew, so that nobody waits much longer than the server is away.
RECONNECT_TIMEOUT = 3


class PooledConnection(psycopg.AsyncConnection[Any]):
    """A connection that goes back to its pool when it is closed, as SQLAlchemy does with it.

    Also when it broke. The pool's `close_returns` forgets such a one, and the pool has one less
    for ever.
    """

    async def close(self) -> None:
        """Give the connection back, or end it where the pool itself closes it."""
        pool: Pool | None = getattr(self, "_pool", None)
        if pool is None:
            await super().close()
            return
        await pool.putconn(self)
        if self.closed:
            # Given back twice it would be replaced twice.
            self._pool = None


async def probe(conninfo: str, shown: str, advice: str) -> None:
    """Connect once, so that a wrong URL is told at once and in the server's own words.

    Args:
        conninfo: what libpq understands.
        shown: the same for people to read, without the password.
        advice: what to do if there is no connection.

    Raises:
        DatabaseUnreachableError: there is none.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(_limited(conninfo))
    except psycopg.OperationalError as error:
        said = str(error).strip()
        raise DatabaseUnreachableError(
            f"cannot connect to {shown}: {said}{'' if said.endswith(('.', '?')) else '.'} {advice}"
        ) from error
    await connection.close()


def make_pool(
    conninfo: str,
    *,
    size: int,
    timeout: float,
    prepare: bool,
    name: str,
    reset: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]] | None = None,
) -> Pool:
    """A pool whose connections suit a saver, to be opened with `async with`.

    Args:
        conninfo: what libpq understands.
        size: most connections that it opens.
        timeout: seconds that a caller waits for one before it gets an error.
        prepare: whether statements are prepared on the server.
        name: of the pool, in its log messages.
        reset: called with each connection that is given back.
    """
    return AsyncConnectionPool(
        _limited(conninfo),
        connection_class=PooledConnection,
        kwargs={"autocommit": True, "prepare_threshold": 0 if prepare else None},
        min_size=1,
        max_size=size,
        timeout=timeout,
        reconnect_timeout=RECONNECT_TIMEOUT,
        reconnect_failed=_reconnect,
        reset=reset,
        open=False,
        name=name,
    )


def _limited(conninfo: str) -> str:
    """The same place, with limits for the network where none are given."""
    given = conninfo_to_dict(conninfo)
    limits = {name: value for name, value in NETWORK_LIMITS.items() if name not in given}
    return make_conninfo(conninfo, **limits)


async def _reconnect(pool: Pool) -> None:
    """The pool waits longer and longer for a server that is away, and gives up. Its callers want
    the server as soon as it is back, so as long as there are any it begins anew."""
    if pool.get_stats().get("requests_waiting"):
        await pool.check()


async def check_pool(pool: Pool) -> None:
    """Refuse a pool that a saver can't work on.

    Raises:
        UnsuitablePoolError: it is closed, or its connections are not in autocommit mode, or their
            cursors are not psycopg's usual ones.
    """
    if pool.closed:
        raise UnsuitablePoolError(
            f"the pool {pool.name!r} is not open. Enter it before the saver (`async with pool:`), "
            "and leave it after the saver."
        )
    async with pool.connection() as connection:
        autocommit, cursor = connection.autocommit, connection.cursor_factory
    if not autocommit:
        raise UnsuitablePoolError(
            f"the connections of the pool {pool.name!r} are not in autocommit mode, so every read "
            'would leave a transaction open. Make it with kwargs={"autocommit": True}.'
        )
    if issubclass(cursor, (psycopg.AsyncClientCursor, psycopg.AsyncRawCursor)):
        raise UnsuitablePoolError(
            f"the connections of the pool {pool.name!r} have cursors of {cursor.__name__}, which "
            "read no binary values or name parameters otherwise. Make it without cursor_factory; "
            "behind PgBouncer psycopg's usual cursors do, with prepare_threshold=None."
        )
