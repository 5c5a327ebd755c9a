"""Adopts or ejects a database, in a process that can be killed: `… adopt URL` or `… eject URL`.

`… adopt URL small` does it in small steps, so that it is often killed between two of a thread.

It says when it begins, so that whoever kills it can do so while it works, and then after every
hundred threads how many KiB of memory it has taken at most.
"""

import asyncio
import resource
import sys
from pathlib import Path
from typing import Any

from storage.database import connect
from storage.plain import adopting
from storage.plain.adopting import adopt_threads
from storage.plain.ejecting import eject_threads


def peak() -> int:
    """The most memory, in KiB, that this process has taken so far."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, which counts in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
    # Linux's `ru_maxrss` begins with what the process had that started this one.
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


def say(what: object) -> None:
    print(what, flush=True)  # noqa: T201 - it is a process's output.


async def main(what: str, url: str, steps: str = "") -> None:
    batch: dict[str, Any] = {}
    if steps == "small":
        adopting.STEP_BYTES = 1_000
        batch = {"batch": 7}
    async with connect(url) as database:
        say("begun")
        number = 0
        if what == "adopt":
            async for adopted in adopt_threads(database.pool, lambda *_: "local", **batch):
                number += adopted.is_last
                if adopted.is_last and number % 100 == 0:
                    say(peak())
        else:
            async for _ in eject_threads(database.pool, **batch):
                number += 1
                if number % 100 == 0:
                    say(peak())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
