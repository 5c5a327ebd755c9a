"""`verify` names values that checkpoints took over from one that is gone, and that went with it."""

from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langgraph.channels import EphemeralValue
from langgraph.graph import START, MessagesState, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.verifying import Kind, problems
from tests.storage.damage import execute
from tests.storage.support import Graph, fetch, on

LOSE = """
    DELETE FROM checkpoint_blobs WHERE channel = %s AND version = (
        SELECT checkpoint -> 'channel_versions' ->> channel FROM checkpoints
        WHERE checkpoint_id = %s
    )
"""


class Noting(MessagesState):
    kept: list[int]
    passing: Annotated[list[int], EphemeralValue]


def noting_graph(database: Database) -> Graph:
    def note(state: Noting) -> dict[str, Any]:
        length = len(state["messages"])
        return {"messages": [AIMessage("")], "kept": [length], "passing": [length]}

    def rest(state: Noting) -> dict[str, Any]:
        return {}

    builder = StateGraph(Noting)
    builder.add_node("note", note)
    builder.add_node("rest", rest)
    builder.add_edge(START, "note")
    builder.add_edge("note", "rest")
    return builder.compile(checkpointer=TranscriptSaver(database.pool))


async def forked(database: Database) -> str:
    """A fork of a checkpoint in the middle of the second turn, which is gone with all after it."""
    graph = noting_graph(database)
    for run in ("1", "2"):
        await graph.ainvoke({"messages": [("user", run)]}, on("t"))
    states = [state async for state in graph.aget_state_history(on("t"))]
    old = next(state for state in states if state.next == ("rest",))
    place = await graph.aupdate_state(old.config, {"messages": []}, as_node="note")
    gone = {state.config["configurable"]["checkpoint_id"] for state in states[:4]}
    await execute(database, "DELETE FROM checkpoints WHERE checkpoint_id = ANY(%s)", list(gone))
    return str(place["configurable"]["checkpoint_id"])


async def test_a_fork_of_what_is_gone_is_sound_as_long_as_it_has_its_values(
    database: Database,
) -> None:
    await forked(database)
    assert await problems(database.pool) == []


async def test_a_value_that_went_with_the_checkpoint_that_set_it_is_named(
    database: Database,
) -> None:
    fork = await forked(database)
    await execute(database, LOSE, "kept", fork)
    (problem,) = await problems(database.pool)
    assert (problem.thread_id, problem.kind, problem.about) == ("t", Kind.NO_VALUE, fork)
    assert "'kept'" in problem.what


async def test_a_value_that_passes_is_not_missed(database: Database) -> None:
    fork = await forked(database)
    (row,) = await fetch(
        database,
        "SELECT checkpoint -> 'channel_versions' ? 'passing' AS is_there,"
        " checkpoint -> 'channel_values' ? 'passing' AS has_value"
        " FROM checkpoints WHERE checkpoint_id = %s",
        fork,
    )
    assert (row["is_there"], row["has_value"]) == (True, False)
    assert await problems(database.pool) == []


async def test_what_is_left_of_a_pruned_thread_misses_nothing_while_a_turn_is_under_way(
    database: Database,
) -> None:
    graph = noting_graph(database)
    await graph.ainvoke({"messages": [("user", "1")]}, on("t"))
    await TranscriptSaver(database.pool).aprune(["t"])
    await graph.ainvoke({"messages": [("user", "2")]}, on("t"), interrupt_before=["rest"])
    assert await problems(database.pool) == []
