"""The command `task-agent`. What it does is done elsewhere; here it is put into words."""

# Each command imports what it needs by itself: LangChain, Alembic and SQLModel take seconds, and
# neither `--help` nor a conversation should wait for what it doesn't use.
import asyncio
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from dotenv import load_dotenv
from pydantic import ValidationError

from replay.errors import InvalidRecordingError, ReplayError
from server.address import DEFAULT_PORT, DEFAULT_URL, Address
from server.commands.forget import delete
from server.commands.mcp import mcp
from server.commands.token import token
from server.errors import ChatError, LaunchError
from server.failures import Commands, first_problem
from server.maintenance.place import CONFIGURED
from server.terminal import console, printable, show, this_command
from storage.commands.terminal import print_anything
from storage.commands.tree import adopt, eject, redact, repair, verify
from storage.errors import StorageError

PROJECT = Path(__file__).resolve().parent

#: Names another file than `.env` in the checkout; empty for none.
ENV_FILE = "TASK_AGENT_ENV_FILE"


class TaskAgent(Commands):
    """`task-agent`, which also knows what may go wrong in a replay."""

    expected = (*Commands.expected, ReplayError)


app = typer.Typer(
    cls=TaskAgent,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
replay = typer.Typer(no_args_is_help=True, help="Make tests of conversations, and run them.")
app.add_typer(replay, name="replay")
app.add_typer(delete, name="delete")
app.add_typer(token, name="token")


def _print_version(wanted: bool) -> None:
    if wanted:
        console().print(f"task-agent {version('langgraph-task-agent')}")
        raise typer.Exit


@app.callback()
def task_agent(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A LangGraph agent that looks after your tasks, with every message stored as a row."""
    name = os.environ.get(ENV_FILE)
    if name is None:
        load_dotenv(PROJECT / ".env")
    elif name:
        if not Path(name).is_file():
            raise LaunchError(f"{ENV_FILE} names {name!r}, but there is no such file.")
        load_dotenv(name)
    ctx.obj = CONFIGURED


@app.command()
def dev(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="The IPv4 address to listen on.")] = "127.0.0.1",
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when a file of the checkout changes.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--n-jobs-per-worker", min=1, help="Runs worked on at the same time.")
    ] = 10,
    state: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where the server keeps its list of threads; by default the checkout.",
        ),
    ] = None,
) -> None:
    """Prepare the database and serve the agent, until Ctrl-C."""
    from graph.model import ConfiguredModels
    from graph.settings import AgentSettings
    from migrations.run import migrate
    from server.launch import Launch, serve
    from server.settings import ServerSettings
    from server.views import database_in_words, psql_command
    from storage.database import database_uri
    from tools.client.config import configured_servers

    # Whatever is wrong is said before anything is started or changed.
    model = ConfiguredModels(AgentSettings()).resolve(None)
    ServerSettings()
    configured_servers()
    address = Address(host, port)
    launch = Launch(address, state=state or PROJECT, reload=reload, jobs=jobs)
    launch.check()
    with database_uri() as uri:
        migrate(uri)
        out = console()
        out.print(f"Task agent {version('langgraph-task-agent')}", style="bold")
        for name, value in (
            ("API", address.url),
            ("Docs", address.docs),
            ("Studio", address.studio),
            ("Model", model),
            ("Database", database_in_words(uri)),
            ("psql", psql_command(uri)),
        ):
            out.print(f"  {name:<9} {value}")
        if not address.is_local:
            out.print(
                f"  {address.host} can be reached from other machines, and nobody has to say who "
                "they are: everybody there sees and changes the same tasks.",
                style="yellow",
            )
        at = "" if address.url == DEFAULT_URL else f" --url {address.url}"
        ready = f"Ready. Talk to it with: {this_command()} chat{at}   Ctrl-C stops it."
        code = serve(launch, lambda: out.print(ready, style="green"))
    raise typer.Exit(code)


@app.command()
def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: an object a line.")
    ] = False,
) -> None:
    """Check everything that the agent needs, and say what to do about what doesn't work.

    The settings, the database and its tables, the model, the tools, and each other MCP server,
    which is started or connected to for this.
    """
    from server.maintenance.doctor import examine

    examine(as_json=as_json)


@app.command()
def migrate() -> None:
    """Create or upgrade the tables in the database."""
    from migrations.run import migrate
    from server.views import database_in_words
    from storage.database import database_uri

    with database_uri() as uri:
        migrate(uri)
        console().print(f"Up to date: {database_in_words(uri)}")


@app.command()
def verify_schema() -> None:
    """Compare the tables in the database with those that this code needs."""
    from migrations.run import verify_schema
    from server.views import database_in_words, schema_table
    from storage.database import database_uri

    with database_uri() as uri:
        report = verify_schema(uri)
        where = database_in_words(uri)
    show(schema_table(report))
    if report.ok:
        console().print(f"{len(report.rows)} parts, all as expected: {where}", style="green")
        return
    raise StorageError(
        f"{len(report.differences)} of {len(report.rows)} parts are not as expected: {where}. "
        "`task-agent migrate` adds what is missing; what differs has to be changed by hand."
    )


@app.command()
def chat(
    thread: Annotated[
        str | None, typer.Option(help="The thread to go on with; else a new one begins.")
    ] = None,
    url: Annotated[str, typer.Option(help="Where the server is.")] = DEFAULT_URL,
    model: Annotated[
        str | None, typer.Option(help="The model to ask, or `offline`; else the server's own.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="The zone of “tomorrow at 9”, such as Europe/Vienna.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="How you write dates, such as de-AT.")] = None,
    approval: Annotated[
        Literal["off", "deletes", "writes"] | None,
        typer.Option(help="What needs your approval; else as the server says."),
    ] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve whatever needs approval, unasked.")
    ] = False,
) -> None:
    """Talk to the agent, in a terminal or through a pipe: each line is a message."""
    from graph.locales import known_locale
    from graph.zones import known_zone
    from server.chat import open_chat
    from server.talk import Talk

    if time_zone:
        try:
            known_zone(time_zone)
        except ValueError as error:
            raise ChatError(f"--time-zone: {error}.") from error
    if locale:
        try:
            known_locale(locale)
        except ValueError as error:
            raise ChatError(f"--locale: {error}.") from error
    choices = {"model": model, "time_zone": time_zone, "locale": locale, "approval": approval}
    context = {name: choice for name, choice in choices.items() if choice is not None}
    with open_chat(url, thread, context) as opened:
        talk = Talk(opened, approve=approve)
        code = talk.converse() if sys.stdin.isatty() else talk.read(sys.stdin.buffer)
    raise typer.Exit(code)


@app.command()
def conversations(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    user: Annotated[str | None, typer.Option(help="Only those of this user.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Those that follow on a page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the conversations in the database, the one changed last first.

    Rows counts a conversation's messages on all its branches, those that were left too.
    """
    from server.maintenance.reading import conversations

    conversations(limit=limit, user=user, after=after, as_json=as_json)


@app.command()
def messages(
    conversation: Annotated[
        str, typer.Argument(metavar="THREAD", help="The id of a thread, or of its conversation.")
    ],
    whole_tree: Annotated[
        bool, typer.Option("--all", help="With the branches that were left.")
    ] = False,
    last: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only so many, the last.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Those that come before a page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show a conversation's messages as they are stored."""
    from server.maintenance.reading import messages

    if whole_tree and (last or before):
        raise typer.BadParameter("a page is of one branch: leave out --all, or --last and --before")
    messages(conversation, whole_tree=whole_tree, last=last, before=before, as_json=as_json)


@app.command()
def search(
    words: Annotated[
        list[str],
        typer.Argument(
            help='All of which a message has to hold; `"in quotes"` in this order, `or` for one'
            " of two, `-word` for one that must not occur. The last may be a beginning."
        ),
    ],
    user: Annotated[str, typer.Option(help="In whose conversations.")] = "local",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Those that follow on a page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Search in what a user and the agent said, the newest first."""
    from server.maintenance.reading import search

    search(" ".join(words), user=user, limit=limit, before=before, as_json=as_json)


# After those above, which is where `--help` has them.
for command in (verify, repair, adopt, eject, redact, mcp):
    app.command()(command)


@replay.command()
def export(
    thread: Annotated[str, typer.Argument(help="The id of a thread.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="The file to write; else it is shown."),
    ] = None,
) -> None:
    """Write a conversation down with everything that it takes to run it again."""
    from replay.commands import export
    from storage.database import open_database

    async def recording() -> str:
        async with open_database() as database:
            return await export(database, thread)

    text = asyncio.run(recording())
    if output is None:
        typer.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ReplayError(
                f"cannot write to {output}: {error.strerror}. Name with --output a file in a "
                "directory that exists and that you may write to."
            ) from error
        console().print(f"Written to {output}. Run it with: task-agent replay run {output}")


@replay.command()
def run(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What was exported.")],
) -> None:
    """Run a conversation again on a database of its own, and tell what came out differently."""
    from replay.commands import run
    from storage.database import database_uri

    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        with database_uri() as uri:
            differences = asyncio.run(run(text, uri))
    except InvalidRecordingError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise InvalidRecordingError(f"{file}: {error}") from error
        raise InvalidRecordingError(
            f"{file} is not a recording that `task-agent replay export` wrote: "
            f"{first_problem(error.__cause__)}. Export the thread again."
        ) from error
    for difference in differences:
        console().print(printable(str(difference)))
    if differences:
        raise ReplayError(f"{file} came out differently in {len(differences)} places.")
    console().print(f"{file} came out the same, message for message and row for row.")


def main() -> None:
    """Run the command; the entry point of the project's script."""
    print_anything()
    app(prog_name="task-agent")


if __name__ == "__main__":
    main()
