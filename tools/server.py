"""The MCP server that offers the tasks to a model; `standalone` serves it to other programs."""

from collections.abc import Callable

from storage.database import Database

from .catalogue import catalogue
from .context import Identify, from_meta
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
