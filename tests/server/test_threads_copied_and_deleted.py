"""Threads copied, deleted, pruned and shared in a real `langgraph dev`: the rows follow."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import UnprocessableEntityError

from storage.checkpointer import TranscriptSaver
from storage.database import connect
from tests.server.graphs import steps
from tests.server.rows import Rows, together, until
from tests.server.support import config_with_test_graphs, langgraph_dev
from tests.server.talk import NESTED, STEPS, Talk, new_talk, saying, turn_of
from tests.storage.support import Graph, on


async def copied(client: LangGraphClient, it: Talk) -> Talk:
    """A copy of a thread, made by the server."""
    # The SDK's types say that it answers nothing.
    copy_thread: Callable[[str], Awaitable[Any]] = client.threads.copy
    copy = await copy_thread(it.thread_id)
    return Talk(client, it.rows, copy["thread_id"], it.graph)


@pytest.mark.timeout(600)
async def test_rows_are_the_state_after_threads_are_copied_and_deleted(
    database_url: str, tmp_path: Path
) -> None:
    rows = Rows(database_url)
    with langgraph_dev(database_url, tmp_path, config_with_test_graphs(tmp_path)) as served:
        async with served.connect() as client:

            async def talk(first: str | None = "one", graph: str = STEPS) -> Talk:
                return await new_talk(client, rows, first, graph)

            async def runs_of_the_source_deleted_after_a_copy() -> None:
                it = await talk()
                run_id = await it.start("two")
                await client.runs.join(it.thread_id, run_id)
                copy = await copied(client, it)
                of_copy = await copied(client, copy)
                whole = [*turn_of("one"), *turn_of("two")]
                history = await client.threads.get_history(copy.thread_id)
                await client.runs.delete(it.thread_id, run_id)
                assert await it.said() == turn_of("one")
                for same in (copy, of_copy):
                    assert await same.said() == whole
                    assert await same.notes() == ["one", "done", "two", "done"]
                    conversation = rows.conversation(same.thread_id)
                    original = rows.conversation(it.thread_id)
                    assert conversation["title"] == "one"
                    assert conversation["user_id"] == original["user_id"]
                    assert conversation["created_at"] > original["created_at"]
                assert await client.threads.get_history(copy.thread_id) == history
                await client.threads.delete(it.thread_id)
                assert rows.of_thread(it.thread_id) == {}
                await copy.turn("three")
                assert await copy.said() == [*whole, *turn_of("three")]
                await of_copy.turn("four", checkpoint=await oldest(of_copy))
                assert await of_copy.said() == turn_of("four")

            async def oldest(it: Talk) -> Any:
                """The checkpoint before anything was said, of the copy's own."""
                history = await client.threads.get_history(it.thread_id, limit=100)
                return history[-1]["checkpoint"]

            async def copy_of_nothing() -> None:
                it = await talk(None)
                copy = await copied(client, it)
                assert rows.of_thread(copy.thread_id) == {}
                await copy.turn("one")
                assert await copy.said() == turn_of("one")

            async def copy_of_sub_graphs() -> None:
                it = await talk("ask me", NESTED)
                copy = await copied(client, it)
                assert await copy.said() == ["ask me"]
                await it.turn("two", multitask_strategy="interrupt")
                result: Any = await client.runs.wait(
                    copy.thread_id, NESTED, command={"resume": "the copy goes on"}
                )
                # The second sub-graph asks as well.
                assert result["__interrupt__"]
                assert "heard: the copy goes on" in await copy.said()

            async def copies_while_the_source_runs() -> None:
                it = await talk()
                turns = ["two", "three", "four"]
                whole = [text for turn in ["one", *turns] for text in turn_of(turn)]
                copies: list[Talk] = []

                async def copy_after_each_step() -> None:
                    while (said := rows.said(it.thread_id)) != whole:
                        copies.append(await copied(client, it))
                        await until(lambda: rows.said(it.thread_id) != said)

                copying = asyncio.create_task(copy_after_each_step())
                for text in turns:
                    await it.turn(text)
                await copying
                assert await it.said() == whole
                assert len(copies) >= len(turns)
                await asyncio.gather(*(assert_can_go_on(copy, whole) for copy in copies))

            async def assert_can_go_on(copy: Talk, whole: list[str]) -> None:
                said = await copy.said()
                assert said == whole[: len(said)]
                if len(said) % 3 == 0:
                    await copy.turn("on")
                    assert await copy.said() == [*said, *turn_of("on")]
                else:
                    # In the middle of a turn, which the copy finishes.
                    await client.runs.wait(copy.thread_id, STEPS, input=None)
                    after = await copy.said()
                    assert after == whole[: len(after)]
                    assert len(after) % 3 == 0

            async def deleted() -> None:
                it, other = await talk(), await talk()
                messages = "SELECT * FROM messages WHERE content = 'done: gone'"
                await it.turn("gone")
                assert len(rows.select(messages)) == 1
                await client.threads.delete(it.thread_id)
                assert rows.of_thread(it.thread_id) == {}
                assert rows.select(messages) == []
                assert await other.said() == turn_of("one")

            async def deleted_and_made_again() -> None:
                it = await talk()
                await client.threads.delete(it.thread_id)
                await client.threads.create(thread_id=it.thread_id, graph_id=STEPS)
                await it.turn("two")
                assert await it.said() == turn_of("two")
                assert rows.conversation(it.thread_id)["title"] == "two"

            async def deleted_with_sub_graphs() -> None:
                it = await talk("one", NESTED)
                assert rows.of_thread(it.thread_id)
                await client.threads.delete(it.thread_id)
                assert rows.of_thread(it.thread_id) == {}

            async def pruned() -> None:
                threads = [await talk() for _ in range(3)]
                gone, kept = threads[:2], threads[2]
                answer = await client.threads.prune([it.thread_id for it in gone])
                assert answer == {"pruned_count": 2}
                for it in gone:
                    assert rows.of_thread(it.thread_id) == {}
                assert await kept.said() == turn_of("one")
                # The in-memory server has no other strategy. When it does, this test has to see
                # that the rows are the state after it, as tests/storage/test_pruning.py does.
                with pytest.raises(UnprocessableEntityError, match="keep_latest"):
                    await client.threads.prune([kept.thread_id], strategy="keep_latest")

            async def pruned_beside_the_server() -> None:
                it = await talk("one", NESTED)
                await it.turn("two")
                said = await it.said()
                async with connect(database_url) as database:
                    await TranscriptSaver(database.pool).aprune([it.thread_id])
                assert len(await client.threads.get_history(it.thread_id)) == 1
                assert await it.said() == said
                await it.turn("three")
                assert (await it.said())[: len(said)] == said

            async def shared_with_another_process() -> None:
                it = await talk()
                async with connect(database_url) as database:
                    other: Graph = steps.copy(
                        update={"checkpointer": TranscriptSaver(database.pool)}
                    )
                    await other.ainvoke(saying("two"), on(it.thread_id))
                    assert await it.said() == [*turn_of("one"), *turn_of("two")]
                    await it.turn("three")
                    await asyncio.gather(
                        it.turn("from the server"),
                        other.ainvoke(saying("from beside it"), on(it.thread_id)),
                    )
                    # Whichever was first, both show the same.
                    said = await it.said()
                    state = await other.aget_state(on(it.thread_id))
                    assert [message.content for message in state.values["messages"]] == said
                await it.turn("four")
                assert (await it.said())[-3:] == turn_of("four")

            async def deleted_under_a_run() -> None:
                it = await talk()
                await it.start_and_reach("wait for me")
                await client.threads.delete(it.thread_id)
                await until(lambda: rows.of_thread(it.thread_id) == {})

            await together(
                runs_of_the_source_deleted_after_a_copy(),
                copy_of_nothing(),
                copy_of_sub_graphs(),
                copies_while_the_source_runs(),
                deleted(),
                deleted_and_made_again(),
                deleted_with_sub_graphs(),
                pruned(),
                pruned_beside_the_server(),
                shared_with_another_process(),
                deleted_under_a_run(),
            )
