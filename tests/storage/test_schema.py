"""`verify-schema`: what is found in a database, against what the code expects."""

import psycopg
import pytest
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Table

from migrations.create import found_schema
from migrations.run import metadata, verify_schema
from storage import langgraph_tables
from storage.catalog import read_schema
from storage.database import DatabaseUnreachableError
from storage.pending import REDUNDANT_INDEXES
from storage.schema import Part, compare, expected_schema, index_definition, same
from tests.storage.migration_support import (
    create_all,
    everything,
    execute,
    langgraph_setup,
    with_options,
)

#: What is done to a migrated database, and what is then found: all of it can be done at once.
DIFFERENCES: list[tuple[str, str, str, str | None]] = [
    ("DROP TABLE task_events", "table", "task_events", None),
    ("ALTER TABLE tasks DROP COLUMN notes", "column", "tasks.notes", None),
    ("ALTER TABLE tasks ADD COLUMN tags text", "column", "tasks.tags", "text"),
    (
        "ALTER TABLE conversations ALTER title TYPE varchar(9)",
        "column",
        "conversations.title",
        "character varying(9)",
    ),
    ("ALTER TABLE users ALTER subject DROP NOT NULL", "column", "users.subject", "text"),
    (
        "ALTER TABLE tasks ALTER list_key DROP EXPRESSION",
        "column",
        "tasks.list_key",
        "uuid",
    ),
    (
        "ALTER TABLE users ALTER created_at SET DEFAULT now()",
        "column",
        "users.created_at",
        "timestamp with time zone DEFAULT now() NOT NULL",
    ),
    (
        "DROP INDEX ix_conversations_user_id",
        "index",
        "conversations.ix_conversations_user_id",
        None,
    ),
    ("CREATE INDEX mine ON users (created_at)", "index", "users.mine", "btree (created_at)"),
    (
        "ALTER TABLE users DROP CONSTRAINT uq_users_subject",
        "unique",
        "users.uq_users_subject",
        None,
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT ck_tasks_number_positive",
        "check",
        "tasks.ck_tasks_number_positive",
        None,
    ),
    (
        "ALTER TABLE conversations DROP CONSTRAINT fk_conversations_leaf",
        "foreign key",
        "conversations.id, leaf_id → messages",
        None,
    ),
    (
        "ALTER TABLE messages ADD CONSTRAINT twice FOREIGN KEY (conversation_id, parent_id)"
        " REFERENCES messages (conversation_id, id)",
        "foreign key",
        "messages.conversation_id, parent_id → messages (twice)",
        "FOREIGN KEY (conversation_id, parent_id) REFERENCES messages(conversation_id, id)",
    ),
    ("ALTER TABLE tasks DROP CONSTRAINT tasks_pkey", "primary key", "tasks", None),
    (
        "ALTER TYPE task_priority ADD VALUE 'vital'",
        "enum type",
        "task_priority",
        "low, normal, high, urgent, vital",
    ),
    ("UPDATE alembic_version SET version_num = '9999'", "revision", "alembic_version", "9999"),
    ("DELETE FROM checkpoint_migrations WHERE v > 8", "revision", "checkpoint_migrations", "8"),
]

ALONE = [
    ("CREATE SCHEMA away; ALTER TABLE task_events SET SCHEMA away", "table", "task_events", None),
    (
        "DROP INDEX ix_conversations_user_id",
        "index",
        "conversations.ix_conversations_user_id",
        None,
    ),
    ("ALTER TABLE tasks DROP COLUMN notes", "column", "tasks.notes", None),
    ("DELETE FROM alembic_version", "revision", "alembic_version", None),
]


def test_a_migrated_database_has_no_difference(database_url: str) -> None:
    report = verify_schema(database_url)
    assert report.ok
    assert report.differences == ()


def test_tables_columns_indexes_and_foreign_keys_are_listed(database_url: str) -> None:
    listed = {(finding.kind, finding.name) for finding in verify_schema(database_url).rows}
    assert {
        ("enum type", "task_priority"),
        ("table", "users"),
        ("column", "messages.digest"),
        ("primary key", "messages"),
        ("unique", "messages.uq_messages_conversation_digest"),
        ("check", "tasks.ck_tasks_title_not_blank"),
        ("foreign key", "conversations.id, leaf_id → messages"),
        ("index", "conversations.ix_conversations_user_id"),
        ("index", "conversations.ix_conversations_updated_at"),
        ("unique", "messages.ix_messages_conversation_id"),
        ("index", "messages.idx_messages_conversation_created"),
        ("table", "checkpoint_writes"),
        ("revision", "alembic_version"),
        ("revision", "checkpoint_migrations"),
    } <= listed


def test_each_kind_of_difference_is_found(database_url: str) -> None:
    for change, _, _, _ in DIFFERENCES:
        execute(database_url, change)
    report = verify_schema(database_url)
    assert not report.ok
    assert {(item.kind, item.name, item.found) for item in report.differences} == {
        (kind, name, found) for _, kind, name, found in DIFFERENCES
    }


@pytest.mark.parametrize(("change", "kind", "name", "found"), ALONE)
def test_one_difference_alone_is_found(
    database_url: str, change: str, kind: str, name: str, found: str | None
) -> None:
    execute(database_url, change)
    report = verify_schema(database_url)
    assert not report.ok
    assert [(item.kind, item.name, item.found) for item in report.differences] == [
        (kind, name, found)
    ]


def test_an_empty_database_lacks_every_table_and_nothing_is_made(empty_database_url: str) -> None:
    before = everything(empty_database_url)
    missing = {
        finding.name
        for finding in verify_schema(empty_database_url).differences
        if finding.kind == "table"
    }
    assert missing == {*metadata.tables, *langgraph_tables.metadata.tables, "alembic_version"}
    assert everything(empty_database_url) == before


def test_a_table_of_another_app_is_no_difference(database_url: str) -> None:
    execute(database_url, "CREATE TABLE store (prefix text); CREATE TABLE other (id int)")
    assert verify_schema(database_url).ok


def test_a_read_only_server_can_be_looked_at(database_url: str) -> None:
    assert verify_schema(with_options(database_url, "-cdefault_transaction_read_only=on")).ok


def test_a_server_that_is_not_there_is_told_so() -> None:
    with pytest.raises(DatabaseUnreachableError):
        verify_schema("postgresql://127.0.0.1:1/tasks")


def test_the_models_describe_what_create_all_makes(empty_database_url: str) -> None:
    create_all(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        found = found_schema(connection, metadata)
    assert compare(expected_schema(metadata), found).differences == ()


def test_langgraphs_tables_are_as_the_installed_library_makes_them(
    empty_database_url: str,
) -> None:
    langgraph_setup(empty_database_url)
    tables = langgraph_tables.metadata
    with psycopg.connect(empty_database_url) as connection:
        found = found_schema(connection, tables)
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
        assert {name for (name,) in rows} == set(tables.tables)
    differences = compare(expected_schema(tables), found).differences
    assert {(row.name.partition(".")[2], row.expected, row.found) for row in differences} == {
        (name, None, "btree (thread_id)") for name in REDUNDANT_INDEXES
    }


@pytest.mark.parametrize(
    ("model", "catalogue"),
    [
        ("CHECK (length(btrim(title)) > 0)", "CHECK ((length(btrim((title)::text)) > 0))"),
        ("text DEFAULT ''", "text DEFAULT ''::text"),
        ("varchar DEFAULT 'a'", "varchar DEFAULT 'a'::character varying(20)"),
        ("jsonb DEFAULT '{}'", "jsonb DEFAULT '{}'::jsonb"),
        ("FOREIGN KEY(a,b) REFERENCES t (c, d)", "FOREIGN KEY (a, b) REFERENCES t(c, d)"),
        ("gin (f(ARRAY[a || 'b']))", "gin (f(ARRAY[(a || 'b'::text)]))"),
    ],
)
def test_brackets_casts_and_spaces_make_no_difference(model: str, catalogue: str) -> None:
    assert same(model, catalogue)


@pytest.mark.parametrize(
    ("model", "catalogue"),
    [
        ("CHECK (number > 0)", "CHECK ((number > 1))"),
        ("character varying(20)", "character varying(30)"),
        ("text", "text NOT NULL"),
        ("text", None),
        ("btree (a, b)", "btree (b, a)"),
    ],
)
def test_what_means_something_makes_a_difference(model: str, catalogue: str | None) -> None:
    assert not same(model, catalogue)


@pytest.mark.parametrize(
    ("statement", "definition"),
    [
        ("CREATE INDEX i ON t (a)", "btree (a)"),
        ("CREATE INDEX i ON public.t USING btree (a)", "btree (a)"),
        ('CREATE UNIQUE INDEX i ON ONLY "a b".t USING btree (a DESC)', "UNIQUE btree (a DESC)"),
        ("CREATE INDEX i ON s.t USING gin (a) WHERE (b > 1)", "gin (a) WHERE (b > 1)"),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "btree (a)"),
    ],
)
def test_an_index_is_known_by_its_method_and_columns(statement: str, definition: str) -> None:
    assert index_definition(statement) == definition


def test_a_constraint_without_a_name_is_refused() -> None:
    tables = MetaData()
    Table("t", tables, Column("n", Integer), CheckConstraint("n > 0"))
    with pytest.raises(ValueError, match="has no name"):
        expected_schema(tables)


def test_describing_models_leaves_them_as_they_were() -> None:
    """SQLAlchemy's DDL elements can take a constraint out of its table; ours must not."""
    tables = MetaData()
    Table("a", tables, Column("id", Integer, primary_key=True))
    Table("b", tables, Column("a_id", ForeignKey("a.id")), Index("ix_b_a_id", "a_id"))
    first = expected_schema(tables)
    assert expected_schema(tables) == first
    assert first[Part("foreign key", "b", "a_id → a")] == "FOREIGN KEY(a_id) REFERENCES a (id)"


def test_an_index_dropped_while_the_schema_is_read_is_missing(empty_database_url: str) -> None:
    create_all(empty_database_url)
    index = Part("index", "messages", "ix_messages_words")
    with psycopg.connect(empty_database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert index in read_schema(connection, ["messages"])
        execute(empty_database_url, "DROP INDEX ix_messages_words")
        assert index not in read_schema(connection, ["messages"])
