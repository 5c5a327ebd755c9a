"""`make bench`: the transcript tree beside LangGraph's Postgres saver, with and without its beta.

All run the same turns on one server with fsync on, one turn of each after the other, so that
whatever else the machine does meets all of them. What counts are the ratios; absolute times are
this machine's.
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from bench import report
from bench.report import Length, Line, median
from bench.server import bench_server
from bench.throughput import THREADS, throughput
from bench.turns import DELTA, HISTORY, KINDS, PLAIN, TREE, Kind, graph_alone, measure
from migrations.run import migrate
from storage.database import connect
from storage.garbage import leave_alone_what_is_there
from storage.settings import DatabaseSettings, libpq_uri, parse_url

DATABASE = "task_agent_bench"

#: What is measured, in which unit, and the ratio at most that is wanted at 20 and 1,000 messages.
BOUNDS = [
    ("turn", "time per turn", "ms", 1e3, (1.0, 0.3)),
    ("wal", "WAL per turn", "KB", 1e-3, (0.4, 0.03)),
    ("warm_state", "`get_state`", "ms", 1e3, (0.8, 0.2)),
    ("cold_state", "`get_state`, cold process", "ms", 1e3, (1.2, 0.8)),
    ("history", f"history of {HISTORY} checkpoints", "ms", 1e3, (1.0, 0.08)),
]
#: Turns per second with many threads at once: the session's settings, and the ratio at least.
CROWDS = [
    ("fast disk", "", (1.4, 3.0)),
    # As on a network disk: each commit takes three milliseconds longer.
    ("commits of 3 ms", "-c commit_delay=3000 -c commit_siblings=0", (4.0, 4.0)),
]
LENGTHS = (10, 20, 100, 1_000, 5_000)


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


def in_order(values: dict[Kind, float]) -> tuple[float, float, float]:
    """As the report has them."""
    return values[PLAIN], values[DELTA], values[TREE]


async def turns(pool: AsyncConnectionPool[Any], length: int, count: int, bound: int) -> list[Line]:
    """One thread: turns and readings."""
    measured = await measure(pool, length, count)
    lines = []
    for field, name, unit, scale, bounds in BOUNDS:
        values = in_order({kind: median(getattr(measured[kind], field), scale) for kind in KINDS})
        holds = values[2] / values[0] <= bounds[bound]
        lines.append(Line(name, length, unit, values, f"≤ {bounds[bound]}", holds))
    return lines


async def crowds(url: str, lengths: tuple[int, int], rounds: int) -> list[Line]:
    """Many threads at once."""
    lines = []
    settings = DatabaseSettings(database_url=None, prepare=True, pool_size=THREADS)
    for name, options, bounds in CROWDS:
        wanted = parse_url(url)
        if options:
            wanted = wanted.update_query_dict({"options": options})
        async with connect(libpq_uri(wanted), settings) as database:
            for length, bound in zip(lengths, bounds, strict=True):
                taken = await throughput(database.pool, length, rounds)
                values = in_order({kind: median(taken[kind], 1) for kind in KINDS})
                holds = values[2] / values[0] >= bound
                title = f"turns per second, {THREADS} threads at once, {name}"
                lines.append(Line(title, length, "/s", values, f"≥ {bound:g}", holds))
    return lines


async def over_lengths(
    pool: AsyncConnectionPool[Any], lengths: tuple[int, ...], count: int
) -> list[Length]:
    """Turns on ever longer threads."""
    found = []
    for length in lengths:
        measured = await measure(pool, length, count, reading=False)
        times = in_order({kind: median(measured[kind].turn, 1e3) for kind in KINDS})
        wal = in_order({kind: median(measured[kind].wal, 1e-3) for kind in KINDS})
        alone = median(await graph_alone(length, count), 1e3)
        found.append(Length(length, times, wal, alone))
    return found


async def run(url: str, count: int, console: Console, *, write: bool) -> None:
    """Measure everything, print it, and write it down if wanted."""
    async with connect(url, DatabaseSettings(database_url=None, prepare=True)) as database:
        leave_alone_what_is_there()
        lines = []
        for bound, length in enumerate((20, 1_000)):
            lines += await turns(database.pool, length, count, bound)
        lengths = await over_lengths(database.pool, LENGTHS, max(3, count // 2))
        async with database.pool.connection() as connection:
            postgres = connection.info.parameter_status("server_version") or "?"
    lines += await crowds(url, (20, 1_000), max(3, count // 4))
    report.show(console, lines, lengths)
    if write:
        report.write(lines, lengths, cores=os.cpu_count() or 0, postgres=postgres)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--turns", type=int, default=15, help="turns of each saver")
    parser.add_argument("--no-write", action="store_true", help="leave docs/ as it is")
    options = parser.parse_args()
    console = Console(width=130)
    with bench_server() as server, fresh_database(server) as url:
        asyncio.run(run(url, options.turns, console, write=not options.no_write))


if __name__ == "__main__":
    main()
