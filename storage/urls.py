"""The URL of a database: where it is looked for, and what libpq understands of it."""

import os

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .errors import StorageError

#: Where the URL is looked for, in this order.
URL_VARIABLES = ("TRANSCRIPT_DATABASE_URL", "DATABASE_URL")

#: How SQLAlchemy writes the scheme of a URL for the driver that is used here.
SQLALCHEMY_SCHEME = "postgresql+psycopg://"

EXAMPLE = "postgresql://user:password@host:5432/database"


class NoDatabaseError(StorageError):
    """The environment names no database."""


class InvalidURLError(StorageError, ValueError):
    """What is given for the URL of a Postgres database isn't one."""


def url_from_environment() -> str:
    """The URL that the environment names.

    Raises:
        NoDatabaseError: neither variable is set.
    """
    for name in URL_VARIABLES:
        if url := os.environ.get(name):
            return url
    raise NoDatabaseError(
        f"set {' or '.join(URL_VARIABLES)} to the URL of a Postgres database, such as {EXAMPLE}."
    )


def conninfo_of(url: str) -> str:
    """A URL in a form that libpq understands: SQLAlchemy's scheme is known too.

    Raises:
        InvalidURLError: it is neither a Postgres URL nor libpq's conninfo. The message doesn't hold
            it, since it may hold a password.
    """
    if url.startswith(SQLALCHEMY_SCHEME):
        url = "postgresql://" + url.removeprefix(SQLALCHEMY_SCHEME)
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {}
    if not parts:
        # Empty, it would be libpq's default server; more likely, a setting is missing.
        scheme = url.partition("://")[0]
        given = f"a URL of {scheme}" if scheme.isalnum() else "something else"
        raise InvalidURLError(
            f"the database has to be named by a URL like {EXAMPLE}, but is named by "
            f"{given if url else 'an empty one'}, which libpq can't read."
        )
    return url


def shown(conninfo: str) -> str:
    """The place that a conninfo names, without its password."""
    parts = conninfo_to_dict(conninfo)
    places = [
        f"{name} {parts[name]}" for name in ("host", "port", "dbname", "user") if name in parts
    ]
    return ", ".join(places) or "the server"
