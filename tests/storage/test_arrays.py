"""Arrays as parameters come to the server as psycopg would send them."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from storage.arrays import (
    Array,
    bytes_array,
    int_array,
    jsonb_array,
    take_arrays,
    text_array,
    uuid_array,
)

# No character that Postgres can't hold.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KINDS: list[Any] = [
    (text_array, "text", TEXT | st.none()),
    (bytes_array, "bytea", st.binary() | st.none()),
    (uuid_array, "uuid", st.uuids() | st.none()),
    (int_array, "int", st.integers(-(2**31), 2**31 - 1)),
    (jsonb_array, "jsonb", JSON.filter(lambda value: value is not None) | st.none()),
]


async def taking(url: str, **more: Any) -> AsyncConnection[Any]:
    connection = await AsyncConnection.connect(url, autocommit=True, **more)
    take_arrays(connection)
    return connection


@pytest.mark.parametrize(("array", "kind", "items"), KINDS, ids=[kind for _, kind, _ in KINDS])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
async def test_the_server_reads_every_array_as_it_reads_psycopgs(
    database_url: str,
    array: Callable[[Sequence[Any]], Array],
    kind: str,
    items: st.SearchStrategy[Any],
    data: st.DataObject,
) -> None:
    values = data.draw(st.lists(items, max_size=5))
    psycopgs = [Jsonb(v) if kind == "jsonb" and v is not None else v for v in values]
    query = f"SELECT %s::{kind}[], %s::{kind}[], %s::{kind}[] IS NOT DISTINCT FROM %s::{kind}[]"
    async with await taking(database_url) as connection, connection.cursor(binary=True) as cur:
        ours = array(values)
        await cur.execute(query, (ours, psycopgs, ours, psycopgs))
        assert await cur.fetchone() == (values, values, True)


async def test_texts_are_sent_in_the_encoding_of_the_connection(database_url: str) -> None:
    async with await taking(database_url, client_encoding="latin1") as connection:
        cur = await connection.execute("SELECT convert_to(%s, 'UTF8')", ("é",))
        assert await cur.fetchone() == ("é".encode(),)
        cur = await connection.execute(
            "SELECT convert_to((%s::text[])[2], 'UTF8')", (text_array(["a", "é"]),)
        )
        assert await cur.fetchone() == ("é".encode(),)
        with pytest.raises(UnicodeEncodeError):
            await connection.execute("SELECT %s::text[]", (text_array(["Ω"]),))


async def test_a_server_that_takes_any_bytes_gets_unicode(database_url: str) -> None:
    async with await taking(database_url, client_encoding="sql_ascii") as connection:
        cur = await connection.execute(
            "SELECT convert_to((%s::text[])[1], 'UTF8')", (text_array(["é"]),)
        )
        assert await cur.fetchone() == ("é".encode(),)


async def test_connections_of_others_are_left_as_they_are(database_url: str) -> None:
    async with await taking(database_url), await AsyncConnection.connect(database_url) as other:
        with pytest.raises(psycopg.ProgrammingError, match="cannot adapt type 'Array'"):
            await other.execute("SELECT %s::uuid[]", (uuid_array([UUID(int=1)]),))
