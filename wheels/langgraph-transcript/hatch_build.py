"""What the wheel holds: the modules of `storage/` that the checkpointer needs, and no others."""

import ast
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Where an app begins to import: the package itself, and what a `langgraph.json` names.
ENTRIES = ("__init__", "serving")

STORAGE = Path(__file__).parents[2] / "storage"


class StorageHook(BuildHookInterface[Any]):
    """Puts the modules into the wheel under the name that collides with nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        files = [STORAGE / "py.typed", *(STORAGE / f"{name}.py" for name in modules())]
        for file in files:
            build_data["force_include"][str(file)] = f"langgraph_transcript/{file.name}"


def modules() -> list[str]:
    """The entries, the modules that they import, and so on."""
    found: set[str] = set()
    todo = set(ENTRIES)
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= _imported(STORAGE / f"{name}.py") - found
    return sorted(found)


def _imported(file: Path) -> set[str]:
    """The modules beside it that a module imports, wherever in it; imports there are relative."""
    return {
        node.module
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is not None
    }
