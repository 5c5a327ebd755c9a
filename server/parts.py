"""What a run sends as it goes: words, what tools were used for, and questions to the person."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of the answer, as soon as the model has said it."""

    text: str
    #: Which of the turn's messages it belongs to.
    message_id: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that a tool has answered."""

    tool: str
    arguments: Mapping[str, Any]
    failed: bool
    #: What the tool said, in its own words.
    result: str


@dataclass(frozen=True, slots=True)
class Action:
    """A call that waits for the person's decision."""

    tool: str
    arguments: Mapping[str, Any]
    #: What is asked about it, in words; also why the last answer could not be used.
    description: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a run asks before it goes on: whether these calls may be made."""

    #: Names the question, so that an answer is never taken for another's.
    id: str
    actions: Sequence[Action]


Part = Words | ToolUse | Question


def messages_in(update: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The messages that nodes have added; of a list written anew, only what is at its end."""
    for written in update.values():
        if isinstance(written, Mapping):
            messages = written.get("messages") or ()
            rewritten = any(message.get("type") == "remove" for message in messages)
            yield from messages[-1:] if rewritten else messages


def words_in(message: Mapping[str, Any], heard: set[str], whole: bool = False) -> Iterator[Words]:
    """What a piece of a message, or a whole one, adds to what was heard of it."""
    id_ = str(message.get("id"))
    if message.get("type") not in ("ai", "AIMessageChunk") or (whole and id_ in heard):
        return
    if text := text_of(message.get("content")):
        heard.add(id_)
        yield Words(text, id_)


def calls_in(message: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The calls that a message asks for, by their ids."""
    calls = (*message.get("tool_calls", ()), *message.get("invalid_tool_calls", ()))
    return {call["id"]: call for call in calls}


def use_in(message: Mapping[str, Any], calls: Mapping[str, Mapping[str, Any]]) -> ToolUse | None:
    """The call that a message answers, if it does; `calls` are those that are known."""
    if message.get("type") != "tool":
        return None
    decision = (message.get("additional_kwargs") or {}).get("decision") or {}
    # What was done is what the person made of the call.
    call = decision.get("edited_action") or calls.get(message["tool_call_id"], {})
    arguments = call.get("args")
    return ToolUse(
        tool=message.get("name") or "?",
        arguments=arguments if isinstance(arguments, Mapping) else {"…": arguments},
        failed=message.get("status") == "error",
        result=text_of(message.get("content")),
    )


def question_in(interrupts: Iterable[Mapping[str, Any]]) -> Question | None:
    """The question among a run's interrupts, if there is one in LangChain's form."""
    for interrupt in interrupts:
        value = interrupt.get("value")
        requests = value.get("action_requests") if isinstance(value, Mapping) else None
        if requests:
            return Question(
                id=str(interrupt.get("id")),
                actions=[
                    Action(
                        tool=str(request.get("name")),
                        arguments=request.get("args") or {},
                        description=str(request.get("description") or ""),
                    )
                    for request in requests
                ],
            )
    return None


def text_of(content: Any) -> str:
    """The words of a message's content, which is text or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(
        block if isinstance(block, str) else str(block.get("text") or "")
        for block in content or ()
        if isinstance(block, str | Mapping)
    )
