"""A conversation in a terminal, or through a pipe."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from rich.style import Style
from rich.text import Text

from .address import DEFAULT_URL
from .chat import Chat
from .deciding import Decide, approve_all, ask_person, reject_all
from .errors import ChatError
from .parts import Part, Question, ToolUse, Words
from .terminal import call_line, console, printable, short, this_command

T = TypeVar("T")

#: Questions in one turn of a pipe; a model that goes on asking for what nobody approves must end.
QUESTIONS_MAX = 20


class Talk:
    """Carries a conversation from standard input to the server and back.

    Args:
        chat: the conversation.
        approve: whether tools may do what they ask approval for, without anybody being asked.
    """

    def __init__(self, chat: Chat, *, approve: bool = False) -> None:
        self._chat = chat
        self._approve = approve
        self._out = console()
        self._errors = console(error=True)

    def converse(self) -> int:
        """Ask for a message at a time until the person leaves; return the exit code.

        A run that fails ends nothing here: the person reads why and may try again.
        """
        self._out.print("Ctrl-D leaves.", style="dim")
        decide = approve_all if self._approve else ask_person
        # Ctrl-D at a question leaves it to be answered another time.
        with suppress(KeyboardInterrupt, EOFError):
            self._try(self._settle, decide, self._chat.waiting())
            for message in _asked():
                self._try(self._answer, decide, message)
        self._out.print()
        self._farewell()
        return 0

    def read(self, lines: Iterable[bytes]) -> int:
        """Send each line that isn't blank, and return the exit code; the first failure ends it.

        Raises:
            ChatError: a line could not be read or answered; the lines after it were not sent.
        """
        said = False
        decide = approve_all if self._approve else reject_all
        try:
            if (question := self._chat.waiting()) is not None:
                said = self._settle_beforehand(question)
            for number, line in enumerate(lines, 1):
                try:
                    message = line.decode("utf-8-sig").strip()
                except UnicodeDecodeError as error:
                    raise ChatError(f"line {number} of the input is not UTF-8: {error}.") from error
                if message:
                    said = True
                    self._answer(decide, message)
        except KeyboardInterrupt:
            return 130
        finally:
            self._farewell()
        if not said:
            raise ChatError(
                "there was nothing to say: standard input held no words. "
                'Write it as: echo "add buy milk" | task-agent chat'
            )
        return 0

    def _try(self, act: Callable[[Decide, T], None], decide: Decide, given: T) -> None:
        try:
            act(decide, given)
        except ChatError as error:
            self._errors.print(f"Error: {printable(str(error))}", style="red")

    def _answer(self, decide: Decide, message: str) -> None:
        self._settle(decide, self._show(self._chat.turn(message)))

    def _settle(self, decide: Decide, question: Question | None) -> None:
        """Decide until nothing is asked any more."""
        asked = 0
        while question is not None:
            asked += 1
            if decide is not ask_person and asked > QUESTIONS_MAX:
                raise ChatError(
                    f"the agent asked for approval {asked} times in one turn. Its last question "
                    "waits: answer it in a terminal."
                )
            question = self._show(self._chat.decide(question, decide(question)))

    def _settle_beforehand(self, question: Question) -> bool:
        """Decide what the thread was left with, if that is possible; say whether it was."""
        if self._approve:
            self._settle(approve_all, question)
            return True
        names = ", ".join(action.tool for action in question.actions)
        self._errors.print(
            f"{printable(names)} waits for approval since before, and is not done: the next "
            "message takes its place. With --approve it is carried out.",
            style="yellow",
        )
        return False

    def _show(self, parts: Iterable[Part]) -> Question | None:
        """Print what comes; the question that it ends with, if it does."""
        speaking: str | None = None
        question: Question | None = None
        try:
            for part in parts:
                match part:
                    case Words():
                        if speaking not in (None, part.message_id):
                            self._out.print()
                        speaking = part.message_id
                        self._out.print(printable(part.text), end="")
                    case ToolUse():
                        if speaking is not None:
                            self._out.print()
                        speaking = None
                        self._tell(part)
                    case Question():
                        question = part
        finally:
            if speaking is not None:
                self._out.print()
        return question

    def _tell(self, use: ToolUse) -> None:
        line = Text(f"  {call_line(use.tool, use.arguments)}", style="dim")
        if use.failed:
            line.append(f" failed: {short(use.result)}", Style(color="yellow", dim=False))
        self._out.print(line)

    def _farewell(self) -> None:
        if (thread_id := self._chat.thread_id) is not None:
            at = "" if self._chat.url == DEFAULT_URL else f" --url {self._chat.url}"
            self._errors.print(
                f"Go on with: {this_command()} chat --thread {thread_id}{at}", style="dim"
            )


def _asked() -> Iterator[str]:
    # Makes the arrow keys work at the prompt. Not every Python has it.
    with suppress(ImportError):
        import readline  # noqa: F401 - it acts by being imported
    while True:
        try:
            message = input("> ").strip()
        except EOFError:
            return
        if message:
            yield message
