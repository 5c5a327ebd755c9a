"""JSON Schema in words and tables, as far as tools use it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

#: How the types of JSON are called.
TYPES = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
#: What a reference to a shape that is described elsewhere begins with.
SHAPES = "#/$defs/"


def type_in_words(schema: Schema) -> str:
    """What a value may be, on one line of Markdown; shapes that have a name are links."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(SHAPES)
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    if "anyOf" in schema:
        kinds = [type_in_words(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return f"list{_how_many(schema)}: {type_in_words(schema.get('items', {}))}"
    if schema.get("properties"):
        return "see below"
    kind = TYPES.get(str(schema.get("type")), "anything")
    return f"{kind}{_bounds(schema)}"


def table(schema: Schema) -> Iterator[str]:
    """The properties of an object as the lines of a Markdown table."""
    required = set(schema.get("required", ()))
    yield "| Name | What it may be | |"
    yield "|---|---|---|"
    for name, value in schema.get("properties", {}).items():
        notes = [one for one in (_cell(str(value.get("description", ""))),) if one]
        if value.get("default") is not None:
            notes.append(f"{_code(value['default'])} if not given.")
        shown = f"`{_cell(name)}`"
        if name in required:
            shown = f"**{shown}**"
        yield f"| {shown} | {_cell(type_in_words(value))} | {' '.join(notes)} |"


def inner_objects(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The objects that properties of an object consist of, where they have no name to link to."""
    for name, value in schema.get("properties", {}).items():
        for one in (value, *value.get("anyOf", ())):
            inner = one.get("items", {}) if one.get("type") == "array" else one
            for candidate in (inner, *inner.get("anyOf", ())):
                if candidate.get("properties"):
                    yield name, candidate


def _how_many(schema: Schema) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if most is None:
        return "" if not least else f" of at least {least}"
    return f" of up to {most}" if not least else f" of {least} to {most}"


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return ""
    if most is None:
        return f", at least {least}"
    return f", at most {most}" if least is None else f", {least} to {most}"


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "\\|").split())
