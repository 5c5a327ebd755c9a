"""What people see: plain words where the output is read by a program, colours in a terminal."""

import io
import sys
import unicodedata
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

#: The classes of marks that begin and end another direction of writing, whatever letters follow.
TURNING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))

#: Off a terminal nobody can widen the window, so a table may be this wide before it is cut.
PIPE_WIDTH = 200


def console(*, error: bool = False) -> Console:
    """A console on standard output or standard error, as they are now."""
    stream = sys.stderr if error else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else PIPE_WIDTH,
        highlight=False,
        # Words that people typed must not be taken for markup, nor `:smile:` for a picture.
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def show(table: Table) -> None:
    """Print a table; off a terminal without the blanks that fill its lines."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    lines = (line.rstrip() for line in captured.get().splitlines())
    out.print("\n".join(lines))


def show_counts(counts: Mapping[str, int], heading: str) -> None:
    """Print a table of what was counted, without what there is none of."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(heading, justify="right")
    table.add_column("Of")
    for name, count in counts.items():
        if count:
            table.add_row(f"{count:,}", name)
    show(table)


def counted(number: int, noun: str) -> str:
    """“1 thread”, “2,000 threads”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """`text` without what a terminal would obey: escape sequences can rewrite what one sees, and
    marks that turn the direction of writing can have it read as something else."""
    return "".join(
        "\ufffd" if character not in "\n\t" and is_obeyed(character) else character
        for character in text
    )


def is_obeyed(character: str) -> bool:
    """Whether a terminal obeys a character instead of showing it."""
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or unicodedata.bidirectional(character) in TURNING
    )


def print_anything() -> None:
    """Have standard output and error put marks for characters that they have no form for."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
