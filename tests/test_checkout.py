"""The checkout itself: what is installed is what is here, and what is pinned is pinned whole."""

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
LOCK = (REPOSITORY / "requirements.lock").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    "name", ["graph", "tools", "storage", "server", "replay", "migrations", "cli"]
)
def test_a_package_with_so_plain_a_name_is_ours_and_not_somebody_elses(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(REPOSITORY)


def test_every_dependency_is_pinned_with_hashes_and_no_index_is_named() -> None:
    pinned = re.findall(
        r"^([A-Za-z0-9._-]+)==\S+(?: ;[^\\]*)? \\\n((?:    --hash.*\n?)+)", LOCK, re.M
    )
    assert len(pinned) == len(re.findall(r"^\S", LOCK, re.M))
    assert all(hashes.count("--hash=sha256:") >= 1 for _, hashes in pinned)
    assert "://" not in LOCK
    assert "index" not in {line.split()[0].strip("-") for line in LOCK.splitlines() if line}
    names = {canonicalize_name(name) for name, _ in pinned}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert {canonicalize_name(Requirement(one).name) for one in wanted} <= names


def test_the_server_is_told_where_graph_checkpointer_and_app_are() -> None:
    config = json.loads((REPOSITORY / "langgraph.json").read_text())
    # A dotted path for the checkpointer, one with a colon for the others: see langgraph's docs.
    dotted = [config["checkpointer"]["path"].rpartition(".")]
    colon = [
        path.partition(":")
        for path in (config["graphs"]["task_agent"]["path"], config["http"]["app"])
    ]
    for module, _, name in dotted + colon:
        assert hasattr(importlib.import_module(module), name)
