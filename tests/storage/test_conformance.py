"""LangGraph's own conformance suite for checkpointers, all of it, also with messages in every step.

The suite skips what a checkpointer doesn't implement and calls the rest a full pass; here a missing
capability is a failure like any other.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from tests.storage.support import count

#: What the suite of 0.0.2 asks, so that a suite which lost its tests is noticed.
TESTS = {
    "put": 17,
    "put_writes": 10,
    "get_tuple": 10,
    "list": 16,
    "delete_thread": 5,
    "delete_for_runs": 7,
    "copy_thread": 8,
    "prune": 8,
}


class TalkingSaver(TranscriptSaver):
    """Adds a message to every checkpoint that the suite puts, and takes it away when it is read.

    The suite's checkpoints hold no messages, so by themselves they say little about the tree.
    """

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        parent = None
        if config["configurable"].get("checkpoint_id"):
            parent = await super().aget_tuple(config)
        said: list[BaseMessage] = []
        if parent is not None:
            said = parent.checkpoint["channel_values"]["messages"]
        message = HumanMessage(checkpoint["id"], id=checkpoint["id"])
        version = f"{len(said) + 1:032}.{checkpoint['id']}"
        talking = checkpoint.copy()
        talking["channel_values"] = {
            **checkpoint["channel_values"],
            "messages": [*said, message],
        }
        talking["channel_versions"] = {**checkpoint["channel_versions"], "messages": version}
        return await super().aput(config, talking, metadata, {**new_versions, "messages": version})

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super().aget_tuple(config)
        return None if found is None else silent(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        async for found in super().alist(config, filter=filter, before=before, limit=limit):
            yield silent(found)


def silent(found: CheckpointTuple) -> CheckpointTuple:
    """The checkpoint as the suite put it; its last message has to be its own."""
    said = found.checkpoint["channel_values"].pop("messages")
    assert said[-1].content == found.checkpoint["id"]
    found.checkpoint["channel_versions"].pop("messages")
    return found


async def results(
    make: Callable[[], BaseCheckpointSaver[str]],
) -> dict[str, tuple[int, list[str]]]:
    """Of each capability that is there: how many tests passed, and which ones failed."""

    @checkpointer_test(name="under test")
    async def savers() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield make()

    report = await validate(savers)
    return {
        name: (result.tests_passed, result.failures)
        for name, result in report.results.items()
        if result.detected
    }


@pytest.mark.parametrize("kind", [TranscriptSaver, TalkingSaver])
async def test_every_capability_is_there_and_passes(
    database: Database, kind: type[TranscriptSaver]
) -> None:
    assert {capability.value for capability in Capability} == set(TESTS)
    assert await results(lambda: kind(database.pool)) == {
        name: (number, []) for name, number in TESTS.items()
    }
    # The suite leaves threads behind, so the tree was used where it should be.
    assert (await count(database, "messages") > 0) == (kind is TalkingSaver)


async def test_the_plain_saver_lacks_two_capabilities_which_shows(database: Database) -> None:
    found = await results(lambda: AsyncPostgresSaver(database.pool))
    assert set(TESTS) - set(found) == {"delete_for_runs", "copy_thread"}
