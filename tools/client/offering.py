"""Which tools of another server can be offered to a model.

A provider refuses a request altogether for one tool in it that it can't read. So one wrong tool of
one server would cost the agent every answer; it is left out in place of that.
"""

from collections.abc import Iterable
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool


def offered(tools: Iterable[BaseTool]) -> tuple[list[BaseTool], dict[str, str]]:
    """The tools that can be, and why the others can't, by their names."""
    fit: dict[str, BaseTool] = {}
    left_out: dict[str, str] = {}
    for tool in tools:
        problem = "there is another one of that name" if tool.name in fit else _problem(tool)
        if problem is None:
            fit[tool.name] = tool
        else:
            left_out[tool.name] = problem
    return list(fit.values()), left_out


def _problem(tool: BaseTool) -> str | None:
    if not tool.name.strip():
        return "it has no name"
    try:
        schema = convert_to_openai_tool(tool)["function"].get("parameters")
    except Exception as error:
        # Whatever a server has put into the schema, and whatever stumbles over it.
        return f"its input schema can't be read: {type(error).__name__}: {error}"
    return None if _is_of_an_object(schema) else "its input schema is not that of an object"


def _is_of_an_object(schema: Any) -> bool:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    properties, required = schema.get("properties"), schema.get("required", [])
    return (
        isinstance(properties, dict)
        and all(isinstance(each, dict | bool) for each in properties.values())
        and isinstance(required, list)
        and all(isinstance(each, str) for each in required)
    )
