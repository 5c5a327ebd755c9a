"""Messages to rows, without a database."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from storage.limits import ROLE_MAX, TITLE_MAX
from storage.transcript import (
    Row,
    digest_of,
    is_transcript,
    row_id,
    row_of,
    storable,
    title_of,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def row(messages: list[BaseMessage]) -> Row:
    """The row of the last of these messages."""
    return row_of(
        messages,
        len(messages) - 1,
        parent=None,
        payload_type="msgpack",
        payload=b"payload",
        now=NOW,
    )


def asked(**arguments: object) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "add_task", "args": arguments, "id": "call_1"}])


@pytest.mark.parametrize(
    ("message", "role"),
    [
        (HumanMessage("hi"), "user"),
        (AIMessage("hi"), "assistant"),
        (SystemMessage("hi"), "system"),
        (ToolMessage("hi", tool_call_id="1"), "tool"),
        (ChatMessage(content="hi", role="critic"), "chat"),
    ],
)
def test_each_kind_of_message_has_the_role_that_people_expect(
    message: BaseMessage, role: str
) -> None:
    assert row([message]).role == role


def test_a_row_holds_the_text_of_content_that_is_a_list_of_blocks() -> None:
    blocks = HumanMessage([{"type": "text", "text": "look: "}, {"type": "text", "text": "a cat"}])
    assert row([blocks]).content == "look: a cat"


def test_an_assistants_row_lists_the_calls_it_asked_for() -> None:
    assert row([asked(title="milk")]).tool_calls == [
        {"id": "call_1", "tool": "add_task", "arguments": {"title": "milk"}}
    ]


def test_an_assistants_row_keeps_a_call_that_nobody_could_read() -> None:
    message = AIMessage(
        "",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "add_task",
                "args": '{"title": "Buy m',
                "id": "call_1",
                "error": "cut off",
            }
        ],
    )
    assert row([message]).tool_calls == [
        {"id": "call_1", "tool": "add_task", "arguments": '{"title": "Buy m', "error": "cut off"}
    ]


def test_a_tools_row_records_what_was_called_with_what_and_what_came_of_it() -> None:
    answer = ToolMessage(
        '{"number": 1}',
        name="add_task",
        tool_call_id="call_1",
        artifact={"structured_content": {"number": 1}},
        additional_kwargs={"executed_at": "2026-11-22T08:59:00+00:00"},
    )
    assert row([asked(title="milk"), answer]).tool_calls == [
        {
            "id": "call_1",
            "tool": "add_task",
            "arguments": {"title": "milk"},
            "result": {"number": 1},
            "status": "success",
            "timestamp": "2026-11-22T08:59:00+00:00",
        }
    ]


def test_a_tools_row_without_a_time_of_its_own_shows_the_time_of_the_write() -> None:
    answer = ToolMessage("no such task", tool_call_id="call_1", status="error")
    (record,) = row([asked(), answer]).tool_calls or []
    assert (record["timestamp"], record["status"], record["result"]) == (
        NOW.isoformat(),
        "error",
        "no such task",
    )


def test_a_tools_answer_takes_its_arguments_from_the_latest_call_with_its_id() -> None:
    answer = ToolMessage("done", tool_call_id="call_1")
    (record,) = row([asked(title="old"), asked(title="new"), answer]).tool_calls or []
    assert record["arguments"] == {"title": "new"}


def test_a_digest_is_the_hash_of_the_parents_digest_and_the_payload() -> None:
    parent = digest_of(None, b"first")
    assert parent == hashlib.sha256(b"first").digest()
    assert digest_of(parent, b"second") == hashlib.sha256(parent + b"second").digest()


def test_a_rows_key_depends_on_the_conversation_and_is_a_valid_uuid() -> None:
    one, other, digest = uuid4(), uuid4(), digest_of(None, b"x")
    assert row_id(one, digest) == row_id(one, digest) != row_id(other, digest)
    key = row_id(UUID(int=0), digest)
    assert (key.version, key.variant) == (8, "specified in RFC 4122")


def test_only_lists_of_messages_are_transcripts() -> None:
    assert is_transcript([HumanMessage("hi")])
    assert not is_transcript([])
    assert not is_transcript(["hi"])
    assert not is_transcript("hi")
    assert not is_transcript([HumanMessage("hi"), {"role": "user", "content": "hi"}])


def test_the_title_is_the_first_line_that_the_user_wrote() -> None:
    assert title_of([SystemMessage("rules"), HumanMessage("  add\n milk "), HumanMessage("x")]) == (
        "add milk"
    )
    assert title_of([HumanMessage("   ")]) is None
    assert title_of([AIMessage("hello")]) is None


@given(st.text())
def test_any_text_becomes_a_row_that_postgres_can_hold(text: str) -> None:
    stored = row([HumanMessage(text), AIMessage(text), HumanMessage(text)])
    assert "\x00" not in stored.content
    stored.content.encode()
    title = title_of([HumanMessage(text)])
    assert title is None or (title.strip() and len(title) <= TITLE_MAX)


@given(st.text(min_size=1))
def test_a_role_fits_its_column_whatever_the_message_calls_itself(kind: str) -> None:
    message = HumanMessage("hi")
    object.__setattr__(message, "type", kind)
    assert len(row([message]).role) <= ROLE_MAX


def test_storable_text_loses_only_what_postgres_cannot_hold() -> None:
    assert storable("a\x00b") == "a\ufffdb"
    assert storable("a\ud800b") == "a?b"
    assert storable("grüße 👋🏽") == "grüße 👋🏽"


def test_what_json_has_no_form_for_is_shown_as_text() -> None:
    answer = ToolMessage(
        "x",
        tool_call_id="call_1",
        artifact={"structured_content": {"a": float("nan"), "b": b"x", 1: (1, {"\x00": "\x00"})}},
    )
    (record,) = row([answer]).tool_calls or []
    assert record["result"] == {"a": "nan", "b": "b'x'", "1": [1, {"\ufffd": "\ufffd"}]}
