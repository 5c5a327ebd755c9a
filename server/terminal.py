"""What people see of conversations: values, calls and commands, as a line each."""

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from storage.commands.terminal import console, is_obeyed, printable, show

#: Characters of a tool call's arguments or result that a line shows.
SHORT = 120


def json_to_edit(value: Any) -> str:
    """A value in JSON, in which what a terminal would obey is written as an escape."""
    return "".join(
        f"\\u{ord(character):04x}" if is_obeyed(character) else character
        for character in json.dumps(value, ensure_ascii=False)
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


__all__ = [
    "call_line",
    "console",
    "json_to_edit",
    "printable",
    "short",
    "show",
    "this_command",
]
