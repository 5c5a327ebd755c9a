"""A graph that says whatever it is given, and what two savers make of it."""

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.seen import SERDE
from tests.storage.support import Graph, assert_tree_is_whole, on


def another_process(database: Database) -> TranscriptSaver:
    """A saver that remembers nothing."""
    return TranscriptSaver(database.pool)


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    beside: Any


def graph_of(saver: Any, *said: Any, beside: Any = None) -> Graph:
    """A graph whose only node says this."""

    async def speak(state: State) -> dict[str, Any]:
        return {"messages": list(said), "beside": beside}

    builder = StateGraph(State)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    return builder.compile(checkpointer=saver)


async def both_show(
    database: Database, *said: BaseMessage, beside: Any = None, thread_id: str = "t"
) -> dict[str, Any]:
    """What another process reads, which has to be what the memory saver gives back, byte for byte.

    Then the thread is run once more, to see that it is none the worse.
    """
    ours = TranscriptSaver(database.pool)
    memory = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    read = {}
    for saver, reader in ((memory, memory), (ours, another_process(database))):
        graph = graph_of(saver, *said, beside=beside)
        for turn in range(2):
            await graph.ainvoke({"messages": [HumanMessage("hi", id=f"h{turn}")]}, on(thread_id))
        read[saver] = (await graph_of(reader).aget_state(on(thread_id))).values
    assert SERDE.dumps_typed(read[ours]) == SERDE.dumps_typed(read[memory])
    await assert_tree_is_whole(database, ours, thread_id)
    return read[ours]
