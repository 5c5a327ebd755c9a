"""How a command ends that can't do what it was asked: with a clear line, not a traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import StorageError
from .terminal import console, printable


class Commands(TyperGroup):
    """Commands that print why they failed, and end with exit code 1.

    The program's callback has a parameter `debug`, with which the traceback is shown.
    """

    #: What goes wrong without being a mistake in the program.
    expected: tuple[type[Exception], ...] = (StorageError, OSError)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # Whoever read the output has had enough, as `head` does.
        except self.expected as error:
            if ctx.params["debug"]:
                raise
            words = printable(self.explained(error))
            console(error=True).print(f"Error: {words}", style="red")
            raise typer.Exit(1) from error

    def explained(self, error: Exception) -> str:
        """An error's words."""
        return str(error)
