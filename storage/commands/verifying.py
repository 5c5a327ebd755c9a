"""`verify` and `repair`: what differs between checkpoints and rows, in words and as JSON."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg.rows import tuple_row
from rich.console import Console

from ..advice import ADVICE, COMMAND
from ..connections import Pool
from ..errors import NoSuchThreadError, StorageError
from ..repairing import repair
from ..verifying import Finding, verify
from .place import Place
from .progress import Shown, shown_progress
from .running import run
from .terminal import console, counted, printable

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


def verify_threads(place: Place, thread: str | None, *, as_json: bool) -> None:
    """Print what differs in a database, a line each, as it is found.

    Raises:
        NotVerifiedError: something is wrong.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database lacks tables or columns.
    """
    problems = mendable = 0

    async def work(pool: Pool, shown: Shown) -> None:
        nonlocal problems, mendable
        async for finding in verify(pool, thread, serde=place.serde, tell=shown.tell):
            problems += finding.is_problem
            mendable += finding.is_problem and finding.mendable
            _print(shown.out, finding, "wrong" if finding.is_problem else "note", as_json)

    shown = _run(place, work, thread)
    looked_at = f"{counted(shown.last.messages, 'message')} looked at"
    if not problems:
        console(error=as_json).print(f"Nothing is wrong: {looked_at}.", style="green")
        return
    advice = (
        f"{mendable:,} may be mended: `{COMMAND} repair --dry-run` tells, `{COMMAND} repair` does"
        if mendable
        else f"`{COMMAND} repair` can mend none of them"
    )
    raise NotVerifiedError(f"{counted(problems, 'thing')} wrong, {looked_at}. {advice}.")


def repair_threads(place: Place, thread: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Mend what can be mended in a database, and print what was and what wasn't.

    Raises:
        NotVerifiedError: something is wrong still.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database lacks tables or columns.
    """
    mended = left = 0
    verb = "would mend" if dry_run else "mended"

    async def work(pool: Pool, shown: Shown) -> None:
        nonlocal mended, left
        repairing = repair(pool, thread, serde=place.serde, dry_run=dry_run, tell=shown.tell)
        async for done in repairing:
            mended += len(done.mended)
            left += len(done.left)
            for finding in done.mended:
                _print(shown.out, finding, verb, as_json)
            for finding in done.left:
                _print(shown.out, finding, "left", as_json)

    _run(place, work, thread)
    words = f"{'Would mend' if dry_run else 'Mended'} {counted(mended, 'thing')}"
    if left:
        raise NotVerifiedError(
            f"{words}; {left:,} can't be mended. What to do is said above for each."
        )
    words = f"{words}." if mended else "There is nothing to mend."
    console(error=as_json).print(words, style="green")


def _run(place: Place, work: Callable[[Pool, Shown], Awaitable[None]], thread: str | None) -> Shown:
    """Do it on the database, showing how far it has come, until Ctrl-C."""

    async def on_database(pool: Pool) -> Shown:
        if thread is not None:
            await _find(pool, thread)
        with shown_progress() as shown:
            await work(pool, shown)
        return shown

    return run(
        place,
        on_database,
        failed="See that the server runs and lets you in, and try again.",
        stopped=lambda: "Stopped. What was mended is mended.",
    )


async def _find(pool: Pool, thread: str) -> None:
    """See that there is such a thread, so that a slip of the pen is not told to be in order."""
    # Postgres has no text with a NUL in it, and a driver refuses to ask for one.
    if "\x00" not in thread:
        async with pool.connection() as connection, connection.cursor(row_factory=tuple_row) as cur:
            await cur.execute(THREAD_IS_THERE, {"thread": thread})
            found = await cur.fetchone()
            if found and found[0]:
                return
    raise NoSuchThreadError(f"there is no thread {thread!r}. {ADVICE.threads}")


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
