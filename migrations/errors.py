"""What a migration raises. Where it does, the migration that failed was rolled back."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from storage.errors import StorageError
from storage.schema import Finding

#: Characters of a statement that an error shows.
STATEMENT_MAX = 200


class MigrationError(StorageError):
    """The database could not be brought to the schema that this code needs."""


class MigrationLockedError(MigrationError):
    """Another process is migrating, or uses a table that has to be changed; try again later."""


class DatabaseNewerError(MigrationError):
    """The database has been migrated by a newer version of the code; nothing was changed."""


class SchemaDiffersError(MigrationError):
    """Something of the name that is needed exists already, but is not what is needed."""

    def __init__(self, differences: Iterable[Finding], advice: str) -> None:
        self.differences = tuple(differences)
        lines = "\n".join(f"  {difference}" for difference in self.differences)
        super().__init__(f"the database is not as this code expects it:\n{lines}\n{advice}")


@contextmanager
def clear_errors(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Turn what the driver raises in the block into errors that say what to do.

    Raises:
        MigrationError: any database error.
    """
    # A connection that was lost doesn't tell any more.
    database, role = connection.info.dbname, connection.info.user
    try:
        yield
    except DBAPIError as error:
        statement = " ".join((error.statement or "").split())[:STATEMENT_MAX]
        words = f"{_words(error.orig or error)}, in: {statement}"
        raise _explained(error.orig, words, connection.closed, database, role) from error
    except psycopg.Error as error:
        raise _explained(error, _words(error), connection.closed, database, role) from error


def _explained(
    error: BaseException | None, words: str, lost: bool, database: str, role: str
) -> MigrationError:
    match error:
        case errors.ReadOnlySqlTransaction():
            return MigrationError(
                f"database {database} is read-only: {words}. Is it a standby, or is "
                "default_transaction_read_only on? Migrate with the URL of the primary server."
            )
        case errors.InsufficientPrivilege():
            return MigrationError(
                f"role {role} lacks a privilege in database {database}: {words}. "
                "Migrate as the role that owns the tables, or have it GRANT what is missing."
            )
        case errors.LockNotAvailable() | errors.DeadlockDetected():
            return MigrationLockedError(
                "another session has a lock on what is to be changed or looked at in database "
                f"{database}: {words}. What was begun is undone, or is finished the next time; "
                "try again when the database is less busy."
            )
        case errors.QueryCanceled():
            return MigrationError(
                f"a statement in database {database} was stopped: {words}. What was begun is "
                f"undone, or is finished the next time; try again when the database is less busy."
            )
        case psycopg.OperationalError() if lost:
            return MigrationError(
                f"the connection to database {database} was lost in the middle of a migration: "
                f"{words}. What was begun is undone, or is finished the next time; try again."
            )
        case _:
            return MigrationError(
                f"database {database} refused a statement: {words}. What was begun is undone; "
                "mend what is wrong, then try again."
            )


def _words(error: BaseException) -> str:
    if isinstance(error, psycopg.Error) and (primary := error.diag.message_primary):
        detail = (error.diag.message_detail or "").rstrip(".")
        return f"{primary} ({detail})" if detail else primary
    return str(error).strip().rstrip(".")
