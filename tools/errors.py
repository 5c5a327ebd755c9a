"""What `tools` raises. Each message is read by a model: what was wrong, and what to do next."""

from collections.abc import Sequence
from typing import Any


class TaskError(Exception):
    """A request that can't be carried out as it was put; nothing was changed."""


class InvalidValueError(TaskError):
    """A title, a note, a time zone or another value that can't be stored or used."""


class DueNotUnderstoodError(TaskError):
    """A due time in words or figures that can't be read, or that can be read in two ways."""


class RecurrenceNotUnderstoodError(TaskError):
    """A recurrence in words or as a rule that can't be read, never comes or comes too often."""


class TaskNotFoundError(TaskError):
    """No task of the user is what was referred to."""


class AmbiguousTaskError(TaskError):
    """Several tasks of the user are what was referred to.

    `candidates` are those tasks, the first few of `count`.
    """

    def __init__(self, message: str, candidates: Sequence[Any] = (), count: int = 0) -> None:
        super().__init__(message)
        self.candidates = candidates
        self.count = count


class ListNotFoundError(TaskError):
    """No list of the user is what was referred to, or several are."""


class NotExecutedError(TaskError):
    """A call that was only asked after was not carried out, and won't be under its key."""

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"Not executed: {tool} was interrupted before it was carried out, and nothing was "
            "changed. If it is still wanted, call it again."
        )


class OutcomeUnknownError(Exception):
    """The database's answer to a commit didn't come: the change may be stored or not."""


class TaskToolsError(Exception):
    """The session with the task server was lost, and so was the one opened in its place."""


class ServerUnreachableError(Exception):
    """No session with an MCP server could be opened; the message says why."""


class McpConfigError(Exception):
    """A file that names MCP servers can't be used; the message names file, server and key."""
