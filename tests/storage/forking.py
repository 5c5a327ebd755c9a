"""The side of a process that is killed: it is forked by one that has imported everything.

What it knows it says on its standard output, each line in one write. `killing.Worker` is the other
end. The process that imports everything, which takes a second, is never killed.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def tell(kind: str, thread_id: str = "", known: Any = None) -> None:
    """Say something that is known of a thread, at once and whole."""
    line = json.dumps([kind, thread_id, known]) + "\n"
    os.write(1, line.encode())


def serve(
    warm_up: Callable[[str], Awaitable[None]], work: Callable[[str, Any], Awaitable[None]]
) -> None:
    """For each line of the standard input, a URI and something to do, fork a process that does it.

    Args:
        warm_up: is done before the first fork, on the database that the command line names:
            whatever takes longer the first time.
        work: is given the URI and what is to be done.
    """
    asyncio.run(_awaited(warm_up(sys.argv[1])))
    tell("warm")
    for line in sys.stdin:
        uri, task = json.loads(line)
        child = os.fork()
        if child == 0:
            asyncio.run(_awaited(work(uri, task)))
            os._exit(0)
        tell("started", known=child)
        _, status = os.waitpid(child, 0)
        tell("ended", known=os.waitstatus_to_exitcode(status))


async def _awaited(done: Awaitable[None]) -> None:
    await done
