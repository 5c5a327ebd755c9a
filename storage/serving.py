"""A checkpointer for a `langgraph.json` to name, on the database that the environment names."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .checkpointer import TranscriptSaver
from .errors import StorageError
from .opening import open_saver

#: Where the URL is looked for, in this order.
URL_VARIABLES = ("TRANSCRIPT_DATABASE_URL", "DATABASE_URL")


class NoDatabaseError(StorageError):
    """The environment names no database."""


@asynccontextmanager
async def open_checkpointer() -> AsyncIterator[TranscriptSaver]:
    """A saver whose tables are there, with every option at its default.

    LangGraph's server wants a function without arguments. For another owner or other options,
    write one like this, around `open_saver`, and name that.

    Raises:
        NoDatabaseError: neither variable is set.
        SetupError: the tables could not be made.
        ValueError: the URL is not one of a Postgres database.
    """
    url = next((url for name in URL_VARIABLES if (url := os.environ.get(name))), None)
    if url is None:
        raise NoDatabaseError(
            f"set {' or '.join(URL_VARIABLES)} to the URL of a Postgres database, such as "
            "postgresql://user:password@host:5432/database."
        )
    async with open_saver(url) as saver:
        await saver.setup()
        yield saver
