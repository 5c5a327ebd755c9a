"""The checkpointer that `langgraph.json` names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.checkpointer import TranscriptSaver
from storage.database import open_database, share
from storage.opening import open_saver
from storage.settings import DatabaseSettings

from .unfinished import go_on_with_unfinished_runs


@asynccontextmanager
async def open_checkpointer() -> AsyncIterator[TranscriptSaver]:
    """The saver on the database that the environment names.

    The server enters it after it has read its list of runs, and before it imports the graph and
    works on a run. So the database is shared with the process, and runs that a crash has cut off
    are looked at.
    """
    settings = DatabaseSettings()
    cache_bytes = int(settings.cache_mib * 2**20)
    async with (
        open_database(settings) as database,
        open_saver(
            database.pool, cache_bytes=cache_bytes, answer_timeout=settings.answer_timeout
        ) as saver,
    ):
        await go_on_with_unfinished_runs(database)
        with share(database):
            yield saver
