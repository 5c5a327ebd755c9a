"""Calls without an answer, which a crash, a cancel or new words in between leave in a conversation.

A model's provider refuses such a conversation altogether. So before the model is asked, each of
them gets the answer that is true: what the tool recorded, that it was not carried out, or that
nobody knows. It stands right after the message that made the call. Where something was said in
between, that means another list, and so another branch of the transcript; the old one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolCall,
    ToolMessage,
)
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from .answers import with_new_call_ids


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that nothing in the conversation answers."""

    call: ToolCall
    #: Why its arguments could not be read, if they couldn't.
    problem: str | None
    #: The ids of all calls of the same message.
    step: frozenset[str]
    #: The ids of the messages of the model and of the person that it stems from.
    message: str | None
    turn: str | None
    #: Whether it had no id of its own, so that nobody can be asked what became of it.
    nameless: bool = False


class Answers(Protocol):
    """Answers open calls, truly."""

    async def __call__(self, open_call: OpenCall) -> ToolMessage: ...


async def mended(messages: Sequence[BaseMessage], answer: Answers) -> list[BaseMessage] | None:
    """The messages with every call answered where it was made; none if they are so already."""
    messages, nameless = _named(messages)
    in_place, gaps = _read(messages, nameless)
    if not gaps:
        return None
    elsewhere = {
        message.tool_call_id: position
        for position, message in enumerate(messages)
        if isinstance(message, ToolMessage) and position not in in_place
    }
    put_in: dict[int, list[BaseMessage]] = {}
    moved: set[int] = set()
    for end, open_call in gaps:
        position = elsewhere.pop(str(open_call.call["id"]), None)
        if position is None:
            found: BaseMessage = await answer(open_call)
        else:
            found = messages[position]
            moved.add(position)
        put_in.setdefault(end, []).append(found)
    whole: list[BaseMessage] = []
    for position, message in enumerate(messages):
        whole += put_in.get(position, [])
        if position not in moved:
            whole.append(message)
    return whole + put_in.get(len(messages), [])


def update_to(before: Sequence[BaseMessage], after: Sequence[BaseMessage]) -> list[BaseMessage]:
    """What has to be written for LangGraph's reducer to make the one list of the other."""
    if len(after) >= len(before) and all(
        old is new for old, new in zip(before, after, strict=False)
    ):
        return list(after[len(before) :])
    return [RemoveMessage(id=REMOVE_ALL_MESSAGES), *after]


def _named(messages: Sequence[BaseMessage]) -> tuple[list[BaseMessage], set[str]]:
    """The messages with an id for each call that has none or shares one with another of the same
    message, and those ids. The model's own calls have ids; this is for what others have written."""
    whole: list[BaseMessage] = []
    given: set[str] = set()
    #: What further calls of an id are called now, in the latest message that made any.
    others: dict[str, list[str]] = {}
    answered: set[str] = set()
    for message in messages:
        if isinstance(message, AIMessage):
            named = with_new_call_ids(message, ())
            others, answered = {}, set()
            for before, after in zip(_calls_of(message), _calls_of(named), strict=True):
                if (new := str(after[0]["id"])) != before[0]["id"]:
                    others.setdefault(str(before[0]["id"]), []).append(new)
                    given.add(new)
            message = named
        elif isinstance(message, ToolMessage):
            if message.tool_call_id in answered and (left := others.get(message.tool_call_id)):
                new = left.pop(0)
                message = message.model_copy(update={"tool_call_id": new, "id": f"result-{new}"})
            answered.add(message.tool_call_id)
        whole.append(message)
    return whole, given


def _read(
    messages: Sequence[BaseMessage], nameless: set[str]
) -> tuple[set[int], list[tuple[int, OpenCall]]]:
    """Which messages answer the calls right before them, and the calls that none of these answers,
    each with the place where its answer belongs."""
    in_place: set[int] = set()
    gaps: list[tuple[int, OpenCall]] = []
    turn: str | None = None
    for position, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            turn = message.id
        if not isinstance(message, AIMessage):
            continue
        calls = {call["id"]: (call, problem) for call, problem in _calls_of(message)}
        step = frozenset(str(call_id) for call_id in calls)
        end = position + 1
        while end < len(messages) and isinstance(answer := messages[end], ToolMessage):
            if calls.pop(answer.tool_call_id, None):
                in_place.add(end)
            end += 1
        gaps += [
            (end, OpenCall(call, problem, step, message.id, turn, call["id"] in nameless))
            for call, problem in calls.values()
        ]
    return in_place, gaps


def _calls_of(message: AIMessage) -> list[tuple[ToolCall, str | None]]:
    unread: list[Mapping[str, Any]] = [*message.invalid_tool_calls]
    return [(call, None) for call in message.tool_calls] + [
        (
            ToolCall(type="tool_call", name=call["name"] or "", args={}, id=call["id"]),
            call["error"] or "The call was not readable",
        )
        for call in unread
    ]
