"""`task-agent delete`: what will go is told first, then what went."""

from collections.abc import Awaitable, Callable
from typing import Any

import typer
from psycopg import AsyncConnection

from storage.commands.running import ONE_TRANSACTION, run
from storage.commands.terminal import show_counts
from storage.connections import Pool
from storage.forgetting import Deletion
from storage.forgetting import delete_conversation as delete_conversation_from
from storage.forgetting import delete_user as delete_user_from

from ..terminal import console, printable
from .place import CONFIGURED


def delete_conversation(name: str, *, dry_run: bool, yes: bool) -> None:
    """Delete a conversation whole, after asking."""

    async def work(connection: AsyncConnection[Any], dry: bool) -> Deletion:
        return await delete_conversation_from(connection, name, dry_run=dry)

    _delete(f"conversation {name}", work, dry_run=dry_run, yes=yes)
    if not dry_run:
        console().print(
            "A server that runs still has the thread on its list, until it is deleted there as "
            "well, or forgotten at a restart."
        )


def delete_user(subject: str, *, dry_run: bool, yes: bool) -> None:
    """Delete a user whole, after asking."""

    async def work(connection: AsyncConnection[Any], dry: bool) -> Deletion:
        return await delete_user_from(connection, subject, dry_run=dry)

    _delete(f"user {subject}", work, dry_run=dry_run, yes=yes)
    if not dry_run:
        console().print(
            "A server that runs still has their threads on its list, until they are deleted there "
            "as well, or forgotten at a restart."
        )


def _delete(
    what: str,
    work: Callable[[AsyncConnection[Any], bool], Awaitable[Deletion]],
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    def deleted(dry: bool) -> Deletion:
        async def on_connection(pool: Pool) -> Deletion:
            async with pool.connection() as connection:
                return await work(connection, dry)

        return run(CONFIGURED, on_connection, failed=ONE_TRANSACTION)

    if dry_run or not yes:
        show_counts(deleted(dry=True).rows, "Rows")
        if dry_run:
            console().print(printable(f"Nothing was deleted of {what}."))
            return
        typer.confirm(f"Delete {printable(what)} for good?", abort=True, err=True)
    done = deleted(dry=False)
    show_counts(done.rows, "Rows")
    console().print(printable(f"Deleted {what}, {len(done.threads)} threads."), style="green")
