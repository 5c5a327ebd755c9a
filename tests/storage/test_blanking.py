"""Copies of a message are found wherever they lie, and blanked so that the transcript is valid."""

from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    ToolMessageChunk,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Command, Interrupt, Send

from storage.blanking import REDACTED, Forgotten, blank_message, message_fields
from storage.stored_values import Form

SECRET = "the secret words"
SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)

CALL = {"name": "tell", "args": {"what": SECRET}, "id": "c1", "type": "tool_call"}
METADATA = {"additional_kwargs": {"a": SECRET}, "response_metadata": {"b": [SECRET]}}

MESSAGES: list[BaseMessage] = [
    HumanMessage(SECRET, id="m", name="Ann Secret", **METADATA),
    HumanMessage([{"type": "text", "text": SECRET}, {"type": "image", "base64": "c2Vj"}], id="m"),
    HumanMessageChunk(content=SECRET, id="m"),
    SystemMessage(SECRET, id="m"),
    AIMessage(
        [{"type": "reasoning", "reasoning": SECRET}, {"type": "text", "text": SECRET}],
        id="m",
        name="supervisor",
        tool_calls=[CALL],
        invalid_tool_calls=[{"name": "tell", "args": SECRET, "id": "c2", "error": SECRET}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        **METADATA,
    ),
    AIMessageChunk(
        content="",
        id="m",
        chunk_position="last",
        tool_call_chunks=[
            {"name": "tell", "args": f'{{"what": "{SECRET}"}}', "id": "c1", "index": 0}
        ],
    ),
    ToolMessage(
        SECRET,
        id="m",
        name="tell",
        tool_call_id="c1",
        status="error",
        artifact={"structured_content": {"a": SECRET}},
        **METADATA,
    ),
    ToolMessageChunk(content=SECRET, id="m", tool_call_id="c1"),
    FunctionMessage(content=SECRET, name="tell", id="m"),
    ChatMessage(content=SECRET, role="critic", id="m"),
]


def opened(value: Any) -> Any:
    name, blob = SERDE.dumps_typed(value)
    return Form(name, SERDE).open(blob)


def restored(value: Any) -> Any:
    return SERDE.loads_typed(("msgpack", Form("msgpack", SERDE).close(value)))


def fields(message: BaseMessage) -> dict[Any, Any]:
    found = message_fields(opened(message))
    assert found is not None
    return found


def forgotten(*messages: BaseMessage) -> Forgotten:
    known = Forgotten()
    for message in messages:
        known.add(fields(message))
    return known


def blanked(value: Any, *messages: BaseMessage) -> Any:
    """`value` stored, blanked of these messages, and read again."""
    return restored(forgotten(*messages).blank(opened(value)))


def ids(values: list[BaseMessage]) -> list[str]:
    return [type(value).__name__ for value in values]


@pytest.mark.parametrize("message", MESSAGES, ids=ids(MESSAGES))
def test_a_blank_message_says_nothing_and_is_still_a_message_of_its_class(
    message: BaseMessage,
) -> None:
    blank = blanked(message, message)
    assert type(blank) is type(message)
    # Nothing had to be left out to make it.
    assert type(message)(**blank_message(fields(message))) == blank
    stored = SERDE.dumps_typed(blank)[1]
    assert b"ecret" not in stored
    assert b"c2Vj" not in stored
    assert (blank.id, blank.type) == ("m", message.type)
    assert blank.content in (REDACTED, "")


def test_calls_and_answers_of_blank_messages_still_match() -> None:
    asked = AIMessage(SECRET, id="a", tool_calls=[CALL])
    answer = ToolMessage(SECRET, id="t", name="tell", tool_call_id="c1", status="error")
    asked, answer = blanked([asked, answer], asked, answer)
    assert asked.tool_calls == [{**CALL, "args": {}}]
    assert (answer.tool_call_id, answer.name, answer.status) == ("c1", "tell", "error")
    assert isinstance(blanked(MESSAGES[4], MESSAGES[4]), AIMessage)
    assert blanked(MESSAGES[4], MESSAGES[4]).name == "supervisor"


def test_an_empty_content_stays_empty() -> None:
    message = AIMessage("", id="a", tool_calls=[CALL])
    assert blanked(message, message).content == ""


def test_blanking_what_is_blank_changes_nothing() -> None:
    for message in MESSAGES:
        known = forgotten(message)
        once = known.blank(opened([message]))
        assert known.blank(once) is once
        again = Forgotten()
        found = message_fields(once[0])
        assert found is not None
        again.add(found)
        assert again.blank(once) is once


def test_a_value_without_the_message_comes_back_as_the_same_object() -> None:
    value = opened({"messages": [HumanMessage("other", id="o")], "n": [1, (2, {"a": b"c"})]})
    assert forgotten(*MESSAGES).blank(value) is value


MESSAGE = HumanMessage(SECRET, id="m")

PLACES: dict[str, Any] = {
    "a list of messages": [HumanMessage("other"), MESSAGE],
    "a snapshot of a DeltaChannel": _DeltaSnapshot([MESSAGE, MESSAGE, MESSAGE]),
    "what a node is sent": Send("node", {"messages": [MESSAGE]}),
    "a command": Command(update={"messages": [MESSAGE]}, goto=[Send("a", MESSAGE)]),
    "a dict of a message": {"type": "human", "content": SECRET, "id": "m", "extra": SECRET},
    "a message without its id": HumanMessage(SECRET),
    "an input": {"messages": [{"role": "user", "content": SECRET}]},
    "an input of a pair": {"messages": [("user", SECRET)]},
    "an input of a pair alone": {"messages": ("human", SECRET)},
    "an input of a text": {"messages": SECRET},
    "an input of texts": {"messages": [SECRET, "other"]},
    "a text of its own": {"question": SECRET},
    "LangChain's JSON": dumpd(MESSAGE),
    "a set of texts": {SECRET},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_copy_is_found_in(place: str) -> None:
    value = {"state": [PLACES[place]]}
    assert SECRET in str(opened(value))
    known = forgotten(MESSAGE)
    blob = Form("msgpack", SERDE).close(opened(value))
    assert any(needle.encode() in blob for needle in known.needles())
    assert SECRET not in str(known.blank(opened(value)))


def test_an_input_keeps_what_came_with_the_message() -> None:
    value = {"messages": [("user", SECRET), ("user", "other")], "n": 1}
    blank = {"messages": [["user", REDACTED], ["user", "other"]], "n": 1}
    assert blanked(value, MESSAGE) == blank
    assert blanked({"messages": SECRET, "text": SECRET}, MESSAGE) == {
        "messages": REDACTED,
        "text": REDACTED,
    }


def test_a_short_text_is_blanked_where_it_is_a_message_and_nowhere_else() -> None:
    yes = HumanMessage("yes", id="m")
    value = {"messages": ["yes", "no"], "answer": "yes", "said": [("user", "yes"), ("ai", "yes")]}
    assert blanked(value, yes) == {
        "messages": [REDACTED, "no"],
        "answer": "yes",
        "said": [["user", REDACTED], ["ai", "yes"]],
    }


def test_another_message_that_says_the_same_is_left_alone() -> None:
    others = [HumanMessage(SECRET, id="other"), AIMessage(SECRET), AIMessage("")]
    assert blanked(others, MESSAGE) == others
    empty = AIMessage("", id="m", tool_calls=[CALL])
    assert blanked(others, empty) == others


CALLS: list[dict[str, Any]] = [
    CALL,
    {"id": "c1", "type": "function", "function": {"name": "tell", "arguments": f'["{SECRET}"]'}},
    {"id": "c1", "type": "tool_use", "name": "tell", "input": {"what": SECRET}},
    {"call_id": "c1", "type": "function_call", "name": "tell", "arguments": f'["{SECRET}"]'},
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call["type"]))
def test_a_call_that_was_handed_to_a_node_loses_its_arguments(call: dict[str, Any]) -> None:
    asked = AIMessage("", id="m", tool_calls=[CALL])
    (sent,) = blanked([Send("tools", [call])], asked)
    assert SECRET not in str(sent)
    assert {**call, **sent.arg[0]}.keys() == call.keys()
    other = {**call, "id": "c9", "call_id": "c9"}
    assert blanked([other], asked) == [other]


def test_a_question_whether_a_call_may_be_made_loses_its_arguments() -> None:
    request = {"name": "tell", "args": CALL["args"], "description": f"tell: {SECRET}"}
    review = {"action_name": "tell", "allowed_decisions": ["approve"]}
    asked = AIMessage("", id="m", tool_calls=[CALL])
    question = {"action_requests": [request], "review_configs": [review]}
    (blank,) = blanked([Interrupt(question, id="i")], asked)
    assert blank.value == {
        "action_requests": [{"name": "tell", "args": {}, "description": REDACTED}],
        "review_configs": [review],
    }
    for other in ({**request, "name": "ask"}, {**request, "id": "c9"}):
        assert blanked([other], asked) == [other]
    assert SECRET in forgotten(asked).needles()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call["type"]))
def test_a_call_that_is_blank_already_is_not_changed(call: dict[str, Any]) -> None:
    known = forgotten(AIMessage("", id="m", tool_calls=[CALL]))
    blank = known.blank(opened([call]))
    assert SECRET not in str(blank)
    assert known.blank(blank) is blank


def test_the_same_call_id_of_another_tool_is_left_alone() -> None:
    other = {**CALL, "name": "ask"}
    assert blanked([other], AIMessage("", id="m", tool_calls=[CALL])) == [other]


def test_an_answer_that_has_no_id_yet_is_known_by_its_call() -> None:
    answer = ToolMessage(SECRET, id="t", tool_call_id="c1")
    (blank,) = blanked([ToolMessage(SECRET, tool_call_id="c1")], answer)
    assert blank.content == REDACTED


def test_an_order_to_remove_the_message_still_removes_it() -> None:
    assert blanked([RemoveMessage(id="m")], MESSAGE) == [RemoveMessage(id="m")]


def test_a_class_that_nobody_knows_is_blanked_as_it_lies_there() -> None:
    class Shouted(HumanMessage):
        volume: float = 1.0
        aside: str = ""

    (value,) = opened([Shouted(content=SECRET, id="m", aside=SECRET, volume=2)])
    assert SECRET not in str(forgotten(MESSAGE).blank(value))
    again = Form("msgpack", SERDE).open(
        Form("msgpack", SERDE).close(forgotten(MESSAGE).blank(value))
    )
    assert again.value[1] == "Shouted"
