"""Where a migration can't be done it says so, and leaves everything as it was."""

from collections.abc import Callable

import psycopg
import pytest

from migrations.run import (
    DatabaseNewerError,
    Limits,
    MigrationError,
    MigrationLockedError,
    SchemaDiffersError,
    migrate,
    verify_schema,
)
from storage.database import DatabaseUnreachableError
from storage.pending import REDUNDANT_INDEXES
from storage.settings import libpq_uri, parse_url
from storage.setup import LOCK
from tests.storage.migration_support import (
    assert_migrated,
    create_all,
    everything,
    execute,
    fetch,
    in_schema,
    langgraph_setup,
    role,
    with_options,
)

DIFFERENCES = [
    ("ALTER TABLE tasks DROP COLUMN notes", "column tasks.notes"),
    ("ALTER TABLE users ALTER subject TYPE varchar(50)", "column users.subject"),
    ("ALTER TABLE tasks ALTER parent_depth DROP EXPRESSION", "column tasks.parent_depth"),
    ("ALTER TABLE users ALTER subject DROP NOT NULL", "column users.subject"),
    ("ALTER TABLE users ALTER subject SET DEFAULT 'you'", "column users.subject"),
    ("ALTER TABLE tasks ALTER priority DROP DEFAULT", "column tasks.priority"),
    ("ALTER TABLE tasks ALTER priority SET DEFAULT 'low'", "column tasks.priority"),
    (
        "ALTER TABLE users ADD tenant int NOT NULL DEFAULT 1;"
        "ALTER TABLE users ALTER tenant DROP DEFAULT",
        "column users.tenant",
    ),
    (
        "DROP INDEX ix_conversations_user_id;"
        "CREATE INDEX ix_conversations_user_id ON conversations (thread_id)",
        "index conversations.ix_conversations_user_id",
    ),
    (
        "ALTER TABLE users DROP CONSTRAINT uq_users_subject, "
        "ADD CONSTRAINT uq_users_subject UNIQUE (subject, id)",
        "unique users.uq_users_subject",
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT ck_tasks_number_positive, "
        "ADD CONSTRAINT ck_tasks_number_positive CHECK (number > -1)",
        "check tasks.ck_tasks_number_positive",
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_user_id_fkey, "
        "ADD FOREIGN KEY (user_id) REFERENCES users (id)",
        "foreign key tasks.user_id → users",
    ),
    (
        "ALTER TABLE task_events DROP CONSTRAINT task_events_pkey, ADD PRIMARY KEY (id, user_id)",
        "primary key task_events",
    ),
    ("ALTER TYPE task_priority ADD VALUE 'vital'", "enum type task_priority"),
    ("ALTER TABLE task_events SET UNLOGGED", "table task_events"),
    ("DROP TABLE tasks; CREATE VIEW tasks AS SELECT 1 AS id", "table tasks"),
]


def test_a_table_that_differs_is_named_and_nothing_is_changed(empty_database_url: str) -> None:
    for number, (change, named) in enumerate(DIFFERENCES):
        url = in_schema(empty_database_url, f"difference_{number}")
        create_all(url)
        execute(url, change)
        before = everything(url)
        with pytest.raises(SchemaDiffersError) as raised:
            migrate(url)
        assert named in str(raised.value)
        assert len(raised.value.differences) == 1
        assert everything(url) == before


def test_tables_changed_after_their_migration_are_named(database_url: str) -> None:
    execute(
        database_url,
        "ALTER TABLE tasks DROP COLUMN notes; DROP TABLE task_events;"
        "DROP INDEX ix_conversations_updated_at;"
        "ALTER TABLE users ADD tenant int NOT NULL",
    )
    with pytest.raises(SchemaDiffersError) as raised:
        migrate(database_url)
    assert {finding.name for finding in raised.value.differences} == {
        "tasks.notes",
        "task_events",
        "conversations.ix_conversations_updated_at",
        "users.tenant",
    }


def test_what_was_dropped_after_its_migration_is_made_again_as_the_error_says(
    database_url: str,
) -> None:
    execute(database_url, "DROP TABLE task_events; DROP INDEX ix_conversations_updated_at")
    with pytest.raises(SchemaDiffersError, match="DELETE FROM alembic_version"):
        migrate(database_url)
    execute(database_url, "DELETE FROM alembic_version")
    migrate(database_url)
    assert_migrated(database_url)


def test_an_index_added_after_its_migration_is_nobodys_business(database_url: str) -> None:
    execute(database_url, "CREATE INDEX mine ON users (created_at)")
    migrate(database_url)


def test_every_difference_is_told_at_once(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "CREATE TYPE task_priority AS ENUM ('high', 'normal', 'low');"
        "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)",
    )
    with pytest.raises(SchemaDiffersError) as raised:
        migrate(empty_database_url)
    assert [finding.name for finding in raised.value.differences] == [
        "task_priority",
        "users.id",
        "users.subject",
        "users.created_at",
        "users.name",
    ]


def test_a_checkpoints_table_that_is_not_langgraphs_is_named_and_nothing_is_changed(
    empty_database_url: str,
) -> None:
    execute(empty_database_url, "CREATE TABLE checkpoints (thread_id int NOT NULL)")
    before = everything(empty_database_url)
    with pytest.raises(SchemaDiffersError, match=r"checkpoints\.thread_id"):
        migrate(empty_database_url)
    assert everything(empty_database_url) == before


def test_an_index_name_taken_by_another_table_is_an_error(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "CREATE TABLE other (id int); CREATE INDEX ix_conversations_user_id ON other (id)",
    )
    before = everything(empty_database_url)
    with pytest.raises(MigrationError, match="ix_conversations_user_id"):
        migrate(empty_database_url)
    assert everything(empty_database_url) == before


def test_rows_that_a_missing_constraint_forbids_are_an_error_and_are_kept(
    empty_database_url: str,
) -> None:
    create_all(empty_database_url)
    execute(
        empty_database_url,
        "ALTER TABLE users DROP CONSTRAINT uq_users_subject;"
        "INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'ada')",
    )
    before = everything(empty_database_url)
    with pytest.raises(MigrationError, match="uq_users_subject"):
        migrate(empty_database_url)
    assert everything(empty_database_url) == before


def test_a_revision_of_newer_code_is_refused_and_nothing_is_changed(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'; DROP TABLE tasks")
    before = everything(database_url)
    with pytest.raises(DatabaseNewerError, match="9999"):
        migrate(database_url)
    assert everything(database_url) == before


def test_tables_of_a_newer_langgraph_are_refused_and_nothing_is_changed(
    empty_database_url: str,
) -> None:
    langgraph_setup(empty_database_url)
    execute(empty_database_url, "INSERT INTO checkpoint_migrations VALUES (999)")
    before = everything(empty_database_url)
    with pytest.raises(DatabaseNewerError, match="999"):
        migrate(empty_database_url)
    assert everything(empty_database_url) == before


@pytest.mark.parametrize("prepare", [None, create_all], ids=["empty", "from create_all"])
def test_a_role_that_may_create_nothing_is_told_so(
    empty_database_url: str, prepare: Callable[[str], None] | None
) -> None:
    if prepare:
        prepare(empty_database_url)
    before = everything(empty_database_url)
    with role(empty_database_url) as name, pytest.raises(MigrationError, match="privilege"):
        migrate(with_options(empty_database_url, f"-crole={name}"))
    assert everything(empty_database_url) == before


def test_a_role_that_may_create_nothing_finds_a_current_database_in_order(
    database_url: str,
) -> None:
    with role(database_url) as name:
        execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        migrate(with_options(database_url, f"-crole={name}"))


def test_a_role_that_may_not_drop_a_superfluous_index_leaves_it(database_url: str) -> None:
    index = REDUNDANT_INDEXES[0]
    execute(database_url, f"CREATE INDEX {index} ON checkpoints (thread_id)")
    with role(database_url) as name:
        execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        migrate(with_options(database_url, f"-crole={name}"))
    migrate(with_options(database_url, "-cdefault_transaction_read_only=on"))
    there = f"SELECT to_regclass('{index}') IS NOT NULL"
    assert fetch(database_url, there) == [(True,)]
    migrate(database_url)
    assert fetch(database_url, there) == [(False,)]


def test_a_read_only_server_is_told_so(empty_database_url: str) -> None:
    with pytest.raises(MigrationError, match="read-only"):
        migrate(with_options(empty_database_url, "-cdefault_transaction_read_only=on"))


def test_a_current_database_on_a_read_only_server_is_in_order(database_url: str) -> None:
    migrate(with_options(database_url, "-cdefault_transaction_read_only=on"))


def test_a_search_path_of_nothing_is_told_so(empty_database_url: str) -> None:
    with pytest.raises(MigrationError, match="no schema"):
        migrate(with_options(empty_database_url, "-csearch_path=nowhere"))


def test_a_url_of_something_else_than_postgres_is_refused() -> None:
    with pytest.raises(ValueError, match="only Postgres"):
        migrate("mysql://ada@localhost/tasks")


def test_a_server_that_is_not_there_is_told_so_without_the_password() -> None:
    with pytest.raises(DatabaseUnreachableError) as raised:
        migrate("postgresql://ada:secret@127.0.0.1:1/tasks")
    assert "secret" not in str(raised.value)


def test_a_database_that_is_not_there_is_told_so(empty_database_url: str) -> None:
    url = libpq_uri(parse_url(empty_database_url).set(database="not_there"))
    with pytest.raises(DatabaseUnreachableError, match="not_there"):
        migrate(url)


def test_another_process_migrating_is_waited_for_only_so_long(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        with pytest.raises(MigrationLockedError, match=f"process {holder.info.backend_pid}"):
            migrate(empty_database_url, Limits(turn=0.2))
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_a_table_in_use_is_waited_for_only_so_long(empty_database_url: str) -> None:
    create_all(empty_database_url)
    execute(empty_database_url, "DROP TABLE tasks")
    before = everything(empty_database_url)
    with psycopg.connect(empty_database_url) as user:
        # As every writer has until its transaction ends: no foreign key to the table can be made.
        user.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        with pytest.raises(MigrationLockedError, match="ALTER TABLE tasks"):
            migrate(empty_database_url, Limits(lock=0.2))
        with pytest.raises(MigrationError, match="statement timeout"):
            migrate(empty_database_url, Limits(statement=0.2))
    assert everything(empty_database_url) == before
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_a_table_that_nobody_may_look_at_is_waited_for_only_so_long(database_url: str) -> None:
    with psycopg.connect(database_url) as user:
        user.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(MigrationLockedError):
            migrate(database_url, Limits(lock=0.2))
        with pytest.raises(MigrationLockedError):
            verify_schema(database_url, Limits(lock=0.2))
