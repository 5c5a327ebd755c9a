"""Small graphs without a model, and the questions that tests ask of the tables."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from psycopg.rows import dict_row

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.transcript import is_transcript, storable
from storage.verifying import problems

ACTIVE_BRANCH = """
    WITH RECURSIVE branch AS (
        SELECT m.*, 1 AS height FROM messages m
        JOIN conversations c ON c.leaf_id = m.id WHERE c.thread_id = %s
        UNION ALL
        SELECT m.*, height + 1 FROM messages m JOIN branch b ON m.id = b.parent_id
    )
    SELECT * FROM branch ORDER BY height DESC
"""

TABLES = ("conversations", "messages", "checkpoints", "checkpoint_blobs", "checkpoint_writes")

Graph = CompiledStateGraph[Any, Any, Any, Any]


def on(thread_id: str, **configurable: Any) -> RunnableConfig:
    """The config of a thread."""
    return {"configurable": {"thread_id": thread_id, **configurable}}


def ask(state: MessagesState) -> dict[str, Any]:
    """Ask for a call, as a model would."""
    count = len(state["messages"])
    call = {"name": "count", "args": {"count": count}, "id": f"call_{count}"}
    return {"messages": [AIMessage("", tool_calls=[call], id=f"ask-{count}")]}


def answer(state: MessagesState) -> dict[str, Any]:
    """Make the call and say so."""
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    call_id = last.tool_calls[0]["id"]
    return {
        "messages": [
            ToolMessage("counted", tool_call_id=call_id, id=f"tool-{call_id}"),
            AIMessage("done", id=f"say-{call_id}"),
        ]
    }


def chat_graph(
    saver: BaseCheckpointSaver[Any],
    *nodes: Callable[[MessagesState], dict[str, Any] | Awaitable[dict[str, Any]]],
) -> Graph:
    """A graph that runs these nodes in a row; by default a turn with a tool call."""
    builder = StateGraph(MessagesState)
    previous = START
    for node in nodes or (ask, answer):
        builder.add_node(node.__name__, RunnableLambda(node))
        builder.add_edge(previous, node.__name__)
        previous = node.__name__
    return builder.compile(checkpointer=saver)


async def say(
    graph: Graph, thread_id: str, text: str, config_run: str | None = None, **more: Any
) -> dict[str, Any]:
    """One turn, under a run's id if one is given, as the server gives it."""
    config = on(thread_id)
    if config_run is not None:
        config["metadata"] = {"run_id": config_run}
    result: dict[str, Any] = await graph.ainvoke(
        {"messages": [{"role": "user", "content": text}]}, config, **more
    )
    return result


async def fetch(database: Database, query: str, *args: Any) -> list[dict[str, Any]]:
    """The rows that a query finds."""
    async with database.pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(query, args)
        return await cursor.fetchall()


async def active_branch(database: Database, thread_id: str) -> list[dict[str, Any]]:
    """The rows from the root to the conversation's leaf."""
    return await fetch(database, ACTIVE_BRANCH, thread_id)


async def count(database: Database, table: str) -> int:
    """How many rows a table has."""
    (row,) = await fetch(database, f"SELECT count(*) FROM {table}")
    return int(row["count"])


async def assert_rows_are_the_state(database: Database, graph: Graph, thread_id: str) -> None:
    """The active branch of the rows, decoded, is what the latest checkpoint's state shows."""
    state = await graph.aget_state(on(thread_id))
    rows = await active_branch(database, thread_id)
    serde = JsonPlusSerializer()
    stored = [serde.loads_typed((row["payload_type"], row["payload"])) for row in rows]
    assert stored == state.values.get("messages", [])
    assert [row["content"] for row in rows] == [storable(str(m.text)) for m in stored]


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    """What was said."""
    return [str(message.text) for message in messages]


class XorSerializer(EncryptedSerializer):
    """Encrypts just enough that nothing can be found in the bytes."""

    def __init__(self) -> None:
        super().__init__(XorCipher(), JsonPlusSerializer(allowed_msgpack_modules=None))


class XorCipher(CipherProtocol):
    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "xor", bytes(byte ^ 0x5A for byte in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "xor"
        return bytes(byte ^ 0x5A for byte in ciphertext)


async def assert_tree_is_whole(database: Database, saver: TranscriptSaver, thread_id: str) -> None:
    """The active branch is what a thread shows, and verifying it finds nothing."""
    latest = await saver.aget_tuple(on(thread_id))
    messages = latest.checkpoint["channel_values"].get("messages") if latest else None
    rows = await active_branch(database, thread_id)
    stored = [saver.serde.loads_typed((row["payload_type"], row["payload"])) for row in rows]
    shown = messages if is_transcript(messages) else []
    # Not everything that a message may hold can be compared, but all of it can be written down.
    assert saver.serde.dumps_typed(stored) == saver.serde.dumps_typed(shown)
    assert await problems(database.pool, thread_id) == []
