"""The task server over HTTP: who may use it, whose tasks they have, and nobody else's."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from storage.database import Database, shared_database
from storage.forgetting import delete_user
from storage.tokens import list_tokens, revoke_token
from tests.tools.http_support import (
    INITIALIZE,
    LIST,
    add,
    bearing,
    client,
    post,
    serving,
    titles,
    token_for,
)
from tools.context import META_KEY, META_LOCALE, META_NOW, META_TIME_ZONE, META_USER


async def revoke_all(database: Database, user: str) -> None:
    async with database.session() as session:
        for one in await list_tokens(session, user=user):
            await revoke_token(session, str(one.id))
        await session.commit()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer tagt_wrong"},
        {"Authorization": "Basic YW5uOmFubg=="},
        {"X-Api-Key": "{token}"},
        {"Authorization": "Bearer {token}x"},
        {"Authorization": "{token}"},
    ],
)
async def test_a_request_without_a_token_that_is_good_is_told_to_bring_one(
    database: Database, headers: dict[str, str]
) -> None:
    token = await token_for(database, "ann")
    shown = {name: value.format(token=token) for name, value in headers.items()}
    async with serving(database) as url:
        for message in (INITIALIZE, LIST):
            refused = await post(url, message, **shown)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
        assert (await post(url, **bearing(token))).status_code == 200
        assert (await post(url, authorization=f"bearer {token}")).status_code == 200


async def test_a_token_that_was_revoked_or_expired_or_whose_user_is_gone_is_refused(
    database: Database, database_url: str
) -> None:
    revoked, expired = await token_for(database, "ann"), await token_for(database, "bob", days=1)
    orphaned, good = await token_for(database, "cid"), await token_for(database, "dan", days=1)
    await revoke_all(database, "ann")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE access_tokens SET expires_at = now() - interval '1 second' FROM users u"
            " WHERE u.id = user_id AND subject = 'bob'"
        )
    async with database.pool.connection() as pooled:
        await delete_user(pooled, "cid")
    async with serving(database) as url:
        for token in (revoked, expired, orphaned):
            assert (await post(url, **bearing(token))).status_code == 401
        assert (await post(url, **bearing(good))).status_code == 200


async def test_a_client_has_the_tasks_of_its_token_whatever_it_says(database: Database) -> None:
    async with (
        serving(database) as url,
        client(url, await token_for(database, "ann")) as ann,
        client(url, await token_for(database, "bob")) as bob,
    ):
        await add(ann, "Ann's")
        forged = {META_USER: "ann", META_NOW: "2001-01-01T00:00:00+00:00"}
        assert await titles(bob, **forged) == []
        added = await add(bob, "Bob's", **forged)
        created = datetime.fromisoformat(added["created"])
        assert abs(datetime.now(UTC) - created) < timedelta(hours=1)
        assert await titles(bob) == ["Bob's"]
        assert await titles(ann, **{META_USER: "bob"}) == ["Ann's"]


async def test_calls_of_two_users_at_the_same_time_do_not_mix(database: Database) -> None:
    async with (
        serving(database) as url,
        client(url, await token_for(database, "ann")) as ann,
        client(url, await token_for(database, "bob")) as bob,
    ):
        each = {"ann": ann, "bob": bob}
        await asyncio.gather(
            *(add(session, f"{user} {n}") for n in range(10) for user, session in each.items())
        )
        for user, session in each.items():
            assert await titles(session) == sorted(f"{user} {n}" for n in range(10))


async def test_an_idempotency_key_is_its_users_own(database: Database) -> None:
    key = {META_KEY: "k"}
    async with (
        serving(database) as url,
        client(url, await token_for(database, "ann")) as ann,
        client(url, await token_for(database, "bob")) as bob,
    ):
        assert (await add(ann, "Ann's", **key))["title"] == "Ann's"
        assert (await add(bob, "Bob's", **key))["title"] == "Bob's"
        assert (await add(ann, "Ann's", **key))["number"] == 1
        assert (await titles(ann), await titles(bob)) == (["Ann's"], ["Bob's"])


async def test_a_session_that_somebody_names_changes_nothing(database: Database) -> None:
    token, other = await token_for(database, "ann"), await token_for(database, "bob")
    async with serving(database) as url, client(url, token) as ann:
        await add(ann, "Ann's")
        opened = await post(url, **bearing(token))
        assert "mcp-session-id" not in opened.headers
        for named in ("", "0" * 32, "ann"):
            within = {"mcp_session_id": named, **bearing(other)}
            async with httpx.AsyncClient(headers=within, trust_env=False) as http:
                for method in ("GET", "DELETE"):
                    assert (await http.request(method, url)).status_code == 405
            assert "Ann's" not in (await post(url, LIST, **within)).text
        assert "Ann's" in (await post(url, LIST, **bearing(token))).text


async def test_a_client_goes_on_when_the_server_was_started_anew(database: Database) -> None:
    async with AsyncExitStack() as clients:
        async with serving(database) as url:
            token = await token_for(database, "ann")
            ann = await clients.enter_async_context(client(url, token))
            await add(ann, "Before")
        async with serving(database, port=urlsplit(url).port or 0):
            assert await titles(ann) == ["Before"]


async def test_a_revoked_token_is_of_no_use_from_the_next_request_on(database: Database) -> None:
    token = await token_for(database, "ann")
    async with serving(database) as url:
        assert (await post(url, LIST, **bearing(token))).status_code == 200
        await revoke_all(database, "ann")
        assert (await post(url, LIST, **bearing(token))).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:2030"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost:2030"}, 200),
        ({"Host": "tasks.example.org", "Origin": "https://tasks.example.org"}, 200),
    ],
)
async def test_a_page_or_a_name_that_is_not_known_is_refused_even_with_a_token(
    database: Database, headers: dict[str, str], status: int
) -> None:
    token = await token_for(database, "ann")
    async with serving(database, hosts=("127.0.0.1", "localhost", "tasks.example.org")) as url:
        assert (await post(url, **bearing(token), **headers)).status_code == status


async def test_dates_are_in_the_zone_of_the_call_or_else_of_the_token(database: Database) -> None:
    async with (
        serving(database) as url,
        client(url, await token_for(database, "ann", time_zone="Asia/Tokyo")) as ann,
        client(url, await token_for(database, "bob")) as bob,
    ):

        async def due(session: Any, **meta: Any) -> str:
            return str((await add(session, "Something", "2031-12-01T09:00", **meta))["due"])

        assert await due(ann) == "2031-12-01T09:00:00+09:00"
        assert await due(ann, **{META_TIME_ZONE: "Europe/Vienna"}) == "2031-12-01T09:00:00+01:00"
        assert await due(bob) == "2031-12-01T09:00:00+00:00"
        unknown = await bob.call_tool("find_tasks", {}, meta={META_TIME_ZONE: "Mars/Olympus"})
        assert unknown.isError


async def test_dates_are_written_as_in_the_locale_of_the_call_or_else_of_the_token(
    database: Database,
) -> None:
    async with (
        serving(database) as url,
        client(url, await token_for(database, "ann", locale="de-AT")) as ann,
    ):
        assert (await add(ann, "April", "3/4/2031"))["due"] == "2031-04-03"
        american = {META_LOCALE: "en-US"}
        assert (await add(ann, "March", "3/4/2031", **american))["due"] == "2031-03-04"


async def test_a_database_that_does_not_answer_is_not_taken_for_a_bad_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(shared_database) as url:
        answered = await post(url, **bearing("tagt_x"))
    assert answered.status_code == 503
    assert "Retry-After" in answered.headers
    assert "tagt_x" not in caplog.text + answered.text


async def test_nothing_else_is_served(database: Database) -> None:
    token = await token_for(database, "ann")
    async with serving(database) as url, httpx.AsyncClient(trust_env=False) as http:
        for path in ("/", "/sse", "/docs", "/.well-known/oauth-protected-resource"):
            found = await http.get(url.removesuffix("/mcp") + path, headers=bearing(token))
            assert found.status_code == 404
