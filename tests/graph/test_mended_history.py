"""Lists of messages in which calls have no answer, put right. No database, no tools."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from graph.history import OpenCall, mended, update_to
from tests.graph.support import calling


class Answering:
    """Answers every call, and keeps which."""

    def __init__(self) -> None:
        self.calls: list[OpenCall] = []

    async def __call__(self, open_call: OpenCall) -> ToolMessage:
        self.calls.append(open_call)
        return result(str(open_call.call["id"]), "found out")


def result(call_id: str, text: str = "there") -> ToolMessage:
    return ToolMessage(text, tool_call_id=call_id, id=f"result-{call_id}")


def said(text: str) -> HumanMessage:
    return HumanMessage(text, id=text)


def asks(*ids: str) -> AIMessage:
    message = calling(*(("look", {}) for _ in ids), ids="x")
    calls = [{**call, "id": id_} for call, id_ in zip(message.tool_calls, ids, strict=True)]
    return AIMessage("", id=f"asks {ids}", tool_calls=calls)


def short(messages: Sequence[BaseMessage]) -> list[str]:
    """Each message in brief: what the person said, and the ids of calls and answers."""
    return [
        f"t {message.tool_call_id}"
        if isinstance(message, ToolMessage)
        else "a " + ",".join(str(call["id"]) for call in message.tool_calls)
        if isinstance(message, AIMessage)
        else f"h {message.text}"
        for message in messages
    ]


async def mend(*messages: BaseMessage) -> list[str] | None:
    done = await mended(messages, Answering())
    return None if done is None else short(done)


async def test_a_conversation_with_all_its_answers_is_left_alone() -> None:
    assert await mend() is None
    assert await mend(said("hello"), AIMessage("hello")) is None
    assert await mend(said("look"), asks("1", "2"), result("2"), result("1")) is None


async def test_an_answer_is_put_right_after_the_message_that_made_the_call() -> None:
    assert await mend(said("look"), asks("1"), said("well?")) == [
        "h look", "a 1", "t 1", "h well?",
    ]  # fmt: skip


async def test_one_of_several_answers_and_one_in_the_middle_are_put_in() -> None:
    whole = await mend(
        said("look"), asks("1", "2", "3"), result("2"), said("again"), asks("4"), result("4"),
        said("once more"), asks("5"),
    )  # fmt: skip
    assert whole == [
        "h look", "a 1,2,3", "t 2", "t 1", "t 3", "h again", "a 4", "t 4",
        "h once more", "a 5", "t 5",
    ]  # fmt: skip


async def test_an_answer_that_came_too_late_is_moved_to_its_place_and_not_given_again() -> None:
    answering = Answering()
    late = result("1")
    done = await mended([said("look"), asks("1"), said("well?"), late], answering)
    assert done is not None
    assert short(done) == ["h look", "a 1", "t 1", "h well?"]
    assert done[2] is late
    assert answering.calls == []


async def test_an_answer_to_an_earlier_call_with_the_same_id_stays_where_it_is() -> None:
    assert await mend(said("look"), asks("1"), result("1"), asks("1"), said("well?")) == [
        "h look", "a 1", "t 1", "a 1", "t 1", "h well?",
    ]  # fmt: skip


async def test_a_call_that_could_not_be_read_is_answered_too() -> None:
    answering = Answering()
    unread = AIMessage(
        "",
        id="a",
        invalid_tool_calls=[
            {"type": "invalid_tool_call", "id": "1", "name": None, "args": "{", "error": "cut off"}
        ],
    )
    assert await mended([said("look"), unread], answering) is not None
    (open_call,) = answering.calls
    assert (open_call.problem, open_call.message, open_call.turn) == ("cut off", "a", "look")


async def test_whoever_answers_is_told_the_turn_of_the_call_and_not_the_latest() -> None:
    answering = Answering()
    await mended([said("one"), asks("1"), said("two")], answering)
    assert answering.calls[0].turn == "one"


TURNS = st.lists(
    st.one_of(
        st.just("said"),
        st.lists(st.sampled_from(["answered", "late", "open"]), min_size=1, max_size=4),
    ),
    max_size=8,
)


@given(TURNS)
async def test_whatever_is_missing_afterwards_every_call_is_answered_where_it_was_made(
    turns: list[str | list[str]],
) -> None:
    messages: list[BaseMessage] = []
    late: list[BaseMessage] = []
    for number, turn in enumerate(turns):
        if turn == "said":
            messages += [said(str(number)), *late]
            late = []
            continue
        ids = [f"{number}.{place}" for place in range(len(turn))]
        messages.append(asks(*ids))
        messages += [result(id_) for id_, kind in zip(ids, turn, strict=True) if kind == "answered"]
        late += [result(id_) for id_, kind in zip(ids, turn, strict=True) if kind == "late"]
    answering = Answering()
    after = await mended(messages, answering) or messages
    assert await mended(after, answering) is None
    given_late = {str(message.id) for message in messages} - {"", "None"}
    assert not any(f"result-{one.call['id']}" in given_late for one in answering.calls)
    results = [message.tool_call_id for message in after if isinstance(message, ToolMessage)]
    assert len(results) == len(set(results))
    speaking = [message for message in messages if not isinstance(message, ToolMessage)]
    assert [message for message in after if not isinstance(message, ToolMessage)] == speaking
    written: list[AnyMessage] = list(update_to(messages, after))  # type: ignore[arg-type]
    assert add_messages(list(messages), written) == after  # type: ignore[arg-type]


def test_what_is_only_added_is_written_without_the_rest() -> None:
    before = [said("look"), asks("1")]
    assert update_to(before, [*before, result("1")]) == [result("1")]
    moved = [before[0], result("1"), before[1]]
    assert update_to(before, moved) == [RemoveMessage(id=REMOVE_ALL_MESSAGES), *moved]
