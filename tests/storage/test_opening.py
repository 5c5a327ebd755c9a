"""`open_saver()`: what other LangGraph apps are given, by a URL or on a pool of theirs."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

import storage
from storage.errors import DatabaseFailedError, DatabaseUnreachableError, UnsuitablePoolError
from storage.opening import open_saver
from storage.serving import open_checkpointer
from storage.urls import NoDatabaseError
from tests.storage.migration_support import fetch
from tests.storage.support import chat_graph, on, say

#: What the checkpointer needs nothing of.
FOREIGN = (
    "graph",
    "tools",
    "server",
    "replay",
    "migrations",
    "cli",
    "alembic",
    "sqlalchemy",
    "sqlmodel",
    "pydantic_settings",
    "storage.database",
    "storage.embedded",
    "storage.models",
    "storage.settings",
)


async def test_a_saver_opened_by_url_stores_a_conversation_of_whoever_owner_says(
    database_url: str,
) -> None:
    def owner(config: RunnableConfig) -> str:
        return str(config["configurable"]["customer"])

    async with open_saver(database_url, owner=owner) as saver:
        config = on("t", customer="ada")
        await chat_graph(saver).ainvoke({"messages": [("user", "hi")]}, config)
    rows = fetch(
        database_url,
        "SELECT subject, title FROM conversations c JOIN users u ON u.id = c.user_id",
    )
    assert rows == [("ada", "hi")]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_each_way_to_write_the_url_does(database_url: str, scheme: str) -> None:
    url = scheme + database_url.removeprefix("postgresql")
    async with open_saver(url) as saver:
        await say(chat_graph(saver), "t", "hi")


async def test_a_conninfo_of_libpqs_does(database_url: str) -> None:
    async with open_saver(psycopg.conninfo.make_conninfo(database_url)) as saver:
        await say(chat_graph(saver), "t", "hi")


async def test_the_connections_that_were_opened_are_closed(database_url: str) -> None:
    async with open_saver(database_url) as saver:
        pool = saver.conn
        await say(chat_graph(saver), "t", "hi")
    assert pool.closed
    assert fetch(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    ) == [(0,)]


async def test_pool_options_are_the_pools(database_url: str) -> None:
    async with open_saver(database_url, pool_size=1, pool_timeout=0.2) as saver:
        async with saver.conn.connection() as connection:
            assert connection.prepare_threshold is None
            with pytest.raises(DatabaseFailedError, match="no connection was free"):
                await saver.aget_tuple(on("t"))
        assert await saver.aget_tuple(on("t")) is None
    async with open_saver(database_url, prepare=True) as saver, saver.conn.connection() as one:
        assert one.prepare_threshold == 0


@pytest.mark.parametrize("row_factory", [{}, {"row_factory": dict_row}], ids=["tuples", "dicts"])
async def test_a_pool_that_was_given_is_used_and_stays_open(
    empty_database_url: str, row_factory: dict[str, Any]
) -> None:
    kwargs = {"autocommit": True, **row_factory}
    async with AsyncConnectionPool(empty_database_url, kwargs=kwargs, open=False) as pool:
        async with open_saver(pool) as saver:
            await saver.setup()
            await saver.setup()
            await say(chat_graph(saver), "t", "hi")
        async with open_saver(pool) as saver:
            state = await chat_graph(saver).aget_state(on("t"))
    assert len(state.values["messages"]) == 4


async def test_a_pool_without_autocommit_is_refused_with_what_to_do(database_url: str) -> None:
    async with AsyncConnectionPool(database_url, open=False) as pool:
        with pytest.raises(UnsuitablePoolError, match=r'kwargs=\{"autocommit": True\}'):
            async with open_saver(pool):
                pass
        assert not pool.closed


@pytest.mark.parametrize("cursor", [psycopg.AsyncClientCursor, psycopg.AsyncRawCursor])
async def test_a_pool_with_cursors_of_another_kind_is_refused_with_what_to_do(
    database_url: str, cursor: type[psycopg.AsyncCursor[Any]]
) -> None:
    kwargs = {"autocommit": True, "cursor_factory": cursor}
    async with AsyncConnectionPool(database_url, kwargs=kwargs, open=False) as pool:
        with pytest.raises(UnsuitablePoolError, match="without cursor_factory"):
            async with open_saver(pool):
                pass


async def test_a_pool_that_is_not_open_is_refused(database_url: str) -> None:
    pool = AsyncConnectionPool(database_url, kwargs={"autocommit": True}, open=False)
    with pytest.raises(UnsuitablePoolError, match="not open"):
        async with open_saver(pool):
            pass


async def test_options_for_a_pool_that_has_its_own_are_refused(database_url: str) -> None:
    async with AsyncConnectionPool(database_url, kwargs={"autocommit": True}, open=False) as pool:
        with pytest.raises(TypeError, match="pool_size, prepare"):
            async with open_saver(pool, prepare=True, pool_size=3):
                pass


async def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    with pytest.raises(DatabaseUnreachableError, match=r"host 127\.0\.0\.1, port 9") as caught:
        async with open_saver("postgresql://ada:secret@127.0.0.1:9/tasks"):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:secret@host/tasks",
        "postgresql+asyncpg://ada:secret@host/tasks",
        "ada:secret@host/tasks",
        "postgresql://ada:secret@host/tasks?no_such_option=1",
        "",
    ],
)
async def test_what_is_no_postgres_url_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://user:password@host") as caught:
        async with open_saver(url):
            pass
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


# What a langgraph.json may name


@pytest.mark.parametrize("variable", ["TRANSCRIPT_DATABASE_URL", "DATABASE_URL"])
async def test_the_ready_made_checkpointer_takes_the_url_from_the_environment_and_sets_up(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/not_this_one")
    monkeypatch.setenv(variable, empty_database_url)
    async with open_checkpointer() as saver:
        await say(chat_graph(saver), "t", "hi")
    assert fetch(empty_database_url, "SELECT count(*) FROM messages") == [(4,)]


async def test_the_ready_made_checkpointer_without_a_url_says_what_to_set() -> None:
    with pytest.raises(NoDatabaseError, match="TRANSCRIPT_DATABASE_URL or DATABASE_URL"):
        async with open_checkpointer():
            pass


# What is offered


def test_what_is_offered_is_what_is_listed() -> None:
    assert storage.__all__ == sorted(storage.__all__)
    assert dir(storage) == storage.__all__
    for name in storage.__all__:
        thing = getattr(storage, name)
        assert thing.__name__ == name
        assert thing.__module__.startswith("storage.")
        assert thing.__doc__
    with pytest.raises(AttributeError, match="no_such_thing"):
        storage.no_such_thing  # noqa: B018 - looking it up is what fails


@pytest.mark.parametrize(
    "statement",
    ["from storage import *", "import storage.serving", "import storage.setup"],
)
async def test_what_is_offered_needs_nothing_of_this_app(statement: str) -> None:
    program = f"import sys; exec({statement!r}); print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", program),
        cwd=Path(storage.__file__).parents[1],
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    modules = set(output.decode().split())
    assert "storage.checkpointer" in modules or statement == "import storage.setup"
    assert not modules & set(FOREIGN)


async def test_importing_the_package_alone_imports_nothing_heavy() -> None:
    program = "import sys, storage, storage.errors; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=Path(storage.__file__).parents[1], stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert not {"langgraph", "langchain_core", "psycopg"} & set(output.decode().split())
