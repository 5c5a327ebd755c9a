"""`task-agent redact` and `task-agent delete`: what will go is told first, then what went."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import psycopg
import typer
from psycopg import AsyncConnection
from rich.table import Table

from storage.connections import Pool
from storage.conversations import TablesMissingError
from storage.database import open_database
from storage.errors import StorageError
from storage.forgetting import Deletion
from storage.forgetting import delete_conversation as delete_conversation_from
from storage.forgetting import delete_user as delete_user_from
from storage.redacting import Redaction
from storage.redacting import redact as redact_in
from storage.serde import graph_serializer

from ..terminal import console, printable, show

T = TypeVar("T")

ELSEWHERE = (
    "Not looked into: tasks and their ledger (a task is deleted by its tool), exported replays, "
    "logs, and the list of threads that LangGraph's server keeps in .langgraph_api, with each "
    "thread's last state and its runs' inputs. Backups and the database's write-ahead log hold "
    "what was, for as long as they are kept."
)


def redact(message_id: str, *, thread: str | None, dry_run: bool, yes: bool) -> None:
    """Blank a message everywhere, after asking."""

    async def work(connection: AsyncConnection[Any], dry: bool) -> Redaction:
        serde = graph_serializer(None)
        return await redact_in(connection, serde, message_id, thread_id=thread, dry_run=dry)

    out = console()
    if dry_run or not yes:
        _show_redaction(_run(lambda connection: work(connection, True)), "would be blanked")
        if dry_run:
            return
        typer.confirm("Blank it for good?", abort=True, err=True)
    done = _run(lambda connection: work(connection, False))
    _show_redaction(done, "blanked")
    out.print(ELSEWHERE)


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
    if dry_run or not yes:
        _show_counts(_run(lambda connection: work(connection, True)).rows, "Rows")
        if dry_run:
            console().print(printable(f"Nothing was deleted of {what}."))
            return
        typer.confirm(f"Delete {printable(what)} for good?", abort=True, err=True)
    done = _run(lambda connection: work(connection, False))
    _show_counts(done.rows, "Rows")
    console().print(printable(f"Deleted {what}, {len(done.threads)} threads."), style="green")


def _show_redaction(done: Redaction, verb: str) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Message", "Role", "Written", "Thread", "Blanked before"):
        table.add_column(heading, no_wrap=True)
    for row in done.rows:
        before = row.redacted_before
        table.add_row(
            str(row.id),
            printable(row.role),
            f"{row.created_at.astimezone():%Y-%m-%d %H:%M}",
            printable(row.thread_id),
            "" if before is None else f"{before.astimezone():%Y-%m-%d %H:%M}",
        )
    if done.rows:
        show(table)
    if done.places:
        _show_counts(done.places, verb.capitalize())
    else:
        out.print("There is nothing left to blank.")
    if done.quoting:
        out.print(
            f"{done.quoting} other messages of these conversations have the same words in them, "
            "and keep them. `task-agent messages THREAD --all --json` shows the ids.",
            style="yellow",
        )
    if done.unanswered_calls:
        out.print(
            f"It asked for {done.unanswered_calls} tool calls that have no answer. A run that is "
            "resumed would make them without their arguments: cancel it instead.",
            style="yellow",
        )


def _show_counts(counts: Counter[str] | Mapping[str, int], heading: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(heading, justify="right")
    table.add_column("Of")
    for name, count in counts.items():
        if count:
            table.add_row(f"{count:,}", name)
    show(table)


def _run(work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_database() as database:
            pool: Pool = database.pool
            async with pool.connection() as connection:
                return await work(connection)

    try:
        return asyncio.run(run())
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise TablesMissingError(
            f"the database lacks a table or column that this code needs: "
            f"{error.diag.message_primary}. Run `task-agent migrate`."
        ) from error
    except psycopg.Error as error:
        raise StorageError(
            f"the database failed: {str(error).strip()}. Each of these commands is one "
            "transaction: all of it was done, or nothing. Run it again."
        ) from error
