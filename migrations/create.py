"""What a migration is made of when the database may hold some of it already.

Databases are met that somebody has touched: all tables made by `SQLModel.metadata.create_all()`, or
some of them by an attempt that stopped half-way. So a migration states what it needs as SQLAlchemy
tables; this adds whatever is missing, and changes nothing that is there.
"""

from collections.abc import Collection

import psycopg
from alembic import op
from sqlalchemy import Constraint, Enum, ForeignKeyConstraint, Index, MetaData, Table
from sqlalchemy.dialects.postgresql import ENUM, CreateEnumType, DropEnumType
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateTable,
    DropConstraint,
    DropTable,
    ExecutableDDLElement,
)

from storage.catalog import read_schema
from storage.schema import Expectation, Finding, Schema, compare, expectations, expected_schema

from .connection import Connection
from .errors import SchemaDiffersError

ADVICE = (
    "Nothing was changed. Alter or rename what differs by hand, or give the URL of another "
    "database; then run `task-agent migrate` again."
)


def create_missing(metadata: MetaData) -> None:
    """Create what the tables in `metadata` consist of, as far as it is missing.

    Indexes, constraints and columns beyond those described are left alone. In Alembic's offline
    mode there is no database to look at: the script made is one for an empty database.

    Raises:
        SchemaDiffersError: something exists already and is different; nothing was created.
    """
    found = {} if op.get_context().as_sql else found_schema(_driver_connection(), metadata)
    if wrong := conflicts(metadata, found):
        raise SchemaDiffersError(wrong, ADVICE)
    missing = [item for item in expectations(metadata) if item.part not in found]
    new_tables = {item.part.table for item in missing if item.part.kind == "table"}
    # A foreign key needs both its tables, and two tables may refer to each other.
    for item in sorted(missing, key=lambda item: item.part.kind == "foreign key"):
        if (statement := _creation(item, new_tables)) is not None:
            op.execute(statement)


def made_from(models: MetaData, otherwise: MetaData | None = None) -> bool:
    """Whether the tables, as far as they are there, are as the models have them today.

    `create_all()` makes them like that. Such a database needs no revision's changes, only what
    may be missing. Where something differs, `otherwise` is looked at, too: whichever the tables are
    nearer to is what they were meant to be.
    """
    if op.get_context().as_sql:
        return False
    connection = _driver_connection()
    found = found_schema(connection, models)
    wrong = len(conflicts(models, found))
    if otherwise is None:
        return bool(found) and wrong == 0
    return wrong < len(conflicts(otherwise, found_schema(connection, otherwise)))


def drop(metadata: MetaData) -> None:
    """Drop the tables in `metadata` and their enum types, with every row in them."""
    items = list(expectations(metadata))
    for item in items:
        if isinstance(item.source, ForeignKeyConstraint) and item.source.use_alter:
            # Of two tables that refer to each other neither could be dropped first.
            op.execute(DropConstraint(item.source, isolate_from_table=False))
    for table in reversed(metadata.sorted_tables):
        op.execute(DropTable(table))
    for item in items:
        if isinstance(item.source, ENUM):
            op.execute(DropEnumType(item.source))


def found_schema(connection: Connection, metadata: MetaData) -> Schema:
    """What the current schema holds under the names of the tables and types in `metadata`."""
    types = [item.part.table for item in expectations(metadata) if isinstance(item.source, Enum)]
    return read_schema(connection, metadata.tables, types)


def conflicts(metadata: MetaData, found: Schema) -> list[Finding]:
    """What stands in the way of the tables in `metadata`: what exists but is different.

    A column that a table lacks is among it: its rows would have no value for it. A column that it
    has beyond those described is not, unless no row could be inserted without it.
    """
    return [
        finding
        for finding in compare(expected_schema(metadata), found).differences
        if (finding.expected is not None and (finding.found is not None or _is_column(finding)))
        or blocks_inserts(finding)
    ]


def blocks_inserts(finding: Finding) -> bool:
    """Whether it is an unexpected column that no row can be inserted without."""
    column = finding.found or ""
    if finding.expected is not None or not _is_column(finding):
        return False
    filled = any(word in column for word in (" DEFAULT ", " GENERATED ", " IDENTITY"))
    return column.endswith(" NOT NULL") and not filled


def _is_column(finding: Finding) -> bool:
    return finding.kind == "column"


def _creation(item: Expectation, new_tables: Collection[str]) -> ExecutableDDLElement | None:
    match item.source:
        case Enum() as type_:
            return CreateEnumType(ENUM(*type_.enums, name=type_.name))
        case Table() as table:
            return CreateTable(table, include_foreign_key_constraints=[])
        case Index() as index:
            return CreateIndex(index)
        case ForeignKeyConstraint() as key:
            return AddConstraint(key, isolate_from_table=False)
        case Constraint() as constraint if item.part.table not in new_tables:
            return AddConstraint(constraint, isolate_from_table=False)
        case _:
            return None  # Made together with its table.


def _driver_connection() -> Connection:
    connection = op.get_bind().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"migrations run on a psycopg connection, not on {connection!r}")
    return connection
