"""Adopts or ejects a database, in a process that can be killed: `… adopt URL` or `… eject URL`.

It says when it begins, so that whoever kills it can do so while it works, and then after every
hundred threads how many KiB of memory it has taken at most.
"""

import asyncio
import resource
import sys

from storage.database import connect
from storage.plain import adopting
from storage.plain.adopting import adopt_threads
from storage.plain.ejecting import eject_threads


def say(what: object) -> None:
    print(what, flush=True)  # noqa: T201 - it is a process's output.


async def main(what: str, url: str) -> None:
    # Small steps, so that it is often killed between two of a thread.
    adopting.STEP_BYTES = 1_000
    async with connect(url) as database:
        say("begun")
        number = 0
        if what == "adopt":
            async for adopted in adopt_threads(database.pool, lambda *_: "local", batch=7):
                number += adopted.is_last
                if adopted.is_last and number % 100 == 0:
                    say(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        else:
            async for _ in eject_threads(database.pool, batch=7):
                number += 1
                if number % 100 == 0:
                    say(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
