"""What the wheel holds: the modules of `storage/` that an app or the command needs, no others."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STORAGE = Path(__file__).parents[2] / "storage"

#: Where an app begins to import: the package itself, what a `langgraph.json` names, the command.
ENTRIES = tuple(STORAGE / f"{name}.py" for name in ("__init__", "__main__", "serving"))


class StorageHook(BuildHookInterface[Any]):
    """Puts the modules into the wheel under the name that collides with nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        for file in (STORAGE / "py.typed", *modules()):
            place = Path("langgraph_transcript") / file.relative_to(STORAGE)
            build_data["force_include"][str(file)] = place.as_posix()


def modules() -> list[Path]:
    """The files of the entries, of the modules that they import, and so on."""
    found: set[Path] = set()
    todo = set(ENTRIES)
    while todo:
        file = todo.pop()
        found.add(file)
        todo |= set(_imported(file)) - found
    return sorted(found)


def _imported(file: Path) -> Iterator[Path]:
    """The modules of `storage/` that one imports, wherever in it; imports there are relative."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            origin = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for path in (origin, *(origin / alias.name for alias in node.names)):
                yield from _files(path)


def _files(module: Path) -> Iterator[Path]:
    """The file of a module, if it is one, and those of the packages that it lies in."""
    for file in (module.with_suffix(".py"), module / "__init__.py"):
        if file.is_file():
            yield file
            for package in file.relative_to(STORAGE).parents:
                yield STORAGE / package / "__init__.py"
