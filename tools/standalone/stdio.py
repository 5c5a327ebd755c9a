"""One person's tasks over standard input and output, for a client that starts the server itself."""

import asyncio
import os
import signal
import sys
from io import BufferedWriter, TextIOWrapper

import anyio

from storage.database import connect

from ..context import always
from ..server import create_server
from .room import WaitingForRoom, lead_nowhere
from .settings import StandaloneSettings

#: Seconds for calls under way to finish, once the client has closed its end.
GRACE = 10


class Output(TextIOWrapper):
    """Text for a client that may be gone: what it has asked for is done all the same."""

    def write(self, text: str) -> int:
        """Write, to nowhere when nobody reads any more."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._lead_nowhere()
            return len(text)

    def flush(self) -> None:
        """Flush, to nowhere when nobody reads any more."""
        try:
            super().flush()
        except BrokenPipeError:
            self._lead_nowhere()
            super().flush()

    def _lead_nowhere(self) -> None:
        # What is still in the buffer would fail again, also when the process ends.
        lead_nowhere(self.fileno())


def take_standard_output() -> Output:
    """Standard output for the protocol alone, from now on until the process ends.

    What anything else prints, in Python or not, goes to standard error.
    """
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    written = WaitingForRoom(descriptor, asked_on=0, patience=GRACE)
    return Output(BufferedWriter(written), encoding="utf-8", newline="\n")


def serve(uri: str, settings: StandaloneSettings, output: Output) -> None:
    """Serve until the client closes its end; calls under way are finished.

    Must be called in the main thread.

    Args:
        uri: Of a migrated database.
        settings: Whom to serve.
        output: What `take_standard_output` gave.

    Raises:
        DatabaseUnreachableError: no connection could be made.
    """
    # Else Ctrl-C would wait for the thread that reads standard input, until somebody closes it. An
    # open transaction is rolled back by the database, whichever way the process ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(_serve(uri, settings, output))


async def _serve(uri: str, settings: StandaloneSettings, output: Output) -> None:
    # Whoever is at the other end may claim to be anybody in `_meta`.
    identify = always(settings.user, settings.zone, locale=settings.locale)
    reading = TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    async with connect(uri) as database:
        server = create_server(lambda: database, identify=identify)
        await server.run_over(anyio.wrap_file(reading), anyio.wrap_file(output), GRACE)
