"""A saver to compare with: LangGraph's memory saver, and what that one lacks.

What is added does what `BaseCheckpointSaver` says of it, on three dicts, without a thought for
speed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


class ReferenceSaver(InMemorySaver):
    """An `InMemorySaver` that copies and prunes threads and takes runs back."""

    def __init__(self) -> None:
        super().__init__(serde=JsonPlusSerializer(allowed_msgpack_modules=None))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy every checkpoint and write; the runs of the copy are its own."""
        for namespace, checkpoints in self.storage[source_thread_id].items():
            self.storage[target_thread_id][namespace].update(
                {
                    checkpoint_id: (
                        checkpoint,
                        self.serde.dumps_typed(self._of_the_copy(metadata, target_thread_id)),
                        parent,
                    )
                    for checkpoint_id, (checkpoint, metadata, parent) in checkpoints.items()
                }
            )
        for (thread_id, *rest), written in list(self.writes.items()):
            if thread_id == source_thread_id:
                self.writes[target_thread_id, rest[0], rest[1]] = dict(written)
        for (thread_id, namespace, channel, version), blob in list(self.blobs.items()):
            if thread_id == source_thread_id:
                self.blobs[target_thread_id, namespace, channel, version] = blob

    def _of_the_copy(self, metadata: tuple[str, bytes], target: str) -> dict[str, Any]:
        own: dict[str, Any] = self.serde.loads_typed(metadata)
        if "run_id" in own:
            own["run_id"] = f"{own['run_id']} in {target}"
        return own

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Delete the checkpoints of runs, in every namespace, and what was written after them.

        What followed one of them follows what was before it.
        """
        runs = set(run_ids)
        for thread_id, namespaces in self.storage.items():
            for namespace, checkpoints in namespaces.items():
                parents = {
                    checkpoint_id: parent
                    for checkpoint_id, (_, metadata, parent) in checkpoints.items()
                    if self.serde.loads_typed(metadata).get("run_id") in runs
                }
                self._delete(thread_id, namespace, parents)
                for checkpoint_id, (checkpoint, metadata, parent) in checkpoints.items():
                    while parent in parents:
                        parent = parents[parent]
                    checkpoints[checkpoint_id] = (checkpoint, metadata, parent)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete threads, or all but the latest checkpoint of each of their namespaces.

        A call of a sub-graph goes with the checkpoint of the root graph that it started from.
        """
        for thread_id in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread_id)
                continue
            namespaces = self.storage[thread_id]
            root = list(namespaces.get("", {}))
            for namespace, checkpoints in namespaces.items():
                if not checkpoints:
                    continue
                latest = max(checkpoints)
                checkpoint, metadata, _ = checkpoints[latest]
                caller = self.serde.loads_typed(metadata).get("parents", {}).get("")
                is_over = ":" in namespace and caller in root and caller != max(root)
                self._delete(
                    thread_id,
                    namespace,
                    [other for other in checkpoints if is_over or other != latest],
                )
                if not is_over:
                    # What came before it is no more.
                    checkpoints[latest] = (checkpoint, metadata, None)

    def _delete(self, thread_id: str, namespace: str, checkpoint_ids: Iterable[str]) -> None:
        for checkpoint_id in checkpoint_ids:
            del self.storage[thread_id][namespace][checkpoint_id]
            self.writes.pop((thread_id, namespace, checkpoint_id), None)
