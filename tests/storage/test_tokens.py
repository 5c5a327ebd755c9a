"""Access tokens: good until they are revoked or expire, or their user goes; kept as digests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from storage.database import Database, connect
from storage.errors import TablesMissingError
from storage.forgetting import delete_user
from storage.tokens import (
    DAYS_MAX,
    LOCALE_MAX,
    NAME_MAX,
    SUBJECT_MAX,
    Bearer,
    TokenError,
    TokenSummary,
    create_token,
    find_bearer,
    list_tokens,
    revoke_token,
)


async def make(database: Database, user: str = "ann", **more: Any) -> tuple[str, TokenSummary]:
    async with database.session() as session:
        made = await create_token(session, user, **{"name": "laptop", **more})
        await session.commit()
    return made


async def bearer(database: Database, token: str) -> Bearer | None:
    return await find_bearer(database.pool, token)


async def listed(database: Database, user: str | None = None) -> list[str]:
    async with database.session() as session:
        return [one.name for one in await list_tokens(session, user=user)]


async def revoke(database: Database, token_id: str) -> TokenSummary:
    async with database.session() as session:
        revoked = await revoke_token(session, token_id)
        await session.commit()
    return revoked


def change(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(f"UPDATE access_tokens SET {statement}".encode())


def rows(database_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute("SELECT t.xmin::text, t.* FROM access_tokens t").fetchall()


async def test_whoever_shows_a_token_is_its_user(database: Database) -> None:
    ann, made = await make(database, "ann", time_zone="Asia/Tokyo", locale="ja-JP")
    bob, other = await make(database, "bob")
    assert ann != bob
    assert await bearer(database, ann) == Bearer(made.id, "ann", "Asia/Tokyo", "ja-JP")
    assert await bearer(database, bob) == Bearer(other.id, "bob", None, None)


@pytest.mark.parametrize("shown", ["", "tagt_", "x" * 10_000, "\x00", "\udc80", "lø%_'\""])
async def test_what_is_no_token_is_nobodys(database: Database, shown: str) -> None:
    token, _ = await make(database)
    assert await bearer(database, shown) is None
    assert await bearer(database, token + shown + " ") is None
    assert await bearer(database, token[:-1]) is None


async def test_nothing_that_is_stored_makes_a_token_known(
    database: Database, database_url: str
) -> None:
    token, _ = await make(database)
    (row,) = rows(database_url)
    assert token.removeprefix("tagt_") not in repr(row)
    # Somebody who has read the table can't use what stands there.
    (digest,) = [value for value in row if isinstance(value, bytes)]
    assert await bearer(database, digest.hex()) is None


async def test_a_revoked_token_is_nobodys_and_stays_so(database: Database) -> None:
    token, made = await make(database)
    another, _ = await make(database)
    revoked = await revoke(database, str(made.id))
    assert (revoked.id, revoked.user, revoked.good) == (made.id, "ann", False)
    assert await bearer(database, token) is None
    assert await revoke(database, str(made.id).upper()) == revoked
    assert await bearer(database, another) is not None


@pytest.mark.parametrize("token_id", ["", "x", "%", str(UUID(int=0))])
async def test_a_token_that_there_is_not_cannot_be_revoked(
    database: Database, token_id: str
) -> None:
    token, _ = await make(database)
    with pytest.raises(TokenError):
        await revoke(database, token_id)
    assert await bearer(database, token) is not None


async def test_a_token_expires(database: Database, database_url: str) -> None:
    token, made = await make(database, days=30)
    assert made.expires_at is not None
    assert abs(made.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(hours=1)
    assert await bearer(database, token) is not None
    change(database_url, "expires_at = clock_timestamp() - interval '1 second'")
    assert await bearer(database, token) is None
    async with database.session() as session:
        (one,) = await list_tokens(session)
    assert not one.good


async def test_its_use_is_noted_by_the_hour_with_one_write(
    database: Database, database_url: str
) -> None:
    token, _ = await make(database)
    assert await bearer(database, token) is not None
    noted = rows(database_url)
    async with database.session() as session:
        (one,) = await list_tokens(session)
    assert one.last_used_at is not None
    assert (one.last_used_at.minute, one.last_used_at.second) == (0, 0)
    assert timedelta(0) <= datetime.now(UTC) - one.last_used_at < timedelta(hours=2)
    change(database_url, "last_used_at = clock_timestamp() - interval '50 minutes'")
    before = rows(database_url)
    assert await bearer(database, token) is not None
    assert rows(database_url) == before != noted
    change(database_url, "last_used_at = clock_timestamp() - interval '61 minutes'")
    assert await bearer(database, token) is not None
    assert rows(database_url) != before


async def test_a_users_tokens_go_with_the_user(database: Database, database_url: str) -> None:
    token, _ = await make(database, "ann")
    kept, _ = await make(database, "bob")
    async with database.pool.connection() as connection:
        deletion = await delete_user(connection, "ann")
    assert deletion.rows["access_tokens"] == 1
    assert await bearer(database, token) is None
    assert await bearer(database, kept) is not None
    assert len(rows(database_url)) == 1


async def test_tokens_are_listed_the_newest_first(database: Database) -> None:
    for user, name in (("ann", "one"), ("bob", "two"), ("ann", "three")):
        await make(database, user, name=name)
    assert await listed(database) == ["three", "two", "one"]
    assert await listed(database, "ann") == ["three", "one"]
    assert await listed(database, "nobody") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": ""},
        {"user": " "},
        {"user": "x" * (SUBJECT_MAX + 1)},
        {"user": "a\x00"},
        {"user": "\udc80"},
        {"name": " "},
        {"name": "x" * (NAME_MAX + 1)},
        {"locale": ""},
        {"locale": "x" * (LOCALE_MAX + 1)},
        {"days": 0},
        {"days": DAYS_MAX + 1},
    ],
)
async def test_what_cannot_be_is_refused(
    database: Database, database_url: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TokenError):
        await make(database, **wrong)
    assert rows(database_url) == []


async def test_the_database_refuses_what_the_code_would_not_write(
    database: Database, database_url: str
) -> None:
    await make(database)
    for statement in ("digest = '\\x00'", "name = ' '", f"user_id = '{UUID(int=0)}'"):
        with pytest.raises(psycopg.IntegrityError):
            change(database_url, statement)


async def test_a_link_that_broke_while_it_was_idle_is_not_a_token_that_is_bad(
    database: Database, database_url: str
) -> None:
    token, made = await make(database)
    assert await bearer(database, token) is not None
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    found = await bearer(database, token)
    assert found is not None
    assert found.token_id == made.id


async def test_a_database_that_was_not_migrated_is_told_to_be(empty_database_url: str) -> None:
    async with connect(empty_database_url) as database:
        for attempt in (make(database), bearer(database, "x"), listed(database)):
            with pytest.raises(TablesMissingError, match="task-agent migrate"):
                await attempt
