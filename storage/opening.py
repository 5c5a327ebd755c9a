"""For any LangGraph app: a URL or a pool in, a checkpointer out, or a pool for other work."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict, Unpack

from langgraph.checkpoint.serde.base import SerializerProtocol

from .checkpointer import CACHE_BYTES, TranscriptSaver, authenticated_user
from .connections import ANSWER_TIMEOUT, Pool
from .pool import check_pool, make_pool, probe
from .saver_writing import Owner
from .urls import conninfo_of, shown


class PoolOptions(TypedDict, total=False):
    """How the connections are to be that are made for a URL."""

    #: Most connections that are opened; 10 by default.
    pool_size: int
    #: Seconds that a step, say, waits for a connection before it fails; 30 by default.
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
        UnsuitablePoolError: the pool is closed, or not in autocommit mode, or its cursors are not
            psycopg's usual ones.
        TypeError: a pool was given, and options for one.
        InvalidURLError: the URL is not one of a Postgres database.
    """
    async with AsyncExitStack() as stack:
        if isinstance(database, str):
            pool = await stack.enter_async_context(open_pool(database, **options))
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


@asynccontextmanager
async def open_pool(url: str, **options: Unpack[PoolOptions]) -> AsyncIterator[Pool]:
    """Connections to a database for the length of the block, for verifying or adopting, say.

    Args:
        url: of a Postgres database, or any other conninfo of libpq's.
        **options: `PoolOptions`.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        InvalidURLError: the URL is not one of a Postgres database.
    """
    conninfo = conninfo_of(url)
    await probe(
        conninfo,
        shown(conninfo),
        "Check the URL, and that the server runs and lets you in.",
    )
    async with make_pool(
        conninfo,
        size=options.get("pool_size", 10),
        timeout=options.get("pool_timeout", 30),
        prepare=options.get("prepare", False),
        name="transcript",
    ) as pool:
        yield pool


__all__ = ["PoolOptions", "open_pool", "open_saver"]
