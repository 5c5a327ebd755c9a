"""The process that `task-agent dev` starts: `langgraph dev`, quiet, and gone with its parent.

Run as `python -m server.process FD ARGUMENT…`. FD is the reading end of a pipe whose other end
only the parent holds, so that it closes when the parent is gone, by `kill -9` too.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

#: Seconds for the server to finish requests and close its database once nobody wants it.
GRACE = 10


def end_with_parent(pipe: int) -> None:
    """Ask this process to end when the pipe closes, and make it when it doesn't."""
    # The process that reloads code passes its open files on to those it starts.
    os.set_inheritable(pipe, False)
    threading.Thread(target=_watch, args=(pipe,), name="parent", daemon=True).start()


def _watch(pipe: int) -> NoReturn:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    # The launcher made this process the leader of a group: whatever it started ends with it.
    os.killpg(0, signal.SIGKILL)
    raise SystemExit


def main(arguments: Sequence[str]) -> None:
    """Run `langgraph dev` in this process."""
    pipe, *options = arguments
    end_with_parent(int(pipe))
    # `langgraph_api.cli` would set the level to INFO, at which it prints a banner of its own.
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "WARNING").upper())
    # Imports that take more than three seconds, as on a laptop just woken, are nothing to warn of.
    logging.getLogger("langgraph_api.timing.timer").setLevel(logging.ERROR)
    from langgraph_cli.cli import cli

    cli(["dev", *options], prog_name="langgraph")


if __name__ == "__main__":
    main(sys.argv[1:])
