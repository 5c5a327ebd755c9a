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


async def probe(conninfo: str, shown: str, advice: str) -> None:
    """Connect once, so that a wrong URL is told at once and in the server's own words.

    Args:
        conninfo: what libpq understands.
        shown: the same for people to read, without the password.
        advice: what to do if there is no connection.

    Raises:
        DatabaseUnreachableError: there is none.
    """
    if "connect_timeout" not in conninfo_to_dict(conninfo):
        conninfo = make_conninfo(conninfo, connect_timeout=CONNECT_TIMEOUT)
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo)
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
        conninfo,
        kwargs={"autocommit": True, "prepare_threshold": 0 if prepare else None},
        min_size=1,
        max_size=size,
        timeout=timeout,
        # A link that was cut while idle (a restart, a suspended server) is replaced unseen.
        check=AsyncConnectionPool.check_connection,
        reset=reset,
        close_returns=True,
        open=False,
        name=name,
    )


async def check_pool(pool: Pool) -> None:
    """Refuse a pool that a saver can't work on.

    Raises:
        UnsuitablePoolError: it is closed, or its connections are not in autocommit mode.
    """
    if pool.closed:
        raise UnsuitablePoolError(
            f"the pool {pool.name!r} is not open. Enter it before the saver (`async with pool:`), "
            "and leave it after the saver."
        )
    async with pool.connection() as connection:
        autocommit = connection.autocommit
    if not autocommit:
        raise UnsuitablePoolError(
            f"the connections of the pool {pool.name!r} are not in autocommit mode, so every read "
            'would leave a transaction open. Make it with kwargs={"autocommit": True}.'
        )
