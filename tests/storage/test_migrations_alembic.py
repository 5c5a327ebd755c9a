"""Alembic as whoever writes a migration uses it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.config import main as alembic_main
from alembic.script import ScriptDirectory

from migrations import run
from migrations.run import MigrationError, metadata, migrate
from storage import langgraph_tables
from storage.models import SEARCH_VECTOR, SEARCHED
from storage.setup import LOCK
from tests.storage.migration_support import (
    MESSAGES,
    ROWS,
    assert_migrated,
    contents,
    create_all,
    execute,
    fetch,
    langgraph_setup,
    wait_until,
)

ROOT = Path(__file__).parents[2]
TRANSCRIPT = ("users", "conversations", "messages")

Alembic = Callable[..., str]


@pytest.fixture
def alembic(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Alembic:
    """The command `alembic` on an empty database; returns what it printed."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def command(*arguments: str, ini: str = str(ROOT / "alembic.ini")) -> str:
        capsys.readouterr()
        alembic_main(["-c", ini, *arguments])
        return capsys.readouterr().out

    return command


def test_alembic_upgrades_what_task_agent_migrate_upgrades(
    alembic: Alembic, empty_database_url: str
) -> None:
    alembic("upgrade", "head")
    langgraph_setup(empty_database_url)
    assert_migrated(empty_database_url)


def test_check_finds_no_difference_between_models_and_migrations(alembic: Alembic) -> None:
    alembic("upgrade", "head")
    alembic("check")


def test_check_finds_no_difference_beside_tables_of_others(
    alembic: Alembic, empty_database_url: str
) -> None:
    alembic("upgrade", "head")
    langgraph_setup(empty_database_url)
    execute(
        empty_database_url,
        "CREATE TABLE store (prefix text); CREATE INDEX store_prefix_idx ON store (prefix);"
        "CREATE TABLE somebody_elses (id int PRIMARY KEY)",
    )
    alembic("check")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tasks DROP COLUMN notes",
        "ALTER TABLE tasks ALTER title TYPE varchar(100)",
        "ALTER TABLE tasks ALTER priority SET DEFAULT 'low'",
        "DROP INDEX ix_conversations_user_id",
    ],
)
def test_check_finds_a_difference(alembic: Alembic, empty_database_url: str, change: str) -> None:
    alembic("upgrade", "head")
    execute(empty_database_url, change)
    with pytest.raises(SystemExit):
        alembic("check")


def test_down_to_base_and_up_again(alembic: Alembic, empty_database_url: str) -> None:
    alembic("upgrade", "head")
    langgraph_setup(empty_database_url)
    execute(
        empty_database_url,
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('t', 'c', '{}')",
    )
    execute(empty_database_url, ROWS)
    alembic("downgrade", "base")
    assert contents(empty_database_url) == {}
    left = fetch(
        empty_database_url,
        "SELECT relname FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace",
    )
    assert {name for (name,) in left} == {"alembic_version", *langgraph_tables.metadata.tables}
    assert fetch(empty_database_url, "SELECT 1 FROM pg_type WHERE typname = 'task_priority'") == []
    alembic("upgrade", "head")
    assert_migrated(empty_database_url)
    assert fetch(empty_database_url, "SELECT thread_id FROM checkpoints") == [("t",)]
    execute(empty_database_url, ROWS)


def test_messages_from_before_the_search_are_found_by_its_indexes(
    alembic: Alembic, empty_database_url: str
) -> None:
    alembic("upgrade", "0002")
    execute(empty_database_url, MESSAGES)
    before = contents(empty_database_url, TRANSCRIPT)
    alembic("upgrade", "head")
    langgraph_setup(empty_database_url)
    assert_migrated(empty_database_url)
    assert contents(empty_database_url, TRANSCRIPT) == before
    with psycopg.connect(empty_database_url) as connection:
        # Two rows are read without an index, or along any.
        connection.execute("SET LOCAL enable_seqscan = off; DROP INDEX ix_messages_user_id")
        # Whoever's, and of whichever four weeks.
        milk = " | ".join(f"''{chr(letter)}milk''" for letter in range(40, 92))
        query = (
            f"SELECT content FROM messages WHERE {SEARCHED} AND {SEARCH_VECTOR} @@ '{milk}'"
        ).encode()
        (plan,) = connection.execute(b"EXPLAIN (FORMAT JSON) " + query).fetchone() or (None,)
        assert "ix_messages_words" in str(plan)
        assert connection.execute(query).fetchall() == [("buy milk",)]
        connection.rollback()
    alembic("downgrade", "0003")
    assert contents(empty_database_url, TRANSCRIPT) == before
    alembic("upgrade", "head")
    assert_migrated(empty_database_url)
    alembic("downgrade", "0002")
    assert contents(empty_database_url, TRANSCRIPT) == before


def test_rows_from_before_there_were_owners_are_no_hindrance_while_somebody_reads(
    alembic: Alembic, empty_database_url: str
) -> None:
    alembic("upgrade", "0001")
    execute(
        empty_database_url,
        "INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'ada');"
        "INSERT INTO conversations (id, user_id, thread_id)"
        " SELECT gen_random_uuid(), id, 'thread' FROM users;"
        "INSERT INTO messages (id, conversation_id, digest, role, content, payload)"
        " SELECT gen_random_uuid(), id, sha256(n::text::bytea), 'user', 'buy milk', ''"
        # So many that pages are full, and a row that is changed has to go to another one.
        " FROM conversations, generate_series(1, 500) n",
    )
    with psycopg.connect(empty_database_url) as reader:
        # As long as somebody's view of the database is from before, dead rows have to stay, and an
        # index that is being made takes them in.
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")
        alembic("upgrade", "head")
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(500,)]


def test_a_downgrade_of_a_database_from_create_all_works(
    alembic: Alembic, empty_database_url: str
) -> None:
    create_all(empty_database_url)
    alembic("upgrade", "head")
    alembic("downgrade", "base")
    assert contents(empty_database_url) == {}


def test_a_script_for_an_empty_database_can_be_made(
    alembic: Alembic, empty_database_url: str
) -> None:
    script = alembic("upgrade", "head", "--sql")
    assert "lock_timeout" in script
    assert fetch(empty_database_url, "SELECT to_regclass('users') IS NULL") == [(True,)]
    execute(empty_database_url, script)
    langgraph_setup(empty_database_url)
    assert_migrated(empty_database_url)


def test_a_script_that_goes_down_can_be_made(alembic: Alembic, empty_database_url: str) -> None:
    alembic("upgrade", "head")
    (head,) = ScriptDirectory(ROOT / "migrations").get_heads()
    execute(empty_database_url, alembic("downgrade", f"{head}:base", "--sql"))
    assert contents(empty_database_url) == {}


def test_alembic_tells_a_difference_without_a_traceback(
    alembic: Alembic, empty_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(empty_database_url, "CREATE TABLE users (id uuid PRIMARY KEY)")
    with pytest.raises(SystemExit):
        alembic("upgrade", "head")
    assert "users.subject" in "".join(capsys.readouterr())


def test_alembic_takes_its_turn(alembic: Alembic, empty_database_url: str) -> None:
    waiting = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND query LIKE 'SELECT pg_try_advisory_lock%%'"
    )
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(empty_database_url, autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            upgrade = pool.submit(alembic, "upgrade", "head")
            wait_until(lambda: fetch(empty_database_url, waiting) == [(True,)])
            assert contents(empty_database_url) == {}
        upgrade.result(60)
    assert set(contents(empty_database_url)) == set(metadata.tables)


def test_revisions_are_one_line_of_descent() -> None:
    assert len(ScriptDirectory(ROOT / "migrations").get_heads()) == 1


def test_a_new_revision_imports_sqlmodel_and_proposes_nothing(
    alembic: Alembic, empty_database_url: str, tmp_path: Path
) -> None:
    checkout = copy_of_the_migrations(tmp_path / "a check,out")
    ini = str(checkout / "alembic.ini")
    langgraph_setup(empty_database_url)
    alembic("upgrade", "head", ini=ini)
    alembic("revision", "--autogenerate", "--rev-id", "9999", "-m", "nothing new", ini=ini)
    revision = (checkout / "migrations" / "versions" / "9999_nothing_new.py").read_text()
    assert "import sqlmodel" in revision
    assert "drop_table" not in revision
    assert revision.count("    pass") == 2
    alembic("upgrade", "head", ini=ini)
    assert fetch(empty_database_url, "SELECT version_num FROM alembic_version") == [("9999",)]
    assert set(contents(empty_database_url)) == set(metadata.tables)


def test_each_revision_is_a_transaction(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = copy_of_the_migrations(tmp_path)
    (head,) = ScriptDirectory(ROOT / "migrations").get_heads()
    (checkout / "migrations" / "versions" / "9999_fails.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{head}'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id int)')\n"
        "    op.execute('SELECT 1 / 0')\n"
    )
    monkeypatch.setattr(run, "__file__", str(checkout / "migrations" / "run.py"))
    with pytest.raises(MigrationError, match="division by zero"):
        migrate(empty_database_url)
    assert fetch(empty_database_url, "SELECT version_num FROM alembic_version") == [(head,)]
    assert fetch(empty_database_url, "SELECT to_regclass('half') IS NULL") == [(True,)]


def test_a_checkout_with_a_percent_sign_in_its_path_migrates(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic's configuration takes it for the beginning of a placeholder."""
    checkout = copy_of_the_migrations(tmp_path / "100% (here)s")
    monkeypatch.setattr(run, "__file__", str(checkout / "migrations" / "run.py"))
    migrate(empty_database_url)
    assert_migrated(empty_database_url)


def test_the_command_alembic_works_from_another_folder(
    empty_database_url: str, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": empty_database_url},
        check=True,
        timeout=120,
    )
    assert set(contents(empty_database_url)) == set(metadata.tables)


def copy_of_the_migrations(checkout: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "migrations", checkout / "migrations", ignore=ignored)
    shutil.copy(ROOT / "alembic.ini", checkout)
    return checkout
