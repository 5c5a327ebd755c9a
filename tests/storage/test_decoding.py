"""A message made quickly is the one that the serialiser makes, to the last detail."""

from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2

from storage.decoding import (
    PlainMessage,
    UnreadableMessageError,
    make_messages,
    plain_messages,
    read_message,
)
from storage.serde import GraphSerializer

SERDE = GraphSerializer()

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        text,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(text, inner, max_size=3),
        st.tuples(inner),
        st.sets(st.integers(0, 9), max_size=2),
    ),
    max_leaves=6,
)
objects = st.dictionaries(st.one_of(text, st.just("tool_calls")), values, max_size=3)
contents = st.one_of(text, st.lists(st.one_of(text, objects), max_size=3))
numbers = st.integers(0, 10_000)
calls = st.lists(
    st.fixed_dictionaries(
        {"name": text, "args": st.dictionaries(text, values, max_size=2), "id": st.none() | text},
        optional={"type": st.just("tool_call")},
    ),
    max_size=2,
)
usage = st.none() | st.fixed_dictionaries(
    {"input_tokens": numbers, "output_tokens": numbers, "total_tokens": numbers},
    optional={
        "output_token_details": st.dictionaries(
            st.sampled_from(["reasoning", "audio", "of somebody else"]), numbers
        ),
        "input_token_details": st.dictionaries(
            st.sampled_from(["cache_read", "audio", "cache_creation"]), numbers
        ),
    },
)
common = {
    "content": contents,
    "additional_kwargs": objects,
    "response_metadata": objects,
    "name": st.none() | text,
    "id": st.none() | text,
}
messages = st.one_of(
    st.builds(HumanMessage, **common),
    st.builds(SystemMessage, **common),
    st.builds(HumanMessage, **common, extra=values),
    st.builds(ChatMessage, **common, role=text),
    st.builds(AIMessageChunk, **common),
    st.builds(
        AIMessage,
        **common,
        tool_calls=calls,
        usage_metadata=usage,
        invalid_tool_calls=st.lists(
            st.fixed_dictionaries(
                {"name": text, "args": text, "id": text, "error": st.none() | text}
            ),
            max_size=1,
        ),
    ),
    st.builds(
        ToolMessage,
        **common,
        tool_call_id=text,
        artifact=values,
        status=st.sampled_from(["success", "error"]),
    ),
)


def assert_read_alike(payload: bytes) -> None:
    ours = read_message(SERDE, "msgpack", payload)
    theirs: BaseMessage = SERDE.loads_typed(("msgpack", payload))
    assert type(ours) is type(theirs)
    for part in ("__dict__", "__pydantic_extra__", "__pydantic_private__"):
        assert exactly(getattr(ours, part)) == exactly(getattr(theirs, part))
    assert ours.__pydantic_fields_set__ == theirs.__pydantic_fields_set__


def exactly(value: Any) -> Any:
    """A form in which 1, 1.0 and True differ, and the order of keys counts."""
    match value:
        case dict():
            return "dict", [(exactly(key), exactly(item)) for key, item in value.items()]
        case list() | tuple():
            return type(value), [exactly(item) for item in value]
        case _:
            return type(value), value


def payload_of(kind: type[BaseMessage], fields: dict[str, Any]) -> bytes:
    """What the serialiser writes of a message with these fields, which no class has looked at."""
    named = (kind.__module__, kind.__name__, fields, "model_validate_json")
    option = ormsgpack.OPT_NON_STR_KEYS
    return ormsgpack.packb(
        ormsgpack.Ext(EXT_PYDANTIC_V2, ormsgpack.packb(named, option=option)), option=option
    )


def test_a_payload_made_by_hand_is_the_serialisers() -> None:
    message = AIMessage("hi", id="1")
    assert payload_of(AIMessage, message.__dict__) == SERDE.dumps_typed(message)[1]


@given(message=messages)
def test_any_message_is_read_as_the_serialiser_reads_it(message: BaseMessage) -> None:
    assert_read_alike(SERDE.dumps_typed(message)[1])


CHANGES: list[dict[str, Any]] = [
    {"content": None},
    {"content": 5},
    {"content": ["a", 5]},
    {"additional_kwargs": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}},
    {"additional_kwargs": None},
    {"type": "human"},
    {"id": 7},
    {"tool_calls": [{"name": "f", "args": {}, "id": "1"}]},
    {"tool_calls": [{"id": "1", "name": "f", "args": {}, "type": "tool_call"}]},
    {"tool_calls": [{"name": "f", "args": None, "id": "1", "type": "tool_call"}]},
    {"tool_calls": [{"name": "f", "args": {1: 2}, "id": "1", "type": "tool_call"}]},
    {"invalid_tool_calls": [{"name": "f", "args": "{", "id": "1"}]},
    {"usage_metadata": {"input_tokens": True, "output_tokens": 1, "total_tokens": 2}},
    {"usage_metadata": {"input_tokens": 1.0, "output_tokens": 1, "total_tokens": 2}},
    {"usage_metadata": {"output_tokens": 1, "input_tokens": 1, "total_tokens": 2}},
    {"usage_metadata": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "more": 3}},
    {"unknown": [1]},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_no_such_message_can_hold_is_read_as_the_serialiser_reads_it(
    change: dict[str, Any],
) -> None:
    fields = {**AIMessage("hi").__dict__, **change}
    assert_read_alike(payload_of(AIMessage, fields))


@pytest.mark.parametrize("content", ["", "hi", "x" * 300, "x" * 70_000])
@pytest.mark.parametrize("kind", [HumanMessage, AIMessage, SystemMessage])
def test_plain_messages_of_any_length_are_read_quickly(
    kind: type[BaseMessage], content: str
) -> None:
    payload = SERDE.dumps_typed(kind(content))[1]
    assert plain_messages(SERDE, [("msgpack", payload)]) != [None]
    assert_read_alike(payload)


def test_a_models_message_with_calls_and_usage_is_read_quickly() -> None:
    message = AIMessage(
        [{"type": "text", "text": "Let me see"}],
        tool_calls=[{"name": "find", "args": {"words": ["milk"]}, "id": "1"}],
        usage_metadata={
            "input_tokens": 1,
            "output_tokens": 2,
            "total_tokens": 3,
            "input_token_details": {"cache_read": 1},
        },
        response_metadata={"model_name": "m", "token_usage": {"total": 3}},
    )
    (plain,) = plain_messages(SERDE, [SERDE.dumps_typed(message)])
    assert plain is not None
    one, other, third = make_messages([plain, plain, plain])
    assert one == other == third == message
    one.response_metadata["token_usage"]["total"] = 4
    assert other == third == message


@pytest.mark.parametrize(
    "payload", [b"", b"\xc7", b"\xc7\x00\x05", b"\xc8\x01\x96\x05\x94", b"\x91"]
)
def test_what_is_no_message_is_an_error(payload: bytes) -> None:
    with pytest.raises((UnreadableMessageError, ValueError)):
        read_message(SERDE, "msgpack", payload)


damaged = st.binary(max_size=40).map(lambda garbage: ("msgpack", garbage))
cut_off = messages.map(SERDE.dumps_typed).map(lambda stored: (stored[0], stored[1][:-20]))


@given(
    st.lists(messages.map(SERDE.dumps_typed) | damaged | cut_off | st.just(("json", b"{}"))),
)
def test_payloads_read_at_once_are_read_as_alone(stored: list[tuple[str, bytes]]) -> None:
    def shown(plain: PlainMessage | None) -> Any:
        return plain and (plain.form, plain.packed, plain.option, exactly(plain.fields()))

    alone = [plain_messages(SERDE, [one])[0] for one in stored]
    assert list(map(shown, plain_messages(SERDE, stored))) == list(map(shown, alone))
