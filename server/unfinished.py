"""Runs that a killed server had begun, at the next start.

`langgraph dev` writes its list of runs to disk every ten seconds. After `kill -9` it begins each
run that was waiting or at work when the list was last written anew: from its input, and from the
checkpoint that it was sent to, if any. LangGraph goes on instead of beginning only if the latest
checkpoint is the run's own. Where a later run has followed, or where the run was a fork, it would
take what the person said a second time, and call the tools a second time. What a run has done is
in its checkpoints. So they are asked, as a durable queue would do, before the first worker starts.

A run without a checkpoint has not begun, and is left to the server to begin.
"""

import logging
import sys
from typing import Any

from storage.database import Database

logger = logging.getLogger(__name__)

#: The modules of the server's in-memory runtime; another runtime keeps its runs by itself.
REGISTRY = "langgraph_runtime_inmem.database"
OPERATIONS = "langgraph_runtime_inmem.ops"

#: The runs that have begun, and whether nothing has come after them on their thread.
BEGUN = """
    SELECT run.id, (
        SELECT c.metadata ->> 'run_id' FROM checkpoints c
        WHERE c.thread_id = run.thread_id AND c.checkpoint_ns = ''
        ORDER BY c.checkpoint_id DESC LIMIT 1
    ) IS NOT DISTINCT FROM run.id AS is_latest
    FROM unnest(%s::text[], %s::text[]) AS run (thread_id, id)
    WHERE EXISTS (
        SELECT FROM checkpoints c
        WHERE c.thread_id = run.thread_id AND c.checkpoint_ns = ''
        AND c.metadata ->> 'run_id' = run.id
    )
"""

#: What a run may be told to stop before or after. Going on would pass by it.
STOPS = ("interrupt_before", "interrupt_after")
#: What sends a run to a checkpoint other than the thread's latest.
ADDRESS = ("checkpoint_id", "checkpoint_ns", "checkpoint_map")


async def go_on_with_unfinished_runs(database: Database) -> None:
    """Make runs that have begun go on where they stopped, instead of beginning again.

    A run whose thread has gone on without it is over. So is one that was told where to stop, for
    it may have stopped there: its thread waits at its latest checkpoint for whoever goes on.

    To be called after the server has read its list of runs and before it works on one. A failure
    is logged and no more, since all that is known of the list is how this version keeps it.
    """
    registry, operations = sys.modules.get(REGISTRY), sys.modules.get(OPERATIONS)
    if registry is None or operations is None:
        return
    try:
        waiting = {
            str(run["run_id"]): run
            for run in registry.GLOBAL_STORE["runs"]
            if run["status"] == "pending"
        }
        for run_id, is_latest in await _begun(database, waiting):
            run = waiting[run_id]
            kwargs = run["kwargs"]
            if is_latest and not any(kwargs.get(stop) for stop in STOPS):
                _resume(kwargs)
                continue
            configurable = kwargs["config"]["configurable"]
            async with registry.connect() as connection:
                await operations.Threads.set_joint_status(
                    connection, run["thread_id"], run["run_id"], "success", configurable["graph_id"]
                )
    except Exception:
        logger.warning(
            "Runs that were cut off by a crash could not be looked at: what was said in them may "
            "be said again. This version of langgraph-runtime-inmem may keep its runs differently",
            exc_info=True,
        )


async def _begun(database: Database, runs: dict[str, Any]) -> list[tuple[str, bool]]:
    if not runs:
        return []
    threads = [str(run["thread_id"]) for run in runs.values()]
    async with database.pool.connection() as connection:
        rows = await (await connection.execute(BEGUN, (threads, list(runs)))).fetchall()
    return [(run_id, is_latest) for run_id, is_latest in rows]


def _resume(kwargs: dict[str, Any]) -> None:
    """Without an input a run goes on from the latest checkpoint; where nothing is left, it ends."""
    kwargs["input"] = kwargs["command"] = None
    for key in ADDRESS:
        kwargs["config"]["configurable"].pop(key, None)
