"""LangGraph's own tables: made by its saver's `setup()`, which needs some help.

`setup()` numbers its statements and notes the number of each one that it ran. Three of them are
`CREATE INDEX CONCURRENTLY IF NOT EXISTS`. Interrupted, such a statement leaves an index behind that
Postgres never uses, and the next time that index passes for existing.
"""

from contextlib import suppress
from typing import Any, cast

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import errors, sql

from storage.langgraph_tables import metadata
from storage.pending import REDUNDANT_INDEXES
from storage.schema import Part, expectations

from .connection import Connection
from .create import ADVICE, conflicts, found_schema
from .errors import DatabaseNewerError, SchemaDiffersError

#: The number of the last statement that the installed library knows.
LATEST = len(PostgresSaver.MIGRATIONS) - 1

#: Columns that older versions of the library didn't make, or made otherwise: `setup()` mends them.
CHANGED_LATER = ("checkpoint_blobs.blob", "checkpoint_writes.task_path")

INVALID = " INVALID"


def version(connection: Connection) -> int | None:
    """The number of the last of LangGraph's statements that the database has seen."""
    row = connection.execute("SELECT to_regclass('checkpoint_migrations') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    row = connection.execute("SELECT max(v) FROM checkpoint_migrations").fetchone()
    return None if row is None or row[0] is None else int(row[0])


def check(connection: Connection) -> None:
    """Refuse what `setup()` couldn't cope with, before anything is changed.

    Raises:
        DatabaseNewerError: a newer version of the library has been here.
        SchemaDiffersError: a table exists that is not LangGraph's.
    """
    found_version = version(connection)
    if found_version is not None and found_version > LATEST:
        raise DatabaseNewerError(
            f"LangGraph's tables in database {connection.info.dbname} are at version "
            f"{found_version}, this code's langgraph-checkpoint-postgres knows {LATEST} at most. "
            "Nothing was changed. Upgrade the code, or give the URL of another database."
        )
    wrong = [
        finding
        for finding in conflicts(metadata, found_schema(connection, metadata))
        if finding.name not in CHANGED_LATER and not (finding.found or "").endswith(INVALID)
    ]
    if wrong:
        raise SchemaDiffersError(wrong, ADVICE)


def set_up(connection: Connection) -> None:
    """Bring LangGraph's tables to the installed version, without the indexes that serve no query.

    Nothing at all is executed where they are: a role that may create nothing, or a read-only
    server, is fine with that. `connection` is in autocommit mode, as `CONCURRENTLY` demands.
    """
    found = found_schema(connection, metadata)
    for part, definition in found.items():
        if part.kind == "index" and definition.endswith(INVALID):
            _drop(connection, part)
    if any(item.part not in found for item in expectations(metadata) if item.part.kind == "table"):
        # Somebody dropped a table to be rid of the checkpoints, and left the numbers. Each of the
        # statements does nothing where it has been run already.
        connection.execute("DROP TABLE IF EXISTS checkpoint_migrations")
    current = version(connection)
    if current is None or current < LATEST:
        # The saver asks its cursors for dict rows, whatever the connection's own kind is.
        PostgresSaver(cast(psycopg.Connection[dict[str, Any]], connection)).setup()
    for part in found_schema(connection, metadata):
        if part.kind == "index" and part.name in REDUNDANT_INDEXES:
            # They are in nobody's way where only somebody else may drop them.
            with suppress(errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction):
                _drop(connection, part)


def _drop(connection: Connection, index: Part) -> None:
    connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(index.name)))
