"""What was measured, on the terminal and in docs/benchmark-calls.md."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .finding import BOUND, TASKS, Found
from .measuring import Amount, Row, verdicts

PAGE = Path(__file__).parents[2] / "docs" / "benchmark-calls.md"


def show(console: Console, rows: Sequence[Row], found: Sequence[Found], amount: Amount) -> None:
    """Print everything."""
    table = Table("Call", "By", "p50", "p95", f"{amount.crowd} at once", box=None)
    for row in rows:
        table.add_row(row.operation, row.way, *_cells(row))
    console.print(table)
    for verdict in verdicts(rows):
        console.print(verdict, style="red" if "missed" in verdict else "green")
    table = Table(f"In {TASKS:,} tasks", "server p50", "p95", "function p50", "p95", "", box=None)
    for one in found:
        table.add_row(one.name, *(f"{value:.1f} ms" for value in one.times), _verdict(one))
    console.print(table)


def write(rows: Sequence[Row], found: Sequence[Found], amount: Amount, postgres: str) -> None:
    """Write the page."""
    calls = [f"| {row.operation} | {row.way} | {' | '.join(_cells(row))} |" for row in rows]
    finds = [
        f"| {one.name} | {' | '.join(f'{value:.1f} ms' for value in one.times)} | {_verdict(one)} |"
        for one in found
    ]
    PAGE.write_text(
        f"""\
# What a tool call costs

What `make bench-calls` printed on {datetime.now(UTC):%Y-%m-%d} on a machine with
{os.cpu_count()} cores ({platform.system()}, Python {platform.python_version()}, PostgreSQL
{postgres}, LangGraph {version("langgraph")}, langchain-mcp-adapters
{version("langchain-mcp-adapters")}, mcp {version("mcp")}). It writes this page.

## The call

{amount.calls} calls of each kind, one of each after the other, all on one database with fsync on,
so that whatever else the machine does meets all of them. *{amount.crowd} at once*: until the last
is answered.

- *{rows[0].way}*: the tool's function, with its arguments checked.
- *agent*: a call of the agent's tool node, on the session that it holds with the task server in
  its process.
- *adapters*: the same tool node with the tools of `MultiServerMCPClient.get_tools()` as they come,
  which open a session at each call: over HTTP with `task-agent mcp --http`, over stdio with a
  `task-agent mcp` that is started for the call.

| call | by | p50 | p95 | {amount.crowd} at once |
|---|---|---:|---:|---:|
{chr(10).join(calls)}

{chr(10).join(f"- {verdict}." for verdict in verdicts(rows))}

## A search

A page of 50 of one user's {TASKS:,} tasks, beside as many of others. *Server*: the time that
Postgres itself tells for all of the statements, to plan and to carry them out; at most {BOUND:g} ms
of it is what is wanted of the median. *Function*: until the tool's function has its answer.

| find_tasks | server p50 | p95 | function p50 | p95 | |
|---|---:|---:|---:|---:|---|
{chr(10).join(finds)}
""",
        encoding="utf-8",
    )


def _cells(row: Row) -> list[str]:
    failed = f" ({row.failed} failed)" if row.failed else ""
    return [f"{row.p50:,.1f} ms", f"{row.p95:,.1f} ms", f"{row.crowd:,.1f} ms{failed}"]


def _verdict(one: Found) -> str:
    return "" if one.is_quick else "missed"
