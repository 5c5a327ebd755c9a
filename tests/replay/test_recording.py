import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata

from replay.errors import InvalidRecordingError
from replay.messages import SERDE, read_message, write_message
from replay.recording import Place, RecordedRow, Recording, Turn
from tests.replay.support import NOON

MESSAGES: list[BaseMessage] = [
    HumanMessage("Add milk 🥛", id="1"),
    HumanMessage([{"type": "text", "text": "Add milk"}, "please"], id="2", name="Anna"),
    SystemMessage("Be short.", id="3"),
    RemoveMessage(id="4"),
    ToolMessage(
        "Done",
        id="5",
        name="add_tasks",
        tool_call_id="call_1",
        status="error",
        artifact={"structured_content": {"due": None, "number": 1}},
        additional_kwargs={"executed_at": "2026-11-23T12:00:00+00:00"},
    ),
    AIMessage(
        "",
        id="6",
        tool_calls=[{"name": "b", "args": {"z": 1, "a": [1.5, None]}, "id": "c"}],
        invalid_tool_calls=[
            {"type": "invalid_tool_call", "id": "d", "name": "e", "args": "{", "error": None}
        ],
        response_metadata={"z": 1, "a": {"nested": True}},
        usage_metadata=UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3),
    ),
    HumanMessage("No JSON", id="7", additional_kwargs={"raw": b"\xff", "when": NOON}),
    HumanMessage("Extra", id="8", some_field={"b": 1}),
    HumanMessage("NUL \x00", id="9"),
]


def through_a_file(message: BaseMessage) -> BaseMessage:
    return read_message(json.loads(json.dumps(write_message(message))))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_a_message_comes_back_to_the_byte(message: BaseMessage) -> None:
    assert SERDE.dumps_typed(through_a_file(message)) == SERDE.dumps_typed(
        SERDE.loads_typed(SERDE.dumps_typed(message))
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.text(), st.dictionaries(st.text(), json_values, max_size=3))
def test_any_words_and_metadata_come_back_to_the_byte(words: str, metadata: dict[str, Any]) -> None:
    message = AIMessage(words, id="1", response_metadata=metadata)

    assert SERDE.dumps_typed(through_a_file(message)) == SERDE.dumps_typed(
        SERDE.loads_typed(SERDE.dumps_typed(message))
    )


def test_the_form_of_a_plain_message_is_short() -> None:
    assert write_message(HumanMessage("Add milk", id="1")) == {
        "type": "human",
        "id": "1",
        "content": "Add milk",
    }


def test_a_message_that_json_cannot_hold_shows_its_words_beside_its_payload() -> None:
    form = write_message(MESSAGES[6])

    assert form["content"] == "No JSON"
    assert set(form) == {"type", "id", "content", "payload", "payload_type"}


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"type": "unheard-of", "content": ""},
        {"type": "tool", "content": ""},
        {"type": "human", "payload_type": "msgpack", "payload": "AAAA"},
        {"type": "human", "payload_type": "msgpack", "payload": "not base64"},
    ],
    ids=["empty", "an unknown type", "no call", "another value", "not base64"],
)
def test_a_form_that_is_no_message_is_an_error(form: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecordingError):
        read_message(form)


def a_recording() -> Recording:
    return Recording(
        thread="thread",
        title="Añadir leche",
        turns=[
            Turn(
                kind="run",
                start=Place(turn=1, step=2),
                at=NOON,
                input=[write_message(message) for message in MESSAGES],
            )
        ],
        rows=[RecordedRow(digest="00", parent=None, role="user", content="Add", tool_calls=None)],
    )


def test_a_recording_comes_back_from_its_text() -> None:
    recording = a_recording()

    assert Recording.from_json(recording.to_json()) == recording


def test_the_text_is_the_same_each_time_and_readable() -> None:
    text = a_recording().to_json()

    assert text == Recording.from_json(text).to_json()
    assert "Añadir leche" in text
    assert text.startswith('{\n  "format": 2,\n  "thread": "thread",\n')
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"format": 3, "thread": "t", "turns": [], "rows": []}',
        '{"format": 2, "thread": "t", "turns": [], "rows": [], "secret": 1}',
        '{"format": 2, "thread": "t", "turns": [{"kind": "run"}], "rows": []}',
    ],
    ids=["empty", "no json", "a list", "nothing", "a later format", "too much", "too little"],
)
def test_a_text_that_is_no_recording_is_an_error(text: str) -> None:
    with pytest.raises(InvalidRecordingError):
        Recording.from_json(text)
