"""Graphs of every kind on the saver: they find what they would find in LangGraph's memory saver."""

import asyncio
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.pregel import Pregel
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    count,
    fetch,
    on,
    say,
    texts,
)

Saver = BaseCheckpointSaver[Any]
Runnable = Pregel[Any, Any, Any, Any]


def text_messages(saver: Saver) -> Runnable:
    """A `messages` channel that is one text."""

    class State(TypedDict):
        messages: str

    builder = StateGraph(State)
    builder.add_node("say", lambda state: {"messages": state["messages"] + "!"})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


def dict_messages(saver: Saver) -> Runnable:
    """A `messages` channel of OpenAI's dicts."""

    class State(TypedDict):
        messages: Annotated[list[dict[str, str]], operator.add]

    builder = StateGraph(State)
    builder.add_node("say", lambda _: {"messages": [{"role": "assistant", "content": "said"}]})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


def mixed_messages(saver: Saver) -> Runnable:
    """A `messages` channel of messages and of something else."""

    class State(TypedDict):
        messages: Annotated[list[Any], operator.add]

    builder = StateGraph(State)
    builder.add_node("say", lambda _: {"messages": [AIMessage("said", id="1"), "and more"]})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


def last_value_messages(saver: Saver) -> Runnable:
    """Messages without a reducer: each step puts a whole list in place of the last."""

    class State(TypedDict):
        messages: list[AnyMessage]

    def shorten(state: State) -> dict[str, Any]:
        return {"messages": [*state["messages"][-2:], AIMessage("said", id="said")]}

    builder = StateGraph(State).add_node(shorten)
    return builder.add_edge(START, "shorten").compile(checkpointer=saver)


def larger(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    """A reducer that is no operator."""
    return {key: max(left.get(key, 0), right.get(key, 0)) for key in left | right}


def state_beside_messages(saver: Saver) -> Runnable:
    """Messages among counters, sets, another list of messages, and a reducer of the app's own."""

    class State(MessagesState):
        count: Annotated[int, operator.add]
        seen: Annotated[set[str], operator.or_]
        scores: Annotated[dict[str, int], larger]
        notes: Annotated[list[AnyMessage], add_messages]
        payload: bytes

    def work(state: State) -> dict[str, Any]:
        n = len(state["messages"])
        return {
            "messages": [AIMessage(f"said {n}", id=f"ai-{n}")],
            "notes": [HumanMessage(f"note {n}", id=f"note-{n}")],
            "count": 1,
            "seen": {f"seen {n}"},
            "scores": {"a": n, "b": 5 - n},
            "payload": bytes([n]),
        }

    builder = StateGraph(State).add_node(work)
    return builder.add_edge(START, "work").compile(checkpointer=saver)


@dataclass
class DataclassState:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    count: Annotated[int, operator.add] = 0


class PydanticState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages] = []
    count: Annotated[int, operator.add] = 0


def dataclass_state(saver: Saver) -> Runnable:
    builder = StateGraph(DataclassState)
    builder.add_node("say", lambda s: {"messages": [AIMessage("said")], "count": s.count + 1})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


def pydantic_state(saver: Saver) -> Runnable:
    builder = StateGraph(PydanticState)
    builder.add_node("say", lambda s: {"messages": [AIMessage("said")], "count": s.count + 1})
    return builder.add_edge(START, "say").compile(checkpointer=saver)


def no_messages(saver: Saver) -> Runnable:
    """Numbers only, worked on by several tasks at once."""

    class State(TypedDict):
        numbers: Annotated[list[int], operator.add]

    class Task(TypedDict):
        n: int

    def square(state: Task) -> dict[str, list[int]]:
        return {"numbers": [state["n"] ** 2]}

    def spread(state: State) -> list[Send]:
        return [Send("square", {"n": n}) for n in state["numbers"][-3:]]

    builder = StateGraph(State)
    builder.add_node("square", square)
    builder.add_conditional_edges(START, spread, ["square"])
    return builder.compile(checkpointer=saver)


def sub_graph_with_a_memory(saver: Saver) -> Runnable:
    """A sub-graph as a node, which remembers its own messages from turn to turn."""

    def think(state: MessagesState) -> dict[str, Any]:
        n = len(state["messages"])
        return {"messages": [AIMessage(f"thought {n}", id=f"inner-{n}")]}

    inner = StateGraph(MessagesState).add_node(think).add_edge(START, "think")
    builder = StateGraph(MessagesState)
    builder.add_node("inner", inner.compile(checkpointer=True))
    return builder.add_edge(START, "inner").compile(checkpointer=saver)


def functional(saver: Saver) -> Runnable:
    """The functional API: a return value that is kept, and tasks."""

    @task
    async def answer(text: str) -> AIMessage:
        return AIMessage(f"said: {text}", id=f"ai-{text}")

    @entrypoint(checkpointer=saver)
    async def chat(
        inputs: dict[str, Any], *, previous: list[AnyMessage] | None = None
    ) -> entrypoint.final[int, list[AnyMessage]]:
        history = [*(previous or []), *add_messages([], inputs["messages"])]
        history.append(await answer(str(history[-1].content)))
        return entrypoint.final(value=len(history), save=history)

    return chat


def messages_in(texts: list[str]) -> list[dict[str, Any]]:
    return [{"messages": [HumanMessage(text, id=f"human-{text}")]} for text in texts]


CASES: list[tuple[Callable[[Saver], Runnable], list[dict[str, Any]]]] = [
    (text_messages, [{"messages": "one"}, {"messages": "nul \x00"}]),
    (dict_messages, [{"messages": [{"role": "user", "content": text}]} for text in ("a", "b")]),
    (mixed_messages, [{"messages": ["one"]}, {"messages": [HumanMessage("two", id="2")]}]),
    (last_value_messages, messages_in(["one", "two"])),
    (state_beside_messages, messages_in(["one", "two", "three"])),
    (dataclass_state, messages_in(["one", "two"])),
    (pydantic_state, messages_in(["one", "two"])),
    (no_messages, [{"numbers": [1, 2, 3]}, {"numbers": [4, 5]}]),
    (sub_graph_with_a_memory, messages_in(["one", "two"])),
    (functional, messages_in(["one", "two"])),
]


def without_ids(value: Any) -> Any:
    """Messages that a node made without an id have another one in every run."""
    if isinstance(value, AIMessage) and value.content == "said":
        return value.model_copy(update={"id": None})
    if isinstance(value, list):
        return [without_ids(item) for item in value]
    if isinstance(value, dict):
        return {key: without_ids(item) for key, item in value.items()}
    return value


async def seen(graph: Runnable) -> list[Any]:
    """Every checkpoint of the thread, newest first, as its reader sees it."""
    return [
        (without_ids(state.values), state.next, (state.metadata or {}).get("step"))
        async for state in graph.aget_state_history(on("t"))
    ]


@pytest.mark.parametrize(
    ("build", "inputs"), [pytest.param(*case, id=case[0].__name__) for case in CASES]
)
async def test_a_graph_of_any_kind_finds_what_it_left(
    database: Database,
    build: Callable[[Saver], Runnable],
    inputs: list[dict[str, Any]],
) -> None:
    graph, expected = build(TranscriptSaver(database.pool)), build(InMemorySaver())
    for one in inputs:
        results = [await each.ainvoke(one, on("t")) for each in (graph, expected)]
        assert without_ids(results[0]) == without_ids(results[1])
    history = await seen(expected)
    assert await seen(graph) == history
    # To a process that remembers nothing, too.
    assert await seen(build(TranscriptSaver(database.pool))) == history


async def test_messages_are_rows_whatever_is_beside_them(database: Database) -> None:
    graph = state_beside_messages(TranscriptSaver(database.pool))
    for one in messages_in(["one", "two"]):
        await graph.ainvoke(one, on("t"))
    contents = [row["content"] for row in await active_branch(database, "t")]
    assert contents == ["one", "said 1", "two", "said 3"]
    # The other list of messages is state like any other.
    assert await count(database, "messages") == 4


async def test_a_thread_without_messages_has_an_owner_and_goes_whole(database: Database) -> None:
    saver = TranscriptSaver(database.pool, owner=lambda config: "ada")
    await no_messages(saver).ainvoke({"numbers": [1]}, on("t"))
    assert await fetch(
        database,
        "SELECT thread_id, subject, title, leaf_id FROM conversations c"
        " JOIN users u ON u.id = c.user_id",
    ) == [{"thread_id": "t", "subject": "ada", "title": None, "leaf_id": None}]
    await saver.adelete_thread("t")
    assert await count(database, "conversations") == 0
    assert await count(database, "checkpoints") == 0


async def test_a_sub_graphs_own_messages_stay_its_own(database: Database) -> None:
    graph = sub_graph_with_a_memory(TranscriptSaver(database.pool))
    for one in messages_in(["one", "two"]):
        await graph.ainvoke(one, on("t"))
    assert texts((await graph.aget_state(on("t"))).values["messages"]) == [
        row["content"] for row in await active_branch(database, "t")
    ]
    assert await count(database, "conversations") == 1


async def test_a_graph_called_in_a_node_under_a_thread_of_its_own_is_a_conversation(
    database: Database,
) -> None:
    saver = TranscriptSaver(database.pool)
    clerk = chat_graph(saver)

    async def ask_the_clerk(state: MessagesState) -> dict[str, Any]:
        config: RunnableConfig = on("clerk", checkpoint_ns="")
        result = await clerk.ainvoke({"messages": [("user", "count")]}, config)
        return {"messages": [AIMessage(f"the clerk is {result['messages'][-1].text}")]}

    graph = chat_graph(saver, ask_the_clerk)
    await say(graph, "t", "how many?")
    for each, thread in ((graph, "t"), (clerk, "clerk")):
        await assert_rows_are_the_state(database, each, thread)
    assert len(await active_branch(database, "clerk")) == 4


async def test_an_interrupted_entrypoint_resumes_where_it_stopped(database: Database) -> None:
    calls = []

    def build() -> Runnable:
        @task
        async def draft(topic: str) -> str:
            calls.append(topic)
            return f"a draft on {topic}"

        @entrypoint(checkpointer=TranscriptSaver(database.pool))
        async def write(topic: str) -> str:
            text = await draft(topic)
            return f"{text}, {interrupt('all right?')}"

        return write

    await build().ainvoke("trees", on("t"))
    # In another process; what the task gave is not asked for again.
    result = await build().ainvoke(Command(resume="approved"), on("t"))
    assert (result, calls) == ("a draft on trees, approved", ["trees"])


async def test_a_graph_runs_synchronously_in_a_thread_of_its_own(database: Database) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))

    def turn() -> list[AnyMessage]:
        result = graph.invoke({"messages": [("user", "hello")]}, on("t"))
        assert graph.get_state(on("t")).values == result
        assert len(list(graph.get_state_history(on("t")))) == 4
        edited = {"messages": [HumanMessage("hi", id=result["messages"][0].id)]}
        graph.update_state(on("t"), edited)
        messages: list[AnyMessage] = graph.get_state(on("t")).values["messages"]
        return messages

    messages = await asyncio.to_thread(turn)
    assert texts(messages) == ["hi", "", "counted", "done"]
    await assert_rows_are_the_state(database, graph, "t")


@pytest.mark.parametrize("kind", ["memory", "postgres"])
async def test_a_store_beside_the_saver_keeps_to_itself(database: Database, kind: str) -> None:
    store = InMemoryStore() if kind == "memory" else AsyncPostgresStore(database.pool)
    if isinstance(store, AsyncPostgresStore):
        await store.setup()

    async def remember(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        items = await store.asearch(("facts",))
        await store.aput(("facts",), str(len(items)), {"said": state["messages"][-1].text})
        return {"messages": [AIMessage(f"{len(items) + 1} facts")]}

    builder = StateGraph(MessagesState).add_node(remember).add_edge(START, "remember")
    graph = builder.compile(checkpointer=TranscriptSaver(database.pool), store=store)
    for thread in ("a", "b"):
        await say(graph, thread, f"in {thread}")
        await assert_rows_are_the_state(database, graph, thread)
    assert [row["content"] for row in await active_branch(database, "b")] == ["in b", "2 facts"]
