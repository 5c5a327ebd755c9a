"""`verify`, `repair`, `adopt`, `eject` and `redact`, as they are called."""

from typing import Annotated

import typer

from .named import function
from .place import place_of


def verify(
    ctx: typer.Context,
    thread: Annotated[
        str | None, typer.Argument(help="The id of a thread; else all are looked at.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: an object a line.")
    ] = False,
) -> None:
    """Compare checkpoints with messages, and say what differs and what to do.

    It only reads, and the app may run meanwhile. A note is nothing wrong.
    """
    from .verifying import verify_threads

    verify_threads(place_of(ctx), thread, as_json=as_json)


def repair(
    ctx: typer.Context,
    thread: Annotated[
        str | None, typer.Argument(help="The id of a thread; else all are mended.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be mended, and change nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: an object a line.")
    ] = False,
) -> None:
    """Mend what `verify` finds, as far as it follows from what is there.

    Each thread is one transaction, which its runs wait for; the app may run meanwhile.
    """
    from .verifying import repair_threads

    repair_threads(place_of(ctx), thread, dry_run=dry_run, as_json=as_json)


def adopt(
    ctx: typer.Context,
    thread: Annotated[str | None, typer.Option(help="Only this one; else all.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose the threads are that nothing else tells it of.")
    ] = None,
    users_from_checkpoints: Annotated[
        bool,
        typer.Option(
            "--users-from-checkpoints",
            help="Believe the user that a thread's checkpoints name (langgraph_auth_user_id). "
            "With LangGraph's plain saver a client can write that name, too.",
        ),
    ] = False,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="Ask a function of yours instead: it is given the thread's id and the user that "
            "its checkpoints name, or None, and returns the user's name.",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Threads to look up at a time.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and change nothing.")] = False,
) -> None:
    """Take threads that LangGraph's plain Postgres saver wrote into the tree.

    The app may run meanwhile, once its checkpointer is the tree's: that reads both forms. The plain
    saver can't read a thread that has been adopted. It can be stopped and run again at any time.
    """
    from .adopting import adopt, owner_by, owner_from

    if owner is None:
        whose = owner_from(user, users_from_checkpoints)
    elif user is None and not users_from_checkpoints:
        whose = owner_by(function(owner, "--owner"), owner)
    else:
        raise typer.BadParameter(
            "it says whose each thread is: leave out --user and --users-from-checkpoints.",
            param_hint="--owner",
        )
    adopt(place_of(ctx), whose, thread=thread, batch=batch, dry_run=dry_run)


def eject(
    ctx: typer.Context,
    thread: Annotated[str | None, typer.Option(help="Only this one; else all.")] = None,
    keep_rows: Annotated[
        bool,
        typer.Option(
            "--keep-rows",
            help="Leave conversations and messages where they are; nothing keeps them in step.",
        ),
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Threads to look up at a time.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Write checkpoints that LangGraph's plain Postgres saver reads, and delete the rows.

    Stop the app first: a run that goes on meanwhile would bring its thread back into the tree. It
    can be stopped and run again at any time, and `adopt` is the way back.
    """
    from .adopting import eject

    if not (yes or dry_run or keep_rows):
        typer.confirm(
            "This deletes conversations and messages from their tables, also messages that no "
            "checkpoint leads to any more. Go on?",
            abort=True,
            err=True,
        )
    eject(place_of(ctx), thread=thread, keep_rows=keep_rows, batch=batch, dry_run=dry_run)


def redact(
    ctx: typer.Context,
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE_ID", help="The id of a row, or of the LangChain message in it."
        ),
    ],
    thread: Annotated[
        str | None, typer.Option(help="The thread it is in, if its id is found in several.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask first.")] = False,
) -> None:
    """Blank a message's content everywhere: in rows, checkpoints and pending writes.

    Its text, the arguments of its calls and its result go: on all branches, in all its versions,
    and in copies of the thread. Its place in the conversation stays. Other messages that quote it
    are left alone, and so are other tables, such as tasks. Backups and the database's write-ahead
    log keep what was.
    """
    from .redacting import redact

    redact(place_of(ctx), message, thread=thread, dry_run=dry_run, yes=yes)
