"""Databases that are cloned from the template that was migrated once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

from storage.settings import libpq_uri, parse_url


@contextmanager
def cloned(server_uri: str, template: str) -> Iterator[str]:
    """The URI of a fresh database with every table, which is dropped afterwards."""
    name = f"shared_{uuid4().hex}"
    with psycopg.connect(server_uri, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield libpq_uri(parse_url(server_uri).set(database=name))
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
