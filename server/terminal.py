"""What people see: plain words where the output is read by a program, colours in a terminal."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

#: Characters of a tool call's arguments or result that a line shows.
SHORT = 120

#: The classes of marks that begin and end another direction of writing, whatever letters follow.
TURNING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))

#: Off a terminal nobody can widen the window, so a table may be this wide before it is cut.
PIPE_WIDTH = 200


def console(*, error: bool = False) -> Console:
    """A console on standard output or standard error, as they are now."""
    stream = sys.stderr if error else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else PIPE_WIDTH,
        highlight=False,
        # Words that people typed must not be taken for markup, nor `:smile:` for a picture.
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def show(table: Table) -> None:
    """Print a table; off a terminal without the blanks that fill its lines."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    lines = (line.rstrip() for line in captured.get().splitlines())
    out.print("\n".join(lines))


def printable(text: str) -> str:
    """`text` without what a terminal would obey: escape sequences can rewrite what one sees, and
    marks that turn the direction of writing can have it read as something else."""
    return "".join(
        "\ufffd" if character not in "\n\t" and _is_obeyed(character) else character
        for character in text
    )


def json_to_edit(value: Any) -> str:
    """A value in JSON, in which what a terminal would obey is written as an escape."""
    return "".join(
        f"\\u{ord(character):04x}" if _is_obeyed(character) else character
        for character in json.dumps(value, ensure_ascii=False)
    )


def _is_obeyed(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or unicodedata.bidirectional(character) in TURNING
    )


def short(value: Any) -> str:
    """A value as one line that isn't too long."""
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(printable(words).split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def call_line(tool: str | None, arguments: Any) -> str:
    """A tool call as one line: `add_task(title="Buy milk")`."""
    if isinstance(arguments, Mapping):
        arguments = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items()
        )
    return f"{tool or '?'}({short(arguments or '')})"


def this_command() -> str:
    """What to type for the command that runs: its name if the shell finds it, else its path."""
    return "task-agent" if shutil.which("task-agent") else sys.argv[0]
