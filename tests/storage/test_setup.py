"""`setup()`: the saver's tables for apps that have no migrations for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import alembic.command
import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

import storage.langgraph_tables
import storage.setup
from migrations.connection import migrating, sqlalchemy_connection
from migrations.create import found_schema
from migrations.run import alembic_config, migrate
from storage.checkpointer import TranscriptSaver
from storage.database import connect
from storage.errors import (
    SetupBusyError,
    SetupError,
    TablesDifferError,
    TablesNewerError,
)
from storage.models import User
from storage.opening import open_saver
from storage.own_tables import PARTS, STATEMENTS, TABLES
from storage.pending import CREATE_NOTES, NOTE, REDUNDANT_INDEXES, pending
from storage.schema import compare, expected_schema
from storage.setup import LOCK, LOCK_TIMEOUT, set_up
from tests.storage.migration_support import (
    MESSAGES,
    assert_migrated,
    contents,
    execute,
    fetch,
    in_schema,
    langgraph_setup,
    role,
    wait_until,
    with_options,
)
from tests.storage.support import chat_graph, on, say

METADATA = (User.metadata, storage.langgraph_tables.metadata)
LANGGRAPH_TABLES = tuple(storage.langgraph_tables.metadata.tables)


async def setup(url: str) -> None:
    """As an app calls it when it starts."""
    async with open_saver(url) as saver:
        await saver.setup()


def schema_of(url: str) -> dict[str, str]:
    """Every part of the saver's tables and of LangGraph's, in Postgres's words."""
    with psycopg.connect(url) as connection:
        parts = {
            (part.kind, str(part)): definition
            for metadata in METADATA
            for part, definition in found_schema(connection, metadata).items()
            if part.table in (*TABLES, *LANGGRAPH_TABLES)
            # LangGraph's own setup() makes these.
            and part.name not in REDUNDANT_INDEXES
        }
    return {f"{kind} {name}": definition for (kind, name), definition in parts.items()}


def objects(url: str) -> list[tuple[Any, ...]]:
    """Everything that the database's catalogue of relations holds, and who wrote it."""
    return fetch(url, "SELECT oid, relname, xmin::text FROM pg_class ORDER BY oid")


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Fills up with each try to make the tables, and whether it had the lock for it."""
    done: list[bool] = []
    once = storage.setup._made

    async def made(connection: psycopg.AsyncConnection[Any]) -> bool:
        done.append(await once(connection))
        return done[-1]

    monkeypatch.setattr(storage.setup, "_made", made)
    return done


@asynccontextmanager
async def old_tables(url: str, number: int) -> AsyncIterator[psycopg.Connection[Any]]:
    """The three tables as an earlier version's `setup()` made them."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CREATE_NOTES)
        for n, statements in enumerate(STATEMENTS[:number], start=1):
            for statement in statements:
                connection.execute(statement.encode())
            connection.execute(NOTE, (n,))
        yield connection


def alembic_upgrade(url: str, revision: str) -> None:
    """What an earlier version's `task-agent migrate` did."""
    with migrating(url) as connection, sqlalchemy_connection(connection) as sqlalchemy:
        config = alembic_config()
        config.attributes["connection"] = sqlalchemy
        alembic.command.upgrade(config, revision)


async def test_setup_and_alembic_make_the_same_tables(
    empty_database_url: str, database_url: str
) -> None:
    await setup(empty_database_url)
    assert schema_of(empty_database_url) == schema_of(database_url)


async def test_setup_makes_what_the_models_say(empty_database_url: str) -> None:
    await setup(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        found = found_schema(connection, User.metadata)
    expected = {
        part: definition
        for part, definition in expected_schema(User.metadata).items()
        if part.table in TABLES
    }
    assert compare(expected, found).differences == ()


async def test_setup_again_writes_nothing(empty_database_url: str) -> None:
    await setup(empty_database_url)
    before = objects(empty_database_url)
    notes = fetch(empty_database_url, "SELECT number, run_at FROM transcript_migrations")
    assert [number for number, _ in notes] == list(range(1, len(STATEMENTS) + 1))
    # A server that lets nobody write is where it shows.
    await setup(with_options(empty_database_url, "-cdefault_transaction_read_only=on"))
    assert objects(empty_database_url) == before
    assert fetch(empty_database_url, "SELECT number, run_at FROM transcript_migrations") == notes


async def test_any_number_of_processes_set_up_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(setup(empty_database_url) for _ in range(8)))
    await setup(empty_database_url)
    numbers = fetch(empty_database_url, "SELECT number FROM transcript_migrations ORDER BY 1")
    assert numbers == [(number,) for number in range(1, len(STATEMENTS) + 1)]


async def test_a_graph_runs_on_what_setup_made(empty_database_url: str) -> None:
    async with open_saver(empty_database_url) as saver:
        await saver.setup()
        graph = chat_graph(saver)
        await say(graph, "t", "hello")
        assert len((await graph.aget_state(on("t"))).values["messages"]) == 4
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(4,)]


async def test_other_tables_are_not_touched(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "CREATE TABLE tasks (id int PRIMARY KEY); INSERT INTO tasks VALUES (1);"
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('an app of its own')",
    )
    before = set(objects(empty_database_url))
    await setup(empty_database_url)
    kept = {row for row in objects(empty_database_url) if row[1] in ("tasks", "alembic_version")}
    assert kept <= before
    assert len(kept) == 2
    assert fetch(empty_database_url, "SELECT * FROM tasks") == [(1,)]


# What others made


async def test_a_database_that_alembic_made_is_recognised_and_not_changed(
    database_url: str,
) -> None:
    before = objects(database_url)
    await setup(database_url)
    assert objects(database_url) == before


async def test_a_database_that_setup_made_can_be_migrated_by_alembic_with_its_rows(
    empty_database_url: str,
) -> None:
    async with open_saver(empty_database_url) as saver:
        await saver.setup()
        await say(chat_graph(saver), "t", "hello")
        before = contents(empty_database_url, [*TABLES, *LANGGRAPH_TABLES])
        await asyncio.to_thread(migrate, empty_database_url)
        assert_migrated(empty_database_url)
        assert contents(empty_database_url, [*TABLES, *LANGGRAPH_TABLES]) == before
        await saver.setup()


async def test_an_older_database_of_alembics_is_left_to_alembic(empty_database_url: str) -> None:
    async with old_tables(empty_database_url, 1) as connection:
        connection.execute("DROP TABLE transcript_migrations")
    before = objects(empty_database_url)
    with pytest.raises(TablesDifferError, match="messages: no user_id uuid NOT NULL"):
        await setup(empty_database_url)
    assert objects(empty_database_url) == before


async def test_setup_notices_that_alembic_did_a_later_numbers_work(
    empty_database_url: str,
) -> None:
    await setup(empty_database_url)
    execute(
        empty_database_url, f"DELETE FROM transcript_migrations WHERE number = {len(STATEMENTS)}"
    )
    before = objects(empty_database_url)
    await setup(empty_database_url)
    assert objects(empty_database_url) == before


async def test_a_plain_savers_database_gets_the_three_tables_and_its_threads_go_on(
    empty_database_url: str,
) -> None:
    langgraph_setup(empty_database_url)
    async with connect(empty_database_url) as database:
        plain = chat_graph(AsyncPostgresSaver(database.pool))
        await say(plain, "t", "one")
        saver = TranscriptSaver(database.pool)
        await saver.setup()
        graph = chat_graph(saver)
        assert await graph.aget_state(on("t")) == await plain.aget_state(on("t"))
        await say(graph, "t", "two")
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(8,)]


async def test_an_index_that_langgraphs_own_setup_left_unfinished_is_made_whole(
    empty_database_url: str,
) -> None:
    langgraph_setup(empty_database_url)
    execute(
        empty_database_url,
        "DELETE FROM checkpoint_migrations WHERE v > 5;"
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'checkpoints_thread_id_idx'::regclass",
    )
    await setup(empty_database_url)
    assert fetch(empty_database_url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert fetch(empty_database_url, "SELECT max(v) FROM checkpoint_migrations") == [(9,)]


async def test_dropped_checkpoint_tables_are_made_anew(empty_database_url: str) -> None:
    await setup(empty_database_url)
    complete = schema_of(empty_database_url)
    execute(empty_database_url, "DROP TABLE checkpoint_blobs")
    await setup(empty_database_url)
    assert schema_of(empty_database_url) == complete


@pytest.mark.parametrize("columns", ["id serial PRIMARY KEY, email text", "id uuid, subject text"])
async def test_another_apps_users_table_is_told_with_what_differs_and_a_way_out(
    empty_database_url: str, columns: str
) -> None:
    execute(empty_database_url, f"CREATE TABLE users ({columns})")
    before = objects(empty_database_url)
    with pytest.raises(TablesDifferError, match=r"users: no id uuid NOT NULL[\s\S]*search_path"):
        await setup(empty_database_url)
    assert objects(empty_database_url) == before
    # The way out that the error names.
    url = in_schema(empty_database_url, "transcript")
    async with open_saver(url) as saver:
        await saver.setup()
        await say(chat_graph(saver), "t", "hello")
    assert fetch(empty_database_url, "SELECT count(*) FROM transcript.messages") == [(4,)]


async def test_a_column_that_the_saver_would_not_fill_is_told(empty_database_url: str) -> None:
    await setup(empty_database_url)
    execute(
        empty_database_url,
        "ALTER TABLE messages ADD mood text NOT NULL, ADD colour text, ADD n int DEFAULT 1 NOT NULL"
        ", ADD i int GENERATED ALWAYS AS IDENTITY",
    )
    with pytest.raises(TablesDifferError) as caught:
        await setup(empty_database_url)
    assert "messages: an additional mood text NOT NULL" in str(caught.value)
    assert str(caught.value).count("additional") == 1


async def test_a_dropped_constraint_is_told(empty_database_url: str) -> None:
    await setup(empty_database_url)
    execute(
        empty_database_url, "ALTER TABLE messages DROP CONSTRAINT uq_messages_conversation_digest"
    )
    with pytest.raises(TablesDifferError, match=r"messages: no UNIQUE \(conversation_id, digest\)"):
        await setup(empty_database_url)


async def test_a_database_of_a_newer_version_is_refused(empty_database_url: str) -> None:
    await setup(empty_database_url)
    execute(
        empty_database_url,
        "INSERT INTO transcript_migrations VALUES (99); ALTER TABLE messages DROP COLUMN content",
    )
    with pytest.raises(TablesNewerError, match="number 99"):
        await setup(empty_database_url)


async def test_setup_waits_for_alembics_last_revision(
    empty_database_url: str, tries: list[bool]
) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as alembic:
        alembic.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        async with old_tables(empty_database_url, 1) as connection:
            connection.execute("DROP TABLE transcript_migrations")
        waiting = asyncio.create_task(setup(empty_database_url))
        await asyncio.to_thread(wait_until, lambda: tries[:2] == [False, False])
        assert not waiting.done()
        for statement in STATEMENTS[1]:
            alembic.execute(statement.encode())
        alembic.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        await waiting
    assert fetch(empty_database_url, "SELECT to_regclass('transcript_migrations')") == [(None,)]


async def test_setup_and_alembic_may_run_at_once(empty_database_url: str) -> None:
    await asyncio.gather(
        *(setup(empty_database_url) for _ in range(4)),
        *(asyncio.to_thread(migrate, empty_database_url) for _ in range(4)),
    )
    assert_migrated(empty_database_url)


# Upgrades


async def test_tables_of_the_first_version_are_upgraded_with_their_rows(
    empty_database_url: str,
) -> None:
    # Rows as they are written today, without what the first version had no columns for.
    new = in_schema(empty_database_url, "new")
    async with open_saver(new) as saver:
        await saver.setup()
        graph = chat_graph(saver)
        for thread in ("a", "b"):
            await say(graph, thread, "one")
            await say(graph, thread, "two")
        states = {thread: await graph.aget_state(on(thread)) for thread in ("a", "b")}
    langgraph_setup(empty_database_url)
    async with old_tables(empty_database_url, 1) as connection:
        for table in ("users", "conversations", "messages", *LANGGRAPH_TABLES[1:]):
            names = connection.execute(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND attname <> 'leaf_id'",
                (f"public.{table}",),
            ).fetchone()
            assert names is not None
            connection.execute(
                f"INSERT INTO public.{table} ({names[0]}) SELECT {names[0]} FROM new.{table}"
            )
        connection.execute(
            "UPDATE conversations c SET leaf_id = n.leaf_id FROM new.conversations n"
            " WHERE n.id = c.id"
        )
    before = contents(empty_database_url, LANGGRAPH_TABLES)
    await setup(empty_database_url)
    assert contents(empty_database_url, LANGGRAPH_TABLES) == before
    assert schema_of(empty_database_url) == schema_of(new)
    for table in ("users", "conversations", "messages"):
        assert contents(empty_database_url, [table]) == contents(new, [table])
    async with open_saver(empty_database_url) as saver:
        graph = chat_graph(saver)
        assert {thread: await graph.aget_state(on(thread)) for thread in ("a", "b")} == states
        await say(graph, "a", "three")
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(20,)]


@pytest.mark.parametrize("number", range(2, len(STATEMENTS)))
async def test_tables_that_lack_only_indexes_get_them(empty_database_url: str, number: int) -> None:
    new = in_schema(empty_database_url, "new")
    await setup(new)
    async with old_tables(empty_database_url, number) as connection:
        connection.execute(MESSAGES.encode())
    before = contents(empty_database_url, TABLES)
    await setup(empty_database_url)
    assert schema_of(empty_database_url) == schema_of(new)
    assert contents(empty_database_url, TABLES) == before
    numbers = fetch(empty_database_url, "SELECT number FROM transcript_migrations ORDER BY 1")
    assert numbers == [(number,) for number in range(1, len(STATEMENTS) + 1)]
    done = objects(empty_database_url)
    await setup(empty_database_url)
    assert objects(empty_database_url) == done


async def test_an_older_versions_tables_are_upgraded_once_by_many_processes(
    empty_database_url: str,
) -> None:
    async with old_tables(empty_database_url, len(STATEMENTS) - 1) as connection:
        connection.execute(MESSAGES.encode())
    await asyncio.gather(*(setup(empty_database_url) for _ in range(8)))
    numbers = fetch(empty_database_url, "SELECT number FROM transcript_migrations ORDER BY 1")
    assert numbers == [(number,) for number in range(1, len(STATEMENTS) + 1)]
    assert fetch(empty_database_url, "SELECT to_regclass('ix_messages_search')") == [(None,)]
    assert fetch(empty_database_url, "SELECT to_regclass('ix_messages_words')") != [(None,)]


async def test_what_is_dropped_while_the_tables_are_looked_at_is_missing(
    empty_database_url: str,
) -> None:
    await setup(empty_database_url)
    connection = await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True)
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    async with connection, connection.transaction():
        await connection.execute("SELECT 1")
        execute(empty_database_url, "DROP INDEX ix_messages_parent_id, ix_messages_words")
        with pytest.raises(TablesDifferError, match=r"messages: no INDEX btree \(parent_id\)"):
            await pending(connection, "public")


@pytest.mark.parametrize(
    ("noted", "revision"), [(1, "0002"), (1, "0003"), (2, "0003"), (3, "0004")]
)
async def test_what_alembic_did_since_is_not_done_again(
    empty_database_url: str, noted: int, revision: str
) -> None:
    new = in_schema(empty_database_url, "new")
    await setup(new)
    async with old_tables(empty_database_url, noted):
        pass
    await asyncio.to_thread(alembic_upgrade, empty_database_url, revision)
    await setup(empty_database_url)
    assert schema_of(empty_database_url) == schema_of(new)
    await asyncio.to_thread(migrate, empty_database_url)
    assert_migrated(empty_database_url)
    done = objects(empty_database_url)
    await setup(empty_database_url)
    assert objects(empty_database_url) == done


async def test_setup_leaves_it_to_alembic_to_make_the_indexes_of_its_tables(
    empty_database_url: str,
) -> None:
    await asyncio.to_thread(alembic_upgrade, empty_database_url, "0003")
    langgraph_setup(empty_database_url)
    before = objects(empty_database_url)
    await setup(empty_database_url)
    assert objects(empty_database_url) == before


async def test_an_index_that_was_made_beforehand_is_used_and_one_left_unfinished_is_made_anew(
    empty_database_url: str,
) -> None:
    """As one would, so that nobody has to wait for it."""
    await setup(in_schema(empty_database_url, "new"))
    make = fetch(empty_database_url, "SELECT pg_get_indexdef('new.ix_messages_words'::regclass)")
    statement = make[0][0].replace("INDEX", "INDEX CONCURRENTLY").replace(" new.", " public.")
    for is_valid in (True, False):
        execute(empty_database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        async with old_tables(empty_database_url, 3) as connection:
            connection.execute(statement.encode())
            connection.execute(
                "UPDATE pg_index SET indisvalid = %s"
                " WHERE indexrelid = 'ix_messages_words'::regclass",
                (is_valid,),
            )
        select = "SELECT oid FROM pg_class WHERE oid = 'ix_messages_words'::regclass"
        before = fetch(empty_database_url, select)
        await setup(empty_database_url)
        assert (fetch(empty_database_url, select) == before) is is_valid
        assert schema_of(empty_database_url) == schema_of(
            with_options(empty_database_url, "-csearch_path=new")
        )


async def test_an_upgrade_takes_longer_than_statements_usually_may(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with old_tables(empty_database_url, 3):
        pass
    monkeypatch.setattr(
        "storage.pending.STATEMENTS", (*STATEMENTS[:3], ("SELECT pg_sleep(0.5)", *STATEMENTS[3]))
    )
    await setup(with_options(empty_database_url, "-cstatement_timeout=400"))
    assert fetch(empty_database_url, "SELECT to_regclass('ix_messages_words')") != [(None,)]


async def test_an_upgrade_that_fails_changes_nothing(empty_database_url: str) -> None:
    async with old_tables(empty_database_url, 1) as connection:
        # Not what the first version left; the second one's statements stumble over it.
        connection.execute("DROP INDEX ix_messages_conversation_id")
    before = objects(empty_database_url)
    with pytest.raises(SetupError, match="Nothing was changed"):
        await setup(empty_database_url)
    assert objects(empty_database_url) == before


# In each other's way


async def test_whoever_changes_the_tables_is_waited_for(
    empty_database_url: str, tries: list[bool]
) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        waiting = asyncio.create_task(setup(empty_database_url))
        await asyncio.to_thread(wait_until, lambda: tries[:2] == [False, False])
        assert not waiting.done()
        assert fetch(empty_database_url, "SELECT to_regclass('messages')") == [(None,)]
        other.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        await waiting
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(0,)]


async def test_whoever_changes_the_tables_for_too_long_is_named(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        async with connect(empty_database_url) as database, database.pool.connection() as waiting:
            with pytest.raises(SetupBusyError, match=r"more than 0\.3 s"):
                await set_up(waiting, patience=0.3)


async def test_a_lock_on_a_table_ends_the_upgrade_and_not_the_waiting_of_others(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LOCK_TIMEOUT != "100ms"
    monkeypatch.setattr("storage.setup.LOCK_TIMEOUT", "100ms")
    async with old_tables(empty_database_url, 1):
        with psycopg.connect(empty_database_url) as other:
            other.execute("SELECT * FROM messages")
            with pytest.raises(SetupBusyError, match="lock"):
                await setup(empty_database_url)
    await setup(empty_database_url)


async def test_a_role_that_may_create_nothing_is_told_what_it_lacks(
    empty_database_url: str,
) -> None:
    with role(empty_database_url) as name:
        execute(empty_database_url, f"GRANT {name} TO CURRENT_USER")
        with pytest.raises(SetupError, match="lacks a privilege"):
            await setup(with_options(empty_database_url, f"-crole={name}"))


async def test_a_role_that_may_only_write_rows_sets_up_nothing_and_needs_nothing(
    empty_database_url: str,
) -> None:
    await setup(empty_database_url)
    with role(empty_database_url) as name:
        execute(empty_database_url, f"GRANT {name} TO CURRENT_USER")
        execute(
            empty_database_url,
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
        )
        async with open_saver(with_options(empty_database_url, f"-crole={name}")) as saver:
            await saver.setup()
            await say(chat_graph(saver), "t", "hello")


async def test_a_read_only_server_without_tables_is_told(empty_database_url: str) -> None:
    with pytest.raises(SetupError, match="read-only"):
        await setup(with_options(empty_database_url, "-cdefault_transaction_read_only=on"))


async def test_a_search_path_without_a_schema_is_told(empty_database_url: str) -> None:
    with pytest.raises(SetupError, match="no schema to make tables in"):
        await setup(with_options(empty_database_url, "-csearch_path=nowhere"))


async def test_a_table_further_down_the_search_path_is_not_taken_for_the_savers(
    empty_database_url: str,
) -> None:
    execute(empty_database_url, "CREATE TABLE users (id int); CREATE SCHEMA mine")
    url = with_options(empty_database_url, "-csearch_path=mine,public")
    async with open_saver(url) as saver:
        await saver.setup()
        await saver.setup()
        async with saver.conn.connection() as connection:
            cursor = await connection.execute("SHOW search_path")
            # Only for the time of the set-up was it narrower.
            assert await cursor.fetchone() == ("mine,public",)
    assert fetch(empty_database_url, "SELECT count(*) FROM mine.users") == [(0,)]


def test_what_the_tables_consist_of_is_written_down_for_each() -> None:
    assert tuple(PARTS) == TABLES


async def test_no_index_repeats_what_a_primary_key_begins_with(
    empty_database_url: str, database_url: str
) -> None:
    await setup(empty_database_url)
    for url in (empty_database_url, database_url):
        names = {name for (name,) in fetch(url, "SELECT indexname FROM pg_indexes")}
        assert "checkpoints_pkey" in names
        assert names.isdisjoint(REDUNDANT_INDEXES)
