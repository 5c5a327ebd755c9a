"""What the checkpointer's serialiser restores, and that LangGraph's server needn't clone it."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.serde import graph_serializer
from tests.storage.support import Graph, on


@dataclass
class Declared:
    """A type that a graph's state declares."""

    word: str


@dataclass
class Undeclared:
    """A type that nobody has named to the serialiser."""

    word: str


KEY = (Declared.__module__, Declared.__name__)


class Backwards(CipherProtocol):
    """A cipher that anyone can break."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "backwards", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return ciphertext[::-1]


def back(serde: SerializerProtocol, value: Any) -> Any:
    """The value, written and read."""
    return serde.loads_typed(serde.dumps_typed(value))


STRICT = JsonPlusSerializer(allowed_msgpack_modules=None)


@pytest.mark.parametrize("given", [None, STRICT, EncryptedSerializer(Backwards(), STRICT)])
async def test_a_declared_type_is_restored_without_a_clone_of_the_checkpointer(
    database: Database, given: SerializerProtocol | None
) -> None:
    saver = TranscriptSaver(database.pool, serde=given)
    assert back(saver.serde, Declared("yes")) != Declared("yes")
    assert saver.with_allowlist({KEY}) is saver
    assert back(saver.serde, Declared("yes")) == Declared("yes")
    assert back(saver.serde, Undeclared("no")) != Undeclared("no")
    assert back(saver.serde, HumanMessage("hello")) == HumanMessage("hello")
    # The one that was given is somebody else's.
    assert back(STRICT, Declared("yes")) != Declared("yes")


async def test_a_serialiser_that_restores_more_goes_on_doing_so(database: Database) -> None:
    told = JsonPlusSerializer(allowed_msgpack_modules=[Undeclared])
    saver = TranscriptSaver(database.pool, serde=told)
    saver.with_allowlist({KEY})
    assert back(saver.serde, Undeclared("yes")) == Undeclared("yes")
    assert back(saver.serde, Declared("yes")) == Declared("yes")


def test_a_serialiser_of_another_kind_is_taken_as_it_is() -> None:
    class Own(JsonPlusSerializer):
        pass

    own = Own()
    assert graph_serializer(own) is own


async def test_a_graph_s_own_state_comes_back_with_its_types(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `LANGGRAPH_STRICT_MSGPACK`, which is read when LangGraph is imported, sets.
    monkeypatch.setattr("langgraph._internal._serde.STRICT_MSGPACK_ENABLED", True)
    monkeypatch.setattr("langgraph.graph.state._serde.STRICT_MSGPACK_ENABLED", True)

    class State(MessagesState):
        declared: Declared

    builder = StateGraph(State)
    builder.add_node("note", lambda state: {"declared": Declared("noted")})
    builder.add_edge(START, "note")
    graph: Graph = builder.compile(checkpointer=TranscriptSaver(database.pool))
    await graph.ainvoke({"messages": [HumanMessage("hello")]}, on("t"))
    assert (await graph.aget_state(on("t"))).values["declared"] == Declared("noted")


async def test_the_server_s_wrapper_need_not_be_cloned(database: Database) -> None:
    class Wrapped(BaseCheckpointSaver[str]):
        def __init__(self, inner: BaseCheckpointSaver[str]) -> None:
            self._inner = inner
            super().__init__(serde=inner.serde)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    saver = TranscriptSaver(database.pool)
    wrapped = Wrapped(saver)
    with pytest.raises(RecursionError):
        copy.copy(wrapped)
    assert wrapped.with_allowlist({KEY}) is wrapped
    assert back(saver.serde, Declared("yes")) == Declared("yes")
