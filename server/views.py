"""Rows, the schema and the database itself, in words for a terminal and as JSON for programs."""

import importlib.util
import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from rich import box
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import URL

from storage.conversations import MOST_COUNTED, Entry, Summary
from storage.embedded import default_home
from storage.embedded.binaries import MAJOR, PACKAGE
from storage.schema import SchemaReport
from storage.search import Hit
from storage.settings import DatabaseSettings, parse_url, shown
from storage.tokens import TokenSummary

from .terminal import call_line, printable, short

#: How the roles differ in a terminal.
STYLES = {"user": "bold", "tool": "cyan", "system": "magenta"}


def conversations_table(summaries: Iterable[Summary]) -> Table:
    """Conversations, a line each."""
    table = _table("Thread", "Title", "User", "Rows", "Updated")
    table.columns[0].no_wrap = True
    table.columns[3].justify = "right"
    for summary in summaries:
        table.add_row(
            _text(summary.thread_id),
            _text(summary.title or "–"),
            _text(summary.user),
            f"{summary.messages}{'+' * (summary.messages == MOST_COUNTED)}",
            _local(summary.updated_at),
        )
    return table


def messages_table(entries: Iterable[tuple[Entry, int]]) -> Table:
    """Messages, with the side branches set off by as many bars as they lie to the side."""
    table = _table("Time", "Role", "Message")
    for entry, depth in entries:
        words = Text("\n").join(Text(line) for line in _lines(entry))
        table.add_row(
            _local(entry.created_at),
            _text("┆ " * depth + entry.role),
            words,
            style="dim" if depth else STYLES.get(entry.role, ""),
        )
    return table


def hits_table(hits: Iterable[Hit], active: Collection[UUID]) -> Table:
    """Messages that a search found, with the words that were searched for set off."""
    table = _table("Time", "Thread", "Role", "Message")
    for hit in hits:
        words = _text(hit.snippet)
        for begin, end in hit.matches:
            words.stylize("bold", begin, end)
        table.add_row(
            _local(hit.created_at),
            _text(hit.thread_id),
            _text(hit.role if hit.id in active else f"┆ {hit.role}"),
            words,
            style="" if hit.id in active else "dim",
        )
    return table


def tokens_table(tokens: Iterable[TokenSummary]) -> Table:
    """Access tokens, a line each."""
    table = _table("Id", "User", "Name", "Zone", "Created", "Last used", "State")
    table.columns[0].no_wrap = True
    for one in tokens:
        state = "good"
        if one.revoked_at is not None:
            state = "revoked"
        elif one.expires_at is not None:
            state = f"{'until' if one.good else 'expired'} {_local(one.expires_at)}"
        table.add_row(
            str(one.id),
            _text(one.user),
            _text(one.name),
            _text(one.time_zone or ""),
            "" if one.created_at is None else _local(one.created_at),
            "" if one.last_used_at is None else _local(one.last_used_at),
            state,
            style="" if one.good else "dim",
        )
    return table


def schema_table(report: SchemaReport) -> Table:
    """Every part of the schema that was found or expected."""
    table = _table("", "Kind", "Name", "Expected", "Found")
    for finding in report.rows:
        table.add_row(
            "ok" if finding.ok else "DIFFERS",
            finding.kind,
            _text(finding.name),
            _text(finding.expected or "–"),
            _text(finding.found or "–"),
            style="" if finding.ok else "red",
        )
    return table


def to_json(value: Any) -> str:
    """Dataclasses' dictionaries as JSON: times in ISO 8601, ids as text, digests in hexadecimal."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_as_json)


def database_in_words(uri: str) -> str:
    """Which database it is, without its password."""
    if DatabaseSettings().url is None:
        return f"embedded PostgreSQL {MAJOR}, in {default_home()}"
    return shown(parse_url(uri))


def psql_command(uri: str) -> str:
    """What to type to look at the database with psql, which asks for a password by itself."""
    url = parse_url(uri)
    url = url.difference_update_query([name for name in url.query if "password" in name])
    # `set()` takes no None: it would keep the password.
    url = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    program = "psql" if shutil.which("psql") else _bundled_psql()
    return f'{program} "{url.render_as_string()}"'


def _bundled_psql() -> str:
    """The wheel that the embedded server's programs come from holds psql as well."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        program = Path(location) / f"pginstall{MAJOR}" / "bin" / "psql"
        if program.is_file():
            return f'"{program}"' if " " in str(program) else str(program)
    return "psql"


def _lines(entry: Entry) -> Iterator[str]:
    calls = entry.tool_calls or ()
    if entry.role == "tool":
        # The content is the text of the result, which the audit record has in a better form.
        for record in calls:
            yield f"{record.get('tool')} {record.get('status')}: {short(record.get('result'))}"
        if calls:
            return
    if entry.content or not calls:
        yield printable(entry.content)
    for call in calls:
        problem = f"  {short(call['error'])}" if "error" in call else ""
        yield f"→ {call_line(call.get('tool'), call.get('arguments'))}{problem}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(words: str) -> Text:
    return Text(printable(words))


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _as_json(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"no JSON for a {type(value).__name__}")
