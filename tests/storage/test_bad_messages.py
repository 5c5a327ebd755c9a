"""Messages that are not what they should be: kept as they are, or refused in clear words."""

import dataclasses
import enum
import operator
import pickle
from itertools import product
from typing import Annotated, Any, TypedDict
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.decoding import UnreadableMessageError
from storage.reading import TranscriptError, UnreadableCheckpointError
from tests.storage.speaking import another_process, both_show, graph_of
from tests.storage.support import active_branch, fetch, on


def filled(kind: type[BaseMessage], **fields: Any) -> BaseMessage:
    """A message that a node has filled with something else: nothing checks an assignment."""
    message = kind("x", id="m", **({"tool_call_id": "c"} if kind is ToolMessage else {}))
    vars(message).update(fields)
    return message


SOMETHING_ELSE: list[Any] = [None, 5, [1, None, {"type": "text", "text": None}], {"a": 1}]
NO_CALLS: list[Any] = [None, 5, ["x"], [{}], [{"id": [1], "name": 3, "args": "x"}]]
KINDS: list[type[BaseMessage]] = [AIMessage, HumanMessage, ToolMessage]
WRONG: list[tuple[type[BaseMessage], str, Any]] = [
    *product(KINDS, ("content", "type", "additional_kwargs", "name"), SOMETHING_ELSE),
    *product(KINDS[:1], ("tool_calls", "invalid_tool_calls"), NO_CALLS),
    *product(KINDS[2:], ("tool_call_id", "status"), [None]),
]


@pytest.mark.parametrize(("kind", "field", "value"), WRONG)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_message_whose_fields_are_of_the_wrong_kind_is_kept_like_any_other(
    database: Database, kind: type[BaseMessage], field: str, value: Any
) -> None:
    await both_show(database, filled(kind, **{field: value}), AIMessage("then", id="a"))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Pair:
    left: int
    right: Any


async def test_columns_show_what_will_be_read_of_a_message(database: Database) -> None:
    values = {
        "enum": Colour.RED,
        "pair": Pair(1, (2, {"b"})),
        # Of more items the order could be another one each time that it is written.
        "set": {"b"},
        "id": UUID(int=1),
        "bytes": b"\x00",
    }
    await both_show(
        database,
        AIMessage("", id="a", tool_calls=[{"name": "n", "args": values, "id": "c"}]),
        ToolMessage("did", id="t", tool_call_id="c", artifact={"structured_content": values}),
    )
    shown = {
        # Classes that aren't named to the serialiser come back as what they hold.
        "enum": "red",
        "pair": {"left": 1, "right": [2, ["b"]]},
        "set": ["b"],
        "id": "00000000-0000-0000-0000-000000000001",
        "bytes": "b'\\x00'",
    }
    rows = await active_branch(database, "t")
    assert rows[1]["tool_calls"][0]["arguments"] == shown
    assert rows[2]["tool_calls"][0]["arguments"] == shown
    assert rows[2]["tool_calls"][0]["result"] == shown


# Ids


class Plain(TypedDict):
    messages: Annotated[list[Any], operator.add]


async def test_messages_with_the_same_id_are_both_kept(database: Database) -> None:
    async def speak(state: Plain) -> Plain:
        return {"messages": [AIMessage("one", id="same"), AIMessage("one", id="same")]}

    builder = StateGraph(Plain)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    graph = builder.compile(checkpointer=TranscriptSaver(database.pool))
    for _ in range(2):
        await graph.ainvoke({"messages": [AIMessage("one", id="same")]}, on("t"))
    rows = await active_branch(database, "t")
    assert [row["content"] for row in rows] == ["one"] * 6
    assert len({row["digest"] for row in rows}) == 6


# Classes


class OwnMessage(AIMessage):
    """A message class that LangGraph does not know."""

    mood: str = "merry"


async def test_a_message_class_that_is_named_to_the_serialiser_comes_back(
    database: Database,
) -> None:
    serde = JsonPlusSerializer(allowed_msgpack_modules=[OwnMessage])
    graph = graph_of(
        TranscriptSaver(database.pool, serde=serde), OwnMessage(content="x", id="m", mood="!")
    )
    await graph.ainvoke({"messages": [HumanMessage("hi", id="h")]}, on("t"))
    fresh = TranscriptSaver(database.pool, serde=serde)
    (_, read) = (await graph_of(fresh).aget_state(on("t"))).values["messages"]
    assert (type(read), read.mood) == (OwnMessage, "!")


async def test_a_message_class_that_is_not_named_is_refused_and_the_thread_goes_on(
    database: Database,
) -> None:
    graph = graph_of(TranscriptSaver(database.pool), OwnMessage(content="x", id="m"))
    with pytest.raises(UnreadableMessageError, match="OwnMessage"):
        await graph.ainvoke({"messages": [HumanMessage("hi", id="h")]}, on("t"))
    fine = graph_of(another_process(database), AIMessage("fine", id="f"))
    assert len((await fine.aget_state(on("t"))).values["messages"]) == 1
    await fine.ainvoke({"messages": [HumanMessage("again", id="h2")]}, on("t"))
    assert [row["content"] for row in await active_branch(database, "t")] == ["hi", "again", "fine"]


_made: list[str] = []


class Trap:
    """Something that must not come to life by being read."""

    def __init__(self, name: str) -> None:
        _made.append(name)
        self.name = name

    def _asdict(self) -> dict[str, Any]:
        return {"name": self.name}

    def __reduce__(self) -> Any:
        return (Trap, ("by pickle",))


async def test_a_class_that_is_not_named_is_not_made_by_reading(database: Database) -> None:
    graph = graph_of(TranscriptSaver(database.pool), beside=Trap("by the node"))
    await graph.ainvoke({"messages": [HumanMessage("hi", id="h")]}, on("t"))
    _made.clear()
    read = (await graph_of(another_process(database)).aget_state(on("t"))).values["beside"]
    assert _made == []
    # What it held is there, in the form that the plain saver gives it too.
    assert read == {"name": "by the node"}


async def test_a_pickle_in_the_database_is_not_opened(database: Database) -> None:
    graph = graph_of(TranscriptSaver(database.pool), beside=[1])
    await graph.ainvoke({"messages": [HumanMessage("hi", id="h")]}, on("t"))
    trap = pickle.dumps(Trap("in the pickle"))
    _made.clear()
    await fetch(
        database,
        "UPDATE checkpoint_blobs SET type = 'pickle', blob = %s WHERE channel = 'beside'"
        " RETURNING 1",
        trap,
    )
    with pytest.raises(UnreadableCheckpointError, match="pickle"):
        await another_process(database).aget_tuple(on("t"))
    await fetch(
        database, "UPDATE messages SET payload_type = 'pickle', payload = %s RETURNING 1", trap
    )
    with pytest.raises(TranscriptError):
        await another_process(database).aget_tuple(on("t"))
    assert _made == []
