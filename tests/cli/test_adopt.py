"""`adopt` and `eject`: into the tree and out of it, from the command."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.cli.support import COMMAND, environment, task_agent, wait_until
from tests.storage.plain_support import all_checkpoints_sync, differences, write_plain
from tests.storage.test_adopting_in_use import multiply


@pytest.fixture
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


@pytest.fixture
def plain(database_url: str, _database: None) -> str:
    """A database that the plain savers have written."""
    write_plain(database_url, "3.0.5")
    return database_url


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def owners(url: str) -> dict[object, object]:
    return dict(
        ask(  # type: ignore[arg-type]
            url, "SELECT thread_id, subject FROM conversations c JOIN users u ON u.id = c.user_id"
        )
    )


def test_there_and_back(plain: str) -> None:
    before = all_checkpoints_sync(plain)
    adopted = task_agent("adopt", "--users-from-checkpoints", "--user", "ben")
    assert (adopted.code, adopted.err) == (0, "")
    *left, summary = adopted.out.splitlines()
    assert len(left) == 3
    assert "Thread emptied: left as it is" in left[0]
    assert "an empty list" in left[0]
    assert "11 threads looked at" in summary
    assert "42 lists of messages" in summary
    assert owners(plain) == {
        **{row[0]: "ben" for row in ask(plain, "SELECT thread_id FROM checkpoints")},
        "owned": "ada",
    }
    ejected = task_agent("eject", "--yes")
    assert (ejected.code, ejected.err) == (0, "")
    assert "42 lists of messages" in ejected.out
    assert differences(all_checkpoints_sync(plain), before) == []
    assert ask(plain, "SELECT * FROM messages") == []


def test_a_user_in_checkpoints_is_not_believed_unasked(plain: str) -> None:
    refused = task_agent("adopt")
    assert refused.code == 1
    assert "'ada'" in refused.err
    assert "--users-from-checkpoints" in refused.err
    assert "owned" not in owners(plain)
    assert task_agent("adopt", "--user", "ben").code == 0
    assert owners(plain)["owned"] == "ben"


@pytest.fixture
def _functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of somebody's own in the current directory."""
    (tmp_path / "whose_threads.py").write_text(
        """
def customer(thread_id, user):
    return user or f"customer of {thread_id}"

def nobody(thread_id, user):
    return None

def failing(thread_id, user):
    raise LookupError("no such order")
"""
    )
    (tmp_path / "ends_the_process.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("whose_threads", None)


@pytest.mark.usefixtures("_functions")
def test_a_function_can_say_whose_a_thread_is(plain: str) -> None:
    adopted = task_agent("adopt", "--owner", "whose_threads:customer")
    assert (adopted.code, adopted.err) == (0, "")
    found = owners(plain)
    assert found["owned"] == "ada"
    assert found["turns"] == "customer of turns"


@pytest.mark.usefixtures("_functions")
@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "returned None"), ("failing", "LookupError: no such order")]
)
def test_a_function_that_does_not_say_it_is_named_in_an_error(
    plain: str, name: str, words: str
) -> None:
    failed = task_agent("adopt", "--thread", "owned", "--owner", f"whose_threads:{name}")
    assert failed.code == 1
    assert f"whose_threads:{name}('owned', 'ada')" in failed.err
    assert words in failed.err
    assert owners(plain) == {}


@pytest.mark.usefixtures("_functions")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--owner", "whose_threads"], "'whose_threads' is not of the form module:name"),
        (["--owner", "no_such_module:customer"], "No module named 'no_such_module'"),
        (["--owner", "whose_threads:no_one"], "'whose_threads' has no 'no_one'"),
        (["--owner", "whose_threads:__name__"], "is no function, but a str"),
        (["--owner", "ends_the_process:customer"], "SystemExit: 0"),
        (["--owner", "whose_threads:customer", "--user", "ben"], "leave out --user"),
    ],
)
def test_an_owner_that_is_no_function_is_refused(
    options: list[str], words: str, database_url: str
) -> None:
    refused = task_agent("adopt", *options, DATABASE_URL=database_url)
    assert refused.code == 2
    # Where it says what is wrong, lines are broken in between.
    assert words in " ".join(refused.err.replace("│", "").split())


def test_one_thread_can_be_named(plain: str) -> None:
    assert task_agent("adopt", "--thread", "turns").code == 0
    assert owners(plain) == {"turns": "local"}
    assert task_agent("eject", "--thread", "turns", "--keep-rows").code == 0
    assert owners(plain) == {"turns": "local"}
    for command in (("adopt",), ("eject", "--yes")):
        missing = task_agent(*command, "--thread", "nobody")
        assert missing.code == 1
        assert "'nobody'" in missing.err


def test_a_dry_run_changes_nothing(plain: str) -> None:
    told = task_agent("adopt", "--user", "ben", "--dry-run")
    assert "42 lists of messages" in told.out
    assert "would" in told.out
    assert owners(plain) == {}
    assert task_agent("adopt", "--user", "ben").code == 0
    rows = ask(plain, "SELECT count(*) FROM messages")
    assert "would be deleted" in task_agent("eject", "--dry-run").out
    assert ask(plain, "SELECT count(*) FROM messages") == rows


def test_eject_asks_first(plain: str) -> None:
    task_agent("adopt", "--user", "ben")
    rows = ask(plain, "SELECT count(*) FROM messages")
    assert task_agent("eject", said=b"n\n").code == 1
    assert task_agent("eject", said=b"").code == 1
    assert ask(plain, "SELECT count(*) FROM messages") == rows
    assert task_agent("eject", said=b"y\n").code == 0
    assert ask(plain, "SELECT count(*) FROM messages") == [(0,)]


def test_a_damaged_thread_is_told_of_and_the_command_fails(plain: str) -> None:
    task_agent("adopt", "--user", "ben")
    with psycopg.connect(plain) as connection:
        connection.execute("UPDATE messages SET payload = 'x' WHERE content = 'And bread'")
    failed = task_agent("eject", "--yes")
    assert failed.code == 1
    assert "Thread turns: left as it is" in failed.out
    assert "1 thread left" in failed.err


@pytest.mark.parametrize("command", [("adopt",), ("eject", "--yes")])
def test_a_database_without_tables_is_told_what_to_run(
    command: tuple[str, ...], empty_database_url: str
) -> None:
    failed = task_agent(*command, DATABASE_URL=empty_database_url)
    assert failed.code == 1
    assert "task-agent migrate" in failed.err


def test_ctrl_c_stops_between_two_transactions_and_the_rest_is_done_later(plain: str) -> None:
    multiply(plain, "turns", 600)
    process = subprocess.Popen(
        [COMMAND, "adopt", "--user", "ben"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: len(owners(plain)) > 20, "some threads are adopted")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Run it again to go on" in err
    assert b"Traceback" not in err
    assert 20 < len(owners(plain)) < 611
    assert task_agent("adopt", "--user", "ben").code == 0
    assert len(owners(plain)) == 611
