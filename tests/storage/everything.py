"""Graphs that do all that a graph may do to its messages, the same each time they are told to.

What a run does is part of its input, so that two savers can be given the same runs.
"""

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send, interrupt

from tests.storage.support import Graph

#: What a run may be told to do.
Deed = Literal[
    "ask", "delegate", "approve", "scribble", "blocks", "twins", "rewrite", "forget", "nothing"
]

#: Graphs by the kind of their `messages` channel.
Kind = Literal["chat", "raw", "texts", "mixed"]


class ToolsBrokenError(Exception):
    """What a node raises while its run is configured to be broken."""


class Plan(TypedDict):
    """What a run is told to do."""

    deed: Deed
    #: Told apart from all other runs by it.
    number: int
    #: How many tools, how many messages: whatever the deed can do more than once.
    times: int


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {**left, **right}


class Chat(TypedDict):
    """The usual messages channel, with other state beside it."""

    messages: Annotated[list[AnyMessage], add_messages]
    plan: Plan
    total: Annotated[int, operator.add]
    notes: Annotated[dict[str, Any], _merge]


class Called(Chat):
    """What a tool's task is given."""

    call: NotRequired[dict[str, Any]]


def _name(state: Chat, what: str) -> str:
    return f"{what}-{state['plan']['number']}-{len(state['messages'])}"


def _route(state: Chat) -> str:
    return state["plan"]["deed"]


async def ask(state: Chat) -> dict[str, Any]:
    """Ask for several calls at once, as a model would."""
    calls = [
        {
            "name": f"tool {number}",
            "args": {"number": number, "more": [{}, None]},
            "id": f"{number}",
        }
        for number in range(state["plan"]["times"])
    ]
    return {"messages": [AIMessage("", tool_calls=calls, id=_name(state, "ask"))]}


def calls(state: Chat) -> list[Send]:
    """A task for each call."""
    last = cast(AIMessage, state["messages"][-1])
    return [Send("tool", {**state, "call": call}) for call in last.tool_calls]


async def tool(state: Called, config: RunnableConfig) -> dict[str, Any]:
    """One call. While the run is broken, the second one fails."""
    call = state["call"]
    if config["configurable"].get("broken") and call["id"] == "1":
        raise ToolsBrokenError
    result = ToolMessage(
        f"did {call['args']}",
        tool_call_id=call["id"],
        artifact={"structured_content": call["args"]},
        id=_name(state, f"tool-{call['id']}"),
    )
    return {"messages": [result], "total": 1, "notes": {call["name"]: state["plan"]["number"]}}


async def answer(state: Chat) -> dict[str, Any]:
    """Say something, in the same words every time."""
    return {"messages": [AIMessage("done", id=_name(state, "answer"))]}


async def approve(state: Chat) -> dict[str, Any]:
    """Wait for somebody's word, twice if told so."""
    said = [interrupt({"question": number}) for number in range(state["plan"]["times"])]
    return {"messages": [AIMessage(f"you said {said}", id=_name(state, "approved"))]}


async def scribble(state: Chat) -> dict[str, Any]:
    """Change messages in place, and sometimes say so."""
    for message in state["messages"][-2:]:
        message.additional_kwargs.setdefault("seen", []).append(state["plan"]["number"])
    if state["plan"]["times"] % 2:
        return {"messages": [AIMessage("I scribbled", id=_name(state, "scribble"))]}
    return {"total": 100}


async def blocks(state: Chat) -> dict[str, Any]:
    """Content that is a list of blocks, of known and of unknown kinds."""
    content: list[str | dict[str, Any]] = [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "a"},
        "b",
        {"type": "hologram", "depth": [1, 2.5, None], "of": {"what": "?"}},
    ]
    return {"messages": [AIMessage(content[: state["plan"]["times"]], id=_name(state, "blocks"))]}


async def twins(state: Chat) -> dict[str, Any]:
    """Messages that are equal but for their ids, and some that are equal in that too."""
    times = state["plan"]["times"]
    return {
        "messages": [AIMessage("twin", id=f"twin-{number % 2}") for number in range(times)]
        + [AIMessage("twin", id=_name(state, f"twin-{number}")) for number in range(times)]
    }


async def rewrite(state: Chat) -> dict[str, Any]:
    """Say something else in the place of an earlier message."""
    place = state["messages"][-state["plan"]["times"] % len(state["messages"])]
    return {
        "messages": [HumanMessage("rewritten", id=place.id), AIMessage("", id=_name(state, "r"))]
    }


async def forget(state: Chat) -> dict[str, Any]:
    """Remove the first messages but the last."""
    first = state["messages"][:-1][: state["plan"]["times"]]
    return {"messages": [RemoveMessage(str(message.id)) for message in first]}


async def nothing(state: Chat) -> dict[str, Any]:
    """Nothing to do with messages."""
    return {"total": 1}


def _inner() -> Graph:
    """A sub-graph with messages of its own, which asks somebody in between if told so."""

    async def think(state: Chat) -> dict[str, Any]:
        return {"messages": [AIMessage("thinking", id=_name(state, "think"))], "total": 10}

    async def check(state: Chat, config: RunnableConfig) -> dict[str, Any]:
        if config["configurable"].get("broken"):
            raise ToolsBrokenError
        said = interrupt("go on?") if state["plan"]["times"] > 1 else "no need"
        return {"messages": [AIMessage(f"checked: {said}", id=_name(state, "check"))]}

    builder = StateGraph(Chat)
    builder.add_node("think", think)
    builder.add_node("check", check)
    builder.add_edge(START, "think")
    builder.add_edge("think", "check")
    return builder.compile()


def chat(saver: BaseCheckpointSaver[Any]) -> Graph:
    """A graph that does what the input's plan says."""
    builder = StateGraph(Chat)
    deeds = (ask, approve, scribble, blocks, twins, rewrite, forget, nothing)
    for node in (*deeds, tool, answer):
        builder.add_node(node.__name__, node)
    builder.add_node("delegate", _inner())
    builder.add_conditional_edges(START, _route, [*(deed.__name__ for deed in deeds), "delegate"])
    builder.add_conditional_edges("ask", calls, ["tool"])
    builder.add_edge("tool", "answer")
    builder.add_edge("delegate", "answer")
    builder.add_edge("scribble", "answer")
    return builder.compile(checkpointer=saver)


class Raw(TypedDict):
    """Messages in a plain list, where two may have the same id."""

    messages: Annotated[list[Any], operator.add]
    plan: Plan
    total: Annotated[int, operator.add]
    notes: Annotated[dict[str, Any], _merge]


def raw(saver: BaseCheckpointSaver[Any], kind: Kind) -> Graph:
    """A graph whose list of messages is only ever added to: messages, texts or both."""

    async def again(state: Raw) -> dict[str, Any]:
        times = state["plan"]["times"]
        said: Sequence[BaseMessage | str] = [AIMessage("again", id="the same")] * times
        if kind == "texts" or (kind == "mixed" and times > 1):
            said = ["again"] * times
        return {"messages": [*state["messages"][-1:], *said], "notes": {"times": times}}

    async def answer(state: Raw) -> dict[str, Any]:
        return {"total": 1}

    builder = StateGraph(Raw)
    builder.add_node("again", again)
    builder.add_node("answer", answer)
    builder.add_edge(START, "again")
    builder.add_edge("again", "answer")
    return builder.compile(checkpointer=saver)


def graphs(saver: BaseCheckpointSaver[Any]) -> dict[Kind, Graph]:
    """All of them on one saver."""
    return {
        "chat": chat(saver),
        "raw": raw(saver, "raw"),
        "texts": raw(saver, "texts"),
        "mixed": raw(saver, "mixed"),
    }


def said(kind: Kind, plan: Plan) -> dict[str, Any]:
    """The input of a run that is to do what the plan says."""
    words = f"please {plan['deed']}"
    message: Any = HumanMessage(words, id=f"human-{plan['number']}")
    if kind == "texts":
        message = words
    return {"messages": [message], "plan": plan, "total": 0, "notes": {}}
