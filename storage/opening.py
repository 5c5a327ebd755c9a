"""The saver for any LangGraph app: a URL or a pool in, a checkpointer out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict, Unpack

import psycopg
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg.conninfo import conninfo_to_dict

from .checkpointer import CACHE_BYTES, TranscriptSaver, authenticated_user
from .connections import ANSWER_TIMEOUT, Pool
from .pool import check_pool, make_pool, probe
from .saver_writing import Owner

#: How SQLAlchemy writes the scheme of a URL for the driver that is used here.
SQLALCHEMY_SCHEME = "postgresql+psycopg://"


class PoolOptions(TypedDict, total=False):
    """How the connections are to be that `open_saver` makes, where it is given a URL."""

    #: Most connections that are opened; 10 by default.
    pool_size: int
    #: Seconds that a step waits for a connection before it fails; 30 by default.
    pool_timeout: float
    #: Whether statements are prepared on the server, which makes each of them faster. Not by
    #: default: PgBouncer in transaction mode gives every transaction another connection, which may
    #: not know them.
    prepare: bool


@asynccontextmanager
async def open_saver(
    database: str | Pool,
    *,
    owner: Owner = authenticated_user,
    serde: SerializerProtocol | None = None,
    cache_bytes: int = CACHE_BYTES,
    answer_timeout: float = ANSWER_TIMEOUT,
    **options: Unpack[PoolOptions],
) -> AsyncIterator[TranscriptSaver]:
    """A checkpointer on a database, for the length of the block.

    The tables have to be there: `await saver.setup()` makes them.

    Args:
        database: the URL of a Postgres database (or any other conninfo of libpq's), on which
            connections are opened for the block; or an open pool, whose connections are in
            autocommit mode and which is not closed.
        owner: says whose a thread is when its first checkpoint is written, from the config of the
            run. By default the user whom LangGraph's server authenticated, or `local`.
        serde: the serialiser; by default one that restores LangChain's and LangGraph's own types
            and no others.
        cache_bytes: how much the messages kept in memory may take.
        answer_timeout: seconds without an answer after which a connection counts as broken, and
            what was asked for is asked for again on another one.
        **options: `PoolOptions`, for a URL.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        UnsuitablePoolError: the pool is closed, or not in autocommit mode.
        TypeError: a pool was given, and options for one.
        ValueError: the URL is not one of a Postgres database.
    """
    async with AsyncExitStack() as stack:
        if isinstance(database, str):
            pool = await stack.enter_async_context(await _pool_on(database, options))
        else:
            if options:
                raise TypeError(
                    f"{', '.join(sorted(options))}: a pool that open_saver() is given has options "
                    "of its own already. Give them to the pool, or give open_saver() a URL."
                )
            pool = database
            await check_pool(pool)
        yield TranscriptSaver(
            pool,
            owner=owner,
            serde=serde,
            cache_bytes=cache_bytes,
            answer_timeout=answer_timeout,
        )


async def _pool_on(url: str, options: PoolOptions) -> Pool:
    conninfo = _conninfo(url)
    await probe(
        conninfo,
        _shown(conninfo),
        "Check the URL, and that the server runs and lets you in.",
    )
    return make_pool(
        conninfo,
        size=options.get("pool_size", 10),
        timeout=options.get("pool_timeout", 30),
        prepare=options.get("prepare", False),
        name="transcript",
    )


def _conninfo(url: str) -> str:
    """A URL in a form that libpq understands: SQLAlchemy's scheme is known too.

    Raises:
        ValueError: it is neither a Postgres URL nor libpq's conninfo. The message doesn't hold it,
            since it may hold a password.
    """
    if url.startswith(SQLALCHEMY_SCHEME):
        url = "postgresql://" + url.removeprefix(SQLALCHEMY_SCHEME)
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        # Empty, it would be libpq's default server; more likely, a setting is missing.
        scheme = url.partition("://")[0]
        given = f"a URL of {scheme}" if scheme.isalnum() else "something else"
        raise ValueError(
            "open_saver() needs a URL like postgresql://user:password@host:5432/database, but was "
            f"given {given if url else 'an empty one'}, which libpq can't read."
        )
    return url


def _shown(conninfo: str) -> str:
    """The place that a conninfo names, without its password."""
    parts = conninfo_to_dict(conninfo)
    places = [
        f"{name} {parts[name]}" for name in ("host", "port", "dbname", "user") if name in parts
    ]
    return ", ".join(places) or "the server"


__all__ = ["PoolOptions", "open_saver"]
