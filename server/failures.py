"""How a command ends that can't do what it was asked: with a clear line, not a traceback."""

from pydantic import ValidationError

from graph.errors import ModelNotConfiguredError
from storage.commands import failures
from tools.errors import McpConfigError

from .errors import ChatError, LaunchError, NotInOrderError


class Commands(failures.Commands):
    """The commands of the agent, in which more may go wrong than in the storage."""

    expected = (
        *failures.Commands.expected,
        ModelNotConfiguredError,
        LaunchError,
        ChatError,
        McpConfigError,
        NotInOrderError,
        ValidationError,
    )

    def explained(self, error: Exception) -> str:
        """An error's words; for settings, which variable is wrong and why."""
        return explained(error)


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
