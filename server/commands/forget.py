"""`task-agent delete`: what is to be forgotten whole."""

from typing import Annotated

import typer

delete = typer.Typer(no_args_is_help=True, help="Delete a conversation or a user whole.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask first.")]


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
