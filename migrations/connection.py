"""The one connection that a migration runs on, and the lock that lets one process at a time do it.

The lock is an advisory one of the session, held by the very connection that changes the schema:
when either is gone so is the other, and no process can go on migrating without it. Who waits for
the lock asks again and again instead of blocking in `pg_advisory_lock`, since that would hold a
snapshot all the time, and the holder's `CREATE INDEX CONCURRENTLY` waits for older snapshots to go:
a deadlock.

PgBouncer in transaction mode may run each transaction on another connection of its own, and then
neither the lock nor the settings below can be relied on: migrate with a direct URL.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from storage.errors import DatabaseUnreachableError
from storage.pool import CONNECT_TIMEOUT
from storage.settings import libpq_uri, parse_url, shown
from storage.setup import LOCK

from .errors import MigrationError, MigrationLockedError, clear_errors

#: Seconds between two questions for the lock.
POLL_INTERVAL = 0.1

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a migration waits for others and keeps others waiting, in seconds."""

    #: For another process that is migrating the same database.
    turn: float = 120
    #: For a lock on a table; whoever wants the table meanwhile queues behind it.
    lock: float = 10
    #: For a statement to be done.
    statement: float = 300


@contextmanager
def migrating(uri: str, limits: Limits | None = None) -> Iterator[Connection]:
    """A connection in autocommit mode that nobody else migrates beside.

    It sees the current schema only, so that a table of the same name further down the search path
    is never taken for ours.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        MigrationLockedError: another process held the lock for longer than `limits.turn`.
        MigrationError: the database has no schema to make tables in.
        ValueError: the URI is not one of a Postgres database.
    """
    limits = limits or Limits()
    with connected(uri, limits) as connection, clear_errors(connection):
        _take_turn(connection, limits.turn)
        yield connection


@contextmanager
def connected(uri: str, limits: Limits) -> Iterator[Connection]:
    """A connection in autocommit mode, within the limits, that sees the current schema only.

    Raises:
        DatabaseUnreachableError: no connection could be made.
        MigrationError: the database has no schema to make tables in.
        ValueError: the URI is not one of a Postgres database.
    """
    url = parse_url(uri)
    with _connect(url) as connection:
        with clear_errors(connection):
            row = connection.execute(
                "SELECT quote_ident(current_schema()), current_setting('search_path')"
            ).fetchone()
            schema, path = row or (None, None)
            if schema is None:
                raise MigrationError(
                    f"database {url.database} has no schema to make tables in: of the search path "
                    f"({path}) none exists and is open to role {connection.info.user}. "
                    "CREATE SCHEMA public, GRANT USAGE on it, or set another search path."
                )
            for setting, value in (
                ("search_path", schema),
                ("lock_timeout", _milliseconds(limits.lock)),
                ("statement_timeout", _milliseconds(limits.statement)),
            ):
                connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
        yield connection


@contextmanager
def sqlalchemy_connection(connection: Connection) -> Iterator[sqlalchemy.Connection]:
    """The same connection as SQLAlchemy's and so Alembic's, in transactions for that long."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection,
        # Neither a second connection nor a new one in place of this one, which has the lock.
        poolclass=StaticPool,
        use_native_hstore=False,
    )
    connection.autocommit = False
    try:
        with engine.connect() as wrapped:
            yield wrapped
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True


def _connect(url: URL) -> Connection:
    timeout: dict[str, Any] = (
        {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT}
    )
    try:
        return psycopg.connect(libpq_uri(url), autocommit=True, prepare_threshold=None, **timeout)
    except psycopg.OperationalError as error:
        raise DatabaseUnreachableError(
            f"cannot connect to {shown(url)}: {str(error).strip()}\n"
            "Check DATABASE_URL, and that the server runs and lets you in."
        ) from error


def _milliseconds(seconds: float) -> str:
    # Less than one would be none, which means no limit at all.
    return f"{max(1, round(seconds * 1000))}ms"


def _take_turn(connection: Connection, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not _locked(connection):
        if time.monotonic() > deadline:
            raise MigrationLockedError(
                f"another process{_holder(connection)} has been migrating database "
                f"{connection.info.dbname} for more than {patience:g} s. Wait for it, or see in "
                "pg_stat_activity what it waits for; then run `task-agent migrate` again."
            )
        time.sleep(POLL_INTERVAL)


def _locked(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    return row is not None and bool(row[0])


def _holder(connection: Connection) -> str:
    row = connection.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND classid = %s AND objid = %s",
        (LOCK >> 32, LOCK & 0xFFFFFFFF),
    ).fetchone()
    return f" (server process {row[0]})" if row else ""
