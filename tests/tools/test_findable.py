"""What a task is found by: the pieces of its words, its symbols and its labels."""

import random
import unicodedata
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from tools.findable import all_words, is_part, pieces_of, query_of
from tools.models import LABELS_MAX, PIECES, TITLE_MAX
from tools.texts import NOTES_MAX, search_form, searched

ANN = UUID("00000000-0000-4000-8000-0000000000aa")
TASK = "FROM (SELECT %s::uuid AS user_id, %s AS pieces) AS task"


@pytest.fixture(scope="module")
def connection(server_uri: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_uri, autocommit=True) as connection:
        yield connection


def finds(connection: psycopg.Connection, text: str, query: str | None, owner: UUID = ANN) -> bool:
    assert query is not None
    pieces = pieces_of(search_form(text), ["home", "a:b'c\\d", "日本"])
    row = connection.execute(
        f"SELECT {PIECES} @@ %s::tsquery {TASK}".encode(), (query, owner, pieces)
    ).fetchone()
    return row is not None and bool(row[0])


@pytest.mark.parametrize(
    "word",
    [
        "milk",
        "ilk",
        "oat",
        "oatmilk",
        "zahn",
        "ztin",
        "zahnärztin",
        "ä",
        "牛",
        "牛奶",
        "я",
        "go",
        "7",
    ],
)
def test_a_text_is_found_by_its_words_and_what_stands_in_them(
    connection: psycopg.Connection, word: str
) -> None:
    text = "Go, buy OatMilk 7 (Zahnärztin’s) 买牛奶 я Ä"
    assert finds(connection, text, query_of(ANN, words=all_words(word)))


@pytest.mark.parametrize("word", ["mi", "o", "bu", "zebra", "milka", "奶牛", "g", "77"])
def test_a_text_is_not_found_by_other_words_nor_by_a_letter_or_two_of_one(
    connection: psycopg.Connection, word: str
) -> None:
    assert not finds(connection, "Go, buy OatMilk 7 买牛奶", query_of(ANN, words=[word]))


def test_all_has_to_be_there_and_to_be_the_same_users(connection: psycopg.Connection) -> None:
    def found(owner: UUID = ANN, **asked: object) -> bool:
        return finds(connection, "buy 🥛 milk", query_of(ANN, **asked), owner)  # type: ignore[arg-type]

    assert found(words=["buy", "milk"], labels=["home"])
    assert found(symbols="!🥛", labels=["a:b'c\\d", "日本"])
    assert not found(words=["buy", "tea"])
    assert not found(words=["buy"], labels=["work"])
    assert not found(symbols="🍞")
    assert not found(words=["home"])
    assert not found(words=["buy"], owner=UUID("00000000-0000-4000-8000-0000000000ab"))


def test_nothing_can_be_asked_for_where_there_is_neither_word_nor_symbol() -> None:
    assert query_of(ANN) is None
    assert query_of(ANN, symbols="%…") is None


def test_whatever_part_of_a_word_is_looked_for_finds_the_text(
    connection: psycopg.Connection,
) -> None:
    chance = random.Random(1)
    alphabet = [
        sign
        for sign in map(chr, (*range(33, 700), *range(0x4E00, 0x4E40), *range(0x1F600, 0x1F640)))
        if unicodedata.category(sign)[0] != "C"
    ]
    for _ in range(300):
        text = " ".join("".join(chance.choices(alphabet, k=20)) for _ in range(3))
        for word in all_words(text):
            start = chance.randrange(len(word))
            part = word[start : chance.randrange(start + 1, len(word) + 1)]
            if is_part(part):
                assert finds(connection, text, query_of(ANN, words=[part])), (text, part)


@pytest.mark.parametrize(
    ("first", "count"), [("a", 26), ("α", 24), ("一", 20_000), ("𠀀", 20_000), ("ﬃ", 1), ("ΐ", 1)]
)
def test_the_longest_text_in_any_script_fits_into_the_index(
    connection: psycopg.Connection, first: str, count: int
) -> None:
    chance = random.Random(2)

    def some(length: int) -> str:
        return "".join(chr(ord(first) + chance.randrange(count)) for _ in range(length))

    labels = [some(50) for _ in range(LABELS_MAX)]
    pieces = pieces_of(searched(some(TITLE_MAX), some(NOTES_MAX)), labels)
    assert connection.execute(
        f"SELECT {PIECES} IS NOT NULL {TASK}".encode(), (ANN, pieces)
    ).fetchone() == (True,)
