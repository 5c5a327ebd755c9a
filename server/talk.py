"""A conversation in a terminal, or through a pipe."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from rich.style import Style
from rich.text import Text

from .address import DEFAULT_URL
from .chat import Chat, ToolUse, Words
from .errors import ChatError
from .terminal import call_line, console, printable, short, this_command


class Talk:
    """Carries a conversation from standard input to the server and back."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._out = console()
        self._errors = console(error=True)

    def converse(self) -> int:
        """Ask for a message at a time until the person leaves; return the exit code.

        A run that fails ends nothing here: the person reads why and may try again.
        """
        self._out.print("Ctrl-D leaves.", style="dim")
        with suppress(KeyboardInterrupt):
            for message in _asked():
                try:
                    self._answer(message)
                except ChatError as error:
                    self._errors.print(f"Error: {printable(str(error))}", style="red")
        self._out.print()
        self._farewell()
        return 0

    def read(self, lines: Iterable[bytes]) -> int:
        """Send each line that isn't blank, and return the exit code; the first failure ends it.

        Raises:
            ChatError: a line could not be read or answered; the lines after it were not sent.
        """
        said = False
        try:
            for number, line in enumerate(lines, 1):
                try:
                    message = line.decode("utf-8-sig").strip()
                except UnicodeDecodeError as error:
                    raise ChatError(f"line {number} of the input is not UTF-8: {error}.") from error
                if message:
                    said = True
                    self._answer(message)
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

    def _answer(self, message: str) -> None:
        speaking: str | None = None
        try:
            for part in self._chat.turn(message):
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
        finally:
            if speaking is not None:
                self._out.print()

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
