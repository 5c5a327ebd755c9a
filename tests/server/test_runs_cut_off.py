"""`kill -9` of a real `langgraph dev` whose list of runs on disk is older than its checkpoints."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from server.launch import STATE
from server.registry import GRAPH
from tests.server.rows import Rows, until
from tests.server.support import config_with_test_graphs, langgraph_dev
from tests.server.talk import new_talk, turn_of
from tests.storage.support import ACTIVE_BRANCH

#: The server's list of threads and runs, a pickle.
REGISTRY = ".langgraph_ops.pckl"


@contextmanager
def no_task_can_be_added(database_url: str) -> Iterator[None]:
    """The tools wait while in the block."""
    with psycopg.connect(database_url) as connection:
        connection.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        yield


@pytest.mark.timeout(600)
async def test_what_was_said_before_a_crash_is_not_said_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_AGENT_TOOL_TIMEOUT", "300")
    rows = Rows(database_url)
    config = config_with_test_graphs(tmp_path)
    state, saved = tmp_path / STATE, tmp_path / "saved"
    gate = tmp_path / "gate"
    with langgraph_dev(database_url, tmp_path, config) as served:
        async with served.connect() as client:
            finished, overtaken, stopped = [
                await new_talk(client, rows, None, GRAPH) for _ in range(3)
            ]
            forked = await new_talk(client, rows, "what can you do?", GRAPH)
            history = await client.threads.get_history(forked.thread_id)
            (asked,) = [entry for entry in history if entry["next"] == ["agent"]]
            adding = (finished, overtaken, stopped, forked)
            cut_off = await new_talk(client, rows)
            with no_task_can_be_added(database_url):
                runs = [
                    await finished.start("add buy milk"),
                    await overtaken.start("add buy bread"),
                    await stopped.start("add buy eggs", interrupt_after=["tools"]),
                    await forked.start("add buy tea", checkpoint=asked["checkpoint"]),
                    await cut_off.start_and_reach(f"await {gate}"),
                    await cut_off.start("two", multitask_strategy="enqueue"),
                ]

                def all_wait_for_a_tool() -> bool:
                    branches = [rows.select(ACTIVE_BRANCH, talk.thread_id) for talk in adding]
                    return all(branch and branch[-1]["tool_calls"] for branch in branches)

                def all_are_on_disk() -> bool:
                    path = state / REGISTRY
                    return path.exists() and all(run.encode() in path.read_bytes() for run in runs)

                await until(all_wait_for_a_tool)
                await until(all_are_on_disk)
                # Another file may be half written.
                shutil.copytree(state, saved, ignore=shutil.ignore_patterns("*.tmp"))
            for talk in adding:
                await talk.idle()
            await overtaken.turn("what's on my list?")
            before = [await talk.said() for talk in adding]
        served.stop(signal.SIGKILL)
    shutil.rmtree(state)
    saved.rename(state)
    gate.touch()
    with langgraph_dev(database_url, tmp_path, config) as served:
        async with served.connect() as client:
            for talk in (*adding, cut_off):
                talk.client = client
                await talk.idle()
                for run in await client.runs.list(talk.thread_id):
                    assert run["status"] == "success"
            assert [await talk.said() for talk in adding] == before
            # What had begun goes on, and what had not begins, each once.
            assert await cut_off.said() == [
                *turn_of("one"), *turn_of(f"await {gate}"), *turn_of("two"),
            ]  # fmt: skip
            await client.runs.wait(stopped.thread_id, GRAPH, input=None)
            assert (await stopped.said())[:-1] == before[adding.index(stopped)]
    titles = [row["title"] for row in rows.select("SELECT title FROM tasks ORDER BY title")]
    assert titles == ["buy bread", "buy eggs", "buy milk", "buy tea"]
