"""Reading a database's schema from Postgres's catalogues."""

from collections.abc import Callable, Iterable
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from .schema import Part, foreign_key_part, index_definition


def read_schema(
    connection: psycopg.Connection[Any], tables: Iterable[str], types: Iterable[str] = ()
) -> dict[Part, str]:
    """What the current schema holds of the named tables and types, with all that belongs to them.

    Raises:
        psycopg.Error: the catalogues could not be read.
    """
    names = {"tables": list(tables), "types": list(types)}
    schema: dict[Part, str] = {}
    for query, read in _CATALOGUES:
        for row in connection.cursor(row_factory=tuple_row).execute(query, names):
            part, definition = read(*row)
            if part in schema:
                # A second foreign key between the same columns, say.
                part = Part(part.kind, part.table, f"{part.name} ({row[1]})")
            schema[part] = definition
    return schema


def _read_type(name: str, labels: str | None) -> tuple[Part, str]:
    return Part("enum type", name), labels or "another kind of type"


def _read_table(name: str, kind: str) -> tuple[Part, str]:
    return Part("table", name), kind


def _read_column(table: str, name: str, type_: str, extra: str) -> tuple[Part, str]:
    return Part("column", table, name), f"{type_}{extra}"


def _read_constraint(
    table: str, name: str, kind: str, definition: str, columns: list[str], target: str | None
) -> tuple[Part, str]:
    match kind:
        case "p":
            return Part("primary key", table), definition
        case "f":
            return foreign_key_part(table, columns, target or ""), definition
        case "u":
            return Part("unique", table, name), definition
        case _:
            return Part("check", table, name), definition


def _read_index(table: str, name: str, statement: str, valid: bool) -> tuple[Part, str]:
    return Part("index", table, name), index_definition(statement) + ("" if valid else " INVALID")


# Postgres looks definitions up as of now, and has none of what was dropped since the query began.
_CATALOGUES: tuple[tuple[str, Callable[..., tuple[Part, str]]], ...] = (
    (
        """
        SELECT t.typname,
               (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum
                WHERE enumtypid = t.oid)
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname = current_schema() AND t.typname = ANY(%(types)s)
        """,
        _read_type,
    ),
    (
        """
        SELECT c.relname,
               CASE c.relpersistence WHEN 'u' THEN 'unlogged ' ELSE '' END
               || CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
                                 WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
                                 WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                                 ELSE 'index or type' END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = ANY(%(tables)s)
        ORDER BY c.relname
        """,
        _read_table,
    ),
    (
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attgenerated <> '' THEN ' GENERATED AS '
                    WHEN d.oid IS NOT NULL THEN ' DEFAULT ' ELSE '' END
               || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
               || CASE WHEN a.attidentity <> '' THEN ' IDENTITY' ELSE '' END
               || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname = current_schema() AND c.relname = ANY(%(tables)s)
              AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
              AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY c.relname, a.attnum
        """,
        _read_column,
    ),
    (
        # Since PostgreSQL 18 a NOT NULL is a constraint too; the column tells of it already.
        """
        SELECT c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid),
               ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (num, place)
                     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
                     ORDER BY u.place),
               (SELECT relname FROM pg_class WHERE oid = k.confrelid)
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = ANY(%(tables)s)
              AND k.contype IN ('p', 'u', 'c', 'f', 'x')
              AND pg_get_constraintdef(k.oid) IS NOT NULL
        ORDER BY c.relname, k.contype, k.conname
        """,
        _read_constraint,
    ),
    (
        """
        SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid), x.indisvalid
        FROM pg_index x
        JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = ANY(%(tables)s)
              AND NOT EXISTS (SELECT FROM pg_constraint
                              WHERE conindid = x.indexrelid AND contype IN ('p', 'u', 'x'))
              AND pg_get_indexdef(x.indexrelid) IS NOT NULL
        ORDER BY c.relname, i.relname
        """,
        _read_index,
    ),
)
