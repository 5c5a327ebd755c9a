"""Making the tables that the saver needs: LangGraph's and its own three.

For apps whose migrations don't make them. Each of the two sets is made by numbered statements, and
the numbers that were run are noted: LangGraph's in `checkpoint_migrations`, as its own `setup()`
does, the saver's in `transcript_migrations`. Everything that is missing is made in one transaction,
under an advisory lock that ends with it, so any number of processes may do so at once, through
PgBouncer too. Where nothing is missing, nothing is written.

Tables that something else made, as this repository's Alembic migrations do, are left to it: they
have to be as they are needed, and no number is noted.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors

from .errors import SetupBusyError, SetupError, TablesDifferError
from .pending import fetch_row, fetch_rows, pending

#: The advisory lock's number in each database, the same for whatever changes these tables.
LOCK = 0x7461736B_6D696772

#: Seconds between two questions for the lock. Nobody waits inside Postgres for it: that would hold
#: a snapshot, for which another's `CREATE INDEX CONCURRENTLY` waits.
POLL_INTERVAL = 0.1

#: Seconds to wait for another process that changes the same tables.
PATIENCE = 120.0

#: How long others may queue behind a statement that waits for a table.
LOCK_TIMEOUT = "10s"


async def set_up(connection: AsyncConnection[Any], patience: float = PATIENCE) -> None:
    """Make what is missing of the tables, on a connection in autocommit mode.

    Args:
        connection: its current schema is where the tables are looked for and made.
        patience: seconds to wait for another process that changes the same tables.

    Raises:
        TablesDifferError: tables of these names are others than those needed.
        TablesNewerError: a newer version has been here.
        SetupBusyError: others were in the way for too long.
        SetupError: the database refused, for want of a privilege or of space, say.
    """
    with _explained(connection):
        # What is wrong may be half of what another process is making; the lock tells. Postgres
        # fails where a key that it was asked of is gone by then.
        with suppress(TablesDifferError, errors.InternalError_):
            async with _transaction(connection) as schema:
                if not await pending(connection, schema):
                    return
        deadline = time.monotonic() + patience
        while not await _made(connection):
            if time.monotonic() > deadline:
                raise SetupBusyError(
                    f"another process has been changing the tables of database "
                    f"{connection.info.dbname} for more than {patience:g} s. Wait for it, or see "
                    "in pg_stat_activity what it waits for; then call setup() again."
                )
            await asyncio.sleep(POLL_INTERVAL)


async def _made(connection: AsyncConnection[Any]) -> bool:
    """Make what is missing, unless another process is at it."""
    async with _transaction(connection) as schema:
        (locked,) = await fetch_row(connection, "SELECT pg_try_advisory_xact_lock(%s)", LOCK)
        if not locked:
            return False
        for statement, parameters in await pending(connection, schema):
            await connection.execute(statement.encode(), parameters or None, prepare=False)
        if await pending(connection, schema):
            raise SetupError(
                f"the tables of schema {schema} were made, and are missing all the same. Nothing "
                "was changed. Does an event trigger of the database undo it?"
            )
    return True


@asynccontextmanager
async def _transaction(connection: AsyncConnection[Any]) -> AsyncIterator[str]:
    """A transaction that sees the current schema only, so that a table of the same name further
    down the search path is never taken for ours. Yields the schema's name."""
    async with connection.transaction():
        schema, path = await fetch_row(
            connection, "SELECT quote_ident(current_schema()), current_setting('search_path')"
        )
        if schema is None:
            raise SetupError(
                f"database {connection.info.dbname} has no schema to make tables in: of the search "
                f"path ({path}) none exists and is open to role {connection.info.user}. CREATE "
                "SCHEMA, or set another search path."
            )
        for setting, value in (("search_path", schema), ("lock_timeout", LOCK_TIMEOUT)):
            await fetch_rows(connection, "SELECT set_config(%s, %s, true)", setting, value)
        yield schema


@contextmanager
def _explained(connection: AsyncConnection[Any]) -> Iterator[None]:
    # A connection that was lost doesn't tell any more.
    database, role = connection.info.dbname, connection.info.user
    try:
        yield
    except psycopg.Error as error:
        words = str(error.diag.message_primary or error).strip().rstrip(".")
        match error:
            case errors.LockNotAvailable() | errors.DeadlockDetected():
                raise SetupBusyError(
                    f"another session has a lock on what is to be changed in database {database}: "
                    f"{words}. Nothing was changed; call setup() again when it is less busy."
                ) from error
            case errors.InsufficientPrivilege():
                raise SetupError(
                    f"role {role} lacks a privilege in database {database}: {words}. Nothing was "
                    "changed. Call setup() as the role that owns the tables, or GRANT what is "
                    "missing."
                ) from error
            case errors.ReadOnlySqlTransaction():
                raise SetupError(
                    f"database {database} is read-only, and lacks tables or columns that the saver "
                    "needs. Call setup() with the URL of the primary server first."
                ) from error
            case _:
                raise SetupError(
                    f"database {database} refused a statement: {words}. Nothing was changed; mend "
                    "what is wrong, then call setup() again."
                ) from error


__all__ = ["set_up"]
