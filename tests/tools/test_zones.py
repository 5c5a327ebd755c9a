"""Time zones by name."""

import asyncio
from typing import Any

import pytest

from tools.errors import InvalidValueError
from tools.zones import read_zones, time_zone, zone_named


async def test_a_zone_that_is_known_is_given_without_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await read_zones(["Pacific/Chatham", "Asia/Kathmandu"])

    def no_thread(*_: Any) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(asyncio, "to_thread", no_thread)
    for name in ("Pacific/Chatham", "Asia/Kathmandu"):
        assert (await zone_named(name)).key == name


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "", "/etc/passwd", "../zone", ["UTC"], 7, "\0"]
)
async def test_what_names_no_zone_is_refused(name: Any) -> None:
    with pytest.raises(InvalidValueError):
        await zone_named(name)
    with pytest.raises(InvalidValueError):
        time_zone(name)
