"""`python -m bench.calls`: the calls, then the searches; writes docs/benchmark-calls.md."""

import argparse
import asyncio

from rich.console import Console

from bench.__main__ import fresh_database
from bench.server import bench_server
from storage.database import connect
from storage.settings import DatabaseSettings

from . import __doc__ as about
from . import page
from .finding import Found, fill_with_tasks
from .finding import measure as measure_finding
from .measuring import Amount, Row
from .measuring import measure as measure_calls

SETTINGS = DatabaseSettings(database_url=None, prepare=True)


async def calls(url: str, amount: Amount) -> list[Row]:
    """The calls, each way in turn."""
    async with connect(url, SETTINGS) as database:
        return await measure_calls(database, url, amount)


async def searches(url: str, times: int) -> tuple[list[Found], str]:
    """Each kind of search; and the version of Postgres."""
    async with connect(url, SETTINGS) as database:
        found = await measure_finding(database, times)
        async with database.pool.connection() as connection:
            return found, connection.info.parameter_status("server_version") or "?"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=about)
    parser.add_argument("--calls", type=int, default=40, help="calls, and searches, of each kind")
    parser.add_argument("--crowds", type=int, default=3, help="times many calls at once")
    parser.add_argument("--no-write", action="store_true", help="leave docs/ as it is")
    options = parser.parse_args()
    console = Console(width=110)
    amount = Amount(options.calls, options.crowds)
    with bench_server() as server:
        with fresh_database(server) as url:
            rows = asyncio.run(calls(url, amount))
        console.print("The calls are measured. Writing tasks, which takes a minute.", style="dim")
        with fresh_database(server) as url:
            fill_with_tasks(url)
            found, postgres = asyncio.run(searches(url, options.calls))
    page.show(console, rows, found, amount)
    if not options.no_write:
        page.write(rows, found, amount, postgres)


if __name__ == "__main__":
    main()
