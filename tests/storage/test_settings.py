"""Database URLs, as hosting services hand them out and people type them."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError
from sqlalchemy.engine import make_url

from storage.database import DatabaseUnreachableError, connect
from storage.settings import DatabaseSettings, libpq_uri, parse_url, shown


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_is_understood_and_query_parameters_are_kept(scheme: str) -> None:
    url = parse_url(
        f"{scheme}://me:p%40ss@db.example:6543/tasks?sslmode=require&application_name=x"
    )
    assert url.drivername == "postgresql+psycopg"
    assert conninfo_to_dict(libpq_uri(url)) == {
        "user": "me",
        "password": "p@ss",
        "host": "db.example",
        "port": "6543",
        "dbname": "tasks",
        "sslmode": "require",
        "application_name": "x",
    }


@pytest.mark.parametrize("host", ["/a b/run", "/a+b", "/grüße", "/a%b"])
def test_what_the_query_holds_reaches_libpq_as_it_was_meant(host: str) -> None:
    url = parse_url("postgresql:///tasks").update_query_dict({"host": host, "options": "-c a=b"})
    assert conninfo_to_dict(libpq_uri(url)) == {
        "dbname": "tasks",
        "host": host,
        "options": "-c a=b",
    }


@pytest.mark.parametrize(
    "value",
    ["mysql://me@db/tasks", "sqlite:///x.db", "postgresql+asyncpg://db/x", "not a url", "://"],
)
def test_what_is_no_postgres_url_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        parse_url(value)


def test_an_error_about_the_settings_does_not_show_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:secret@db/tasks")
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["postgresql://me:secret@db/x", "postgresql://me@db/x?password=secret&sslpassword=secret"],
)
def test_a_url_that_is_shown_hides_the_password_wherever_it_stands(value: str) -> None:
    assert "secret" not in shown(parse_url(value))
    assert "db" in shown(parse_url(value))


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert DatabaseSettings().url is None


def test_statements_are_prepared_where_no_pooler_can_be_in_between() -> None:
    assert DatabaseSettings(database_url=None).prepares
    assert not DatabaseSettings(database_url="postgresql://db/x").prepares
    assert DatabaseSettings(database_url="postgresql://db/x", prepare=True).prepares


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachableError, match=r"127\.0\.0\.1:9/tasks") as caught:
        async with connect("postgresql://me:secret@127.0.0.1:9/tasks"):
            pass
    assert "secret" not in str(caught.value)


async def test_a_database_that_does_not_exist_is_told_in_the_servers_words(
    database_url: str,
) -> None:
    url = make_url(database_url).set(database="nowhere")
    with pytest.raises(DatabaseUnreachableError, match='"nowhere" does not exist'):
        async with connect(url):
            pass
