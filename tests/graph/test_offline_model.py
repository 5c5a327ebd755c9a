"""The offline model as a LangChain chat model: binding, streaming, ids, and any text at all."""

import json
import time
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
from langchain_core.tools import tool

import graph.offline
from graph.offline import OfflineModel
from tests.graph.offline_support import calls_for, listing, result, schemas, task

BOUND = OfflineModel().bind_tools(schemas())
WORDS = (
    *("add", "delete", "remove", "complete", "done", "move", "rename", "make", "set", "change"),
    *("note", "remind", "me", "to", "the", "a", "milk", "3", "#3", "1,", "2", "one", "all", "it"),
    *("and", "then", "or", "if", "not", "it's", "on", "at", "by", "due", "friday", "tomorrow"),
    *("9am", "high", "priority", "urgent", "list", "what's", "my", "is", "everything", "task"),
    *("?", ".", "!", ":", '"', "'", "(", ")", "[x]", "-", "\n", "\t", "’", "“", "”", "✓"),
    *("undo", "reopen", "every", "daily", "#home", "overdue"),
    *("🎉", "شراء", "\x00", "\ud800"),
)


def test_the_package_exports_the_model_and_nothing_else() -> None:
    assert graph.offline.__all__ == ["OfflineModel"]


def test_the_type_and_the_metadata_say_offline() -> None:
    said = BOUND.invoke("hello")
    assert OfflineModel()._llm_type == "offline"
    assert said.response_metadata == {"model_name": "offline", "finish_reason": "stop"}
    called = BOUND.invoke("add milk")
    assert called.response_metadata["finish_reason"] == "tool_calls"


def test_tools_of_every_kind_can_be_bound() -> None:
    @tool
    def add_tasks(tasks: list[str]) -> str:
        """Add tasks."""
        return ", ".join(tasks)

    said = OfflineModel().bind_tools([add_tasks], tool_choice="any").invoke("add milk")
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [
        ("add_tasks", {"tasks": [{"title": "milk"}]})
    ]


def test_ids_of_calls_are_unique_and_all_else_is_repeatable() -> None:
    text = "what's on my list? What's done?"
    first, second = (BOUND.invoke(text) for _ in range(2))
    ids = [call["id"] for said in (first, second) for call in said.tool_calls]
    assert len(set(ids)) == 4
    assert all(identity is not None and identity.startswith("call_") for identity in ids)
    assert [call["args"] for call in first.tool_calls] == [
        call["args"] for call in second.tool_calls
    ]
    assert BOUND.invoke("hello").content == BOUND.invoke("hello").content


def test_the_text_of_a_message_may_be_blocks() -> None:
    blocks: list[str | dict[str, Any]] = [
        {"type": "text", "text": "add milk"},
        {"type": "image_url", "image_url": "data:,"},
        "add bread",
    ]
    said = BOUND.invoke([HumanMessage(blocks)])
    assert said.tool_calls[0]["args"]["tasks"] == [{"title": "milk"}, {"title": "bread"}]


@pytest.mark.parametrize(
    "messages",
    [
        [SystemMessage("You are helpful.")],
        [SystemMessage("delete 3"), HumanMessage([])],
        [AIMessage("hi")],
        [HumanMessage("hello"), AIMessage("hi")],
        [HumanMessage("hello"), ToolMessage("lost", tool_call_id="nobody")],
    ],
)
def test_a_conversation_of_any_shape_gets_an_answer(messages: list[BaseMessage]) -> None:
    said = BOUND.invoke(messages)
    assert said.text
    assert said.tool_calls == []


async def test_streaming_gives_words_and_adds_up_to_the_same_answer() -> None:
    expected = await BOUND.ainvoke("hello")
    chunks = [chunk async for chunk in BOUND.astream("hello")]
    assert len(chunks) > 10
    assert "".join(chunk.text for chunk in chunks) == expected.text
    assert "".join(chunk.text for chunk in BOUND.stream("hello")) == expected.text
    assert _sum(chunks).response_metadata == expected.response_metadata


async def test_streamed_calls_come_in_pieces_of_valid_json() -> None:
    text = "find the very long loaf of white bread. What's done?"
    chunks = [chunk async for chunk in BOUND.astream(text)]
    pieces = [piece for chunk in chunks for piece in _pieces(chunk)]
    assert len([piece for piece in pieces if piece["index"] == 0]) > 1
    whole = _sum(chunks)
    assert [json.loads(piece["args"] or "") for piece in whole.tool_call_chunks] == [
        {"state": "open", "text": "very long loaf of white bread"},
        {"state": "completed"},
    ]
    assert [call["args"] for call in whole.tool_calls] == [args for _, args in calls_for(text)]
    assert whole.response_metadata["finish_reason"] == "tool_calls"


def test_a_long_answer_is_streamed_in_a_bounded_number_of_pieces() -> None:
    called = BOUND.invoke("list")
    many = listing(*(task(number, "a title of words " * 9) for number in range(1, 101)))
    messages = [HumanMessage("list"), called, result(called.tool_calls[0], many)]
    chunks = list(BOUND.stream(messages))
    assert 10 < len(chunks) < 250
    assert "".join(chunk.text for chunk in chunks) == BOUND.invoke(messages).text


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_any_text_gets_an_answer(text: str) -> None:
    said = BOUND.invoke([HumanMessage(text)])
    assert isinstance(said, AIMessage)
    assert said.text or said.tool_calls
    for call in said.tool_calls:
        assert json.loads(json.dumps(call["args"])) == call["args"]
        for item in call["args"].get("tasks", []):
            assert item != ""
            assert not isinstance(item, dict) or "" not in item.values()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="abc \"'\n.:-", max_size=6).map(str), max_size=6), st.text())
def test_any_result_of_a_tool_gets_an_answer(parts: list[str], content: str) -> None:
    called = BOUND.invoke("list")
    said = BOUND.invoke(
        [HumanMessage("list"), called, result(called.tool_calls[0], content + "".join(parts))]
    )
    assert said.text


@pytest.mark.parametrize(
    "part",
    [
        *("x", "a ", "?", ". ", "- ", "'a ", '"', "add x, ", "tasks, ", "delete 3. ", "1, ", "#1 "),
        *("the a one and ", "the milk is done and ", " to b", "tomorrow ", "note: ", "(a) "),
        *("every monday ", "every mon and ", "#a ", "daily ", "reopen 3 ", "undo that "),
        *("add a\n", "high priority, ", "on my list ", "what's left to do ", "please ", "no, "),
    ],
)
@pytest.mark.parametrize("start", ["", "add ", "delete ", "rename 3 to ", "what do I have "])
def test_no_text_takes_long(start: str, part: str) -> None:
    for length in (4_000, 1_000_000):
        text = (start + part * length)[:length]
        begin = time.perf_counter()
        assert BOUND.invoke([HumanMessage(text)])
        # Reading takes some 0.2 s at most; a pattern that backtracks takes minutes.
        assert time.perf_counter() - begin < 10


def _pieces(chunk: AIMessage) -> list[Any]:
    assert isinstance(chunk, AIMessageChunk)
    return chunk.tool_call_chunks


def _sum(chunks: list[AIMessage]) -> AIMessageChunk:
    whole = AIMessageChunk(content="")
    for chunk in chunks:
        assert isinstance(chunk, AIMessageChunk)
        whole += chunk
    return whole
