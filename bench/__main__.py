"""`make bench`: the transcript tree beside LangGraph's plain Postgres saver.

Both run the same turns on one server with fsync on, one turn of one and then one of the other, so
that whatever else the machine does meets both. What counts are the ratios; absolute times are
this machine's.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench.server import bench_server
from bench.turns import Measured, measure
from migrations.run import migrate
from storage.settings import libpq_uri, parse_url

DATABASE = "task_agent_bench"

#: What is measured, in which unit, and the ratio expected at 1,000 messages, where there is one.
ROWS = [
    ("turn", "time per turn", "ms", 1e3, 0.5),
    ("wal", "WAL per turn", "KB", 1e-3, 0.05),
    ("warm_state", "get_state", "ms", 1e3, None),
    ("cold_state", "get_state, cold process", "ms", 1e3, None),
    ("history", "history of 70 checkpoints", "ms", 1e3, None),
]


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A migrated database for this run; dropped afterwards."""
    name = sql.Identifier(DATABASE)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        (fsync,) = connection.execute("SHOW fsync").fetchone() or ("?",)
        if fsync != "on":
            raise SystemExit(f"this server has fsync {fsync}; measured like that, a turn is free")
    url = libpq_uri(parse_url(server).set(database=DATABASE))
    try:
        migrate(url)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def report(console: Console, length: int, plain: Measured, tree: Measured) -> None:
    """Print the medians of both and their ratios."""
    table = Table(title=f"{length:,} messages in the thread, {plain.turns} turns each")
    for column in ("", "plain saver", "transcript tree", "ratio", "expected"):
        table.add_column(column, justify="left" if not column else "right")
    for field, name, unit, scale, expected in ROWS:
        theirs = statistics.median(getattr(plain, field)) * scale
        ours = statistics.median(getattr(tree, field)) * scale
        bound = f"≤ {expected}" if expected is not None and length >= 1_000 else ""
        table.add_row(
            name, f"{theirs:,.1f} {unit}", f"{ours:,.1f} {unit}", f"{ours / theirs:.3f}", bound
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--messages", type=int, nargs="+", default=[20, 1_000])
    parser.add_argument("--turns", type=int, default=15, help="turns of each saver")
    options = parser.parse_args()
    console = Console(width=100)
    with bench_server() as server, fresh_database(server) as url:
        for length in options.messages:
            plain, tree = asyncio.run(measure(url, length, options.turns))
            report(console, length, plain, tree)


if __name__ == "__main__":
    main()
