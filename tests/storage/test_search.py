"""Search in one user's messages: what is found, in which order, and what nobody gets to see."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from storage import search as searching
from storage import search_query
from storage.cursors import InvalidCursorError, cursor
from storage.database import Database
from storage.search import LONGEST, SearchTooLongError, active_hits, search_messages
from storage.transcript import storable
from tests.storage.searching import NOON, found, pages, said, write
from tests.storage.support import fetch


async def test_the_newest_message_with_all_words_comes_first(database: Database) -> None:
    first, _, third = await write(
        database, "Buy milk and bread", "Buy bread", "bread, then MILK!", thread="shopping"
    )
    hits = await found(database, "milk bread")
    assert [hit.id for hit in hits] == [third, first]
    newest = hits[0]
    assert (newest.thread_id, newest.title, newest.role) == ("shopping", "About shopping", "user")
    assert newest.created_at == NOON + timedelta(minutes=2)
    assert [newest.snippet[begin:end] for begin, end in newest.matches] == ["bread", "MILK"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('"green tea"', ["green tea"]),
        ("green tea", ["tea of a green kind", "green tea"]),
        ("coffee or kind", ["coffee", "tea of a green kind"]),
        ("tea -kind", ["green tea"]),
        ('tea -"green tea"', ["tea of a green kind"]),
        ('tea -"tea green"', ["tea of a green kind", "green tea"]),
        ('"of a gre', ["tea of a green kind"]),
        ("gre", ["tea of a green kind", "green tea"]),
        ("tea gre", ["tea of a green kind", "green tea"]),
        # Two letters are no beginning, a word that something follows is whole, and so is a phrase.
        ("gr", []),
        ("gre tea", []),
        ("gre.", []),
        ('"gre"', []),
        ("nothing", []),
    ],
)
async def test_words_phrases_alternatives_and_beginnings(
    database: Database, words: str, expected: list[str]
) -> None:
    await write(database, "green tea", "tea of a green kind", "coffee")
    assert await said(database, words) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Größe über alles", "GRÖSSE über".replace("SS", "ß")),
        ("купить молоко завтра", "МОЛОКО"),
        ("買牛奶 明天", "買"),
        ("mail ann@example.org today", "ann@example.org"),
        ("a well-known e-mail", "well-known"),
        ("100% of _it_ at C:\\new", "100"),
        ("it's O'Brien", "o'brien"),
        ("see https://example.org/a_b%20c?d=e", "example.org/a_b%20c?d=e"),
        ("👍🏽 done", "done"),
        ("nul\ufffdbyte", "nul\x00byte"),
        ("half \udc80 a pair", "half \udc80 pair"),
    ],
)
async def test_words_of_every_language_are_found(
    database: Database, content: str, words: str
) -> None:
    (id_,) = await write(database, storable(content))
    assert [hit.id for hit in await found(database, words)] == [id_]


@pytest.mark.parametrize(
    "words",
    [
        *(
            "",
            " ",
            "\x00",
            "\udc80",
            "'",
            '"',
            "\\",
            "!",
            "&|!()<->:*",
            "-",
            "or",
            '"" or ""',
            "…—",
        ),
        *(
            "-milk",
            "- -",
            "or or",
            "':*",
            "milk'",
            "$$",
            "%s %(a)s :user {0}",
            "'milk':*",
            "a" * 499,
        ),
        *("-" * 999, '"' * 999, "(" * 999, "x " * 499, "%", "_", "<b>", "&amp;", "\n\t\r"),
    ],
)
async def test_nothing_that_can_be_typed_is_an_error(database: Database, words: str) -> None:
    await write(database, "milk", "a <b>bold</b> &amp; x y")
    for hit in await found(database, words):
        assert hit.matches
    assert await said(database, "milk") == ["milk"]


@given(st.text("-\"'\\ aor|&!()<>:*", max_size=LONGEST))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_heap_of_operators_is_an_error(database: Database, typed: str) -> None:
    await write(database, "a", "or", user=(user := str(uuid4())), thread=user)
    await found(database, typed, user=user)


async def test_a_search_of_a_million_characters_is_told_to_be_too_long(database: Database) -> None:
    with pytest.raises(SearchTooLongError, match="1,000,000"):
        await found(database, "a" * 1_000_000)
    assert await found(database, "a " * (LONGEST // 2)) == []


@pytest.mark.parametrize(
    "words",
    [
        *("a" * 500, "語" * LONGEST, "milk or " + "a" * 500, "milk -" + "a" * 500),
        "a.org/" + "b/" * 300,
    ],
)
async def test_a_word_that_no_index_holds_is_told_to_be_too_long(
    database: Database, words: str
) -> None:
    await write(database, f"milk {words}")
    with pytest.raises(SearchTooLongError, match="500 characters or more"):
        await found(database, words)


async def test_only_what_people_and_models_said_is_searched(database: Database) -> None:
    roles = ("user", "assistant", "tool", "system", "remove")
    ids = await write(database, *["milk"] * 5, roles=roles)
    assert {hit.id for hit in await found(database, "milk")} == set(ids[:2])


async def test_nobody_finds_what_others_said(database: Database) -> None:
    (mine,) = await write(database, "secret milk", user="ann", thread="a")
    await write(database, "secret milk", user="bob", thread="b")
    assert [hit.id for hit in await found(database, "secret", user="ann")] == [mine]
    for nobody in ("carol", "", "ann\x00", "ANN", "%", "ann' OR true; --"):
        assert await found(database, "secret", user=nobody) == []


async def test_the_mark_of_an_owner_cannot_be_typed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, "secret", user="ann", thread="a")
    await write(database, "milk", user="bob", thread="b")
    # Nothing but the index of words, whose marks somebody would try to name.
    monkeypatch.setattr(searching, "NEWEST", 0)
    ids = {row["subject"]: str(row["id"]) for row in await fetch(database, "SELECT * FROM users")}
    period = (NOON - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(weeks=4)
    marks = [f"{id_[-10:]}{period}" for id_ in ids.values()]
    # What the index has before the words; a dash means something else to a search.
    letters = {chr(number) for number in range(40, 92)} - {"-"}
    for mark in (*marks, *ids.values(), *(f"{letter}secret" for letter in sorted(letters))):
        for typed in (
            mark,
            f" {mark}",
            f"' {mark}'",
            f'" {mark}"',
            f"\\ {mark}",
            f"x or ' {mark}'",
        ):
            assert await found(database, typed, user="bob") == []
            assert await found(database, f"milk or {typed}", user="bob") != []
            assert await said(database, f"milk or {typed}", user="bob") == ["milk"]


async def test_two_users_whose_marks_are_the_same_stay_apart(database: Database) -> None:
    """The index can't tell them apart then; the rows can."""
    await write(database, "secret milk", user="ann", thread="a")
    await write(database, "secret milk", user="bob", thread="b")
    async with database.pool.connection() as connection:
        await connection.execute("SET session_replication_role = replica")
        for table, column in (
            ("users", "id"),
            ("conversations", "user_id"),
            ("messages", "user_id"),
        ):
            await connection.execute(
                f"UPDATE {table} SET {column} ="
                f" (left({column}::text, 24) || '000000000000')::uuid".encode()
            )
        await connection.execute("RESET session_replication_role")
    assert [hit.thread_id for hit in await found(database, "secret", user="bob")] == ["b"]


@given(st.lists(st.text(max_size=12), max_size=4).map(" ".join))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_lexeme_of_a_search_holds_a_blank(database: Database, typed: str) -> None:
    """What keeps the marks of owners out of reach."""
    (row,) = await fetch(
        database, "SELECT websearch_to_tsquery('simple', %s)::text AS query", storable(typed)
    )
    for lexeme in search_query._LEXEME.findall(row["query"]):
        assert " " not in lexeme, row


async def test_pages_fit_together_whichever_way_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A common word and a rare one, over half a year, and some messages at the same instant.
    contents = ["milk rare" if number % 60 == 7 else "milk" for number in range(240)]
    ids = await write(database, *contents, apart=timedelta(hours=18))
    same = await write(
        database, *["milk rare"] * 5, user="bob", thread="b", apart=timedelta(0), began=NOON
    )
    for newest in (0, 1, 10, 100, 1_000):
        monkeypatch.setattr(searching, "NEWEST", newest)
        monkeypatch.setattr(searching, "FARTHER", 2 * newest)
        for words, expected in (
            ("milk.", ids[::-1]),
            ("rare.", [id_ for n, id_ in enumerate(ids) if n % 60 == 7][::-1]),
            ("mil", ids[::-1]),
        ):
            assert await pages(database, words, limit=7) == expected
        assert await pages(database, "rare", user="bob", limit=2) == sorted(same, reverse=True)


WORDS = [
    "milk",
    "Milk-shake",
    "a.b/c",
    "ΣΑΣ",
    "İstanbul",
    "it's",
    "100%",
    "x_y",
    "\\n",
    "naïve",
    "ſ",
    "<i class='it'>",
    "&amp;",
    "http://a.org/b",
    "—",
    "-5",
    "shake",
]


@given(
    contents=st.lists(
        st.lists(st.sampled_from([*WORDS, "x" * 2_100]), max_size=5).map(" ".join), max_size=5
    ),
    words=st.lists(st.sampled_from([*WORDS, "or", "-", '"', "mil", "ist"]), max_size=5),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_both_ways_find_the_same(
    database: Database, contents: list[str], words: list[str]
) -> None:
    thread = str(uuid4())
    await write(database, *contents, user=thread, thread=thread)
    typed = " ".join(words)
    walked = await found(database, typed, user=thread)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "NEWEST", 0)
        assert await found(database, typed, user=thread) == walked


@pytest.mark.parametrize(
    "between",
    [
        *(
            " ",
            "  \n",
            "-",
            " - ",
            "…",
            "! «",
            "/",
            ".",
            ",",
            "'",
            "_",
            "\u00a0",
            "\u200b",
            "😀",
            "²",
            "5",
        ),
        *(" <b>", " <b class='x y'>", "<br/>", " &amp; ", "&nbsp;", " http://", " https://"),
        *(f" {'x' * 2_046} ", f" {'x' * 2_048} ", f" {'𠀀' * 512}-", " x ", " of x "),
    ],
)
async def test_what_follows_what_is_the_same_whichever_way_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    await write(database, f"it is GREEN{between}Tea", f"green{between}grün чай", "tea green")
    for words in ('"green tea"', '"grün чай"', '"green grün"', '"is green tea"', '"green tea" it'):
        walked = await found(database, words)
        with monkeypatch.context() as patch:
            patch.setattr(searching, "NEWEST", 0)
            assert await found(database, words) == walked
        # What Postgres says of the words as they stand.
        rows = await fetch(
            database,
            "SELECT id FROM messages WHERE to_tsvector('simple', content)"
            " @@ websearch_to_tsquery('simple', %s) ORDER BY created_at DESC",
            words,
        )
        assert [hit.id for hit in walked] == [row["id"] for row in rows]


@pytest.mark.parametrize("letter", ["a", "é", "語", "𠀀", "'", "\\"])
@pytest.mark.parametrize("length", [498, 499, 500, 511, 512, 682, 1_023, 2_045, 2_046, 2_047])
async def test_words_of_any_length_are_stored_and_those_in_the_index_found_in_both_ways(
    database: Database, monkeypatch: pytest.MonkeyPatch, letter: str, length: int
) -> None:
    word = "x" + letter * (length - 1)
    (id_,) = await write(database, f"milk {word} bread")
    for words in ("milk", "bread", *([f"{word}."] if length < 500 else ())):
        walked = await found(database, words)
        with monkeypatch.context() as patch:
            patch.setattr(searching, "NEWEST", 0)
            assert await found(database, words) == walked
        if len(words) < 100:
            assert [hit.id for hit in walked] == [id_]


async def test_messages_of_any_time_are_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "NEWEST", 0)
    began = datetime(1969, 6, 1, tzinfo=UTC)
    ids = await write(database, *["milk"] * 40, began=began, apart=timedelta(days=11))
    assert await pages(database, "milk", limit=7) == ids[::-1]


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "x", "\x00", "ü", "a" * 34, "a" * 1_000_000, "!!!!"),
        cursor("conversation", NOON, UUID(int=7)),
        cursor("hit", NOON, UUID(int=7)) + "=",
        cursor("hit", NOON, UUID(int=7))[:-1],
        cursor("hit", NOON, UUID(int=7)) + "\n",
    ],
)
async def test_a_cursor_that_no_page_gave_is_an_error(database: Database, wrong: str) -> None:
    with pytest.raises(InvalidCursorError) as caught:
        await found(database, "milk", before=wrong)
    assert len(str(caught.value)) < 300


async def test_a_message_of_10_mb_is_stored_and_found_by_its_beginning(database: Database) -> None:
    words = " ".join(f"word{number}" for number in range(1_100_000))
    (id_,) = await write(database, f"milk {words}")
    assert [hit.id for hit in await found(database, "milk word7")] == [id_]
    # What comes after the 100,000th character is stored, but not searched.
    assert await found(database, "word999999") == []
    (row,) = await fetch(database, "SELECT length(content) FROM messages")
    assert row["length"] > 10_000_000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("".join(chr(0x20000 + n) + " " for n in range(50_000)), id="one letter each"),
        pytest.param(
            " ".join(f"{chr(0x20000 + n)}{chr(0x21000 + n % 991)}" for n in range(40_000)),
            id="two letters each",
        ),
        pytest.param(
            " ".join(f"{chr(0x20000 + n)}-{chr(0x21000 + n % 991)}" for n in range(30_000)),
            id="with hyphens",
        ),
        pytest.param(" ".join(f"a{n}.org/{n}/é" for n in range(8_000)), id="addresses"),
        pytest.param("milk" * 30_000, id="one word"),
        pytest.param("é" * 2_000 + " milk", id="a word too long for an index"),
        pytest.param("'\\" * 50_000, id="only punctuation"),
    ],
)
async def test_no_text_is_too_much_for_the_index(database: Database, content: str) -> None:
    (id_,) = await write(database, f"{content} {content}")
    (row,) = await fetch(database, "SELECT id FROM messages")
    assert row["id"] == id_


async def test_hits_on_a_branch_that_was_left_are_found_and_known(database: Database) -> None:
    one, two, three = await write(database, "milk one", "milk two", "milk three")
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE conversations SET leaf_id = %s", (two,))
    async with database.session() as session:
        hits = await search_messages(session, "ann", "milk")
        assert [hit.id for hit in hits] == [three, two, one]
        assert await active_hits(session, hits) == {one, two}
        assert await active_hits(session, []) == set()


async def test_a_message_that_was_blanked_is_found_no_more(database: Database) -> None:
    await write(database, "secret milk", "milk")
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE messages SET content = '' WHERE content LIKE 'secret%'")
    assert await said(database, "secret") == []
    assert await said(database, "milk") == ["milk"]


async def test_a_snippet_is_a_line_around_the_words(database: Database) -> None:
    await write(database, "so " * 300 + "\n\x02milk\x03\n\t" + "on " * 300)
    (hit,) = await found(database, "milk")
    assert len(hit.snippet) < 200
    assert "\n" not in hit.snippet
    ((begin, end),) = hit.matches
    assert hit.snippet[begin:end] == "milk"


async def test_postgres_compiles_nothing_for_a_search_and_goes_on_as_before(
    database: Database,
) -> None:
    """Compiling takes tens of milliseconds, of which it can't guess that they are not worth it."""

    async def compiles(session: AsyncSession) -> str:
        value: str = (await (await session.connection()).execute(text("SHOW jit"))).scalar_one()
        return value

    await write(database, "milk")
    async with database.session() as session:
        await (await session.connection()).execute(text("SET SESSION jit = on"))
        await session.commit()
        await search_messages(session, "ann", "milk")
        assert await compiles(session) == "off"
        await session.commit()
        assert await compiles(session) == "on"
