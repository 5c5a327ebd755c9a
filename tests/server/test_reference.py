"""docs/tools.md is what the task server says of itself, and the generator knows no tool by name."""

import json
import re
from typing import Any

import pytest
from mcp.types import CallToolResult, TextContent, Tool, ToolAnnotations

from server.reference.examples import Answered, Example, ExampleError, read_examples, run
from server.reference.page import UnlikeShapesError, page
from server.reference.write import PAGE, written
from storage.database import Database
from tests.tools.support import client

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}


async def test_the_page_is_what_the_server_says_of_itself(database: Database) -> None:
    assert PAGE.read_text(encoding="utf-8") == await written(database), (
        f"{PAGE.name} is not what the server says of itself any more. Run: make docs"
    )


async def test_each_tool_has_an_example_and_each_example_a_tool(database: Database) -> None:
    async with client(database) as session:
        tools = [tool.name for tool in (await session.list_tools()).tools]
    assert {example.tool for example in read_examples()} == set(tools)


async def test_an_example_that_fails_unexpectedly_is_not_shown(database: Database) -> None:
    async with client(database) as session:
        name = (await session.list_tools()).tools[0].name
        wrong = Example(says="Wrong.", tool=name, arguments={"no such argument": 1})
        with pytest.raises(ExampleError, match=name):
            await run(session, [wrong])
        (answered,) = await run(session, [wrong.model_copy(update={"fails": True})])
    assert answered.result.isError


def test_a_tool_is_shown_with_its_arguments_and_its_answer() -> None:
    thing = {"type": "object", "properties": {"a|b": {"type": "integer", "minimum": 1}}}
    arguments = {
        "type": "object",
        "properties": {
            "things": {"type": "array", "items": thing, "minItems": 1, "maxItems": 3},
            "kind": {"enum": ["x", "y"], "default": "x", "description": "Which\none."},
            "where": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["things"],
    }
    answer = {
        "type": "object",
        "properties": {"it": {"anyOf": [{"$ref": "#/$defs/Thing"}, {"type": "null"}]}},
        "$defs": {"Thing": thing | {"description": "A thing."}},
    }
    tool = Tool(
        name="do_things",
        title="Do things",
        description="Does them.",
        inputSchema=arguments,
        outputSchema=answer,
        annotations=ToolAnnotations(destructiveHint=True, idempotentHint=True),
    )
    call = Example(says="So.", tool="do_things", arguments={"things": [{}]})
    result = CallToolResult(
        content=[TextContent(type="text", text="{}")], structuredContent={"it": None}
    )
    lines = page("Instructions.", [tool], [Answered(call, result)]).splitlines()
    for line in (
        "> Instructions.",
        "| [`do_things`](#do_things) | Do things | deletes, may be repeated |",
        "Does them.",
        "| **`things`** | list of 1 to 3: see below |  |",
        '| `kind` | `"x"`, `"y"` | Which one. `"x"` if not given. |',
        "| `where` | text |  |",
        "Each of `things`:",
        "| `a\\|b` | number, at least 1 |  |",
        "| `it` | [Thing](#thing) |  |",
        "An example. So.",
        '{"name": "do_things", "arguments": {"things": [{}]}}',
        '{"it": null}',
        "### Thing",
        "A thing.",
    ):
        assert line in lines, line


def test_a_tool_without_arguments_and_structure_is_shown_too() -> None:
    tool = Tool(name="ping", inputSchema=NOTHING, annotations=ToolAnnotations(readOnlyHint=True))
    call = Example(says="So.", tool="ping")
    result = CallToolResult(content=[TextContent(type="text", text="pong")])
    shown = page("", [tool], [Answered(call, result)])
    assert "It has no arguments." in shown
    assert "only reads" in shown
    assert '"pong"' in shown


def test_json_is_laid_out_without_a_change() -> None:
    values: dict[str, Any] = {
        "a": [1, None, "x" * 120, [], {}],
        "b": {"ü": [{"c": "y" * 90}, {"d": "z" * 90}]},
    }
    tool = Tool(name="t", inputSchema=NOTHING)
    result = CallToolResult(content=[], structuredContent=values)
    shown = page("", [tool], [Answered(Example(says="So.", tool="t"), result)])
    *_, block = re.findall(r"```json\n(.*?)\n```", shown, re.DOTALL)
    assert json.loads(block) == values


def test_two_shapes_of_one_name_are_not_mixed_up() -> None:
    one, other = (
        Tool(name=name, inputSchema=NOTHING, outputSchema={**NOTHING, "$defs": {"Thing": shape}})
        for name, shape in (("a", {"type": "string"}), ("b", {"type": "integer"}))
    )
    with pytest.raises(UnlikeShapesError, match="Thing"):
        page("", [one, other], [])
