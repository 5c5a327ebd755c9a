"""`doctor`: whether everything is there that the agent needs, and what to do where it isn't."""

import asyncio
import difflib
import json
import time
from collections.abc import Iterator, Sized
from contextlib import suppress
from dataclasses import asdict, dataclass

import typer
from pydantic import ValidationError

from graph.errors import ModelNotConfiguredError
from graph.model import OFFLINE, ConfiguredModels
from graph.settings import DEFAULT_MODEL, AgentSettings
from migrations.run import verify_schema
from storage.database import database_uri
from storage.errors import StorageError
from tools.client import AgentTools, TaskTools, configured_servers
from tools.client.config import DEFAULT_CONFIG
from tools.client.other import START_TIMEOUT, OtherServer
from tools.errors import McpConfigError, TaskToolsError

from ..errors import NotInOrderError
from ..failures import explained
from ..settings import ServerSettings
from ..terminal import console, printable
from ..views import database_in_words

#: How a finding is marked in a terminal.
STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}
#: Differences of a schema that are named.
DIFFERENCES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    #: "ok"; "note" where nothing is wrong, but somebody may wonder; or "wrong".
    state: str
    about: str
    what: str
    #: What to do.
    advice: str | None = None
    #: How long it took to see.
    seconds: float | None = None


def examine(*, as_json: bool) -> None:
    """Print what was found, a line each, as it is found.

    Raises:
        NotInOrderError: something doesn't work.
    """
    wrong = 0
    for finding in _findings():
        wrong += finding.state == "wrong"
        _print(finding, as_json)
    if wrong:
        things = "1 thing doesn't" if wrong == 1 else f"{wrong} things don't"
        raise NotInOrderError(f"{things} work. What to do is said above.")
    if not as_json:
        console().print("Everything is in order.", style="green")


def _findings() -> Iterator[Finding]:
    yield from _settings()
    yield from _database()
    yield from _model()
    yield from _tools()


def _settings() -> Iterator[Finding]:
    for read in (AgentSettings, ServerSettings):
        try:
            read()
        except ValidationError as error:
            yield Finding("wrong", "settings", explained(error), "Correct it in .env.")


def _database() -> Iterator[Finding]:
    began = time.perf_counter()
    try:
        with database_uri() as uri:
            where = database_in_words(uri)
            report = verify_schema(uri)
    except (StorageError, ValueError, OSError) as error:
        # Their words say what to do.
        yield Finding("wrong", "database", explained(error))
        return
    taken = time.perf_counter() - began
    yield Finding("ok", "database", where, seconds=taken)
    if report.ok:
        yield Finding("ok", "tables", f"{len(report.rows)} parts, all as expected")
        return
    differences = [str(difference) for difference in report.differences]
    more = len(differences) - DIFFERENCES
    yield Finding(
        "wrong",
        "tables",
        "; ".join(differences[:DIFFERENCES]) + (f"; and {more} more" if more > 0 else ""),
        "`task-agent migrate` adds what is missing, `task-agent verify-schema` shows everything.",
    )


def _model() -> Iterator[Finding]:
    try:
        settings = AgentSettings()
        name = ConfiguredModels(settings).resolve(None)
    except ValidationError:
        return  # Told among the settings.
    except ModelNotConfiguredError as error:
        yield Finding("wrong", "model", explained(error))
        return
    if name != OFFLINE:
        where = settings.openai_base_url or "OpenAI"
        yield Finding("ok", "model", f"{name}, at {where}; it was not asked anything")
    else:
        yield Finding(
            "note",
            "model",
            f"{OFFLINE}: it understands plain commands about tasks and nothing else",
            None
            if settings.model
            else f"Set OPENAI_API_KEY to talk to {DEFAULT_MODEL}, or OPENAI_BASE_URL and "
            "TASK_AGENT_MODEL for a server of your own.",
        )


def _tools() -> Iterator[Finding]:
    try:
        entries = configured_servers()
    except McpConfigError as error:
        yield Finding("wrong", "mcp.json", explained(error), "Until then the agent can't start.")
        entries = []
    else:
        if not entries:
            yield Finding(
                "ok", "mcp.json", f"no other MCP servers; {DEFAULT_CONFIG} would name them"
            )
    yield from asyncio.run(_look_at(AgentTools(TaskTools(), entries)))


async def _look_at(tools: AgentTools) -> list[Finding]:
    try:
        began = time.perf_counter()
        try:
            own = await tools.task_tools.tools()
        except TaskToolsError as error:
            return [Finding("wrong", "task tools", explained(error))]
        found = [
            Finding("ok", "task tools", _number(own), seconds=time.perf_counter() - began),
        ]
        taken = await asyncio.gather(*(_seconds_until_ready(server) for server in tools.servers))
        # In this order, names are given as the agent gives them.
        names = {tool.name for tool in await tools.tools()}
        for server, seconds in zip(tools.servers, taken, strict=True):
            found += _server(tools, server, seconds)
        return [*found, *_approval(names)]
    finally:
        await tools.aclose()


async def _seconds_until_ready(server: OtherServer) -> float:
    began = time.perf_counter()
    await server.ready(START_TIMEOUT)
    return time.perf_counter() - began


def _server(tools: AgentTools, server: OtherServer, seconds: float) -> Iterator[Finding]:
    about, where = f"MCP server {server.entry.name}", server.entry.where
    if server.tools is None:
        yield Finding(
            "wrong",
            about,
            f"{where}: {server.problem or 'it does not answer'}",
            "The agent works without its tools. See that it runs and is named rightly in mcp.json, "
            'or set "disabled": true there.',
            seconds,
        )
        return
    named = tools.tools_of(server)
    yield Finding("ok", about, f"{where}: {_number(named)}", seconds=seconds)
    others = [
        f"{tool.name} is {given.name}"
        for tool, given in zip(server.tools, named, strict=True)
        if tool.name != given.name
    ]
    if others:
        yield Finding(
            "note", about, f"names that are taken or that models don't take: {', '.join(others)}"
        )
    for name, why in server.left_out.items():
        yield Finding("note", about, f"its tool {name!r} is left out: {why}")
    with suppress(ValidationError):  # Told among the settings.
        limit = AgentSettings().tool_timeout
        if server.entry.timeout > limit:
            yield Finding(
                "note",
                about,
                f"its calls may take {server.entry.timeout:g} seconds, but the agent waits for "
                f"{limit:g}",
                "Set TASK_AGENT_TOOL_TIMEOUT higher.",
            )


def _approval(names: set[str]) -> Iterator[Finding]:
    """Calls of a tool that is named wrongly would be made without anybody being asked."""
    with suppress(ValidationError):  # Told among the settings.
        for name in sorted(AgentSettings().tools_to_approve - names):
            close = difflib.get_close_matches(name, names, 1)
            yield Finding(
                "wrong",
                "approval",
                f"TASK_AGENT_APPROVAL_TOOLS names {name!r}, but there is no such tool",
                f"Is it {close[0]!r}?"
                if close
                else "If a server is down, it may be one of its. Else correct the name.",
            )


def _number(tools: Sized) -> str:
    return "1 tool" if len(tools) == 1 else f"{len(tools)} tools"


def _print(finding: Finding, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(finding), ensure_ascii=False))
        return
    taken = "" if finding.seconds is None else f" ({finding.seconds * 1000:.0f} ms)"
    advice = f" {finding.advice}" if finding.advice else ""
    line = f"{finding.state:<6}{finding.about}: {finding.what.rstrip('.')}{taken}.{advice}"
    console().print(printable(line.replace("\n", " ")), style=STYLES[finding.state])
