"""`task-agent token`: made and shown once, listed without what makes it work, revoked."""

import json
import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.cli.support import Result, task_agent


@pytest.fixture(autouse=True)
def _on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def create(*arguments: str) -> Result:
    result = task_agent("token", "create", *arguments)
    assert result.code == 0, result.err
    return result


def tokens(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(task_agent("token", "list", "--json", *arguments).out)
    return found


def test_a_token_is_alone_on_standard_output_and_is_not_shown_again() -> None:
    made = create("ann", "--name", "laptop", "--days", "30", "--time-zone", "Europe/Vienna")
    secret = made.out.strip()
    assert re.fullmatch(r"tagt_[\w-]{43}", secret)
    assert made.out == f"{secret}\n"
    assert secret not in made.err
    (one,) = tokens()
    assert (one["user"], one["name"], one["good"]) == ("ann", "laptop", True)
    assert one["time_zone"] == "Europe/Vienna"
    assert f"until {one['expires_at'][:10]}" in made.err
    assert f"token revoke {one['id']}" in made.err
    shown = task_agent("token", "list").out
    assert one["id"] in shown
    for listed in (shown, json.dumps(one)):
        assert secret.removeprefix("tagt_") not in listed


def test_tokens_of_a_user_are_listed() -> None:
    assert "task-agent token create" in task_agent("token", "list").out
    create("ann")
    create("bob")
    assert [one["user"] for one in tokens()] == ["bob", "ann"]
    assert [one["user"] for one in tokens("--user", "ann")] == ["ann"]


def test_a_revoked_token_is_listed_as_that() -> None:
    create("ann")
    (made,) = tokens()
    for _ in range(2):
        revoked = task_agent("token", "revoke", made["id"])
        assert revoked.code == 0
        assert made["id"] in revoked.out
    (one,) = tokens()
    assert not one["good"]
    assert "revoked" in task_agent("token", "list").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", ""), "user"),
        (("create", "ann", "--name", " "), "name"),
        (("create", "ann", "--days", "0"), "0 days"),
        (("create", "ann", "--time-zone", "Mars/Olympus"), "Mars/Olympus"),
        (("create", "ann", "--locale", "germany"), "germany"),
        (("revoke", "\x1b[2J"), "there is no token"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    arguments: tuple[str, ...], words: str, database_url: str
) -> None:
    result = task_agent("token", *arguments)
    assert (result.code, result.out) == (1, "")
    assert words in result.err
    assert "Traceback" not in result.err
    assert "\x1b[2J" not in result.err
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT FROM access_tokens").fetchall() == []


def test_a_user_is_deleted_with_their_tokens() -> None:
    create("ann")
    done = task_agent("delete", "user", "ann", "--yes")
    assert "1  access_tokens" in done.out
    assert tokens() == []


def test_a_database_that_was_not_migrated_is_told_to_be(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    for command in (("create", "ann"), ("list",), ("revoke", str(uuid4()))):
        result = task_agent("token", *command)
        assert result.code == 1
        assert "task-agent migrate" in result.err
