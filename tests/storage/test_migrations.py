"""Migrations meet databases that somebody has touched, and bring each to the same schema."""

import psycopg
import pytest
from psycopg import sql

from migrations.create import found_schema
from migrations.run import metadata, migrate
from storage.pending import REDUNDANT_INDEXES
from storage.schema import Part, expected_schema
from tests.storage.migration_support import (
    ROWS,
    assert_migrated,
    contents,
    create_all,
    execute,
    fetch,
    langgraph_setup,
    with_options,
)


def test_an_empty_database_gets_every_table(empty_database_url: str) -> None:
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    execute(empty_database_url, ROWS)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_each_way_to_write_the_url_does(empty_database_url: str, scheme: str) -> None:
    _, rest = empty_database_url.split("://", 1)
    mark = "&" if "?" in rest else "?"
    # A percent sign would be the end of a URL that went through Alembic's ini file.
    migrate(f"{scheme}://{rest}{mark}application_name=100%25")
    assert_migrated(empty_database_url)


def test_migrating_again_writes_nothing(database_url: str) -> None:
    execute(database_url, ROWS)
    before = contents(database_url)
    objects = fetch(database_url, "SELECT oid, xmin::text FROM pg_class ORDER BY oid")
    migrate(database_url)
    assert fetch(database_url, "SELECT oid, xmin::text FROM pg_class ORDER BY oid") == objects
    assert contents(database_url) == before


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(
            "CREATE TYPE task_priority AS ENUM ('low', 'normal', 'high')", id="an enum type"
        ),
        pytest.param(
            "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL,"
            " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
            id="an empty alembic_version",
        ),
        pytest.param("CREATE TABLE other (id int)", id="a table of another app's"),
    ],
)
def test_what_is_there_already_is_no_hindrance(empty_database_url: str, start: str) -> None:
    execute(empty_database_url, start)
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_a_users_table_keeps_its_rows(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "CREATE TABLE users (id uuid PRIMARY KEY, subject text NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
        " CONSTRAINT uq_users_subject UNIQUE (subject));"
        "INSERT INTO users SELECT gen_random_uuid(), 'user ' || n FROM generate_series(1, 50) n",
    )
    before = contents(empty_database_url)
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    assert contents(empty_database_url, ["users"]) == before


def test_tables_from_create_all_are_adopted_with_their_rows(empty_database_url: str) -> None:
    create_all(empty_database_url)
    before = contents(empty_database_url)
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    assert contents(empty_database_url) == before


def test_migrations_and_create_all_make_the_same_schema(
    empty_database_url: str, database_url: str
) -> None:
    create_all(empty_database_url)
    with psycopg.connect(empty_database_url) as one, psycopg.connect(database_url) as other:
        assert found_schema(one, metadata) == found_schema(other, metadata)


def test_an_attempt_that_left_no_index_and_no_constraint_is_finished(
    empty_database_url: str,
) -> None:
    create_all(empty_database_url)
    # Foreign keys first: they depend on primary keys.
    for part in sorted(expected_schema(metadata), key=lambda part: part.kind != "foreign key"):
        if part.kind not in ("enum type", "table", "column"):
            execute(empty_database_url, removal(empty_database_url, part))
    before = contents(empty_database_url)
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    assert contents(empty_database_url) == before


def test_an_attempt_that_stopped_anywhere_is_finished(empty_database_url: str) -> None:
    create_all(empty_database_url)
    execute(empty_database_url, "TRUNCATE users CASCADE")
    for part in expected_schema(metadata):
        if part.kind not in ("enum type", "column"):
            execute(empty_database_url, removal(empty_database_url, part))
            execute(empty_database_url, "DROP TABLE IF EXISTS alembic_version")
            migrate(empty_database_url)
            assert_migrated(empty_database_url)


def test_an_attempt_that_left_neither_tasks_nor_their_enum_type_is_finished(
    empty_database_url: str,
) -> None:
    create_all(empty_database_url)
    execute(empty_database_url, "DROP TABLE tasks; DROP TYPE task_priority")
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_a_foreign_key_of_another_name_is_not_made_twice(empty_database_url: str) -> None:
    create_all(empty_database_url)
    execute(
        empty_database_url,
        "ALTER TABLE tasks RENAME CONSTRAINT tasks_user_id_fkey TO fk_tasks_user_id",
    )
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_columns_and_indexes_beyond_those_needed_are_left_alone(empty_database_url: str) -> None:
    create_all(empty_database_url)
    execute(
        empty_database_url,
        "ALTER TABLE users ADD COLUMN email text;"
        "CREATE INDEX mine ON users (email);"
        "UPDATE users SET email = 'ada@example.org'",
    )
    before = contents(empty_database_url)
    migrate(empty_database_url)
    assert contents(empty_database_url) == before
    assert fetch(empty_database_url, "SELECT to_regclass('mine') IS NOT NULL") == [(True,)]


def test_only_the_current_schema_counts(empty_database_url: str) -> None:
    """Tables of the same names further down the search path are another app's."""
    execute(
        empty_database_url,
        "CREATE SCHEMA app; CREATE TABLE public.users (name text);"
        "CREATE TABLE public.alembic_version (version_num text);"
        "INSERT INTO public.alembic_version VALUES ('of another app');"
        "CREATE TABLE public.checkpoint_migrations (v int); "
        "INSERT INTO public.checkpoint_migrations VALUES (9)",
    )
    url = with_options(empty_database_url, "-csearch_path=app,public")
    migrate(url)
    assert_migrated(url)
    tables = fetch(url, "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace")
    assert {("users",), ("tasks",), ("checkpoints",), ("alembic_version",)} <= set(tables)


def test_langgraphs_own_tables_may_have_been_there_first(empty_database_url: str) -> None:
    langgraph_setup(empty_database_url)
    execute(
        empty_database_url,
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('t', 'c', '{}')",
    )
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    assert fetch(empty_database_url, "SELECT thread_id FROM checkpoints") == [("t",)]
    indexes = {name for (name,) in fetch(empty_database_url, "SELECT indexname FROM pg_indexes")}
    assert indexes.isdisjoint(REDUNDANT_INDEXES)


def removal(url: str, part: Part) -> str:
    """The statement that undoes a part, whatever depends on it."""
    table = sql.Identifier(part.table)
    if part.kind == "table":
        statement = sql.SQL("DROP TABLE {} CASCADE").format(table)
    elif part.kind == "index":
        statement = sql.SQL("DROP INDEX {}").format(sql.Identifier(part.name))
    else:
        statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(
            table, sql.Identifier(constraint_name(url, part))
        )
    with psycopg.connect(url) as connection:
        return statement.as_string(connection)


def constraint_name(url: str, part: Part) -> str:
    if part.kind in ("unique", "check"):
        return part.name
    if part.kind == "primary key":
        kind, target = "p", None
    else:
        kind, target = "f", part.name.split(" → ")
    rows = fetch(
        url,
        "SELECT conname, string_agg(a.attname, ', ' ORDER BY key.place), confrelid::regclass::text"
        " FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS key(number, place)"
        " JOIN pg_attribute a ON attnum = key.number"
        " WHERE attrelid = conrelid AND conrelid = to_regclass(%s) AND contype = %s"
        " GROUP BY 1, 3",
        part.table,
        kind,
    )
    return next(str(name) for name, *ends in rows if target is None or ends == target)
