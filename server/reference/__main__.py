"""`python -m server.reference`, or `make docs`: writes docs/tools.md."""

import asyncio
import sys

from migrations.run import migrate
from storage.database import connect
from storage.temporary import temporary_server

from .write import PAGE, written


async def _page(uri: str) -> str:
    async with connect(uri) as database:
        return await written(database)


def main() -> None:
    """Ask a server on an empty database, and write what it says."""
    with temporary_server() as uri:
        migrate(uri)
        PAGE.write_text(asyncio.run(_page(uri)), encoding="utf-8")
    sys.stdout.write(f"Written: {PAGE}\n")


if __name__ == "__main__":
    main()
