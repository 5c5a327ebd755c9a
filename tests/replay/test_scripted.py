from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.tools import tool

from graph.answers import INCOMPLETE, read_answer
from replay.errors import CallNotRecordedError, PromptDiffersError, ScriptExhaustedError
from replay.scripted import Line, ScriptedClock, ScriptedModel, ScriptedModels, pieces_of


@tool
def add_tasks(title: str) -> str:
    """Add a task."""
    return title


def call(name: str, call_id: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "args": arguments, "id": call_id}


def a_full_answer() -> AIMessage:
    return AIMessage(
        "Two things at once:  milk\nand bread. ",
        id="chatcmpl-1",
        tool_calls=[
            call("add_tasks", "call_1", title="Buy milk, and “oat milk” 🥛", due=None),
            call("find_tasks", "call_2"),
        ],
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "add_tasks",
                "args": '{"title": "Buy bread and',
                "id": "call_3",
                "error": (INCOMPLETE),
            }
        ],
        additional_kwargs={"refusal": None},
        response_metadata={"model_name": "gpt-4.1-mini", "finish_reason": "tool_calls"},
        usage_metadata=UsageMetadata(
            input_tokens=10,
            output_tokens=5,
            total_tokens=15,
            input_token_details=InputTokenDetails(cache_read=0),
        ),
    )


async def stream_of(message: AIMessage) -> AsyncIterator[BaseMessage]:
    for piece in pieces_of(message):
        yield piece


async def test_a_streamed_answer_put_together_by_the_graph_is_exactly_the_scripted_one() -> None:
    model = ScriptedModel([a_full_answer()])

    answer = await read_answer(model.bind_tools([add_tasks]).astream("What is on my list?"))

    assert answer == a_full_answer()
    assert type(answer) is AIMessage


async def test_an_answer_is_streamed_in_pieces_with_its_arguments_cut() -> None:
    model = ScriptedModel([a_full_answer()])

    pieces = [piece async for piece in model.astream("Hello")]

    assert sum(1 for piece in pieces if piece.content) > 5
    arguments = [
        chunk["args"] for piece in pieces for chunk in piece.tool_call_chunks if chunk["index"] == 0
    ]
    assert len(arguments) > 3
    assert [piece.chunk_position for piece in pieces] == [None] * (len(pieces) - 1) + ["last"]


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("", id="empty"),
        AIMessage("   ", id="blank"),
        AIMessage("Hello", id="named", name="assistant"),
        AIMessage(
            [{"type": "text", "text": "Hello"}, {"type": "text", "text": "you"}], id="blocks"
        ),
        AIMessage(
            [{"type": "text", "text": "Hello", "index": 0}],
            id="blocks-and-calls",
            tool_calls=[call("add_tasks", "call_1", title="Buy milk")],
        ),
        AIMessage("Hello", id="lc_run--0198"),
    ],
    ids=lambda message: message.id,
)
async def test_odd_answers_survive_streaming_too(message: AIMessage) -> None:
    expected = message.model_copy(deep=True)

    answer = await read_answer(ScriptedModel([message]).astream("Hello"))

    assert answer == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
arguments = st.dictionaries(st.text(), json_values, max_size=3)


@settings(deadline=None)
@given(st.text(), st.lists(st.tuples(st.text(min_size=1), arguments), max_size=3))
async def test_any_words_and_calls_survive_streaming(
    words: str, calls: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    message = AIMessage(
        words,
        id="chatcmpl-1",
        tool_calls=[
            call(name, f"call_{i}") | {"args": args} for i, (name, args) in enumerate(calls)
        ],
    )

    assert await read_answer(stream_of(message)) == message


async def test_every_way_to_ask_gives_the_next_answer() -> None:
    model = ScriptedModel([AIMessage(word, id=word) for word in "abcd"])

    assert model.invoke("?") == AIMessage("a", id="a")
    assert await model.ainvoke("?") == AIMessage("b", id="b")
    assert [piece.content for piece in model.stream("?")] == ["c", ""]
    assert [piece.content async for piece in model.astream("?")] == ["d", ""]
    assert model.left == 0


async def test_the_script_is_not_changed_by_whoever_changes_an_answer() -> None:
    scripted = AIMessage("Hello", id="1", response_metadata={"finish_reason": "stop"})
    model = ScriptedModel([scripted])

    answer = await model.ainvoke("Hello")
    answer.response_metadata["finish_reason"] = "changed"

    assert scripted.response_metadata == {"finish_reason": "stop"}


async def test_an_exception_in_the_script_is_raised_and_the_next_answer_follows() -> None:
    model = ScriptedModel([TimeoutError("too late"), AIMessage("Hello", id="1")])

    with pytest.raises(TimeoutError):
        await read_answer(model.astream("Hello"))
    assert (await read_answer(model.astream("Hello"))).content == "Hello"


async def test_an_exhausted_script_is_an_error() -> None:
    model = ScriptedModel([])

    with pytest.raises(ScriptExhaustedError):
        await model.ainvoke("Hello")
    with pytest.raises(ScriptExhaustedError):
        await read_answer(model.astream("Hello"))


async def test_the_model_remembers_what_it_was_shown_and_offered() -> None:
    model = ScriptedModel([AIMessage("Hello", id="1")])

    await model.bind_tools([add_tasks]).ainvoke([SystemMessage("Be kind."), HumanMessage("Hi")])

    assert [message.content for message in model.asked[0].prompt] == ["Be kind.", "Hi"]
    assert model.asked[0].tools == ["add_tasks"]


async def test_an_answer_comes_when_the_model_is_shown_the_conversation_it_belongs_to() -> None:
    conversation = [
        HumanMessage("Add milk", id="1"),
        AIMessage("", id="2", tool_calls=[call("add_tasks", "call_1", title="Milk")]),
        ToolMessage("Done", id="3", tool_call_id="call_1"),
    ]
    model = ScriptedModel([Line(AIMessage("Added", id="4"), after=conversation)])

    answer = await model.ainvoke([SystemMessage("Be kind."), *conversation])

    assert answer.content == "Added"


@pytest.mark.parametrize(
    "prompt",
    [
        [HumanMessage("Add bread", id="1")],
        [HumanMessage("Add milk", id="other")],
        [],
        [HumanMessage("Add milk", id="1"), HumanMessage("Now!", id="2")],
        [AIMessage("Add milk", id="1")],
    ],
    ids=["other words", "another id", "nothing", "one more", "another role"],
)
async def test_a_model_that_is_shown_something_else_raises(prompt: list[BaseMessage]) -> None:
    line = Line(AIMessage("Added", id="2"), after=[HumanMessage("Add milk", id="1")])

    with pytest.raises(PromptDiffersError):
        await ScriptedModel([line]).ainvoke([SystemMessage("Be kind."), *prompt])


async def test_a_source_of_models_gives_its_one_model_whatever_is_asked_for() -> None:
    model = ScriptedModel([])

    assert await ScriptedModels(model).get(None) is model
    assert await ScriptedModels(model).get("gpt-4.1-mini") is model


def test_a_clock_stands_still_until_it_is_set() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    clock = ScriptedClock(noon)

    assert clock.now() == clock.now("call_1") == noon
    clock.time = noon + timedelta(hours=1)
    assert clock.now() == noon + timedelta(hours=1)


def test_a_clock_knows_the_times_of_calls_and_no_others() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    clock = ScriptedClock(noon, {"call_1": noon + timedelta(seconds=2)})

    assert clock.now() == noon
    assert clock.now("call_1") == noon + timedelta(seconds=2)
    with pytest.raises(CallNotRecordedError):
        clock.now("call_2")


def test_pieces_are_chunks() -> None:
    assert all(isinstance(piece, AIMessageChunk) for piece in pieces_of(a_full_answer()))
