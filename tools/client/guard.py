"""Starts a server so that it never outlives the agent, whichever way that ends.

Run as `python guard.py COMMAND ARGUMENT…`, in a process group of its own and with standard input
that only the agent can write to. This process becomes the command. A second one, the guard, stays
behind: many servers go on when their input ends, and those that they started do so more often.

The guard looks at two pipes. One is held open by the server and, as a rule, by what it starts: when
it closes they are gone, and so is the guard. Programs in Python or Node start others without it,
and some close whatever they inherit, so the process group is looked at as well. The other pipe is
the standard input: when that closes the agent is gone, or has closed the session, and whoever is
then left of the group is ended.
"""

import os
import select
import signal
import sys
import time

#: Seconds to end by itself, then once more after being asked to. An agent that is alive does this
#: by itself, and sooner.
GRACE = 3

#: Seconds between two looks whether anybody is left.
LOOK = 0.05

#: What shells report of a command that there isn't, or that can't be started.
NOT_STARTED = 127


def main(command: list[str]) -> int:
    """Become the command; returns only if that fails."""
    reading, writing = os.pipe()
    server = os.getpid()
    if os.fork() == 0:
        os.close(writing)
        _guard(server, reading)
        os._exit(0)
    os.close(reading)
    os.set_inheritable(writing, True)
    try:
        os.execvp(command[0], command)  # noqa: S606 - a command of the user's own mcp.json
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
    return NOT_STARTED


def _guard(server: int, alive: int) -> None:
    # Out of the group that it will end, and off a terminal's Ctrl-C.
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        # Else nobody would see the end of what the server writes.
        os.dup2(nowhere, stream)
    poller = select.poll()
    # No events: that somebody has hung up is told all the same.
    poller.register(alive, 0)
    poller.register(0, 0)
    if any(stream == alive for stream, _ in poller.poll()):
        if _is_gone(server, 0):
            return
        poller.unregister(alive)
        poller.poll()
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        if _is_gone(server, number):
            return


def _is_gone(group: int, number: int) -> bool:
    """Whether nobody is left of a process group, some time after a signal; 0 is none."""
    deadline = time.monotonic() + GRACE
    try:
        os.killpg(group, number)
        while time.monotonic() < deadline:
            # They are no children of this process, so there is nothing to wait on.
            time.sleep(LOOK)
            os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        # The second, on macOS, is for those that have ended and that nobody has asked about.
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
