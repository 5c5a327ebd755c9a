"""Databases as migrations may meet them, and what is asked of them afterwards."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from migrations.run import metadata, migrate, verify_schema
from storage.settings import libpq_uri, parse_url

#: A user with a conversation of two messages, as every revision but the first can hold them.
MESSAGES = """
INSERT INTO users (id, subject) VALUES ('00000000-0000-4000-8000-000000000001', 'ada');
INSERT INTO conversations (id, user_id, thread_id)
    SELECT '00000000-0000-4000-8000-000000000002', id, 'thread' FROM users;
INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content, payload)
    SELECT '00000000-0000-4000-8000-000000000003'::uuid, id, user_id, NULL::uuid, '\\x01'::bytea,
           'user', 'buy milk', '\\x00'::bytea FROM conversations
    UNION ALL
    SELECT '00000000-0000-4000-8000-000000000004', id, user_id,
           '00000000-0000-4000-8000-000000000003', '\\x02', 'assistant', 'done', '\\x00'
    FROM conversations;
UPDATE conversations SET leaf_id = '00000000-0000-4000-8000-000000000004';
"""

#: The same with a task: at least a row in every table.
ROWS = (
    MESSAGES
    + """
INSERT INTO tasks (id, user_id, number, title, priority)
    SELECT '00000000-0000-4000-8000-000000000005', id, 1, 'Buy milk', 'high' FROM users;
INSERT INTO task_lists (id, user_id, name)
    SELECT '00000000-0000-4000-8000-000000000007', id, 'Errands' FROM users;
INSERT INTO task_calls (user_id, key, tool, result) SELECT id, 'k', 'add_tasks', '{}' FROM users;
INSERT INTO task_events (id, user_id, position, key, turn_id, action, task_number, after)
    SELECT '00000000-0000-4000-8000-000000000006', id, 1, 'k', 'k', 'added', 1, '{}' FROM users;
INSERT INTO access_tokens (id, user_id, digest, name)
    SELECT '00000000-0000-4000-8000-000000000008', id, sha256('token'), 'laptop' FROM users;
"""
)

OUR_TABLES = tuple(metadata.tables)


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def fetch(url: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def create_all(url: str) -> None:
    """What `SQLModel.metadata.create_all()` makes, with a row in every table."""
    engine = create_engine(parse_url(url), poolclass=NullPool)
    metadata.create_all(engine)
    execute(url, ROWS)


def langgraph_setup(url: str) -> None:
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()


def with_options(url: str, options: str) -> str:
    """The same database, with settings for the session such as `-c search_path=app`."""
    return libpq_uri(parse_url(url).update_query_dict({"options": options}))


def in_schema(url: str, name: str) -> str:
    """The same database, with a new and empty schema as its current one."""
    execute(url, f"CREATE SCHEMA {name}")
    return with_options(url, f"-csearch_path={name}")


def contents(url: str, tables: Sequence[str] = OUR_TABLES) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables that there are."""
    return {
        table: sorted(fetch(url, f"SELECT to_jsonb(t)::text FROM {table} t"))
        for table in tables
        if fetch(url, "SELECT to_regclass(%s) IS NOT NULL", table)[0][0]
    }


def everything(url: str) -> dict[str, Any]:
    """Every object of the schema and every row of ours, to be compared before and after."""
    columns = fetch(
        url,
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull"
        " FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND attnum > 0 ORDER BY 1, 2",
    )
    constraints = fetch(
        url,
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2",
    )
    types = fetch(
        url,
        "SELECT typname FROM pg_type WHERE typnamespace = current_schema()::regnamespace"
        " ORDER BY 1",
    )
    return {
        "columns": columns,
        "constraints": constraints,
        "types": types,
        "rows": contents(url, (*OUR_TABLES, "alembic_version", "checkpoint_migrations")),
    }


def assert_migrated(url: str) -> None:
    assert verify_schema(url).differences == ()


def migrate_together(url: str, barrier: Barrier) -> None:
    """Run in a process of its own: migrate as soon as the others are ready to, too."""
    barrier.wait(60)
    migrate(url)


def migrate_alone(url: str) -> None:
    """Run in a process of its own."""
    migrate(url)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


@contextmanager
def role(url: str) -> Iterator[str]:
    """A role without any privilege of its own on the database."""
    name = f"role_of_{parse_url(url).database}"
    execute(url, f"CREATE ROLE {name}")
    try:
        yield name
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            quoted = sql.Identifier(name)
            connection.execute(sql.SQL("DROP OWNED BY {}").format(quoted))
            connection.execute(sql.SQL("DROP ROLE {}").format(quoted))
