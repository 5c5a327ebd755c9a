"""Several starts at once, and starts that were interrupted."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver

from migrations.run import Limits, MigrationError, MigrationLockedError, migrate
from storage.settings import libpq_uri, parse_url
from tests.storage.migration_support import (
    ROWS,
    assert_migrated,
    contents,
    create_all,
    execute,
    fetch,
    in_schema,
    langgraph_setup,
    migrate_alone,
    migrate_together,
    wait_until,
)

processes = multiprocessing.get_context("spawn")


def test_four_processes_migrate_one_fresh_database(empty_database_url: str) -> None:
    barrier = processes.Barrier(4)
    started = [
        processes.Process(target=migrate_together, args=(empty_database_url, barrier))
        for _ in range(4)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0] * 4
    assert_migrated(empty_database_url)


def test_eight_threads_migrate_one_database_that_create_all_made(empty_database_url: str) -> None:
    create_all(empty_database_url)
    before = contents(empty_database_url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(migrate, [empty_database_url] * 8))
    assert_migrated(empty_database_url)
    assert contents(empty_database_url) == before


def test_threads_migrate_several_databases_at_once(server_uri: str) -> None:
    """The lock in the database doesn't keep them apart, and Alembic is one for the process."""
    urls = [libpq_uri(parse_url(server_uri).set(database=f"test_{uuid4().hex}")) for _ in range(4)]
    for url in urls:
        execute(server_uri, f"CREATE DATABASE {parse_url(url).database}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, urls))
    for url in urls:
        assert_migrated(url)
        execute(server_uri, f"DROP DATABASE {parse_url(url).database}")


def test_a_process_killed_in_mid_migration_leaves_the_next_one_a_clean_start(
    empty_database_url: str,
) -> None:
    create_all(empty_database_url)
    execute(empty_database_url, "DROP TABLE tasks, task_events")
    before = contents(empty_database_url)
    process = processes.Process(target=migrate_alone, args=(empty_database_url,))
    with psycopg.connect(empty_database_url) as user:
        # The migration has made the tables when it comes to their foreign keys, and waits there.
        user.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        process.start()
        wait_until(lambda: waiting_for_a_lock(empty_database_url))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
    migrate(empty_database_url)
    assert_migrated(empty_database_url)
    assert {table: contents(empty_database_url)[table] for table in before} == before


def test_a_connection_lost_in_mid_migration_is_an_error_and_undone(
    empty_database_url: str,
) -> None:
    create_all(empty_database_url)
    execute(empty_database_url, "DROP TABLE tasks, task_events")
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(empty_database_url) as user,
    ):
        user.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        migration = pool.submit(migrate, empty_database_url)
        wait_until(lambda: waiting_for_a_lock(empty_database_url))
        execute(
            empty_database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        with pytest.raises(MigrationError, match="lost"):
            migration.result(60)
    assert fetch(empty_database_url, "SELECT to_regclass('tasks') IS NULL") == [(True,)]
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_an_index_whose_making_was_interrupted_is_made_again(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as reader:
        # CREATE INDEX CONCURRENTLY waits for whoever may still look at the table without it.
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM pg_class")
        with pytest.raises(MigrationLockedError):
            migrate(empty_database_url, Limits(lock=0.2))
    assert invalid_indexes(empty_database_url) == ["checkpoints_thread_id_idx"]
    migrate(empty_database_url)
    assert invalid_indexes(empty_database_url) == []
    assert_migrated(empty_database_url)


def test_an_invalid_index_that_langgraph_took_for_a_good_one_is_made_again(
    empty_database_url: str,
) -> None:
    langgraph_setup(empty_database_url)
    execute(
        empty_database_url,
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'checkpoint_blobs_thread_id_idx'::regclass",
    )
    migrate(empty_database_url)
    assert invalid_indexes(empty_database_url) == []
    assert_migrated(empty_database_url)


def test_a_langgraph_setup_that_stopped_after_any_statement_is_finished(
    empty_database_url: str,
) -> None:
    for done in range(len(PostgresSaver.MIGRATIONS)):
        url = in_schema(empty_database_url, f"done_{done}")
        for number, statement in enumerate(PostgresSaver.MIGRATIONS[: done + 1]):
            execute(url, statement)
            # The last one's number was not noted any more.
            if number < done:
                execute(url, f"INSERT INTO checkpoint_migrations VALUES ({number})")
        migrate(url)
        assert_migrated(url)


@pytest.mark.parametrize(
    "dropped", ["checkpoints, checkpoint_blobs, checkpoint_writes", "checkpoint_migrations"]
)
def test_tables_of_langgraph_that_somebody_dropped_are_made_again(
    database_url: str, dropped: str
) -> None:
    execute(database_url, ROWS)
    before = contents(database_url)
    execute(database_url, f"DROP TABLE {dropped}")
    migrate(database_url)
    assert_migrated(database_url)
    assert contents(database_url) == before


def invalid_indexes(url: str) -> list[str]:
    query = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
    return [name for (name,) in fetch(url, query)]


def waiting_for_a_lock(url: str) -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE 'ALTER TABLE %%'"
    )
    return fetch(url, query) == [(1,)]
