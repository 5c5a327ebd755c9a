"""`task-agent migrate` and `task-agent verify-schema`."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, String, Table
from sqlmodel import SQLModel

import storage.langgraph_tables
import storage.models
import storage.tokens
import tools.models  # noqa: F401 - importing these is what fills SQLModel.metadata
from storage.pending import LANGGRAPH_TABLES, REDUNDANT_INDEXES
from storage.schema import Finding, Part, SchemaReport, compare, expected_schema

from . import checkpoints
from .connection import Connection, Limits, connected, migrating, sqlalchemy_connection
from .create import blocks_inserts, found_schema
from .errors import (
    DatabaseNewerError,
    MigrationError,
    MigrationLockedError,
    SchemaDiffersError,
    clear_errors,
)

#: The tables that are Alembic's business.
metadata = SQLModel.metadata

_alembic_tables = MetaData()
Table("alembic_version", _alembic_tables, Column("version_num", String(32), primary_key=True))

# Alembic's `context` and `op` are one for the whole process.
_one_at_a_time = threading.Lock()


def migrate(uri: str, limits: Limits | None = None) -> None:
    """Bring a database to the schema that this code needs: Alembic's revisions, LangGraph's tables.

    Any number of processes and threads may do so at once: they take turns. Each revision is one
    transaction. Whatever is there already and right is left as it is, and no row is touched;
    a database that is up to date sees no write at all. Blocks, so not for an event loop's thread.

    Args:
        uri: Of the database, in any form that `DATABASE_URL` may have. It should lead to the
            server directly: see `migrations.connection` about PgBouncer.
        limits: How long others may be kept waiting, and how long to wait for others.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        DatabaseNewerError: a newer version of the code, or another app, has migrated the database.
        SchemaDiffersError: something of the name needed exists, but differs.
        MigrationLockedError: another process migrates, or uses a table that has to be changed.
        MigrationError: the database refused, for want of a privilege or of space, say.
        ValueError: the URI is not one of a Postgres database.
    """
    with migrating(uri, limits) as connection:
        script = ScriptDirectory.from_config(alembic_config())
        _check_revisions(connection, script)
        checkpoints.check(connection)
        _upgrade(connection)
        checkpoints.set_up(connection)
        _check_result(_report(connection, script))


def verify_schema(uri: str, limits: Limits | None = None) -> SchemaReport:
    """Compare a database with what this code expects, LangGraph's tables and revisions included.

    Only reads. Tables of the same schema that are not this app's are not looked at.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        MigrationLockedError: another session locks a table so that nobody can look at it.
        MigrationError: the catalogues could not be read.
        ValueError: the URI is not one of a Postgres database.
    """
    with connected(uri, limits or Limits()) as connection, clear_errors(connection):
        return _report(connection, ScriptDirectory.from_config(alembic_config()))


def alembic_config() -> Config:
    """Alembic's configuration, for its commands."""
    # Not from alembic.ini, which would put the checkout on sys.path, once more at each call.
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _revisions(connection: Connection) -> list[str]:
    """What the database says it has been migrated to; nothing, or one revision."""
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return []
    rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    return [str(row[0]) for row in rows]


def _check_revisions(connection: Connection, script: ScriptDirectory) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    if unknown := [name for name in _revisions(connection) if name not in known]:
        raise DatabaseNewerError(
            f"database {connection.info.dbname} is at revision {', '.join(unknown)}, which this "
            f"code doesn't know; it knows up to {', '.join(script.get_heads())}. Nothing was "
            "changed. Upgrade the code if a newer version of it made that revision; if another "
            "application did, give the URL of a database of this one's own."
        )


def _upgrade(connection: Connection) -> None:
    with _one_at_a_time, sqlalchemy_connection(connection) as sqlalchemy:
        config = alembic_config()
        config.attributes["connection"] = sqlalchemy
        command.upgrade(config, "head")


def _check_result(report: SchemaReport) -> None:
    """Refuse a database that is at the right revision, but not what the revision made."""
    wrong = [row for row in report.differences if row.expected is not None or blocks_inserts(row)]
    if not wrong:
        return
    advice = "The database was changed after it had been migrated. Undo the change by hand"
    if all(row.found is None and row.kind != "column" for row in wrong):
        advice += (
            ", or DELETE FROM alembic_version: `task-agent migrate` then makes what is missing"
        )
    raise SchemaDiffersError(wrong, f"{advice}.")


_SUPERFLUOUS = {
    str(Part("index", table, name))
    for table, name in zip(LANGGRAPH_TABLES, REDUNDANT_INDEXES, strict=True)
}


def _report(connection: Connection, script: ScriptDirectory) -> SchemaReport:
    findings: list[Finding] = []
    for tables in (metadata, _alembic_tables, storage.langgraph_tables.metadata):
        report = compare(expected_schema(tables), found_schema(connection, tables))
        # LangGraph's own setup() makes them, and where it ran after the migrations they stay.
        findings += [row for row in report.rows if row.name not in _SUPERFLUOUS]
    version = checkpoints.version(connection)
    for table, expected, found in (
        ("alembic_version", ", ".join(script.get_heads()), ", ".join(_revisions(connection))),
        ("checkpoint_migrations", str(checkpoints.LATEST), "" if version is None else str(version)),
    ):
        findings.append(Finding("revision", table, expected, found or None, ok=expected == found))
    return SchemaReport(tuple(findings))


__all__ = [
    "DatabaseNewerError",
    "Limits",
    "MigrationError",
    "MigrationLockedError",
    "SchemaDiffersError",
    "SchemaReport",
    "metadata",
    "migrate",
    "verify_schema",
]
