"""`task-agent chat`: a conversation through a pipe or in a terminal."""

import os
import pty
import signal
import subprocess
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psycopg
import pytest

from tests.cli.support import (
    COMMAND,
    Dev,
    Result,
    environment,
    free_port,
    task_agent,
    task_agent_process,
    thread_of,
    wait_until,
)


def said(dev: Dev, words: str | bytes, *arguments: str) -> Result:
    given = words.encode() if isinstance(words, str) else words
    return task_agent("chat", "--url", dev.url, *arguments, said=given)


def contents(uri: str, thread_id: str, role: str) -> list[str]:
    with psycopg.connect(uri) as connection:
        rows = connection.execute(
            "SELECT content FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            " WHERE thread_id = %s AND role = %s ORDER BY m.created_at",
            (thread_id, role),
        )
        return [content for (content,) in rows]


def test_each_line_of_a_pipe_is_a_turn_of_one_thread(dev: Dev, dev_database_url: str) -> None:
    words = b"add buy oats\n\n  what's on my list?  \n"
    result = task_agent_process("chat", "--url", dev.url, said=words)
    assert result.code == 0
    assert 'add_tasks(tasks=[{"title": "buy oats"}])' in result.out
    assert result.out.count("buy oats") >= 3
    asked = contents(dev_database_url, thread_of(result), "user")
    assert asked == ["add buy oats", "what's on my list?"]


def test_what_a_pipe_gets_is_the_stored_answer_and_plain_text(
    dev: Dev, dev_database_url: str
) -> None:
    result = said(dev, "hello\n")
    (answer,) = contents(dev_database_url, thread_of(result), "assistant")
    assert result.out == f"{answer}\n"
    assert "\x1b" not in result.out + result.err


def test_a_thread_is_gone_on_with(dev: Dev, dev_database_url: str) -> None:
    thread = thread_of(said(dev, "hello\n"))
    result = said(dev, "thanks\n", "--thread", thread)
    assert result.code == 0
    assert thread_of(result) == thread
    assert contents(dev_database_url, thread, "user") == ["hello", "thanks"]


def test_a_tool_that_failed_is_shown_as_failed(dev: Dev) -> None:
    result = said(dev, "done with the unicorn\n")
    assert result.code == 0
    assert "failed:" in result.out


def test_the_first_failed_run_ends_a_pipe_with_an_error(dev: Dev, dev_database_url: str) -> None:
    result = said(dev, "hello\nadd buy rice\n", "--model", "gpt-none")
    assert result.code == 1
    assert "'gpt-none'" in result.err
    assert "OPENAI_API_KEY" in result.err
    assert "Traceback" not in result.err
    # What was said is kept, and what came after it was not sent.
    assert contents(dev_database_url, thread_of(result), "user") == ["hello"]


@pytest.mark.parametrize(
    ("option", "value"), [("--time-zone", "Mars/Base"), ("--locale", "germany")]
)
def test_a_zone_or_locale_that_does_not_exist_is_told_and_makes_no_thread(
    dev: Dev, option: str, value: str
) -> None:
    result = said(dev, "hello\n", option, value)
    assert result.code == 1
    assert f"'{value}'" in result.err
    assert option in result.err
    assert "validation" not in result.err
    assert "--thread" not in result.err


@pytest.mark.parametrize(("locale", "day"), [("de-AT", "Apr 2031"), ("en-US", "Mar 2031")])
def test_dates_are_read_in_the_locale_that_the_command_names(
    dev: Dev, locale: str, day: str
) -> None:
    result = said(dev, "add dentist on 3/4/2031\n", "--locale", locale)
    assert result.code == 0, result.err
    assert day in result.out


def test_a_slash_at_the_end_of_the_url_makes_no_difference(dev: Dev) -> None:
    result = task_agent("chat", "--url", f"{dev.url}/", said=b"hello\n")
    assert result.code == 0, result.err
    assert result.err.rstrip().endswith(f"--url {dev.url}")


@pytest.mark.parametrize("thread", ["nonsense", "0199aaaa-0000-7000-8000-000000000000", "a\tb"])
def test_a_thread_that_the_server_does_not_know_is_told(dev: Dev, thread: str) -> None:
    result = said(dev, "hello\n", "--thread", thread)
    assert result.code == 1
    assert "has no thread" in result.err
    assert "task-agent conversations" in result.err


def test_without_a_server_it_says_how_to_start_one() -> None:
    result = task_agent("chat", "--url", f"http://127.0.0.1:{free_port()}", said=b"hello\n")
    assert result.code == 1
    assert "task-agent dev" in result.err
    assert "Traceback" not in result.err


def test_another_program_at_the_url_is_not_taken_for_the_server() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        answering = Thread(target=other.handle_request)
        answering.start()
        result = task_agent("chat", "--url", f"http://127.0.0.1:{other.server_port}", said=b"hello")
        answering.join()
    assert result.code == 1
    assert "is not LangGraph's server" in result.err


@pytest.mark.parametrize("url", ["somewhere", "ftp://127.0.0.1"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    result = task_agent("chat", "--url", url, said=b"hello\n")
    assert result.code == 1
    assert url in result.err


@pytest.mark.parametrize("words", [b"", b"\n", b"  \r\n\t\n"])
def test_an_empty_input_is_told_and_makes_no_thread(
    dev: Dev, dev_database_url: str, words: bytes
) -> None:
    result = said(dev, words)
    assert result.code == 1
    assert "nothing to say" in result.err
    assert "--thread" not in result.err


def test_a_line_that_is_not_utf_8_is_named_and_the_ones_before_it_were_answered(
    dev: Dev, dev_database_url: str
) -> None:
    result = said(dev, b"hello\nadd caf\xe9\n")
    assert result.code == 1
    assert "line 2" in result.err
    assert contents(dev_database_url, thread_of(result), "user") == ["hello"]


def test_a_message_with_nul_bytes_is_answered_and_changes_no_task(
    dev: Dev, dev_database_url: str
) -> None:
    result = said(dev, b"add buy\x00bread\n")
    assert result.code == 0
    assert result.out
    assert contents(dev_database_url, thread_of(result), "user") == ["add buy\ufffdbread"]


def test_a_message_of_a_megabyte_is_stored_whole(dev: Dev, dev_database_url: str) -> None:
    words = "word " * 200_000
    result = said(dev, words)
    assert result.code == 0
    assert result.out
    assert contents(dev_database_url, thread_of(result), "user") == [words.strip()]


def test_escape_sequences_in_an_answer_do_not_reach_the_terminal(dev: Dev) -> None:
    result = said(dev, 'add "pay \x1b]0;owned\x07 rent"\nlist everything\n')
    assert "rent" in result.out
    assert "\x1b" not in result.out
    assert "\x07" not in result.out


class Terminal:
    """A person at a terminal, in which `task-agent chat` runs."""

    def __init__(self, dev: Dev, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [COMMAND, "chat", "--url", dev.url, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(TERM="xterm"),
            start_new_session=True,
            # Whoever runs the tests in the background may have them ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.seen = ""

    def reads(self) -> None:
        # EIO: the other end is closed.
        with suppress(BlockingIOError, OSError):
            self.seen += os.read(self._ours, 65536).decode(errors="replace")

    def sees(self, words: str) -> bool:
        self.reads()
        return words in self.seen

    def types(self, keys: bytes) -> None:
        """Press keys once the prompt is there, as people do."""
        wait_until(lambda: self.sees("> "), f"there is a prompt: {self.seen}")
        self.presses(keys)

    def presses(self, keys: bytes) -> None:
        """Press keys, whatever is there."""
        self.seen = ""
        os.write(self._ours, keys)

    def waits_for(self, words: str) -> None:
        wait_until(lambda: self.sees(words), f"the terminal shows {words!r}: {self.seen}")
        self.seen = self.seen[self.seen.index(words) :]

    def is_over(self) -> bool:
        self.reads()
        return self.process.poll() is not None

    def ends_with(self) -> int:
        """The exit code; reads on meanwhile, since nothing ends whose output has nowhere to go."""
        wait_until(self.is_over, "the conversation ends")
        self.reads()
        os.close(self._ours)
        assert "Traceback" not in self.seen
        return self.process.wait()


def test_in_a_terminal_it_asks_and_answers_until_ctrl_d(dev: Dev) -> None:
    terminal = Terminal(dev)
    terminal.types(b"hello\n")
    terminal.waits_for("offline model")
    terminal.types(b"\n")
    terminal.types(b"\x04")
    assert terminal.ends_with() == 0
    assert "--thread" in terminal.seen


def test_ctrl_c_at_the_prompt_leaves_cleanly(dev: Dev) -> None:
    terminal = Terminal(dev)
    terminal.waits_for("> ")
    # The terminal isn't its controlling one, so that the key itself would do nothing.
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ends_with() == 0


def test_in_a_terminal_a_failed_run_does_not_end_the_conversation(
    dev: Dev, dev_database_url: str
) -> None:
    terminal = Terminal(dev, "--model", "gpt-none")
    terminal.types(b"hello\n")
    terminal.waits_for("OPENAI_API_KEY")
    terminal.types(b"hello again\n")
    terminal.waits_for("OPENAI_API_KEY")
    terminal.types(b"\x04")
    assert terminal.ends_with() == 0
