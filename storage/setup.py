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
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from langgraph.checkpoint.postgres.base import MIGRATIONS as LANGGRAPH_STATEMENTS
from psycopg import AsyncConnection, errors, sql
from psycopg.rows import tuple_row

from .errors import SetupBusyError, SetupError, TablesDifferError, TablesNewerError
from .own_tables import PARTS, STATEMENTS, TABLES

#: The advisory lock's number in each database, the same for whatever changes these tables.
LOCK = 0x7461736B_6D696772

#: Seconds between two questions for the lock. Nobody waits inside Postgres for it: that would hold
#: a snapshot, for which another's `CREATE INDEX CONCURRENTLY` waits.
POLL_INTERVAL = 0.1

#: Seconds to wait for another process that changes the same tables.
PATIENCE = 120.0

#: How long others may queue behind a statement that waits for a table.
LOCK_TIMEOUT = "10s"

LANGGRAPH_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

#: Indexes of LangGraph's tables on nothing but the thread, with which their primary keys begin as
#: well: no query is faster for them, and each row is written to them too, which is a sixteenth of
#: what a turn adds to the write-ahead log.
REDUNDANT_INDEXES = tuple(f"{table}_thread_id_idx" for table in LANGGRAPH_TABLES)

#: The tables that note the numbers.
CREATE_NOTES = """
    CREATE TABLE IF NOT EXISTS transcript_migrations (
        number integer PRIMARY KEY,
        run_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""
NOTE = "INSERT INTO transcript_migrations (number) VALUES (%s)"
NOTE_LANGGRAPH = "INSERT INTO checkpoint_migrations (v) VALUES (%s) ON CONFLICT DO NOTHING"

SELECT_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    AND relname = ANY(%s)
"""
SELECT_PARTS = r"""
    WITH named AS (
        SELECT oid, relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s)
    )
    SELECT relname, concat_ws(
        ' ', attname, format_type(atttypid, atttypmod), 'DEFAULT ' || pg_get_expr(adbin, adrelid),
        CASE WHEN attidentity <> '' THEN 'IDENTITY' END, CASE WHEN attnotnull THEN 'NOT NULL' END
    )
    FROM named JOIN pg_attribute ON attrelid = named.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT relname, pg_get_constraintdef(k.oid)
    FROM named JOIN pg_constraint k ON conrelid = named.oid WHERE contype IN ('p', 'u', 'f')
    UNION ALL
    SELECT relname, regexp_replace(
        pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX .* ON .* USING ', '\1INDEX '
    )
    FROM named JOIN pg_index ON indrelid = named.oid
    WHERE indisvalid AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
SELECT_INVALID_INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indrelid
    WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s) AND NOT indisvalid
"""

Statement = tuple[str, tuple[Any, ...]]


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
        # What is wrong may be half of what another process is making; the lock tells.
        with suppress(TablesDifferError):
            async with _transaction(connection) as schema:
                if not await _pending(connection, schema):
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
        (locked,) = await _row(connection, "SELECT pg_try_advisory_xact_lock(%s)", LOCK)
        if not locked:
            return False
        for statement, parameters in await _pending(connection, schema):
            await connection.execute(statement.encode(), parameters or None, prepare=False)
        if await _pending(connection, schema):
            raise SetupError(
                f"the tables of schema {schema} were made, and are missing all the same. Nothing "
                "was changed. Does an event trigger of the database undo it?"
            )
    return True


async def _pending(connection: AsyncConnection[Any], schema: str) -> list[Statement]:
    """What there is to do, in order; nothing in a database that is as it has to be."""
    return [*await _langgraph_statements(connection), *await _own_statements(connection, schema)]


async def _langgraph_statements(connection: AsyncConnection[Any]) -> list[Statement]:
    last = -1
    # Somebody may have dropped a table to be rid of the checkpoints, and left the numbers. Each of
    # the statements does nothing where it has been run already.
    if len(await _there(connection, LANGGRAPH_TABLES)) == len(LANGGRAPH_TABLES):
        last = await _last_number(connection, "checkpoint_migrations", "v", none=-1)
    if last >= len(LANGGRAPH_STATEMENTS) - 1:
        return []
    # Interrupted, `CREATE INDEX CONCURRENTLY` leaves an index that Postgres never uses, and that
    # passes for existing.
    invalid = await _rows(connection, SELECT_INVALID_INDEXES, list(LANGGRAPH_TABLES))
    statements: list[Statement] = [(f"DROP INDEX {name}", ()) for (name,) in invalid]
    for number in range(last + 1, len(LANGGRAPH_STATEMENTS)):
        # CONCURRENTLY is not for transactions, and of no use for a table that is made in one.
        statement = re.sub(r"\bCONCURRENTLY\b", "", LANGGRAPH_STATEMENTS[number])
        if not any(index in statement for index in REDUNDANT_INDEXES):
            statements.append((statement, ()))
        statements.append((NOTE_LANGGRAPH, (number,)))
    return statements


async def _own_statements(connection: AsyncConnection[Any], schema: str) -> list[Statement]:
    there = await _there(connection, TABLES)
    last = await _last_number(connection, "transcript_migrations", "number", none=0)
    if last > len(STATEMENTS):
        raise TablesNewerError(
            f"the tables of schema {schema} are at number {last}, but this version of the code "
            f"knows {len(STATEMENTS)} at most. Nothing was changed. Upgrade the code, or use "
            "another database."
        )
    differences = await _differences(connection) if there else ["no table"]
    if not differences:
        return []
    if last == len(STATEMENTS) or (last == 0 and there):
        lines = "\n".join(f"  {difference}" for difference in differences)
        raise TablesDifferError(
            f"schema {schema} of database {connection.info.dbname} is not as the saver needs "
            f"it:\n{lines}\nNothing was changed. {_CHANGED if last else _NOT_OURS}"
        )
    statements: list[Statement] = [(CREATE_NOTES, ())]
    for number in range(last + 1, len(STATEMENTS) + 1):
        statements += [(statement, ()) for statement in STATEMENTS[number - 1]]
        statements.append((NOTE, (number,)))
    return statements


_CHANGED = (
    "Somebody changed the tables after setup() had made them; undo that by hand. If they were "
    "dropped on purpose, drop `transcript_migrations` too, and setup() makes them anew."
)
_NOT_OURS = (
    "If another program's migrations made these tables for the saver, run those. If they are "
    "something else, give the saver a schema of its own: CREATE SCHEMA transcript, and in the URL "
    "?options=-csearch_path%3Dtranscript"
)


async def _differences(connection: AsyncConnection[Any]) -> list[str]:
    """What is missing of the three tables, and what lets no row in that the saver writes."""
    found: dict[str, set[str]] = {table: set() for table in TABLES}
    for table, part in await _rows(connection, SELECT_PARTS, list(TABLES)):
        found[table].add(part)
    differences = []
    for table, expected in PARTS.items():
        if not found[table]:
            differences.append(f"{table}: there is no such table")
            continue
        differences += [f"{table}: no {part}" for part in expected if part not in found[table]]
        columns = {part.partition(" ")[0] for part in expected}
        differences += [
            f"{table}: an additional {part}"
            for part in sorted(found[table] - set(expected))
            if part.endswith(" NOT NULL")
            and not re.search(r" DEFAULT | IDENTITY ", part)
            and part.partition(" ")[0] not in columns
        ]
    return differences


async def _there(connection: AsyncConnection[Any], tables: Iterable[str]) -> set[str]:
    """Which of these names are taken in the current schema."""
    return {name for (name,) in await _rows(connection, SELECT_TABLES, list(tables))}


async def _last_number(
    connection: AsyncConnection[Any], table: str, column: str, *, none: int
) -> int:
    if not await _there(connection, [table]):
        return none
    query = sql.SQL("SELECT max({}) FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    (last,) = await _row(connection, query)
    return none if last is None else int(last)


async def _row(connection: AsyncConnection[Any], query: str | sql.Composed, *args: Any) -> Any:
    (row,) = await _rows(connection, query, *args)
    return row


async def _rows(
    connection: AsyncConnection[Any], query: str | sql.Composed, *args: Any
) -> list[tuple[Any, ...]]:
    async with connection.cursor(row_factory=tuple_row) as cur:
        statement = query.encode() if isinstance(query, str) else query
        await cur.execute(statement, args, prepare=False)
        return await cur.fetchall()


@asynccontextmanager
async def _transaction(connection: AsyncConnection[Any]) -> AsyncIterator[str]:
    """A transaction that sees the current schema only, so that a table of the same name further
    down the search path is never taken for ours. Yields the schema's name."""
    async with connection.transaction():
        schema, path = await _row(
            connection, "SELECT quote_ident(current_schema()), current_setting('search_path')"
        )
        if schema is None:
            raise SetupError(
                f"database {connection.info.dbname} has no schema to make tables in: of the search "
                f"path ({path}) none exists and is open to role {connection.info.user}. CREATE "
                "SCHEMA, or set another search path."
            )
        for setting, value in (("search_path", schema), ("lock_timeout", LOCK_TIMEOUT)):
            await _rows(connection, "SELECT set_config(%s, %s, true)", setting, value)
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
