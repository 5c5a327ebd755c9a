"""A checkpointer for a `langgraph.json` to name, on the database that the environment names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .checkpointer import TranscriptSaver
from .opening import open_saver
from .urls import url_from_environment


@asynccontextmanager
async def open_checkpointer() -> AsyncIterator[TranscriptSaver]:
    """A saver whose tables are there, with every option at its default.

    LangGraph's server wants a function without arguments. For another owner or other options,
    write one like this, around `open_saver`, and name that.

    Raises:
        NoDatabaseError: neither variable is set.
        SetupError: the tables could not be made.
        InvalidURLError: the URL is not one of a Postgres database.
    """
    async with open_saver(url_from_environment()) as saver:
        await saver.setup()
        yield saver
