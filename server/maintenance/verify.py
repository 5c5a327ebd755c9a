"""`verify` and `repair`: what differs between checkpoints and rows, in words and as JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import typer
from psycopg.rows import tuple_row
from rich.console import Console

from storage.connections import Pool
from storage.conversations import TablesMissingError
from storage.database import open_database
from storage.errors import NoSuchThreadError, StorageError
from storage.repairing import repair
from storage.verifying import Finding, verify

from ..terminal import console, printable
from .progress import Shown, shown_progress

#: What shells report of a program that Ctrl-C ended.
INTERRUPTED = 130

#: How what was found is marked, and in which colour a terminal shows it.
STYLES = {"wrong": "red", "left": "red", "note": "dim", "mended": "green", "would mend": "yellow"}

THREAD_IS_THERE = """
    SELECT EXISTS (SELECT FROM conversations WHERE thread_id = %(thread)s)
    OR EXISTS (SELECT FROM checkpoints WHERE thread_id = %(thread)s)
    OR EXISTS (SELECT FROM checkpoint_blobs WHERE thread_id = %(thread)s)
    OR EXISTS (SELECT FROM checkpoint_writes WHERE thread_id = %(thread)s)
"""


class NotVerifiedError(StorageError):
    """Something in the database is not as it has to be."""


def verify_threads(thread: str | None, *, as_json: bool) -> None:
    """Print what differs in the configured database, a line each, as it is found.

    Raises:
        NotVerifiedError: something is wrong.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database has not been migrated.
    """
    problems = mendable = 0

    async def work(pool: Pool, shown: Shown) -> None:
        nonlocal problems, mendable
        async for finding in verify(pool, thread, tell=shown.tell):
            problems += finding.is_problem
            mendable += finding.is_problem and finding.mendable
            _print(shown.out, finding, "wrong" if finding.is_problem else "note", as_json)

    shown = _run(work, thread)
    looked_at = f"{_number(shown.last.messages, 'message')} looked at"
    if not problems:
        console(error=as_json).print(f"Nothing is wrong: {looked_at}.", style="green")
        return
    advice = (
        f"{mendable:,} may be mended: `task-agent repair --dry-run` tells, `task-agent repair` does"
        if mendable
        else "`task-agent repair` can mend none of them"
    )
    raise NotVerifiedError(f"{_number(problems, 'thing')} wrong, {looked_at}. {advice}.")


def repair_threads(thread: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Mend what can be mended in the configured database, and print what was and what wasn't.

    Raises:
        NotVerifiedError: something is wrong still.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database has not been migrated.
    """
    mended = left = 0
    verb = "would mend" if dry_run else "mended"

    async def work(pool: Pool, shown: Shown) -> None:
        nonlocal mended, left
        async for done in repair(pool, thread, dry_run=dry_run, tell=shown.tell):
            mended += len(done.mended)
            left += len(done.left)
            for finding in done.mended:
                _print(shown.out, finding, verb, as_json)
            for finding in done.left:
                _print(shown.out, finding, "left", as_json)

    _run(work, thread)
    words = f"{'Would mend' if dry_run else 'Mended'} {_number(mended, 'thing')}"
    if left:
        raise NotVerifiedError(
            f"{words}; {left:,} can't be mended. What to do is said above for each."
        )
    words = f"{words}." if mended else "There is nothing to mend."
    console(error=as_json).print(words, style="green")


def _run(work: Callable[[Pool, Shown], Awaitable[None]], thread: str | None) -> Shown:
    """Do it on the configured database, showing how far it has come, until Ctrl-C."""

    async def on_database() -> Shown:
        async with open_database() as database:
            if thread is not None:
                await _find(database.pool, thread)
            with shown_progress() as shown:
                await work(database.pool, shown)
            return shown

    try:
        return asyncio.run(on_database())
    except psycopg.OperationalError as error:
        raise StorageError(
            f"the database failed: {str(error).strip()}. See that the server runs, and try again."
        ) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise TablesMissingError(
            f"the database lacks a table or column: {error.diag.message_primary}. "
            "Run `task-agent migrate`."
        ) from error
    except KeyboardInterrupt as error:
        console(error=True).print("Stopped. What was mended is mended.")
        raise typer.Exit(INTERRUPTED) from error


async def _find(pool: Pool, thread: str) -> None:
    """See that there is such a thread, so that a slip of the pen is not told to be in order."""
    # Postgres has no text with a NUL in it, and a driver refuses to ask for one.
    if "\x00" not in thread:
        async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cur:
            await cur.execute(THREAD_IS_THERE, {"thread": thread})
            found = await cur.fetchone()
            if found and found[0]:
                return
    raise NoSuchThreadError(
        f"there is no thread {thread!r}. `task-agent conversations` lists those with messages."
    )


def _print(out: Console, finding: Finding, verb: str, as_json: bool) -> None:
    if as_json:
        # A line each, so that a program can read them as they come.
        out.print(json.dumps(_fields(finding, verb), ensure_ascii=False))
        return
    thread = "" if finding.thread_id is None else f"thread {finding.thread_id}: "
    # Of what is mended, nothing is left to do.
    is_done = verb in ("mended", "would mend")
    advice = "" if is_done or not finding.advice else f" {finding.advice}"
    line = f"{verb}: {thread}{finding.what}.{advice}".replace("\n", " ")
    out.print(printable(line), style=STYLES[verb])


def _fields(finding: Finding, verb: str) -> dict[str, Any]:
    return {
        "outcome": verb,
        "thread_id": finding.thread_id,
        "kind": finding.kind.value,
        "about": finding.about,
        "what": finding.what,
        "advice": finding.advice,
        "mendable": finding.mendable,
    }


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
