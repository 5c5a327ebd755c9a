"""`task-agent mcp`: the task server by itself, for any MCP client."""

import asyncio
import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ..errors import LaunchError
from ..terminal import console, this_command

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 2030


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve many users over streamable HTTP.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(help=f"The address to listen on; {DEFAULT_HOST} if not given.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help=f"{DEFAULT_PORT} if not given; 0 takes one that is free."
        ),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines can reach it.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A name that clients call the server by; may be given again."
        ),
    ] = None,
) -> None:
    """Serve the task tools to an MCP client: over stdio, or with --http.

    Over stdio a client starts it, and has the tasks of TASK_AGENT_USER. Over HTTP each client shows
    a token that `task-agent token create` made. The database is prepared first.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    if http:
        _serve_http(
            host or DEFAULT_HOST,
            DEFAULT_PORT if port is None else port,
            allow_remote,
            allow_host or [],
        )
        return
    given = {"--host": host, "--port": port, "--allow-remote": allow_remote or None}
    for option, value in (given | {"--allow-host": allow_host or None}).items():
        if value is not None:
            raise typer.BadParameter(f"{option} is for HTTP: say --http, too")
    _serve_stdio()


def _serve_stdio() -> None:
    from tools.standalone.settings import StandaloneSettings
    from tools.standalone.stdio import serve, take_standard_output

    output = take_standard_output()
    from migrations.run import migrate
    from storage.database import database_uri

    if sys.stdin.isatty():
        console(error=True).print(
            "Waiting for an MCP client on standard input, which would start this by itself. "
            "For --http and all else: task-agent mcp --help. Ctrl-C stops it."
        )
    settings = StandaloneSettings()
    with database_uri() as uri:
        migrate(uri)
        serve(uri, settings, output)


def _serve_http(host: str, port: int, allow_remote: bool, allowed: list[str]) -> None:
    from migrations.run import migrate
    from storage.database import database_uri
    from tools.standalone.http import PATH, serve
    from tools.standalone.settings import StandaloneSettings

    from ..listening import is_loopback, listen
    from ..views import database_in_words

    settings = StandaloneSettings()
    with listen(host, port, remote=allow_remote) as listening, database_uri() as uri:
        address, port = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        if is_loopback(address):
            allowed = ["127.0.0.1", "localhost", "[::1]", *allowed]
        elif address in ("0.0.0.0", "::"):  # noqa: S104 - compared
            if not allowed:
                raise LaunchError(
                    f"{host} is no name to call a server by. Say with --allow-host by which name "
                    "clients reach this machine; it may be given more than once."
                )
            shown = allowed[0]
        else:
            allowed = [shown, host, *allowed]
        migrate(uri)
        out = console()
        out.print(f"Task server {version('langgraph-task-agent')}", style="bold")
        out.print(f"  URL       http://{shown}:{port}{PATH}")
        out.print(f"  Database  {database_in_words(uri)}")
        if not is_loopback(address):
            out.print(
                "  Other machines can reach it, and what they send is not encrypted: tokens too.",
                style="yellow",
            )
        out.print(
            f"Ready. Make a token with: {this_command()} token create USER   Ctrl-C stops it.",
            style="green",
        )
        asyncio.run(serve(uri, settings, listening, allowed))
