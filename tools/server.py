"""The MCP server that offers the tasks to a model, in process or over stdio.

`python -m tools.server` serves one person over stdio, for any MCP client.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.database import Database, open_database
from storage.errors import StorageError

from .catalogue import catalogue
from .context import LOCAL_USER, Identify, always, from_meta, time_zone
from .errors import TaskError
from .handlers import Handlers
from .protocol import TaskServer

INSTRUCTIONS = (
    "Looks after the user's tasks. A task has a number that never changes; refer to it by that "
    "number, or by words from its title. Pass on dates in the user's words, or as ISO 8601. "
    "Each tool takes several tasks at once, and answers for each; what failed says what to do "
    "next, and nothing was changed for it."
)


def create_server(
    database: Callable[[], Database], *, identify: Identify | None = None
) -> TaskServer:
    """The server, with its tools on the database that `database` gives when a tool is called.

    Args:
        database: Called at every tool call, so that the server can be made before it is open.
        identify: Makes the caller out of a request's `_meta`. By default `_meta` is trusted, which
            is only right for a client in the same process.
    """
    handlers = Handlers(database, identify or from_meta())
    return TaskServer(
        "tasks",
        INSTRUCTIONS,
        catalogue(handlers),
    )


class ServerSettings(BaseSettings):
    """Whom a server over stdio serves."""

    model_config = SettingsConfigDict(
        env_prefix="TASK_AGENT_", env_ignore_empty=True, extra="ignore"
    )

    #: The user whose tasks they are: `users.subject`.
    user: str = LOCAL_USER
    #: The IANA name of the zone that dates are understood in.
    time_zone: str = "UTC"


async def _serve() -> None:
    settings = ServerSettings()
    # Whoever is at the other end may claim to be anybody in `_meta`.
    identify = always(settings.user, time_zone(settings.time_zone))
    async with open_database() as database:
        await create_server(lambda: database, identify=identify).run_stdio_async()


def main() -> int:
    """Serve over stdio until the client closes its end; returns the exit status."""
    # Standard output belongs to the protocol.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    # Else Ctrl-C would wait for the thread that reads standard input, until somebody closes it. An
    # open transaction is rolled back by the database, whichever way the process ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        asyncio.run(_serve())
    except (StorageError, TaskError, ValidationError) as error:
        sys.stderr.write(f"tools.server: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
