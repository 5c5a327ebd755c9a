"""Graphs for the checkpointer's tests in the server: what the task agent can't be made to do.

Each does what the user's last words say, so that a test decides by an input what a run meets.
"""

import asyncio
import operator
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

#: Longer than any test waits.
AGES = 600


class Noted(MessagesState):
    #: A channel beside the messages that is stored in a blob of its own.
    notes: Annotated[list[str], operator.add]


def last_words(state: MessagesState) -> str:
    """What the user said last."""
    said = [message for message in state["messages"] if isinstance(message, HumanMessage)]
    return str(said[-1].text)


def wait_for_file(path: Path) -> None:
    """Wait until a test has made it."""
    while not path.exists():
        time.sleep(0.05)


def begin(state: Noted) -> dict[str, Any]:
    """A first step, so that a run which gets no further has left something."""
    words = last_words(state)
    return {"messages": [AIMessage(f"begun: {words}")], "notes": [words]}


async def work(state: Noted) -> dict[str, Any]:
    """Wait for ages or for a file, ask a person, fail, or just answer."""
    words = last_words(state)
    if words.startswith("wait"):
        await asyncio.sleep(AGES)
    if words.startswith("await "):
        await asyncio.to_thread(wait_for_file, Path(words.removeprefix("await ")))
    if words.startswith("ask"):
        return {"messages": [AIMessage(f"heard: {interrupt('what now?')}")], "notes": ["heard"]}
    if words.startswith("fail"):
        raise ValueError("asked to fail")
    return {"messages": [AIMessage(f"done: {words}")], "notes": ["done"]}


def _steps() -> StateGraph[Noted, None, Noted, Noted]:
    builder = StateGraph(Noted)
    builder.add_node("begin", begin)
    builder.add_node("work", work)
    builder.add_edge(START, "begin")
    builder.add_edge("begin", "work")
    return builder


def _nested() -> StateGraph[Noted, None, Noted, Noted]:
    builder = StateGraph(Noted)
    builder.add_node("fresh", _steps().compile(name="fresh"))
    # This one keeps its own messages from one run to the next.
    builder.add_node("keeping", _steps().compile(name="keeping", checkpointer=True))
    builder.add_edge(START, "fresh")
    builder.add_edge("fresh", "keeping")
    return builder


class Parrot(BaseChatModel):
    """A chat model that says what it heard, word for word."""

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = AIMessage(f"I heard: {messages[-1].text}")
        return ChatResult(generations=[ChatGeneration(message=said)])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in f"I heard: {messages[-1].text}".split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


async def speak(state: Noted) -> dict[str, Any]:
    """Ask a chat model, as an agent does, so that the server streams what it says."""
    return {"messages": [await Parrot().ainvoke(state["messages"])]}


def _spoken() -> StateGraph[Noted, None, Noted, Noted]:
    builder = StateGraph(Noted)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    return builder


steps = _steps().compile(name="steps")
nested = _nested().compile(name="nested")
spoken = _spoken().compile(name="spoken")
