from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from replay.commands import export, run
from replay.errors import InvalidRecordingError, NoTemporaryDatabaseError, ThreadNotFoundError
from storage.database import Database, DatabaseUnreachableError
from storage.settings import libpq_uri, parse_url
from tests.replay.support import Talk, adds, says

RECORDING = Path(__file__).parents[1] / "replays" / "add_a_task.json"


def databases(server_uri: str) -> set[str]:
    with psycopg.connect(server_uri) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'task_agent_replay_%'"
        )
        return {name for (name,) in rows}


async def test_a_conversation_is_exported_and_run_again_on_a_database_of_its_own(
    talk: Talk, database: Database, database_url: str, server_uri: str
) -> None:
    await talk.say("Add milk", adds("Buy milk"), says("Done"))

    text = await export(database, "thread")

    assert await run(text, database_url) == []
    assert await run(text.replace("Done", "Not done", 1), database_url) != []
    assert databases(server_uri) == set()


async def test_an_unknown_thread_cannot_be_exported(database: Database) -> None:
    with pytest.raises(ThreadNotFoundError):
        await export(database, "no-such-thread")


async def test_what_is_no_recording_is_not_run(database_url: str) -> None:
    with pytest.raises(InvalidRecordingError):
        await run("{}", database_url)


async def test_a_role_that_may_not_make_databases_gets_a_clear_error(
    database_url: str, server_uri: str
) -> None:
    role = f"nobody_{database_url.rsplit('_', 1)[-1][:16]}"
    name = sql.Identifier(role)
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(name))
    try:
        url = parse_url(database_url)
        uri = libpq_uri(url.set(query={**url.query, "options": f"-crole={role}"}))
        with pytest.raises(NoTemporaryDatabaseError):
            await run(RECORDING.read_text(encoding="utf-8"), uri)
    finally:
        with psycopg.connect(server_uri, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_a_server_that_is_not_there_gets_a_clear_error() -> None:
    with pytest.raises(DatabaseUnreachableError):
        await run(
            RECORDING.read_text(encoding="utf-8"), "postgresql://postgres@127.0.0.1:1/postgres"
        )
