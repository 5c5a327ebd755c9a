"""FastMCP, with what it does to arguments and to errors put right for a model that reads them."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from anyio import AsyncFile
from langchain_core.utils.json_schema import dereference_refs
from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.fastmcp.tools import Tool
from mcp.server.fastmcp.utilities.func_metadata import FuncMetadata
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from psycopg.errors import UndefinedColumn, UndefinedTable
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from storage.errors import StorageError

from .errors import NotExecutedError, OutcomeUnknownError, TaskError
from .finishing import finishing
from .shapes.arguments import explained
from .shapes.views import Answer, NotExecuted
from .texts import quoted

logger = logging.getLogger(__name__)


class _Metadata(FuncMetadata):
    def convert_result(self, result: Any) -> Any:
        """An answer with its structure, and the same as text for whoever reads only that.

        Not checked against its schema once more, which takes longer than many a tool.
        """
        return _result(result) if isinstance(result, Answer) else super().convert_result(result)

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Arguments as they are: a note that happens to be JSON is text, and "null" is a word."""
        return data


def tool(
    function: Callable[..., Any],
    *,
    title: str,
    description: str,
    reads_only: bool = False,
    deletes: bool = False,
    repeatable: bool = False,
) -> Tool:
    """The tool of a function, named like it."""
    made = Tool.from_function(
        function,
        title=title,
        description=description,
        annotations=ToolAnnotations(
            readOnlyHint=reads_only,
            # Only what the ledger could not bring back under its number counts as destroyed.
            destructiveHint=deletes,
            # Words may mean another task the second time, and what is added is added again: there
            # a repeated call is recognised by its idempotency key, not by its arguments.
            idempotentHint=reads_only or repeatable,
            openWorldHint=False,
        ),
    )
    metadata = _Metadata.model_construct(**dict(made.fn_metadata))
    parameters = _plain(dereference_refs(made.parameters, full_schema=made.parameters))
    parameters.pop("$defs", None)
    return made.model_copy(update={"fn_metadata": metadata, "parameters": parameters})


class TaskServer(FastMCP[Any]):
    """A FastMCP server whose errors are written for the model that made the call."""

    def __init__(self, name: str, instructions: str, tools: Iterable[Tool]) -> None:
        tools = list(tools)
        with _root_logger_left_alone():
            super().__init__(name, instructions, tools=tools, log_level="WARNING")
        self._arguments = {made.name: list(made.parameters["properties"]) for made in tools}

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Run a tool.

        Raises:
            ToolError: with a text that says what went wrong, what to do next, and where something
                may have been changed all the same.
        """
        self._refuse_unknown(name, arguments)
        # Models write null for what they leave out.
        given = {key: value for key, value in arguments.items() if value is not None}
        try:
            return await super().call_tool(name, given)
        except ToolError as error:
            cause = error.__cause__
            if cause is None:
                raise
            if isinstance(cause, NotExecutedError):
                return _result(NotExecuted(), str(cause))
            if not isinstance(cause, TaskError | ValidationError):
                logger.error("%s failed", name, exc_info=cause)
            raise ToolError(_explained(name, cause)) from cause

    async def run_over(
        self, reading: AsyncFile[str], writing: AsyncFile[str], grace: float
    ) -> None:
        """Serve one client, a message a line, until its end of `reading` is closed.

        Calls under way are then finished and answered, as far as they are done in `grace` seconds.
        """
        server = self._mcp_server
        async with (
            stdio_server(reading, writing) as (received, sent),
            finishing(received, sent, within=grace) as (asked, answers),
        ):
            await server.run(asked, answers, server.create_initialization_options())

    def _refuse_unknown(self, name: str, arguments: dict[str, Any]) -> None:
        """FastMCP drops arguments that a tool hasn't got; `due_date` would be lost unseen."""
        known = self._arguments.get(name)
        if known is None:
            raise ToolError(
                f"There is no tool {quoted(name)}. The tools are {', '.join(self._arguments)}."
            )
        unknown = [argument for argument in arguments if argument not in known]
        if unknown:
            raise ToolError(
                f"{name} has no argument {quoted(unknown[0])}; its arguments are "
                f"{', '.join(known)}. Nothing was changed."
            )


def _explained(name: str, cause: BaseException) -> str:
    if isinstance(cause, TaskError):
        return str(cause)
    if isinstance(cause, ValidationError):
        return f"{name} can't be called like that: {explained(cause)}. Nothing was changed."
    if isinstance(cause, OutcomeUnknownError):
        return (
            f"{name} failed while its change was being stored, and it is not known whether it was. "
            "Call find_tasks to see, before doing it again."
        )
    if isinstance(cause, DBAPIError) and isinstance(cause.orig, UndefinedTable | UndefinedColumn):
        return (
            f"{name} failed, nothing was changed: the database hasn't the tables for tasks that "
            "are needed. "
            "Whoever runs the server has to run `task-agent migrate` first."
        )
    # Other messages may hold statements and other people's values: they are for the log.
    reason = str(cause) if isinstance(cause, StorageError) else type(cause).__name__
    return (
        f"{name} failed, nothing was changed ({reason}). "
        "Tell the user that the tasks can't be reached; it may work later."
    )


def _result(answer: Answer, text: str | None = None) -> CallToolResult:
    structured = answer.structured()
    text = text or json.dumps(structured, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structuredContent=structured,
        isError=answer.is_error,
    )


def _plain(schema: Any) -> Any:
    """A schema without what says nothing to a model: titles made of names, and null, which stands
    for what is left out."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {}
    for name, part in schema.items():
        if name == "properties":
            plain[name] = {key: _plain(value) for key, value in part.items()}
        elif name != "title" and (name, part) != ("default", None):
            plain[name] = _plain(part)
    kinds = [kind for kind in plain.pop("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return kinds[0] | plain
    return plain | {"anyOf": kinds} if kinds else plain


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """FastMCP's constructor sets up the root logger, where nobody has: not its business here."""
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
