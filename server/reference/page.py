"""What a server says of its tools, as a page of Markdown. It knows no tool by name."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mcp.types import CallToolResult, Tool, ToolAnnotations

from .examples import Answered
from .schemas import Schema, inner_objects, table

#: Characters of JSON on one line.
LINE = 100

HEAD = """\
<!-- Written by `make docs` from what the server says of itself: change that, not this. -->

# The task tools

What `task-agent mcp` offers to any MCP client, and what the agent uses. In the tables, what has to
be given, or is always in an answer, is **bold**. Whose tasks they are is no argument of any tool.
"""

ELSEWHERE = """\
## What answers consist of

An answer comes twice: as structured content, which is shown here, and as the same JSON in a text.
What there is nothing to say about is left out.
"""


class UnlikeShapesError(Exception):
    """Two tools mean different things by the same name of a shape; one page can't show both."""


def page(instructions: str, tools: Sequence[Tool], answered: Sequence[Answered]) -> str:
    """The page.

    Args:
        instructions: what the server tells a client at the beginning.
        tools: in the order in which the server lists them.
        answered: calls and what the server answered; shown with the tool that was called.

    Raises:
        UnlikeShapesError: see there.
    """
    lines = [HEAD, f"> {instructions}", "", *_overview(tools)]
    for tool in tools:
        lines += ["", *_section(tool)]
        for number, one in enumerate(call for call in answered if call.example.tool == tool.name):
            lines += ["", *_example(one, again=number > 0)]
    if shapes := _shapes(tools):
        lines += ["", ELSEWHERE.rstrip()]
        for name, schema in shapes.items():
            lines += ["", f"### {name}", "", *_described(schema), *table(schema)]
    return "\n".join(lines) + "\n"


def _overview(tools: Sequence[Tool]) -> Iterator[str]:
    yield "| Tool | | Hints |"
    yield "|---|---|---|"
    for tool in tools:
        hints = ", ".join(_hints(tool.annotations))
        yield f"| [`{tool.name}`](#{tool.name}) | {tool.title or ''} | {hints} |"


def _hints(annotations: ToolAnnotations | None) -> Iterator[str]:
    if annotations is None:
        return
    if annotations.readOnlyHint:
        yield "only reads"
        return
    yield "deletes" if annotations.destructiveHint else "changes"
    if annotations.idempotentHint:
        yield "may be repeated"


def _section(tool: Tool) -> Iterator[str]:
    yield f"## {tool.name}"
    yield ""
    yield tool.description or ""
    yield ""
    if tool.inputSchema.get("properties"):
        yield "Arguments:"
        yield ""
        yield from table(tool.inputSchema)
        for name, schema in inner_objects(tool.inputSchema):
            yield ""
            yield f"Each of `{name}`:"
            yield ""
            yield from table(schema)
    else:
        yield "It has no arguments."
    if tool.outputSchema:
        yield ""
        yield "Answer:"
        yield ""
        yield from table(tool.outputSchema)


def _example(one: Answered, *, again: bool) -> Iterator[str]:
    yield f"{'Another' if again else 'An'} example. {one.example.says}"
    yield ""
    yield from _json({"name": one.example.tool, "arguments": dict(one.example.arguments)})
    yield ""
    yield from _json(_answer(one.result))


def _answer(result: CallToolResult) -> Any:
    if result.structuredContent is not None:
        return result.structuredContent
    return [block.model_dump(mode="json", exclude_none=True) for block in result.content]


def _json(value: Any) -> Iterator[str]:
    yield "```json"
    yield from _laid_out(value)
    yield "```"


def _laid_out(value: Any, indent: str = "", before: str = "", after: str = "") -> Iterator[str]:
    """JSON with as much on a line as fits."""
    line = f"{indent}{before}{json.dumps(value, ensure_ascii=False)}{after}"
    if len(line) <= LINE or not value or not isinstance(value, dict | list):
        yield line
        return
    if isinstance(value, dict):
        parts = [(f"{json.dumps(name, ensure_ascii=False)}: ", one) for name, one in value.items()]
    else:
        parts = [("", one) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{before}{opening}"
    for number, (name, one) in enumerate(parts, start=1):
        yield from _laid_out(one, f"{indent}  ", name, "," if number < len(parts) else "")
    yield f"{indent}{closing}{after}"


def _described(schema: Schema) -> Iterator[str]:
    if schema.get("description"):
        yield " ".join(str(schema["description"]).split())
        yield ""


def _shapes(tools: Sequence[Tool]) -> dict[str, Schema]:
    shapes: dict[str, Schema] = {}
    for tool in tools:
        for schema in (tool.inputSchema, tool.outputSchema or {}):
            for name, shape in schema.get("$defs", {}).items():
                if shapes.setdefault(name, shape) != shape:
                    raise UnlikeShapesError(
                        f"{tool.name} means another {name} than the tools before it. Give the two "
                        "shapes different names."
                    )
    return shapes
