"""`redact`: what will go is told first, then what went."""

import typer
from rich.table import Table

from ..advice import ADVICE
from ..connections import Pool
from ..redacting import Redaction
from ..redacting import redact as redact_in
from .place import Place
from .running import ONE_TRANSACTION, run
from .terminal import console, printable, show, show_counts


def redact(place: Place, message_id: str, *, thread: str | None, dry_run: bool, yes: bool) -> None:
    """Blank a message everywhere, after asking."""

    def redacted(dry: bool) -> Redaction:
        async def work(pool: Pool) -> Redaction:
            return await redact_in(
                pool, message_id, thread_id=thread, serde=place.serde, dry_run=dry
            )

        return run(place, work, failed=ONE_TRANSACTION)

    if dry_run or not yes:
        _show_redaction(redacted(dry=True), "would be blanked")
        if dry_run:
            return
        typer.confirm("Blank it for good?", abort=True, err=True)
    _show_redaction(redacted(dry=False), "blanked")
    console().print(ADVICE.elsewhere)


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
        show_counts(done.places, verb.capitalize())
    else:
        out.print("There is nothing left to blank.")
    if done.quoting:
        out.print(
            f"{done.quoting} other messages of these conversations have the same words in them, "
            f"and keep them. {ADVICE.messages}",
            style="yellow",
        )
    if done.unanswered_calls:
        out.print(
            f"It asked for {done.unanswered_calls} tool calls that have no answer. A run that is "
            "resumed would make them without their arguments: cancel it instead.",
            style="yellow",
        )
