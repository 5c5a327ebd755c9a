"""`task-agent verify`, `repair`, `adopt` and `eject`: rows and checkpoints, looked after."""

from typing import Annotated

import typer


def verify(
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
    from ..maintenance.verify import verify_threads

    verify_threads(thread, as_json=as_json)


def repair(
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
    from ..maintenance.verify import repair_threads

    repair_threads(thread, dry_run=dry_run, as_json=as_json)


def adopt(
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
    batch: Annotated[int, typer.Option(min=1, help="Threads to look up at a time.")] = 100,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and change nothing.")] = False,
) -> None:
    """Take threads that LangGraph's plain Postgres saver wrote into the tree.

    The app may run meanwhile, once its checkpointer is the tree's: that reads both forms. The plain
    saver can't read a thread that has been adopted. It can be stopped and run again at any time.
    """
    from ..maintenance.adopt import adopt

    adopt(thread=thread, user=user, believe=users_from_checkpoints, batch=batch, dry_run=dry_run)


def eject(
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
    from ..maintenance.adopt import eject

    if not (yes or dry_run or keep_rows):
        typer.confirm(
            "This deletes conversations and messages from their tables, also messages that no "
            "checkpoint leads to any more. Go on?",
            abort=True,
            err=True,
        )
    eject(thread=thread, keep_rows=keep_rows, batch=batch, dry_run=dry_run)
