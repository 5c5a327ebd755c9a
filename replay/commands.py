"""What `task-agent replay export` and `task-agent replay run` do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

from migrations.run import migrate
from storage.database import Database, connect
from storage.settings import libpq_uri, parse_url

from .compare import Difference, compare
from .errors import NoTemporaryDatabaseError
from .export import export_thread
from .player import replay
from .recording import Recording


async def export(database: Database, thread_id: str) -> str:
    """The text of a recording of a thread.

    Raises:
        ThreadNotFoundError: nothing is stored of the thread.
    """
    return (await export_thread(database, thread_id)).to_json()


async def run(text: str, uri: str) -> list[Difference]:
    """Run a recording again, and tell what came out differently.

    Args:
        text: the recording.
        uri: a database of the server on which a temporary one is made, and dropped in the end.

    Raises:
        InvalidRecordingError: the text is not a recording, or contradicts itself.
        NoTemporaryDatabaseError: the server lets nobody make a database.
        DatabaseUnreachableError, MigrationError: the server is not usable.
    """
    recording = Recording.from_json(text)
    async with temporary_database(uri) as temporary:
        await asyncio.to_thread(migrate, temporary)
        async with connect(temporary) as database:
            return compare(recording, await replay(recording, database))


@asynccontextmanager
async def temporary_database(uri: str) -> AsyncIterator[str]:
    """The URI of a new, empty database that is dropped when the block is left.

    Args:
        uri: any database of the server to make it on.

    Raises:
        NoTemporaryDatabaseError: the server lets nobody make a database.
        DatabaseUnreachableError: no connection could be made.
    """
    url = parse_url(uri)
    name = f"task_agent_replay_{uuid4().hex}"
    await _execute(uri, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield libpq_uri(url.set(database=name))
    finally:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        await _execute(uri, drop)


async def _execute(uri: str, statement: sql.Composed) -> None:
    # Through `connect`, for its clear words when there is no way to the server.
    async with connect(uri) as database, database.pool.connection() as connection:
        try:
            await connection.execute(statement)
        except psycopg.Error as error:
            raise NoTemporaryDatabaseError(
                f"{statement.as_string(connection)} failed: {error}. A replay needs a database of "
                "its own: grant CREATEDB to the role, or unset DATABASE_URL to use the embedded "
                "server."
            ) from error
