"""What was measured, as a table for the terminal, and as a page and a chart for `docs/`."""

import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from matplotlib import pyplot
from rich.console import Console
from rich.table import Table

DOCS = Path(__file__).parents[1] / "docs"

PAGE = """\
# Benchmark

What `make bench` printed on {date} on a machine with {cores} cores ({system}, Python {python},
LangGraph {langgraph}, langgraph-checkpoint-postgres {saver}, PostgreSQL {postgres}). It writes
this page and the chart.

Turns of four messages (a question, a call, its result, an answer) with durability sync; the models'
messages carry the metadata that a provider's client puts there. All run on one server with fsync on
and on one pool, one turn of each after the other, so that whatever else the machine does meets all
of them. As in this project's server, Python's garbage collector leaves alone what was there at the
start. Medians; what counts are the ratios.

- *plain*: LangGraph's `AsyncPostgresSaver`.
- *delta*: the same saver, and the messages in LangGraph's beta channel `DeltaChannel`.
- *tree*: the transcript tree.
- *ratio*: tree to plain. *expected*: what this project wants it to be.

| | messages | plain | delta | tree | ratio | expected |
|---|---:|---:|---:|---:|---:|---:|
{rows}

![Time and bytes per turn over the length of the thread](benchmark.svg)

A turn over the length of the thread. *To itself*: the tree's time and bytes to those at {first}
messages. *No saver*: the time of the same turn of a graph that stores nothing.

| messages | plain | delta | tree | to itself | no saver |
|---:|---:|---:|---:|---:|---:|
{lengths}
"""


@dataclass(frozen=True)
class Line:
    """One measurement of all three savers, in the order plain, delta, tree."""

    name: str
    length: int
    unit: str
    values: tuple[float, float, float]
    expected: str
    #: Whether the expectation holds.
    holds: bool

    @property
    def ratio(self) -> float:
        return self.values[2] / self.values[0]


@dataclass(frozen=True)
class Length:
    """Medians at one length: milliseconds and kilobytes per turn of each saver."""

    length: int
    times: tuple[float, float, float]
    wal: tuple[float, float, float]
    #: Milliseconds of the graph without a saver.
    alone: float


def median(values: Sequence[float], scale: float) -> float:
    """The median in another unit."""
    return statistics.median(values) * scale


def show(console: Console, lines: Sequence[Line], lengths: Sequence[Length]) -> None:
    """Print it."""
    table = Table(title="Medians")
    for column in ("", "messages", "plain", "delta", "tree", "ratio", "expected"):
        table.add_column(column, justify="left" if not column else "right")
    for line in lines:
        values = [f"{value:,.1f} {line.unit}" for value in line.values]
        style = "" if line.holds else "red"
        ratio = f"{line.ratio:.3f}"
        table.add_row(line.name, f"{line.length:,}", *values, ratio, line.expected, style=style)
    console.print(table)
    table = Table(title="A turn over the length of the thread: ms, KB")
    for column in ("messages", "plain", "delta", "tree", "graph alone"):
        table.add_column(column, justify="right")
    for one in lengths:
        pairs = zip(one.times, one.wal, strict=True)
        cells = [f"{time:,.1f} ms {wal:,.1f} KB" for time, wal in pairs]
        table.add_row(f"{one.length:,}", *cells, f"{one.alone:,.1f} ms")
    console.print(table)


def write(lines: Sequence[Line], lengths: Sequence[Length], *, cores: int, postgres: str) -> None:
    """Write `docs/benchmark.md` and `docs/benchmark.svg`."""
    rows = [
        f"| {line.name} | {line.length:,} | "
        + " | ".join(f"{value:,.1f} {line.unit}" for value in line.values)
        + f" | {line.ratio:.3f} | {line.expected}{'' if line.holds else ' (missed)'} |"
        for line in lines
    ]
    first = lengths[0]
    over = []
    for one in lengths:
        pairs = zip(one.times, one.wal, strict=True)
        cells = " | ".join(f"{time:,.1f} ms, {wal:,.1f} KB" for time, wal in pairs)
        itself = f"{one.times[2] / first.times[2]:.2f}, {one.wal[2] / first.wal[2]:.2f}"
        over.append(f"| {one.length:,} | {cells} | {itself} | {one.alone:,.1f} ms |")
    page = PAGE.format(
        date=datetime.now(UTC).date(),
        cores=cores,
        system=platform.system(),
        python=platform.python_version(),
        langgraph=version("langgraph"),
        saver=version("langgraph-checkpoint-postgres"),
        postgres=postgres,
        rows="\n".join(rows),
        lengths="\n".join(over),
        first=f"{first.length:,}",
    )
    (DOCS / "benchmark.md").write_text(page, encoding="utf-8")
    _draw(lengths)


def _draw(lengths: Sequence[Length]) -> None:
    # The same picture for the same numbers, whenever it is drawn.
    pyplot.rcParams["svg.hashsalt"] = "transcript tree"
    figure, (times, wal) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    xs = [one.length for one in lengths]
    looks = (("plain saver", "#8c8c8c", "o"), ("with DeltaChannel", "#d98200", "s"))
    for place, (name, colour, marker) in enumerate((*looks, ("transcript tree", "#00695c", "D"))):
        look = {"label": name, "color": colour, "marker": marker}
        times.plot(xs, [one.times[place] for one in lengths], **look)
        wal.plot(xs, [one.wal[place] for one in lengths], **look)
    for axes, title in ((times, "Time per turn, ms"), (wal, "Write-ahead log per turn, KB")):
        axes.set(xscale="log", yscale="log", title=title, xlabel="messages in the thread")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    times.legend(frameon=False)
    figure.savefig(DOCS / "benchmark.svg", metadata={"Date": None})
    pyplot.close(figure)
