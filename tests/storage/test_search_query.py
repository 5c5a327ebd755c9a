"""What tells of a text whether it holds what is searched for, beside what Postgres says of it."""

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import search as searching
from storage.database import Database
from storage.search_query import Query
from tests.storage.searching import found, write
from tests.storage.support import fetch

#: Pieces of texts, with most of what Postgres takes words apart at, or passes over.
PIECES = [
    *("green", "Tea", "tea", "TEA", "green tea", "a", "b", "a b", "5", "é", "ΣΑΣ", "ß", "語", "K"),
    *(" ", " ", " ", "\n", "\t", "\u00a0", "\u200b", "—", "-", "_", ".", "/", "@", "'", '"', ":"),
    *("<", ">", "<b", "</b>", "<script>", "<!--", "-->", "&", "&amp;", "&#12;", "http://", "www."),
    *("a.b", "e-mail", "1e5", "+", "%", "\\", "C:\\", "²", "😀", "x" * 2_048),
]

LONG = "tea" * 40

TYPED = [
    *("green", "tea", '"green tea"', '"tea green"', '"green tea green"', '"a b"', '"tea 5"', "a.b"),
    *("-tea", '-"green tea"', "or", "e-mail", '"e-mail tea"', '"green', "é", "k", "σας", "'"),
]


async def parsed(database: Database, typed: str) -> Query:
    (row,) = await fetch(
        database,
        "SELECT query::text, querytree(query) AS positive"
        " FROM websearch_to_tsquery('simple', %s) AS query",
        typed,
    )
    return Query.of(row["query"], row["positive"], typed)


async def by_postgres(database: Database, typed: str, user: str) -> list[UUID]:
    """The ids of what Postgres finds when it takes every text into words."""
    rows = await fetch(
        database,
        "SELECT m.id FROM messages m JOIN users u ON u.id = m.user_id,"
        " websearch_to_tsquery('simple', %s) AS query"
        " WHERE u.subject = %s AND querytree(query) NOT IN ('', 'T')"
        " AND to_tsvector('simple', content) @@ query"
        " ORDER BY m.created_at DESC, m.id DESC LIMIT 20",
        typed,
        user,
    )
    return [row["id"] for row in rows]


async def in_both_ways(database: Database, typed: str, user: str) -> list[list[UUID]]:
    """The ids of what is found by going back, and by the index of words."""
    walked = await found(database, typed, user=user)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "NEWEST", 0)
        looked_up = await found(database, typed, user=user)
    return [[hit.id for hit in hits] for hits in (walked, looked_up)]


@given(
    texts=st.lists(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join), max_size=12
    ),
    # A full stop, so that the last word is not the beginning of one.
    typed=st.lists(
        st.lists(st.sampled_from(TYPED), min_size=1, max_size=4).map(
            lambda words: " ".join([*words, "."])
        ),
        min_size=4,
        max_size=4,
    ),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_is_found_is_what_postgres_finds(
    database: Database, texts: list[str], typed: list[str]
) -> None:
    user = str(uuid4())
    await write(database, *texts, user=user, thread=user)
    for words in typed:
        expected = await by_postgres(database, words, user)
        assert await in_both_ways(database, words, user) == [expected, expected], words


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("so far off, green tea. green tea", id="as it is"),
        pytest.param("x <b y green tea and > z", id="in a tag"),
        pytest.param("<script> green tea and </script>", id="in what isn't shown"),
        pytest.param("green " * 300 + "tea tea", id="more often than places are noted"),
        pytest.param("a " * 17_000 + "green tea", id="farther on than places are noted"),
        pytest.param("a-b " * 5_500 + f"{LONG} {LONG}", id="farther on, of long words"),
    ],
)
async def test_a_plain_phrase_is_found_where_postgres_finds_it(
    database: Database, text: str
) -> None:
    await write(database, text, text.upper())
    for typed in ('"green tea"', '"tea tea"', '"green tea" a.', "tea.", f'"{LONG} {LONG}"'):
        expected = await by_postgres(database, typed, "ann")
        assert await in_both_ways(database, typed, "ann") == [expected, expected]


@pytest.mark.parametrize(
    ("typed", "patterns", "expressions"),
    [
        ("green tea.", ["%green%", "%tea%"], []),
        ('milk "green tea"', ["%green%tea%", "%milk%"], ["green tea"]),
        ('"green tea" -milk', ["%green%tea%"], ["green tea"]),
        ('tea -"green tea"', ["%tea%"], []),
        ('"green tea" or "milk bread honey" jam.', ["%green%tea%", "%milk%bread%honey%"], ["both"]),
        ('"green tea" or milk jam.', ["%green%tea%", "%milk%"], ["both"]),
        ('"green tea" mil', ["%green%tea%", "%mil%"], ["green tea"]),
        # Its parts stand at the same place of the text.
        ("e-mail.", ["%e-mail%", "%mail%", "%e%"], []),
    ],
)
async def test_the_longest_phrase_tells_most_also_beside_what_must_not_occur_or_instead_of_it(
    database: Database, typed: str, patterns: list[str], expressions: list[str]
) -> None:
    query = await parsed(database, typed)
    assert query.patterns() == patterns
    assert len(query.adjacent()) == len(expressions)
    for expression in query.adjacent():
        assert re.match(expression.replace("[:alnum:]", r"\w"), "green - tea")
        assert not re.match(expression.replace("[:alnum:]", r"\w"), "green and tea")


@pytest.mark.parametrize("typed", ["οδος.", '"οδος εδω"', '"οδος εδω" or x.'])
async def test_a_sigma_is_found_whatever_its_lower_case_is_in_the_whole_text(
    database: Database, typed: str
) -> None:
    """Some locales look beyond the word for whether it is its last letter; Python does."""
    query = await parsed(database, typed)
    for text in ("ΟΔΟΣ'Α ΟΔΟΣ ΕΔΩ".lower(), "οδοσ'α οδοσ εδω", "οδος εδω"):
        some_or_all = "ANY" if query.has_alternatives else "ALL"
        (row,) = await fetch(
            database,
            f"SELECT text LIKE {some_or_all} (%s::text[]) AND text ~ ALL (%s::text[]) AS may_be"
            " FROM (SELECT %s::text AS text) AS said",
            *(query.patterns(), query.adjacent(), text),
        )
        assert row["may_be"], text


@pytest.mark.parametrize(
    "typed",
    ['"green tea" -milk', "green or tea.", "gre", "5.", "é.", "e-mail.", '"green é"', "tea -milk"],
)
async def test_of_other_searches_than_for_plain_words_nothing_is_told_without_postgres(
    database: Database, typed: str
) -> None:
    _, short = (await parsed(database, typed)).plain()
    assert short == 0
