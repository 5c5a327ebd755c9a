"""What a database's schema is, and what the models say it should be, in a form to compare.

Both are told as a flat mapping, from each part of the schema (a table, a column, an index, a
constraint, an enum type) to its definition in Postgres's own words. The models' words are those
of SQLAlchemy's compiler, the database's those of its catalogues; they differ in brackets, casts and
spellings, which the comparison leaves out.

Only the connection's current schema counts, the one in which a new table would be made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Enum,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, SchemaItem

Kind = Literal[
    "enum type", "table", "column", "primary key", "unique", "check", "foreign key", "index"
]

#: How SQLAlchemy spells a type that Postgres's catalogues spell otherwise.
SPELLINGS = {"varchar": "character varying", "float": "double precision"}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a schema consists of."""

    kind: Kind
    #: The table it belongs to; an enum type's own name.
    table: str
    #: Its name in the table, empty for what a table has one of. Foreign keys, which the models
    #: leave for Postgres to name, go by what they connect.
    name: str = ""

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.name else self.table


#: The definition of each part.
Schema = Mapping[Part, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of a report: one part, as it should be and as it is."""

    kind: str
    name: str
    #: None where no such part is expected.
    expected: str | None
    #: None where there is no such part.
    found: str | None
    ok: bool

    def __str__(self) -> str:
        expected = self.expected or "nothing of that name"
        return f"{self.kind} {self.name}: expected {expected}, found {self.found or 'nothing'}"


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """A database's schema, part by part, beside what was expected."""

    rows: tuple[Finding, ...]

    @property
    def differences(self) -> tuple[Finding, ...]:
        return tuple(row for row in self.rows if not row.ok)

    @property
    def ok(self) -> bool:
        return not self.differences


def compare(expected: Schema, found: Schema) -> SchemaReport:
    """Report every part expected or found; of a missing table, nothing but that."""
    present = {
        part.table
        for part, definition in found.items()
        if part.kind == "table" and same(expected.get(part, definition), definition)
    }
    findings = []
    for part, definition in expected.items():
        if part.kind in ("table", "enum type") or part.table in present:
            actual = found.get(part)
            findings.append(
                Finding(part.kind, str(part), definition, actual, same(definition, actual))
            )
    findings += [
        Finding(part.kind, str(part), None, definition, ok=False)
        for part, definition in found.items()
        if part not in expected and part.table in present
    ]
    return SchemaReport(tuple(findings))


def same(expected: str, found: str | None) -> bool:
    """Whether two definitions mean the same, however the one or the other is written."""
    return found is not None and _canonical(expected) == _canonical(found)


_CAST = re.compile(
    r"::(?:character varying|double precision|timestamp with(?:out)? time zone|[\w.\"]+)"
    r"(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*"
)


def _canonical(definition: str) -> str:
    # Postgres stores an expression as a tree and prints it with every cast and bracket that the
    # tree implies: `length(btrim(title)) > 0` comes back as `(length(btrim((title)::text)) > 0)`.
    words = re.sub(r"[()\"]", " ", _CAST.sub("", definition))
    words = re.sub(r"\s*,\s*", ", ", " ".join(words.split()))
    # It prints an index's parameters as `fastupdate=off`, and SQLAlchemy with blanks.
    words = re.sub(r"\s*=\s*", "=", words)
    return words.replace("[ ", "[").replace(" ]", "]")


# What the models say


@dataclass(frozen=True, slots=True)
class Expectation:
    """A part that the models describe, and the object that describes it."""

    part: Part
    definition: str
    source: SchemaItem | Enum


def expectations(metadata: MetaData) -> Iterator[Expectation]:
    """Every part of the tables in `metadata`; enum types come first, as the tables need them.

    Raises:
        ValueError: an index, a unique or a check constraint has no name to know it by.
    """
    tables = metadata.sorted_tables
    types = {
        column.type.name: column.type
        for table in tables
        for column in table.columns
        if isinstance(column.type, Enum) and column.type.name
    }
    for name, type_ in types.items():
        yield Expectation(Part("enum type", name), ", ".join(type_.enums), type_)
    for table in tables:
        yield Expectation(Part("table", table.name), "table", table)
        for column in table.columns:
            yield Expectation(Part("column", table.name, column.name), _column(column), column)
        yield from _constraints(table)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            part = Part("index", table.name, _named(index))
            statement = str(CreateIndex(index).compile(dialect=_dialect))
            yield Expectation(part, index_definition(statement), index)


def expected_schema(metadata: MetaData) -> dict[Part, str]:
    """The schema that the tables in `metadata` describe."""
    return {found.part: found.definition for found in expectations(metadata)}


_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_ddl = postgresql.base.PGDDLCompiler(_dialect, None)  # type: ignore[arg-type]


def _column(column: Column[Any]) -> str:
    name, bracket, rest = column.type.compile(dialect=_dialect).partition("(")
    definition = name if isinstance(column.type, Enum) else name.lower()
    definition = SPELLINGS.get(definition, definition) + bracket + rest
    if (default := _ddl.get_column_default_string(column)) is not None:
        definition += f" DEFAULT {default}"
    if column.computed is not None:
        definition += f" GENERATED AS {column.computed.sqltext}"
    return definition if column.nullable else f"{definition} NOT NULL"


def _constraints(table: Table) -> Iterator[Expectation]:
    order: tuple[type[SchemaItem], ...] = (
        PrimaryKeyConstraint,
        UniqueConstraint,
        CheckConstraint,
        ForeignKeyConstraint,
    )
    for type_ in order:
        constraints = [item for item in table.constraints if type(item) is type_]
        for constraint in sorted(constraints, key=_ddl.process):
            # The compiler writes "CONSTRAINT name UNIQUE (…)" where there is a name.
            definition = re.sub(r"^CONSTRAINT \S+ ", "", _ddl.process(constraint))
            match constraint:
                case PrimaryKeyConstraint():
                    part = Part("primary key", table.name)
                case ForeignKeyConstraint():
                    target = constraint.referred_table.name
                    part = foreign_key_part(table.name, constraint.column_keys, target)
                case UniqueConstraint():
                    part = Part("unique", table.name, _named(constraint))
                case _:
                    part = Part("check", table.name, _named(constraint))
            yield Expectation(part, definition, constraint)


def foreign_key_part(table: str, columns: Sequence[str], target: str) -> Part:
    """How a foreign key is known, there being no name to know it by."""
    return Part("foreign key", table, f"{', '.join(columns)} → {target}")


def _named(item: Index | Constraint) -> str:
    if item.name is None:
        raise ValueError(f"{item!r} has no name; give it one, so that migrations can find it")
    return str(item.name)


_CREATE_INDEX = re.compile(
    r"CREATE (UNIQUE )?INDEX .*? ON (?:ONLY )?(?:\"[^\"]*\"|[\w.])+ (?:USING (\w+) )?(.*)",
    re.DOTALL,
)


def index_definition(statement: str) -> str:
    """`btree (user_id)` of `CREATE INDEX name ON table USING btree (user_id)`."""
    match = _CREATE_INDEX.fullmatch(statement)
    if match is None:
        return statement
    unique, method, rest = match.groups()
    return f"{unique or ''}{method or 'btree'} {rest}"
