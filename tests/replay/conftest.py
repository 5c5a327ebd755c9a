"""A second database beside the one that a test's conversation is stored in."""

from collections.abc import AsyncIterator

import pytest

from replay.compare import compare, report
from replay.export import export_thread
from replay.player import replay
from replay.recording import Recording
from storage.database import Database, connect
from tests.cloning import cloned
from tests.replay.support import Replays, Talk, talking


@pytest.fixture
async def fresh_database(server_uri: str, template: str) -> AsyncIterator[Database]:
    """An open pool on another database with every table."""
    with cloned(server_uri, template) as uri:
        async with connect(uri) as database:
            yield database


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    """Somebody to talk to."""
    async with talking(database) as talk:
        yield talk


@pytest.fixture
def replays(database: Database, fresh_database: Database) -> Replays:
    """Export a thread by way of its file, run it again, and fail on any difference."""

    async def export_and_run(thread: str = "thread") -> Recording:
        recording = Recording.from_json((await export_thread(database, thread)).to_json())
        differences = compare(recording, await replay(recording, fresh_database))
        assert not differences, report(differences)
        return recording

    return export_and_run
