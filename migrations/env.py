"""Alembic's entry: run for every one of its commands, by `task-agent migrate` too.

Alembic loads this file and the revisions by their paths, so imports here are absolute.
"""

from collections.abc import Mapping
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from migrations.connection import Limits, migrating, sqlalchemy_connection
from migrations.run import metadata
from storage.database import database_uri
from storage.errors import StorageError


def ours(name: str | None, kind: str, parents: Mapping[Any, Any]) -> bool:
    """Whether autogenerate looks at it. LangGraph's tables, and any other app's, are none of ours:
    it would propose to drop them, because no model describes them."""
    return kind != "table" or name in metadata.tables


def configure(**options: Any) -> None:
    context.configure(
        target_metadata=metadata,
        include_name=ours,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
        **options,
    )


def run_on(connection: Connection) -> None:
    configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


def run_as_script() -> None:
    """`alembic upgrade head --sql`: the statements for an empty database, to be run by hand."""
    configure(dialect_name="postgresql", literal_binds=True)
    limits = Limits()
    with context.begin_transaction():
        context.execute(f"SET lock_timeout = '{limits.lock}s'")
        context.execute(f"SET statement_timeout = '{limits.statement}s'")
        context.run_migrations()


def run_by_command() -> None:
    """`alembic` itself, which takes the same turn as `task-agent migrate`."""
    with (
        database_uri() as uri,
        migrating(uri) as driver_connection,
        sqlalchemy_connection(driver_connection) as connection,
    ):
        run_on(connection)


def main() -> None:
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        run_on(given)
    elif context.is_offline_mode():
        run_as_script()
    else:
        try:
            run_by_command()
        except StorageError as error:
            # Alembic's command prints its own errors without a traceback.
            raise CommandError(str(error)) from error


main()
