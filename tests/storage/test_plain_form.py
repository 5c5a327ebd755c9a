"""Lists as bytes, and versions as the plain saver writes them."""

from secrets import token_urlsafe

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.postgres.base import BasePostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.plain.form import join_list, list_start, plain_version, value_ends

SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
SHORT_VERSIONS = st.builds(
    lambda number, chance: f"{number:08}.{chance}",
    st.integers(1, 99_999_999),
    st.text(CHARACTERS, min_size=8, max_size=8),
)


@given(SHORT_VERSIONS, SHORT_VERSIONS)
def test_versions_keep_their_order_and_stay_apart(one: str, other: str) -> None:
    assert (one < other) == (plain_version(one) < plain_version(other))
    assert (one == other) == (plain_version(one) == plain_version(other))


@given(SHORT_VERSIONS)
def test_the_plain_saver_goes_on_from_a_version(version: str) -> None:
    following = BasePostgresSaver.get_next_version(None, plain_version(version), None)  # type: ignore[arg-type]
    assert int(following.split(".")[0]) == int(version.split(".")[0]) + 1
    assert following > plain_version(version)


@pytest.mark.parametrize(
    "version",
    [
        "00000000000000000000000000000081.0.6893078368288903",
        "00000000000000000000000000000081.5.1e-05",
        "00000001.AAAAAAAAA",
        "1",
        "",
        "00000001.AAAAAAAA\n",
    ],
)
def test_other_versions_stay_as_they_are(version: str) -> None:
    assert plain_version(version) == version


async def test_the_checkpointers_versions_are_recognised(database: Database) -> None:
    version = None
    for number in range(1, 4):
        version = TranscriptSaver(database.pool).get_next_version(version, None)
        assert plain_version(version).startswith(f"{number:032}.0.")


def test_every_character_of_chance_is_known() -> None:
    assert {*"".join(token_urlsafe(6) for _ in range(2_000))} == {*CHARACTERS}


@pytest.mark.parametrize("length", [0, 1, 15, 16, 300, 65_535, 65_536])
def test_a_list_is_its_head_and_its_messages(length: int) -> None:
    # Messages of every size of head, and all together not too large.
    messages: list[AnyMessage] = [
        HumanMessage("x" * (70_000 if n == 7 else 300 if n == 8 else 1), id=str(n))
        for n in range(min(length, 300))
    ]
    messages += [AIMessage("y")] * (length - len(messages))
    payloads = {id(message): SERDE.dumps_typed(message)[1] for message in messages}
    kind, data = SERDE.dumps_typed(messages)
    assert kind == "msgpack"
    assert join_list([payloads[id(message)] for message in messages]) == data
    start = list_start(data)
    assert start is not None
    begin = start
    for message, end in zip(messages, value_ends(data, start), strict=True):
        assert data[begin:end] == payloads[id(message)]
        begin = end


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xa1x", SERDE.dumps_typed(HumanMessage("x"))[1]])
def test_what_is_no_list_has_no_start(data: bytes) -> None:
    assert list_start(data) is None


@pytest.mark.parametrize("end", [1, 2, 5, 30])
def test_half_of_a_message_is_an_error(end: int) -> None:
    payload = SERDE.dumps_typed(HumanMessage("x"))[1]
    with pytest.raises(ValueError, match="middle"):
        list(value_ends(payload[:end], 0))


def test_a_list_of_texts_is_an_error() -> None:
    with pytest.raises(ValueError, match="extension"):
        list(value_ends(SERDE.dumps_typed(["one"])[1], 1))
