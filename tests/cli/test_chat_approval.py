"""`task-agent chat` where the agent asks for approval."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.cli.support import Dev, Result, dev_server, task_agent, thread_of
from tests.cli.test_chat import Terminal
from tests.graph.provider import Provider, calls, serving, words


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture(scope="module")
def asking(
    dev_database_url: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dev]:
    """A server whose model answers as a test tells it to."""
    folder = tmp_path_factory.mktemp("asking")
    with dev_server(
        folder,
        DATABASE_URL=dev_database_url,
        OPENAI_BASE_URL=provider.url,
        TASK_AGENT_MODEL="test",
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _one_task(asking: Dev, dev_database_url: str, provider: Provider) -> None:
    """There is one task, “milk”, and the model is about to delete it."""
    with psycopg.connect(dev_database_url) as connection:
        connection.execute("DELETE FROM tasks")
    provider.answers.clear()
    provider.answers += [
        calls(("add_tasks", {"tasks": [{"title": "milk"}]}), ids="add"),
        words("Added."),
    ]
    assert said(asking, "add milk\n").code == 0
    provider.answers += [calls(("delete_tasks", {"tasks": ["milk"]}), ids="delete"), words("Well.")]


def said(dev: Dev, typed: str, *arguments: str) -> Result:
    return task_agent("chat", "--url", dev.url, *arguments, said=typed.encode())


def titles(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [title for (title,) in connection.execute("SELECT title FROM tasks")]


def test_through_a_pipe_nobody_is_asked_and_nothing_is_deleted(
    asking: Dev, dev_database_url: str, provider: Provider
) -> None:
    result = said(asking, "delete it\n")
    assert result.code == 0
    assert "--approve" in result.err
    assert "delete_tasks" in result.err
    assert 'delete_tasks(tasks=["milk"]) failed: The person rejected' in result.out
    assert result.out.endswith("Well.\n")
    assert titles(dev_database_url) == ["milk"]
    assert "Nobody could be asked" in provider.requests[-1]["messages"][-1]["content"]


def test_through_a_pipe_it_is_approved_beforehand(asking: Dev, dev_database_url: str) -> None:
    result = said(asking, "delete it\n", "--approve")
    assert result.code == 0, result.err
    assert 'delete_tasks(tasks=["milk"])\n' in result.out
    assert "Not done" not in result.err
    assert titles(dev_database_url) == []


def test_with_approval_off_nothing_is_asked(asking: Dev, dev_database_url: str) -> None:
    result = said(asking, "delete it\n", "--approval", "off")
    assert result.code == 0, result.err
    assert titles(dev_database_url) == []


def test_a_mode_that_does_not_exist_is_told(asking: Dev) -> None:
    result = said(asking, "hello\n", "--approval", "never")
    assert result.code == 2
    assert "never" in result.err


def test_in_a_terminal_the_person_approves(asking: Dev, dev_database_url: str) -> None:
    terminal = Terminal(asking)
    terminal.types(b"delete it\n")
    terminal.waits_for("delete_tasks waits for your approval")
    terminal.waits_for("[r]eject? ")
    assert titles(dev_database_url) == ["milk"]
    terminal.presses(b"what?\n")
    terminal.waits_for("[r]eject? ")
    terminal.presses(b"a\n")
    terminal.waits_for("Well.")
    terminal.types(b"\x04")
    assert terminal.ends_with() == 0
    assert titles(dev_database_url) == []


def test_in_a_terminal_the_person_rejects_with_a_reason(
    asking: Dev, dev_database_url: str, provider: Provider
) -> None:
    terminal = Terminal(asking)
    terminal.types(b"delete it\n")
    terminal.waits_for("[r]eject? ")
    terminal.presses(b"r\n")
    terminal.waits_for("Why?")
    terminal.presses(b"I need it\n")
    terminal.waits_for("Well.")
    terminal.types(b"\x04")
    assert terminal.ends_with() == 0
    assert titles(dev_database_url) == ["milk"]
    assert "I need it" in provider.requests[-1]["messages"][-1]["content"]


def test_in_a_terminal_the_person_edits_what_is_done(
    asking: Dev, dev_database_url: str, provider: Provider
) -> None:
    terminal = Terminal(asking)
    terminal.types(b"delete it\n")
    terminal.waits_for("[r]eject? ")
    terminal.presses(b"e\n")
    terminal.waits_for("Arguments: ")
    # What is there already is taken away first.
    terminal.presses(b'\x15{"tasks"\n')
    terminal.waits_for("not JSON")
    terminal.waits_for("Arguments: ")
    terminal.presses(b'\x15{"tasks": ["bread"]}\n')
    terminal.waits_for('delete_tasks(tasks=["bread"])')
    terminal.waits_for("Well.")
    terminal.types(b"\x04")
    assert terminal.ends_with() == 0
    assert titles(dev_database_url) == ["milk"]


def test_a_question_that_was_left_is_asked_when_the_thread_is_gone_on_with(
    asking: Dev, dev_database_url: str, provider: Provider
) -> None:
    terminal = Terminal(asking)
    terminal.types(b"delete it\n")
    terminal.waits_for("[r]eject? ")
    terminal.presses(b"\x04")
    assert terminal.ends_with() == 0
    thread = thread_of(Result(0, "", terminal.seen))
    again = Terminal(asking, "--thread", thread)
    again.waits_for("[r]eject? ")
    again.presses(b"\x04")
    assert again.ends_with() == 0
    # Through a pipe it is approved without another word.
    result = said(asking, "", "--thread", thread, "--approve")
    assert result.code == 0, result.err
    assert 'delete_tasks(tasks=["milk"])' in result.out
    assert titles(dev_database_url) == []


def test_through_a_pipe_new_words_take_the_place_of_a_question(
    asking: Dev, dev_database_url: str, provider: Provider
) -> None:
    terminal = Terminal(asking)
    terminal.types(b"delete it\n")
    terminal.waits_for("[r]eject? ")
    terminal.presses(b"\x04")
    assert terminal.ends_with() == 0
    result = said(asking, "never mind\n", "--thread", thread_of(Result(0, "", terminal.seen)))
    assert result.code == 0, result.err
    assert "waits for approval" in result.err
    # What was said before is not said again.
    assert result.out == "Well.\n"
    assert titles(dev_database_url) == ["milk"]
