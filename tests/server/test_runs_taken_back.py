"""Runs that are cancelled, overtaken or deleted in a real `langgraph dev`: the rows follow."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import NotFoundError
from langgraph_sdk.schema import CancelAction

from tests.server.rows import Rows, messages_of, together, until
from tests.server.support import config_with_test_graphs, langgraph_dev
from tests.server.talk import STEPS, Talk, new_talk, saying, turn_of


@pytest.mark.timeout(600)
async def test_rows_are_the_state_after_runs_are_taken_back(
    database_url: str, tmp_path: Path
) -> None:
    rows = Rows(database_url)
    with langgraph_dev(database_url, tmp_path, config_with_test_graphs(tmp_path)) as served:
        async with served.connect() as client:

            async def talk(first: str | None = "one") -> Talk:
                return await new_talk(client, rows, first)

            async def cancelled(action: CancelAction, left: list[str]) -> None:
                it = await talk()
                run_id = await it.start_and_reach("wait for me")
                await client.runs.cancel(it.thread_id, run_id, action=action, wait=True)
                await it.idle()
                assert await it.said() == turn_of("one") + left
                assert rows.conversation(it.thread_id)["title"] == "one"
                await it.turn("two")
                assert await it.said() == [*turn_of("one"), *left, *turn_of("two")]

            async def first_run_rolled_back() -> None:
                it = await talk(None)
                run_id = await it.start_and_reach("wait for me")
                assert rows.conversation(it.thread_id)["title"] == "wait for me"
                await client.runs.cancel(it.thread_id, run_id, action="rollback", wait=True)
                await it.idle()
                assert await it.said() == []
                assert rows.of_thread(it.thread_id) == {"conversations": 1}
                assert rows.conversation(it.thread_id)["title"] is None
                await it.turn("two")
                assert await it.said() == turn_of("two")
                assert rows.conversation(it.thread_id)["title"] == "two"

            async def overtaken(strategy: Any, left: list[str]) -> None:
                it = await talk()
                await it.start_and_reach("wait for me")
                await it.turn("two", multitask_strategy=strategy)
                await it.idle()
                assert await it.said() == [*turn_of("one"), *left, *turn_of("two")]

            async def overtaken_by_a_run_that_is_rolled_back_itself() -> None:
                it = await talk()
                await it.start_and_reach("wait for me")
                await it.start_and_reach("wait again", multitask_strategy="rollback")
                await it.turn("two", multitask_strategy="rollback")
                assert await it.said() == [*turn_of("one"), *turn_of("two")]

            async def rejected() -> None:
                it = await talk()
                run_id = await it.start_and_reach("wait for me")
                with pytest.raises(httpx.HTTPStatusError) as refused:
                    await it.turn("two", multitask_strategy="reject")
                assert refused.value.response.status_code == httpx.codes.CONFLICT
                await client.runs.cancel(it.thread_id, run_id, action="rollback", wait=True)
                await it.idle()
                assert await it.said() == turn_of("one")

            async def enqueued() -> None:
                it = await talk()
                first = await it.start_and_reach("wait for me")
                second = await it.start("two", multitask_strategy="enqueue")
                third = await it.start("three", multitask_strategy="enqueue")
                await client.runs.cancel(it.thread_id, first, action="rollback", wait=True)
                for run_id in (second, third):
                    await client.runs.join(it.thread_id, run_id)
                await it.idle()
                assert await it.said() == [*turn_of("one"), *turn_of("two"), *turn_of("three")]

            async def failed() -> None:
                it = await talk()
                await it.turn("fail please", raise_error=False)
                assert await it.said() == [*turn_of("one"), "fail please", "begun: fail please"]
                (run,) = await client.runs.list(it.thread_id, status="error")
                await client.runs.delete(it.thread_id, run["run_id"])
                assert await it.said() == turn_of("one")

            async def last_run_deleted() -> None:
                it = await talk()
                before = await client.threads.get_history(it.thread_id)
                run_id = await it.start("two")
                await client.runs.join(it.thread_id, run_id)
                assert await it.notes() == ["one", "done", "two", "done"]
                await client.runs.delete(it.thread_id, run_id)
                assert await it.said() == turn_of("one")
                assert await it.notes() == ["one", "done"]
                assert await client.threads.get_history(it.thread_id) == before

            async def earlier_runs_deleted() -> None:
                it = await talk()
                second = await it.start("two")
                await client.runs.join(it.thread_id, second)
                await it.turn("three")
                whole = await it.said()
                first = (await client.runs.list(it.thread_id))[-1]["run_id"]
                for run_id in (second, first):
                    await client.runs.delete(it.thread_id, run_id)
                    # What was said stays said: the later run was told it.
                    assert await it.said() == whole
                    assert await it.notes() == ["one", "done", "two", "done", "three", "done"]
                history = await client.threads.get_history(it.thread_id)
                assert len(history) == 4
                # A fork from the oldest checkpoint that is left.
                old = history[-2]
                await it.turn("four", checkpoint=old["checkpoint"])
                said = [message["content"] for message in messages_of(old["values"])]
                assert await it.said() == said + turn_of("four")

            async def deleted_while_a_later_one_runs() -> None:
                it = await talk()
                first = (await client.runs.list(it.thread_id))[0]["run_id"]
                await it.start_and_reach("wait for me")
                await client.runs.delete(it.thread_id, first)
                await it.turn("two", multitask_strategy="interrupt")
                assert await it.said() == [
                    *turn_of("one"), "wait for me", "begun: wait for me", *turn_of("two"),
                ]  # fmt: skip
                assert await it.notes() == ["one", "done", "wait for me", "two", "done"]

            async def many_cancelled() -> None:
                it = await talk()
                run_id = await it.start_and_reach("wait for me")
                # The in-memory server deletes the run twice: the second one may miss it, and
                # the thread is called busy for ever.
                with suppress(NotFoundError):
                    await client.runs.cancel_many(
                        thread_id=it.thread_id, run_ids=[run_id], action="rollback"
                    )
                await until(lambda: rows.said(it.thread_id) == turn_of("one"))
                await it.turn("two")
                assert await it.said() == [*turn_of("one"), *turn_of("two")]

            async def left_by_its_client() -> None:
                it = await talk()
                stream = client.runs.stream(
                    it.thread_id, STEPS, input=saying("wait"), on_disconnect="cancel"
                )
                reading = asyncio.ensure_future(anext(aiter(stream)))
                await until(lambda: "begun: wait" in rows.said(it.thread_id))
                reading.cancel()
                await stream.aclose()  # type: ignore[attr-defined]
                await it.idle()
                assert await it.said() == [*turn_of("one"), "wait", "begun: wait"]

            begun = ["wait for me", "begun: wait for me"]
            await together(
                cancelled("rollback", []),
                cancelled("interrupt", begun),
                first_run_rolled_back(),
                overtaken("rollback", []),
                overtaken("interrupt", begun),
                overtaken_by_a_run_that_is_rolled_back_itself(),
                rejected(),
                enqueued(),
                failed(),
                last_run_deleted(),
                earlier_runs_deleted(),
                deleted_while_a_later_one_runs(),
                many_cancelled(),
                left_by_its_client(),
            )
