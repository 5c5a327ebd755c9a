"""A sub-graph's checkpoint that is stored while the one before it goes is whole all the same."""

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import START, StateGraph

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.inner_steps import Put
from storage.rows import ConversationGoneError
from storage.saver_writing import ATTEMPTS
from storage.verifying import problems
from tests.storage.damage import execute
from tests.storage.support import Graph, fetch, on
from tests.storage.test_deleting_under_forks import (
    SLOW_COMMIT,
    delete_run,
    isolated,
    transaction,
    waiting,
)

__all__ = ["isolated"]

#: Checkpoints that follow one that is not there.
WITHOUT_PARENT = """
    SELECT * FROM checkpoints c WHERE parent_checkpoint_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM checkpoints p WHERE p.thread_id = c.thread_id
        AND p.checkpoint_ns = c.checkpoint_ns AND p.checkpoint_id = c.parent_checkpoint_id
    )
"""

INNER = on("t", checkpoint_ns="inner")


class Turn(TypedDict):
    turn: int


class Memory(Turn):
    first: dict[str, int]
    last: dict[str, int]


def remembering_graph(saver: Any) -> Graph:
    """A sub-graph that remembers its first turn and its last one, from one run to the next."""

    def remember(state: Memory) -> dict[str, Any]:
        turn = {"turn": state["turn"]}
        return {"last": turn} if "first" in state else {"first": turn, "last": turn}

    inner = StateGraph(Memory).add_node(remember).add_edge(START, "remember")
    outer = StateGraph(Turn).add_node("inner", inner.compile(checkpointer=True))
    return outer.add_edge(START, "inner").compile(checkpointer=saver)


async def take_turns(saver: TranscriptSaver, *turns: int) -> None:
    for turn in turns:
        config: RunnableConfig = {**on("t"), "metadata": {"run_id": str(turn)}}
        await remembering_graph(saver).ainvoke({"turn": turn}, config)


async def memory(database: Database) -> dict[str, Any]:
    """What a process reads that has just begun."""
    saved = await TranscriptSaver(database.pool).aget_tuple(INNER)
    assert saved is not None
    values = saved.checkpoint["channel_values"]
    return {name: values.get(name) for name in ("first", "last")}


async def last_of_run(database: Database, run: str) -> CheckpointTuple:
    """The last checkpoint of the sub-graph that a run has stored."""
    saver = TranscriptSaver(database.pool)
    (saved,) = [saved async for saved in saver.alist(INNER, filter={"run_id": run}, limit=1)]
    return saved


async def follow(saver: TranscriptSaver, before: CheckpointTuple) -> None:
    """Store a checkpoint after that one, which changes the number of the turn and nothing else."""
    old = before.checkpoint
    version = saver.get_next_version(str(old["channel_versions"]["turn"]), None)
    checkpoint: Checkpoint = {
        **old,
        "id": str(uuid6()),
        "channel_values": {**old["channel_values"], "turn": 4},
        "channel_versions": {**old["channel_versions"], "turn": version},
        "updated_channels": ["turn"],
    }
    await saver.aput(before.config, checkpoint, {"source": "loop"}, {"turn": version})


async def test_what_a_deleted_run_remembered_is_kept_by_the_run_that_goes_on(
    database: Database,
) -> None:
    class Deleting(TranscriptSaver):
        """Deletes run 1 when run 2 has read the sub-graph's state, and has stored nothing of it."""

        async def aput(self, config: RunnableConfig, *args: Any) -> RunnableConfig:
            if config["configurable"]["checkpoint_ns"] == "inner":
                await TranscriptSaver(database.pool).adelete_for_runs(["1"])
            return await super().aput(config, *args)

    await take_turns(TranscriptSaver(database.pool), 1)
    await take_turns(Deleting(database.pool), 2)
    assert await memory(database) == {"first": {"turn": 1}, "last": {"turn": 2}}
    assert await problems(database.pool) == []


async def test_a_step_that_waits_for_a_deletion_of_what_it_follows_keeps_all_values(
    isolated: Database, database_url: str
) -> None:
    await take_turns(TranscriptSaver(isolated.pool), 1, 2)
    before = await last_of_run(isolated, "2")
    async with transaction(database_url) as connection:
        await delete_run(connection)
        putting = asyncio.create_task(follow(TranscriptSaver(isolated.pool), before))
        await waiting(isolated, 1, putting)
    await putting
    assert await memory(isolated) == {"first": {"turn": 1}, "last": {"turn": 2}}
    assert await problems(isolated.pool) == []


@pytest.mark.parametrize("prunes", [True, False])
async def test_a_deletion_that_waits_for_a_step_leaves_it_its_values(
    isolated: Database, database_url: str, prunes: bool
) -> None:
    await take_turns(TranscriptSaver(isolated.pool), 1, 2, 3)
    before = await last_of_run(isolated, "2")
    other = TranscriptSaver(isolated.pool)
    for statement in SLOW_COMMIT:
        await execute(isolated, statement)
    async with transaction(database_url) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(1)")
        putting = asyncio.create_task(follow(TranscriptSaver(isolated.pool), before))
        await waiting(isolated, 1, putting)
        work = other.aprune(["t"]) if prunes else other.adelete_for_runs(["2"])
        deleting = asyncio.create_task(work)
        await waiting(isolated, 2, putting, deleting)
    await putting
    await deleting
    assert await fetch(isolated, WITHOUT_PARENT) == []
    assert await memory(isolated) == {"first": {"turn": 1}, "last": {"turn": 2}}
    assert await problems(isolated.pool) == []


async def test_a_step_of_a_deleted_thread_is_not_stored(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    await take_turns(saver, 1)
    before = await last_of_run(database, "1")
    await TranscriptSaver(database.pool).adelete_thread("t")
    await follow(saver, before)
    assert await fetch(database, "SELECT * FROM checkpoints") == []
    assert await fetch(database, "SELECT * FROM checkpoint_blobs") == []


async def test_a_step_that_is_stored_again_as_its_own_successor_replaces_itself(
    database: Database,
) -> None:
    await take_turns(TranscriptSaver(database.pool), 1)
    before = await last_of_run(database, "1")
    metadata: CheckpointMetadata = {**before.metadata, "step": 7}
    await TranscriptSaver(database.pool).aput(before.config, before.checkpoint, metadata, {})
    after = await last_of_run(database, "1")
    assert after.metadata["step"] == 7
    assert after.checkpoint == before.checkpoint


async def test_a_step_that_can_never_be_stored_is_an_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver = TranscriptSaver(database.pool)
    await take_turns(saver, 1)
    asked = 0

    async def redacted_again(*args: Any) -> Put:
        nonlocal asked
        asked += 1
        return Put(is_as_known=False, has_all_values=True)

    monkeypatch.setattr("storage.saver_writing.put_inner", redacted_again)
    with pytest.raises(ConversationGoneError, match="each of the 5 times"):
        await take_turns(saver, 2)
    assert asked == ATTEMPTS
