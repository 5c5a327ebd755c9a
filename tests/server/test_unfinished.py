"""Unfinished runs, where the server isn't the one that is known."""

import logging
import sys
from types import ModuleType

import pytest

from server.unfinished import OPERATIONS, REGISTRY, go_on_with_unfinished_runs
from storage.database import Database


async def test_another_runtime_is_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, REGISTRY, raising=False)
    await go_on_with_unfinished_runs(database)
    assert caplog.records == []


async def test_a_registry_that_is_kept_differently_is_told_of_and_stops_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (REGISTRY, OPERATIONS):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    await go_on_with_unfinished_runs(database)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "cut off by a crash" in record.message
