"""`adopt` and `eject`: threads of LangGraph's plain saver into the tree, and back."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..checkpointer import LOCAL_USER
from ..connections import Pool
from ..errors import StorageError
from ..plain import adopting, ejecting
from ..plain.adopting_rows import USER_KEY
from .place import Place
from .running import run
from .terminal import console, counted, printable

Advance = Callable[[], None]
Say = Callable[[str], None]


class WhoseThreadError(StorageError):
    """Nobody has said whether to believe the user whom a checkpoint names, or the function that
    was to say whose a thread is doesn't."""


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


def owner_by(function: adopting.ThreadOwner, name: str) -> adopting.ThreadOwner:
    """Whose a thread is, as a function of the user's app says, which is called `name`."""

    def owner(thread_id: str, named: str | None) -> str:
        asked = f"{name}({thread_id!r}, {named!r}), which has to say whose the thread is,"
        try:
            subject = function(thread_id, named)
        except Exception as error:
            # It is somebody else's, and may do anything.
            raise WhoseThreadError(
                f"{asked} failed: {type(error).__name__}: {error}. Mend it, and run this again."
            ) from error
        if not isinstance(subject, str) or not subject:
            raise WhoseThreadError(
                f"{asked} returned {subject!r}, and not a user's name. Mend it, and run this again."
            )
        return subject

    return owner


def adopt(
    place: Place, owner: adopting.ThreadOwner, *, thread: str | None, batch: int, dry_run: bool
) -> None:
    """Take threads into the tree, and tell what was done and what was left.

    Raises:
        WhoseThreadError: whose a thread is has not been said.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database lacks tables or columns.
    """
    totals = {"threads": 0, "new": 0, "lists": 0, "size": 0, "messages": 0, "left": 0}

    async def work(pool: Pool, advance: Advance, say: Say) -> None:
        async for done in adopting.adopt_threads(
            pool, owner, thread_id=thread, serde=place.serde, batch=batch, dry_run=dry_run
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

    _run(place, work, count, "Adopting", totals)
    verb = "would become" if dry_run else "are"
    console().print(
        f"{counted(totals['threads'], 'thread')} looked at, {totals['new']:,} of them new to the "
        f"tree: {counted(totals['lists'], 'list')} of messages ({decimal(totals['size'])}) {verb} "
        f"{counted(totals['messages'], 'new row')}."
        + (f" {counted(totals['left'], 'thing')} left as told above." if totals["left"] else "")
    )


def eject(place: Place, *, thread: str | None, keep_rows: bool, batch: int, dry_run: bool) -> None:
    """Write plain checkpoints back, and tell what was done and what was left.

    Raises:
        NotEjectedError: some threads are damaged, and are left as they were.
        NoSuchThreadError: there is no such thread.
        TablesMissingError: the database lacks tables or columns.
    """
    totals = {"threads": 0, "lists": 0, "size": 0, "messages": 0, "unreached": 0, "left": 0}

    async def work(pool: Pool, advance: Advance, say: Say) -> None:
        async for done in ejecting.eject_threads(
            pool,
            thread_id=thread,
            serde=place.serde,
            keep_rows=keep_rows,
            batch=batch,
            dry_run=dry_run,
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

    _run(place, work, count, "Ejecting", totals)
    tense = "would be" if dry_run else "are"
    words = [
        f"{counted(totals['threads'], 'thread')} looked at: {counted(totals['lists'], 'list')} of "
        f"messages ({decimal(totals['size'])}) {tense} written"
    ]
    if totals["messages"]:
        words.append(f", {counted(totals['messages'], 'row')} {tense} deleted")
    if totals["unreached"]:
        words.append(f", {totals['unreached']:,} of which no checkpoint led to")
    console().print("".join(words) + ".")
    if totals["left"]:
        raise NotEjectedError(
            f"{counted(totals['left'], 'thread')} left as told above. LangGraph's own saver can't "
            "read what is in the tree: mend those threads, and run this again."
        )


def _run(
    place: Place,
    work: Callable[[Pool, Advance, Say], Coroutine[Any, Any, None]],
    count: Callable[[Pool], Coroutine[Any, Any, int]],
    what: str,
    totals: dict[str, int],
) -> None:
    """Do it on the database, showing how far it has come, until Ctrl-C."""

    async def on_database(pool: Pool) -> None:
        with _progress(what, await count(pool)) as (advance, say):
            await work(pool, advance, say)

    run(
        place,
        on_database,
        failed="What was done is done. Run it again to go on.",
        stopped=lambda: (
            f"Stopped after {counted(totals['threads'], 'thread')}; what was done is done. "
            "Run it again to go on."
        ),
    )


@contextmanager
def _progress(what: str, total: int) -> Iterator[tuple[Advance, Say]]:
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
