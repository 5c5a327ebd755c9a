"""Building the wheel, and an environment that holds it and what it says it needs, nothing else.

Its command is there as well, and what that needs."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.support import Result

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "wheels" / "langgraph-transcript"
EXAMPLE = REPOSITORY / "docs" / "examples" / "langgraph_transcript_example.py"

#: What an app has that uses the wheel: LangGraph, its development server, a build of the driver.
APP = ("langgraph", "langgraph-cli[inmem]", "psycopg[binary]")


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def command(self) -> str:
        """The script `langgraph-transcript`."""
        return str(self.folder / "bin" / "langgraph-transcript")

    def run(self, *arguments: str, **environment: str) -> str:
        """What its Python prints, run in an empty directory without this repository in reach."""
        done = self.start([self.python, *arguments], self.folder, environment)
        assert done.code == 0, done.err
        return done.out

    def start(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Result:
        """How a program ends that is run in a folder, without this repository in reach."""
        done = subprocess.run(
            arguments,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)


def build(folder: Path) -> Path:
    """The wheel, built into `folder` as `make wheel` builds it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=SOURCE,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Environment:
    """An environment with the wheel beside plain LangGraph, in the versions pinned here."""
    environment = Environment(folder / "environment")
    subprocess.run([sys.executable, "-m", "venv", environment.folder], check=True)
    constraints = folder / "constraints.txt"
    lock = (REPOSITORY / "requirements.lock").read_text()
    constraints.write_text(re.sub(r" \\\n(?:    --hash=.*\n?)+", "\n", lock))
    process = subprocess.run(
        [
            *(environment.python, "-m", "pip", "install", "--disable-pip-version-check"),
            *("--retries", "2", "--timeout", "20", "--constraint", str(constraints)),
            *(f"{wheel}[cli]", *APP),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0 and "after connection broken by" in process.stderr:
        pytest.skip(f"the package registry can't be reached: {process.stderr.splitlines()[0]}")
    assert process.returncode == 0, process.stderr
    return environment
