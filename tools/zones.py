"""Time zones by their IANA names. The first use of one reads a file; after that it is known."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import InvalidValueError
from .texts import quoted

#: There are some 600. On file systems that take "europe/berlin" for one as well, there is no end.
KNOWN_MAX = 1000

#: `ZoneInfo` itself keeps eight, and others for as long as somebody uses them.
_known: dict[str, ZoneInfo] = {}


def time_zone(name: str) -> ZoneInfo:
    """The zone with an IANA name. May block; `zone_named` doesn't.

    Raises:
        InvalidValueError: there is no zone of that name.
    """
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise InvalidValueError(
            f"There is no time zone {quoted(str(name))}; "
            'give an IANA name such as "Europe/Berlin" or "UTC".'
        ) from error
    if len(_known) < KNOWN_MAX:
        _known[name] = zone
    return zone


async def zone_named(name: str) -> ZoneInfo:
    """The zone with an IANA name, read in a thread if it has to be.

    Raises:
        InvalidValueError: there is no zone of that name.
    """
    if isinstance(name, str) and name in _known:
        # A thread costs more than many a call, and most of all where the machine is busy.
        return _known[name]
    return await asyncio.to_thread(time_zone, name)


async def read_zones(names: Iterable[str]) -> None:
    """See to it that `ZoneInfo(name)` blocks for none of these that there is."""
    for name in names:
        with suppress(InvalidValueError):
            await zone_named(name)
