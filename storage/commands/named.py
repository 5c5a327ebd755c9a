"""What an option names as `module:name`: a function or an object of the user's own."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer


def named(reference: str, option: str) -> Any:
    """What `reference` names; modules of the current directory are found, too.

    Args:
        option: the one that holds it, for the error.

    Raises:
        typer.BadParameter: it is not of that form, or there is nothing of that name.
    """
    module, _, path = reference.partition(":")
    if not module or not path:
        raise typer.BadParameter(
            f"{reference!r} is not of the form module:name, such as my_app.users:owner_of.",
            param_hint=option,
        )
    # A script of an environment's doesn't look there, as `python -m` does.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
    except (Exception, SystemExit) as error:
        # Whatever a module does as it is imported may fail; and a script may end the process, as if
        # all had been done.
        raise typer.BadParameter(
            f"{module!r} can't be imported: {type(error).__name__}: {error}. Run the command in "
            "the directory of the app, or name that in PYTHONPATH.",
            param_hint=option,
        ) from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise typer.BadParameter(f"{module!r} has no {path!r}.", param_hint=option)
        found = getattr(found, name)
    return found


def function(reference: str, option: str) -> Callable[..., Any]:
    """The function that `reference` names.

    Raises:
        typer.BadParameter: there is none.
    """
    found: Callable[..., Any] = named(reference, option)
    if not callable(found):
        raise typer.BadParameter(
            f"{reference!r} is no function, but a {type(found).__name__}.", param_hint=option
        )
    return found
