"""The wheel `langgraph-transcript`: what is in it, and that it is the same as what is here."""

import ast
import email
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import storage
from storage import advice
from tests.wheel.support import EXAMPLE, REPOSITORY, SOURCE, build

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
WHEEL = tomllib.loads((SOURCE / "pyproject.toml").read_text())
STORAGE = Path(storage.__file__).parent


def modules(wheel: zipfile.ZipFile) -> set[str]:
    """The modules in it, each by its path in the package."""
    return {
        Path(name).relative_to("langgraph_transcript").as_posix()
        for name in wheel.namelist()
        if name.endswith(".py")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(build(tmp_path_factory.mktemp("dist"))) as file:
        yield file


def test_the_checkpointer_is_in_it_and_nothing_that_only_this_app_needs(
    wheel: zipfile.ZipFile,
) -> None:
    names = modules(wheel)
    assert {"checkpointer.py", "opening.py", "serving.py", "setup.py"} <= names
    assert {"verifying/verify.py", "plain/adopting.py", "commands/tree.py"} <= names
    assert not names & {"database.py", "models.py", "settings.py", "embedded/__init__.py"}


def test_whatever_is_imported_in_it_is_in_it(wheel: zipfile.ZipFile) -> None:
    names = modules(wheel)
    for name in names:
        for node in ast.walk(ast.parse((STORAGE / name).read_text())):
            if isinstance(node, ast.ImportFrom) and node.level > 0:
                package = Path(name).parents[node.level - 1]
                module = package.joinpath(*(node.module or "").split(".")).as_posix()
                assert names & {f"{module}.py", f"{module}/__init__.py"}, (name, node.module)


def test_every_file_is_the_one_that_is_here(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert {Path(name).parts[0] for name in names} == {"langgraph_transcript"}
    assert "langgraph_transcript/py.typed" in names
    for name in names:
        assert wheel.read(name) == (STORAGE.joinpath(*Path(name).parts[1:])).read_bytes()


def test_what_it_advises_is_there_in_it(wheel: zipfile.ZipFile) -> None:
    assert (advice.ADVICE, advice.APP.command) == (advice.APP, "task-agent")
    # The module of advice itself has the words of both.
    named = {name for name in modules(wheel) if "`task-agent " in (STORAGE / name).read_text()}
    assert named == {"advice.py"}
    entries = wheel.read(next(name for name in wheel.namelist() if name.endswith("points.txt")))
    assert f"{advice.WHEEL.command} = langgraph_transcript.__main__:main" in entries.decode()


def test_it_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    content = wheel.read(name)
    metadata = email.message_from_bytes(content)
    assert metadata["Name"] == "langgraph-transcript"
    assert metadata["Version"] == PROJECT["project"]["version"]
    assert metadata["License-Expression"] == PROJECT["project"]["license"]
    assert metadata["Requires-Python"] == ",".join(
        sorted(PROJECT["project"]["requires-python"].split(","))
    )
    assert content.endswith(b"\n\n" + (SOURCE / "README.md").read_bytes())
    (licence,) = [name for name in wheel.namelist() if "/licenses/" in name]
    assert wheel.read(licence) == (REPOSITORY / "LICENSE").read_bytes()


def test_it_needs_nothing_that_this_project_does_not_need_in_the_same_versions() -> None:
    ours = {
        requirement.name: requirement.specifier
        for requirement in map(Requirement, PROJECT["project"]["dependencies"])
    }
    extra = WHEEL["project"]["optional-dependencies"]["cli"]
    for requirement in map(Requirement, [*WHEEL["project"]["dependencies"], *extra]):
        assert requirement.specifier == ours[requirement.name], requirement


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"))
        if "open_saver" in page.read_text()
    ]
    + [SOURCE / "README.md"],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_the_example_that_is_shown_is_the_one_that_is_tested(page: Path) -> None:
    example = EXAMPLE.read_text()
    assert f"```python\n{example}```" in page.read_text()


def test_the_example_has_twenty_lines_at_most() -> None:
    assert len([line for line in EXAMPLE.read_text().splitlines() if line]) <= 20
