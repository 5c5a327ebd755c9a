"""A second database beside the one that a test's conversation is stored in."""

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from replay.compare import compare, report
from replay.export import export_thread
from replay.player import replay
from replay.recording import Recording
from storage.database import Database, connect
from storage.settings import libpq_uri, parse_url
from tests.replay.support import Replays, Talk, talking


@pytest.fixture
async def fresh_database(server_uri: str, template: str) -> AsyncIterator[Database]:
    """An open pool on another database with every table."""
    plain_name = f"test_{uuid4().hex}"
    name = sql.Identifier(plain_name)
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template))
        )
    try:
        uri = libpq_uri(parse_url(server_uri).set(database=plain_name))
        async with connect(uri) as database:
            yield database
    finally:
        with psycopg.connect(server_uri, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


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
