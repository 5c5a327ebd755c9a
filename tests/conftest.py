"""One real Postgres for the whole run; one template database, migrated once and cloned per test."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from migrations.run import migrate
from storage.database import Database, connect
from storage.embedded import hold
from storage.settings import libpq_uri, parse_url
from storage.temporary import make_home, remove_home
from tests.storage.embedded_support import quick_directory

#: Where the run's server keeps its data. An environment variable, so that xdist's workers share it.
HOME = "TASK_AGENT_TEST_HOME"
#: Set it to run the tests against another server than the embedded one: a URL whose user may
#: create databases.
SERVER = "TASK_AGENT_TEST_SERVER"
KEPT = (SERVER, "TASK_AGENT_LONG_TESTS")
TEMPLATE = "template_task_agent"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's own settings out, and give the run a server of its own."""
    if hasattr(config, "workerinput"):
        return
    for name in list(os.environ):
        ours = name.startswith("TASK_AGENT_") and name not in KEPT
        if ours or name.startswith(("OPENAI_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_")):
            del os.environ[name]
    os.environ.pop("DATABASE_URL", None)
    # A developer's own servers have no part in it either.
    os.environ["TASK_AGENT_MCP_CONFIG"] = ""
    # A shell makes what it runs in the background deaf to Ctrl-C, and a process passes that on to
    # those it starts; tests press Ctrl-C.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Nothing that a test says is sent to anybody.
    os.environ["LANGSMITH_TRACING"] = "false"
    os.environ[HOME] = str(make_home(quick_directory()))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or HOME not in os.environ:
        return
    remove_home(Path(os.environ.pop(HOME)))


@pytest.fixture(scope="session")
def server_uri() -> Iterator[str]:
    """The maintenance database of the run's server, held while tests need it."""
    if server := os.environ.get(SERVER):
        yield _named(server, "postgres")
        return
    with hold(Path(os.environ[HOME])) as uri:
        yield _named(uri, "postgres")


@pytest.fixture(scope="session")
def template(server_uri: str) -> str:
    """The name of a migrated database that nobody is connected to."""
    with psycopg.connect(server_uri, autocommit=True) as connection:
        # Workers start at once; one of them makes the template, the others wait for it.
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (TEMPLATE,))
        done = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", (TEMPLATE,)
        ).fetchone()
        if done is None:
            _create(connection, TEMPLATE)
            migrate(_named(server_uri, TEMPLATE))
            connection.execute(
                sql.SQL("ALTER DATABASE {} WITH is_template true").format(sql.Identifier(TEMPLATE))
            )
        connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (TEMPLATE,))
    return TEMPLATE


@pytest.fixture
def database_url(server_uri: str, template: str) -> Iterator[str]:
    """A fresh database with every table, as a libpq URI."""
    yield from _fresh(server_uri, template)


@pytest.fixture
def empty_database_url(server_uri: str) -> Iterator[str]:
    """A fresh database without a single table, as a libpq URI."""
    yield from _fresh(server_uri, None)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on a fresh database with every table."""
    async with connect(database_url) as database:
        yield database


def _fresh(server_uri: str, template: str | None) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_uri, autocommit=True) as connection:
        _create(connection, name, template)
    yield _named(server_uri, name)
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(connection: psycopg.Connection, name: str, template: str | None = None) -> None:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    connection.execute(statement)


def _named(uri: str, database: str) -> str:
    """The same server, another database."""
    return libpq_uri(parse_url(uri).set(database=database))
