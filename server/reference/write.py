"""The page of the task server itself."""

from pathlib import Path

from mcp.shared.memory import create_connected_server_and_client_session

from storage.database import Database
from tools.server import create_server

from .examples import read_examples, run
from .page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tools.md"


async def written(database: Database) -> str:
    """What docs/tools.md has to say.

    Args:
        database: migrated, and without anything of the examples' user in it.
    """
    server = create_server(lambda: database)
    async with create_connected_server_and_client_session(server) as session:
        told = await session.initialize()
        tools = (await session.list_tools()).tools
        answered = await run(session, read_examples())
    return page(told.instructions or "", tools, answered)
