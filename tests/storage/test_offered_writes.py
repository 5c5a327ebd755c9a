"""What the last task of a step wrote is stored with the step that is made of it, or alone."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.graph import MessagesState

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.offered_writes import OfferedWrites
from storage.redacting import redact
from storage.verifying import problems
from tests.storage.support import (
    active_branch,
    assert_rows_are_the_state,
    chat_graph,
    fetch,
    on,
    say,
)

ROWS: Any = [("t", "", "1", "task", "", 0, "messages", "msgpack", b"")]

#: Which transactions stored a step, and which the writes to the checkpoint before.
TRANSACTIONS = """
    SELECT checkpoint.metadata ->> 'step' AS step, write.channel,
           checkpoint.xmin::text = write.xmin::text AS together
    FROM checkpoints checkpoint JOIN checkpoint_writes write
        ON write.checkpoint_id = checkpoint.parent_checkpoint_id
    WHERE checkpoint.checkpoint_ns = '' ORDER BY checkpoint.checkpoint_id, write.idx
"""


async def test_a_step_and_the_last_writes_before_it_are_one_transaction(
    database: Database,
) -> None:
    graph = chat_graph(TranscriptSaver(database.pool))
    await say(graph, "t", "one", durability="sync")
    await say(graph, "t", "two", durability="sync")
    found = await fetch(database, TRANSACTIONS)
    together = {row["step"] for row in found if row["together"]}
    # The input is written after the step that it belongs to has been put.
    assert together == {"1", "2", "5", "6"}
    assert all(row["together"] for row in found if row["step"] in together)
    assert await problems(database.pool, "t") == []


async def test_writes_whose_step_cannot_be_stored_are_stored_alone(database: Database) -> None:
    class Refusing(TranscriptSaver):
        async def aput(self, *args: Any) -> Any:
            metadata = args[2]
            if metadata["step"] == 1:
                with self._offered.taken("t", args[0]["configurable"]["checkpoint_id"]) as offers:
                    assert [offer.dumped[0][6] for offer in offers] == ["messages"]
                    raise ConnectionError("the step is not stored")
            return await super().aput(*args)

    with pytest.raises(ConnectionError):
        await say(chat_graph(Refusing(database.pool)), "t", "one", durability="sync")
    found = await fetch(
        database, "SELECT channel FROM checkpoint_writes WHERE channel = 'messages'"
    )
    assert len(found) == 2  # The input, and what the first node wrote.
    state = await chat_graph(TranscriptSaver(database.pool)).aget_state(on("t"))
    (task,) = state.tasks
    assert task.name == "ask"
    assert task.result is not None
    assert await problems(database.pool, "t") == []


async def test_a_message_redacted_meanwhile_is_not_brought_back_by_writes(
    database: Database,
) -> None:
    """The writes were made ready before the redaction was known, the step after it was."""
    other = TranscriptSaver(database.pool)

    async def repeat(state: MessagesState) -> dict[str, Any]:
        (row,) = await active_branch(database, "t")
        await redact(database.pool, str(row["id"]), serde=other.serde)
        await other._catch_up("t")
        return {"messages": [HumanMessage("a secret", id=state["messages"][0].id)]}

    class Learning(TranscriptSaver):
        async def aput(self, *args: Any) -> Any:
            if args[2]["step"] == 1:
                self._cache.forget("t")
                learnt, known = self._cache.thread("t"), other._cache.thread("t")
                learnt.conversation, learnt.redactions = known.conversation, known.redactions
            return await super().aput(*args)

    graph = chat_graph(Learning(database.pool), repeat)
    await say(graph, "t", "a secret", durability="sync")
    for table, column in (("messages", "payload"), ("checkpoint_writes", "blob")):
        query = f"SELECT FROM {table} WHERE position('a secret'::bytea IN {column}) > 0"
        assert await fetch(database, query) == [], table
    await assert_rows_are_the_state(database, graph, "t")


async def test_nothing_is_kept_of_what_was_offered(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    await say(chat_graph(saver), "t", "one", durability="sync")
    assert not saver._offered._offers


async def test_what_nobody_takes_is_not_stored_by_anybody() -> None:
    offered = OfferedWrites()
    assert not await offered.were_stored("t", "1", ROWS, (None, None))
    with offered.taken("t", "1") as offers:
        assert offers == []


async def test_what_is_taken_is_waited_for() -> None:
    offered = OfferedWrites()
    asked = asyncio.create_task(offered.were_stored("t", "1", ROWS, (None, None)))
    await asyncio.sleep(0)
    with offered.taken("t", "2") as offers:
        assert offers == []
    with offered.taken("t", "1") as offers:
        assert [offer.dumped for offer in offers] == [ROWS]
        for _ in range(3):
            await asyncio.sleep(0)
        assert not asked.done()
        offers[0].settle(stored=True)
    assert await asked


@pytest.mark.parametrize("stored", [True, False])
async def test_who_is_cancelled_while_it_is_taken_harms_nobody(stored: bool) -> None:
    offered = OfferedWrites()
    asked = asyncio.create_task(offered.were_stored("t", "1", ROWS, (None, None)))
    await asyncio.sleep(0)
    with offered.taken("t", "1") as offers:
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        offers[0].settle(stored=stored)


async def test_who_fails_after_taking_leaves_it_to_who_had_offered() -> None:
    offered = OfferedWrites()
    asked = asyncio.create_task(offered.were_stored("t", "1", ROWS, (None, None)))
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError), offered.taken("t", "1"):
        raise ZeroDivisionError
    assert not await asked
