"""How a command ends that can't do what it was asked: with a clear line, not a traceback."""

from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from graph.errors import ModelNotConfiguredError
from storage.errors import StorageError
from tools.errors import McpConfigError

from .errors import ChatError, LaunchError, NotInOrderError
from .terminal import console, printable


class Commands(TyperGroup):
    """Commands that print why they failed, and end with exit code 1."""

    #: What goes wrong without being a mistake in the program.
    expected: tuple[type[Exception], ...] = (
        StorageError,
        ModelNotConfiguredError,
        LaunchError,
        ChatError,
        McpConfigError,
        NotInOrderError,
        ValidationError,
        OSError,
    )

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # Whoever read the output has had enough, as `head` does.
        except self.expected as error:
            if ctx.params["debug"]:
                raise
            console(error=True).print(f"Error: {printable(explained(error))}", style="red")
            raise typer.Exit(1) from error


def first_problem(error: ValidationError) -> str:
    """What is wrong first in a value that was read, and how much else is, in a line."""
    problem, *others = error.errors(include_url=False, include_context=False)
    where = ".".join(str(part) for part in problem["loc"])
    words = ": ".join(filter(None, (where, problem["msg"].removeprefix("Value error, "))))
    return f"{words}, and {len(others)} more" if others else words


def explained(error: Exception) -> str:
    """An error's words; for settings, which variable is wrong and why."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        words = problem["msg"].removeprefix("Value error, ")
        # Of our own variables it is known that none holds a secret.
        value = f" is {problem['input']!r}" if name.startswith("TASK_AGENT_") else ""
        problems.append(words if words.startswith(name) else f"{name}{value}: {words}")
    return "\n".join(f"{problem}." for problem in problems)
