"""`adopt` and `eject`: threads of LangGraph's plain saver into the tree, and back."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import typer
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from storage.checkpointer import LOCAL_USER
from storage.connections import Pool
from storage.conversations import TablesMissingError
from storage.database import open_database
from storage.errors import StorageError
from storage.plain import adopting, ejecting
from storage.plain.adopting_rows import USER_KEY

from ..terminal import console, printable

#: What shells report of a program that Ctrl-C ended.
INTERRUPTED = 130

Advance = Callable[[], None]


class WhoseThreadError(StorageError):
    """A checkpoint names a user, and nobody has said whether to believe it."""


class NotEjectedError(StorageError):
    """Some threads are still in the tree."""


def owner_from(user: str | None, believe: bool) -> adopting.ThreadOwner:
    """Whose a thread is, as the options say: the user that its checkpoints name, or one for all."""

    def owner(thread_id: str, named: str | None) -> str:
        if named is not None and user is None and not believe:
            raise WhoseThreadError(
                f"the checkpoints of thread {thread_id!r} name the user {named!r} "
                f"({USER_KEY}). LangGraph's server writes that name, but with the plain saver "
                "a client can write it too, into a run's metadata. Say --users-from-checkpoints "
                "to believe it, or --user NAME to give all threads to one user."
            )
        return (named if believe else None) or user or LOCAL_USER

    return owner


def adopt(
    *, thread: str | None, user: str | None, believe: bool, batch: int, dry_run: bool
) -> None:
    """Take threads into the tree, and tell what was done and what was left.

    Raises:
        WhoseThreadError: a checkpoint names a user, and no option says what that is worth.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database has not been migrated.
    """
    totals = {"threads": 0, "new": 0, "lists": 0, "size": 0, "messages": 0, "left": 0}

    async def work(pool: Pool, advance: Advance, say: Callable[[str], None]) -> None:
        async for done in adopting.adopt_threads(
            pool, owner_from(user, believe), thread_id=thread, batch=batch, dry_run=dry_run
        ):
            totals["threads"] += done.is_last
            totals["new"] += done.is_new
            for name in ("lists", "size", "messages"):
                totals[name] += getattr(done, name)
            totals["left"] += len(done.left)
            for reason in done.left:
                say(f"Thread {done.thread_id}: left as it is: {reason}.")
            if done.is_last:
                advance()

    async def count(pool: Pool) -> int:
        return 1 if thread else await adopting.count_threads(pool)

    _run(work, count, "Adopting", totals)
    verb = "would become" if dry_run else "are"
    console().print(
        f"{_number(totals['threads'], 'thread')} looked at, {totals['new']:,} of them new to the "
        f"tree: {_number(totals['lists'], 'list')} of messages ({decimal(totals['size'])}) {verb} "
        f"{_number(totals['messages'], 'new row')}."
        + (f" {_number(totals['left'], 'thing')} left as told above." if totals["left"] else "")
    )


def eject(*, thread: str | None, keep_rows: bool, batch: int, dry_run: bool) -> None:
    """Write plain checkpoints back, and tell what was done and what was left.

    Raises:
        NotEjectedError: some threads are damaged, and are left as they were.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database has not been migrated.
    """
    totals = {"threads": 0, "lists": 0, "size": 0, "messages": 0, "unreached": 0, "left": 0}

    async def work(pool: Pool, advance: Advance, say: Callable[[str], None]) -> None:
        async for done in ejecting.eject_threads(
            pool, thread_id=thread, keep_rows=keep_rows, batch=batch, dry_run=dry_run
        ):
            totals["threads"] += 1
            for name in ("lists", "size", "messages"):
                totals[name] += getattr(done, name)
            totals["unreached"] += done.unreached or 0
            if done.left is not None:
                totals["left"] += 1
                say(f"Thread {done.thread_id}: left as it is: {done.left}.")
            advance()

    async def count(pool: Pool) -> int:
        return 1 if thread else await ejecting.count_threads(pool)

    _run(work, count, "Ejecting", totals)
    tense = "would be" if dry_run else "are"
    words = [
        f"{_number(totals['threads'], 'thread')} looked at: {_number(totals['lists'], 'list')} of "
        f"messages ({decimal(totals['size'])}) {tense} written"
    ]
    if totals["messages"]:
        words.append(f", {_number(totals['messages'], 'row')} {tense} deleted")
    if totals["unreached"]:
        words.append(f", {totals['unreached']:,} of which no checkpoint led to")
    console().print("".join(words) + ".")
    if totals["left"]:
        raise NotEjectedError(
            f"{_number(totals['left'], 'thread')} left as told above. LangGraph's own saver can't "
            "read what is in the tree: mend those threads, and run this again."
        )


def _run(
    work: Callable[[Pool, Advance, Callable[[str], None]], Coroutine[Any, Any, None]],
    count: Callable[[Pool], Coroutine[Any, Any, int]],
    what: str,
    totals: dict[str, int],
) -> None:
    """Do it on the configured database, showing how far it has come, until Ctrl-C."""

    async def on_database() -> None:
        async with open_database() as database:
            with _progress(what, await count(database.pool)) as (advance, say):
                await work(database.pool, advance, say)

    try:
        asyncio.run(on_database())
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise TablesMissingError(
            f"the database lacks a table or column: {error.diag.message_primary}. "
            "Run `task-agent migrate`, with LangGraph's own tables in the same database."
        ) from error
    except KeyboardInterrupt as error:
        console(error=True).print(
            f"Stopped after {_number(totals['threads'], 'thread')}; what was done is done. "
            "Run it again to go on."
        )
        raise typer.Exit(INTERRUPTED) from error


@contextmanager
def _progress(what: str, total: int) -> Iterator[tuple[Advance, Callable[[str], None]]]:
    """A bar on standard error, where that is a terminal; lines that are said go beside it."""
    errors = console(error=True)
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task), lambda line: console().print(printable(line))


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
