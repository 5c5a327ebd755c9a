"""What the environment says about the database."""

from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRES_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")


def parse_url(value: str) -> URL:
    """The URL of a Postgres database, whichever of the usual schemes it was written with.

    Query parameters such as `sslmode=require` are kept.

    Raises:
        ValueError: the value is no URL, or is one of something else than Postgres. The message
            holds the scheme but never the password.
    """
    # SQLAlchemy knows no dialect `postgres`, the scheme that most hosting services hand out.
    if value.startswith("postgres://"):
        value = "postgresql://" + value.removeprefix("postgres://")
    wanted = "write it as postgresql://user:password@host:5432/database"
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"DATABASE_URL is not a database URL; {wanted}") from error
    if url.drivername not in POSTGRES_SCHEMES:
        raise ValueError(
            f"DATABASE_URL has the scheme {url.drivername!r}, but only Postgres is supported; "
            f"{wanted}"
        )
    return url.set(drivername="postgresql+psycopg")


def libpq_uri(url: URL) -> str:
    """The same database as a URI that libpq, and so psycopg and psql, understands."""
    rendered = url.set(drivername="postgresql").render_as_string(hide_password=False)
    # SQLAlchemy writes a space in the query as `+`, which libpq takes for a plus.
    address, mark, query = rendered.partition("?")
    return address + mark + query.replace("+", "%20")


def shown(url: URL) -> str:
    """The URL for people to read, without the password, wherever it stands in it."""
    hidden = {name: "***" for name in url.query if "password" in name}
    return (
        url.set(drivername="postgresql")
        .update_query_dict(hidden)
        .render_as_string(hide_password=True)
    )


def _checked(value: str | None) -> str | None:
    if value is not None:
        parse_url(value)
    return value


class DatabaseSettings(BaseSettings):
    """Settings of the database, read from the environment when an instance is made."""

    model_config = SettingsConfigDict(
        populate_by_name=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    #: The Postgres server to use; the embedded one when unset.
    database_url: Annotated[str | None, AfterValidator(_checked)] = None
    #: Most connections that one process opens.
    pool_size: int = Field(default=10, ge=1, validation_alias="TASK_AGENT_POOL_SIZE")
    #: Seconds that a caller waits for a connection before it gets an error.
    pool_timeout: float = Field(default=30, gt=0, validation_alias="TASK_AGENT_POOL_TIMEOUT")
    #: Seconds that a statement of the checkpointer may take. Then the connection counts as broken,
    #: and it is tried again on another one.
    answer_timeout: float = Field(default=30, gt=0, validation_alias="TASK_AGENT_ANSWER_TIMEOUT")
    #: Whether statements are prepared on the server, which makes each of them faster. PgBouncer in
    #: transaction mode gives every transaction another connection, which may not know them, so it
    #: is off for a `DATABASE_URL` unless asked for.
    prepare: bool | None = Field(default=None, validation_alias="TASK_AGENT_PREPARE")
    #: MiB of messages that the checkpointer keeps in memory.
    cache_mib: float = Field(default=256, ge=0, validation_alias="TASK_AGENT_CACHE_MIB")

    @property
    def prepares(self) -> bool:
        """Whether statements are prepared."""
        return self.database_url is None if self.prepare is None else self.prepare

    @cached_property
    def url(self) -> URL | None:
        return None if self.database_url is None else parse_url(self.database_url)
