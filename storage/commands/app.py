"""The command `langgraph-transcript`: the tree looked after where the storage is by itself."""

from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from ..advice import WHEEL
from ..urls import URL_VARIABLES, url_from_environment
from .failures import Commands
from .named import named
from .place import Place
from .terminal import console, print_anything
from .tree import adopt, eject, redact, repair, verify

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..connections import Pool

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console().print(f"{WHEEL.command} {version(WHEEL.command)}")
        raise typer.Exit


@app.callback()
def langgraph_transcript(
    ctx: typer.Context,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"The database; else {' or '.join(URL_VARIABLES)} of the environment names it.",
        ),
    ] = None,
    serde: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="The serialiser of the app's checkpointer, where it has one of its own.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Look after the threads that a langgraph-transcript checkpointer stores."""

    def open_pool() -> "AbstractAsyncContextManager[Pool]":
        from ..opening import open_pool

        return open_pool(url_from_environment() if database is None else database)

    ctx.obj = Place(open_pool, None if serde is None else _serializer(serde))


def _serializer(reference: str) -> "SerializerProtocol":
    found: SerializerProtocol = named(reference, "--serde")
    if isinstance(found, type) or not hasattr(found, "loads_typed"):
        raise typer.BadParameter(
            f"{reference!r} is no serialiser, but a {type(found).__name__}. Name the object that "
            "the app's checkpointer is given as `serde`.",
            param_hint="--serde",
        )
    return found


for command in (verify, repair, adopt, eject, redact):
    app.command()(command)


def run() -> None:
    """Run the command that the arguments of the process are."""
    print_anything()
    app(prog_name=WHEEL.command)
