"""What is missing of the tables that the saver needs, as statements that make it.

Only reads, in a transaction of the caller's that sees the current schema and no other.
"""

import re
from collections.abc import Iterable
from typing import Any

from langgraph.checkpoint.postgres.base import MIGRATIONS as LANGGRAPH_STATEMENTS
from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from .errors import TablesDifferError, TablesNewerError
from .own_tables import DONE, PARTS, STATEMENTS, TABLES

#: A big table may take its time, whatever a role or a database allows; the memory is what
#: PostgreSQL's documentation recommends for a GIN index on a table with rows in it.
PATIENT = ("SET LOCAL statement_timeout = '30min'", "SET LOCAL maintenance_work_mem = '256MB'")

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


async def pending(connection: AsyncConnection[Any], schema: str) -> list[Statement]:
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
    statements = await _without_invalid_indexes(connection, LANGGRAPH_TABLES)
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
    numbers = [] if last == 0 and there else await _numbers_after(connection, last)
    if not differences and not numbers:
        return []
    if not numbers:
        lines = "\n".join(f"  {difference}" for difference in differences)
        raise TablesDifferError(
            f"schema {schema} of database {connection.info.dbname} is not as the saver needs "
            f"it:\n{lines}\nNothing was changed. {_CHANGED if last else _NOT_OURS}"
        )
    statements: list[Statement] = [(setting, ()) for setting in PATIENT]
    statements += [(CREATE_NOTES, ()), *await _without_invalid_indexes(connection, TABLES)]
    for number in numbers:
        statements += [(statement, ()) for statement in STATEMENTS[number - 1]]
        statements.append((NOTE, (number,)))
    return statements


async def _numbers_after(connection: AsyncConnection[Any], last: int) -> list[int]:
    """The numbers above the last one noted whose work is not done."""
    numbers = range(last + 1, len(STATEMENTS) + 1)
    conditions = ", ".join(DONE[number - 1] for number in numbers)
    done = await fetch_row(connection, f"SELECT {conditions}") if numbers else ()
    return [number for number, is_done in zip(numbers, done, strict=True) if not is_done]


async def _without_invalid_indexes(
    connection: AsyncConnection[Any], tables: Iterable[str]
) -> list[Statement]:
    """Interrupted, `CREATE INDEX CONCURRENTLY` leaves an index that Postgres never uses, and that
    passes for existing."""
    invalid = await fetch_rows(connection, SELECT_INVALID_INDEXES, list(tables))
    return [(f"DROP INDEX {name}", ()) for (name,) in invalid]


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
    for table, part in await fetch_rows(connection, SELECT_PARTS, list(TABLES)):
        # Of what was dropped since the query began, Postgres knows that it was there, but not what.
        if part is not None:
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
    return {name for (name,) in await fetch_rows(connection, SELECT_TABLES, list(tables))}


async def _last_number(
    connection: AsyncConnection[Any], table: str, column: str, *, none: int
) -> int:
    if not await _there(connection, [table]):
        return none
    query = sql.SQL("SELECT max({}) FROM {}").format(sql.Identifier(column), sql.Identifier(table))
    (last,) = await fetch_row(connection, query)
    return none if last is None else int(last)


async def fetch_row(connection: AsyncConnection[Any], query: str | sql.Composed, *args: Any) -> Any:
    (only,) = await fetch_rows(connection, query, *args)
    return only


async def fetch_rows(
    connection: AsyncConnection[Any], query: str | sql.Composed, *args: Any
) -> list[tuple[Any, ...]]:
    async with connection.cursor(row_factory=tuple_row) as cur:
        statement = query.encode() if isinstance(query, str) else query
        await cur.execute(statement, args, prepare=False)
        return await cur.fetchall()
