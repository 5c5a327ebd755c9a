"""The database that the settings name, for the commands that look after it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from storage.commands.place import Place

if TYPE_CHECKING:
    from storage.connections import Pool


@asynccontextmanager
async def _configured_pool() -> "AsyncIterator[Pool]":
    # SQLAlchemy takes a second to import, and not every command needs a database.
    from storage.database import open_database

    async with open_database() as database:
        yield database.pool


CONFIGURED = Place(_configured_pool)
