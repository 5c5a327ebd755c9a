"""`task-agent redact` and `task-agent delete`: what is to be forgotten."""

from typing import Annotated

import typer

delete = typer.Typer(no_args_is_help=True, help="Delete a conversation or a user whole.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask first.")]


def redact(
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE_ID", help="The id of a row, or of the LangChain message in it."
        ),
    ],
    thread: Annotated[
        str | None, typer.Option(help="The thread it is in, if its id is found in several.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Blank a message's content everywhere: in rows, checkpoints and pending writes.

    Its text, the arguments of its calls and its result go: on all branches, in all its versions,
    and in copies of the thread. Its place in the conversation stays. Other messages that quote it
    are left alone, and so are tasks. Backups and the database's write-ahead log keep what was.
    """
    from ..maintenance.forget import redact

    redact(message, thread=thread, dry_run=dry_run, yes=yes)


@delete.command("conversation")
def delete_conversation(
    conversation: Annotated[
        str, typer.Argument(metavar="THREAD", help="The id of a thread, or of its conversation.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a conversation: its rows and its checkpoints, all or nothing.

    While a server runs, delete the thread there: its list of threads is its own.
    """
    from ..maintenance.forget import delete_conversation

    delete_conversation(conversation, dry_run=dry_run, yes=yes)


@delete.command("user")
def delete_user(
    subject: Annotated[
        str, typer.Argument(metavar="USER", help="The name, as `conversations` shows it.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a user with all conversations, checkpoints and tasks, all or nothing.

    A run of theirs that is under way fails at its next step. Backups keep what was.
    """
    from ..maintenance.forget import delete_user

    delete_user(subject, dry_run=dry_run, yes=yes)
