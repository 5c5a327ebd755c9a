"""The synchronous half of a checkpointer that works on an event loop."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

T = TypeVar("T")


class SyncMethods(AsyncPostgresSaver):
    """What the plain saver lacks of it: two methods, and a word of warning in two others."""

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """`aput`, from another thread."""
        return self._wait_for(self.aput(config, checkpoint, metadata, new_versions), "aput")

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """`aput_writes`, from another thread."""
        self._wait_for(self.aput_writes(config, writes, task_id, task_path), "aput_writes")

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """`acopy_thread`, from another thread."""
        self._wait_for(self.acopy_thread(source_thread_id, target_thread_id), "acopy_thread")

    def delete_for_runs(self, run_ids: Iterable[str]) -> None:
        """`adelete_for_runs`, from another thread."""
        self._wait_for(self.adelete_for_runs(list(run_ids)), "adelete_for_runs")

    def _wait_for(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """What comes of `work` on the event loop of the checkpointer.

        Raises:
            InvalidStateError: called on that loop, which would wait for itself for ever.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self.loop:
            work.close()
            raise asyncio.InvalidStateError(
                "the synchronous methods of this checkpointer are for other threads than the one "
                f"that its event loop runs in. Here, use `await checkpointer.{name}(...)`, or "
                "`await graph.ainvoke(...)`."
            )
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()
