"""What can be seen of a thread, in a form in which two savers can be compared.

Checkpoints are named by their place in the history, runs and sub-graphs by the order in which they
came, since their ids differ each time that a graph runs.
"""

import re
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt, StateSnapshot

from tests.storage.support import Graph, on

SERDE = JsonPlusSerializer()

Saver = BaseCheckpointSaver[Any]

#: The task of a sub-graph's call, within a namespace.
TASK = re.compile(r":[0-9a-f-]{36}")


class Names:
    """Names for the ids of one thread."""

    def __init__(self, tuples: list[CheckpointTuple]) -> None:
        self.namespaces: dict[str, str] = {}
        self.checkpoints: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        for found in reversed(tuples):
            namespace = found.config["configurable"]["checkpoint_ns"]
            if namespace not in self.namespaces:
                self.namespaces[namespace] = TASK.sub("", namespace) + f" #{len(self.namespaces)}"
            place = f"{self.namespaces[namespace]} @{len(self.checkpoints)}"
            self.checkpoints[found.checkpoint["id"]] = place
            if (run := found.metadata.get("run_id")) is not None:
                self.runs.setdefault(run, f"run {len(self.runs)}")

    def of(self, value: Any) -> Any:
        """`value` with names in the place of ids."""
        if isinstance(value, str):
            known = self.namespaces.get(value) if value else None
            return known or self.checkpoints.get(value) or self.runs.get(value) or value
        if isinstance(value, dict):
            return {self.of(key): self.of(item) for key, item in value.items()}
        if isinstance(value, Interrupt):
            return ("interrupt", value.value)
        if isinstance(value, (list, tuple)):
            return [self.of(item) for item in value]
        return value

    def place(self, config: Any) -> str | None:
        """Where the checkpoint is that a config names; none if it names none."""
        if config is None:
            return None
        return self.checkpoints.get(config["configurable"]["checkpoint_id"], "gone")


async def checkpoints(saver: Saver, thread_id: str) -> list[CheckpointTuple]:
    """Every checkpoint of a thread, of all its graphs, newest first."""
    found = [item async for item in saver.alist(on(thread_id))]
    return sorted(found, key=lambda item: item.checkpoint["id"], reverse=True)


async def seen(saver: Saver, thread_id: str) -> list[dict[str, Any]]:
    """All that a saver tells of a thread."""
    found = await checkpoints(saver, thread_id)
    names = Names(found)
    return [_seen(names, item) for item in found]


def _seen(names: Names, item: CheckpointTuple) -> dict[str, Any]:
    checkpoint = item.checkpoint
    tasks: dict[str, list[Any]] = {}
    for task, channel, value in item.pending_writes or []:
        tasks.setdefault(task, []).append((channel, names.of(value)))
    return {
        "place": names.place(item.config),
        "parent": names.place(item.parent_config),
        "values": checkpoint["channel_values"],
        # 1 equals True and 1.0, but they are not the same.
        "bytes": {
            channel: _bytes(value) for channel, value in checkpoint["channel_values"].items()
        },
        "metadata": names.of(dict(item.metadata)),
        "versions": _numbers(checkpoint["channel_versions"]),
        "seen": {node: _numbers(of) for node, of in checkpoint["versions_seen"].items()},
        "updated": checkpoint["updated_channels"],
        # Those of one step, whose tasks run at the same time, come in the order of their ids.
        "writes": sorted(tasks.values(), key=_bytes),
    }


def _bytes(value: Any) -> bytes:
    return SERDE.dumps_typed(value)[1]


def _numbers(versions: dict[str, Any]) -> dict[str, int]:
    """The versions of channels without what is random in them."""
    return {channel: int(str(version).split(".")[0]) for channel, version in versions.items()}


async def states(saver: Saver, graph: Graph, thread_id: str) -> list[Any]:
    """All that a graph tells of a thread, the latest state with those of its sub-graphs."""
    names = Names(await checkpoints(saver, thread_id))
    latest = await graph.aget_state(on(thread_id), subgraphs=True)
    history = [state async for state in graph.aget_state_history(on(thread_id))]
    return [_state(names, state) for state in (latest, *history)]


def _state(names: Names, state: StateSnapshot) -> dict[str, Any]:
    return {
        "values": state.values,
        "next": state.next,
        "metadata": names.of(dict(state.metadata or {})),
        "parent": names.place(state.parent_config),
        "tasks": [
            {
                "name": task.name,
                "error": task.error,
                "interrupts": names.of(task.interrupts),
                "result": task.result,
                "state": _state(names, task.state)
                if isinstance(task.state, StateSnapshot)
                else bool(task.state),
            }
            for task in state.tasks
        ],
    }


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    """They are equal; else tell of what is not, and of nothing else."""
    different = [
        (mine.get("place", number), key, mine[key], other[key])
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True))
        for key in other
        if mine[key] != other[key]
    ]
    assert not different, "\n".join(
        f"{place} {key}:\n  ours   {mine!r}\n  theirs {other!r}"
        for place, key, mine, other in different
    )
