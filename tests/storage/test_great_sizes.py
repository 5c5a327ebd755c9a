"""Very long messages, and very many: kept like any other, in time that grows with them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.transcript import CallsAsked, row_of
from storage.verifying import problems
from tests.storage.speaking import another_process, both_show, graph_of
from tests.storage.support import active_branch, count, fetch, on

MANY = 10_000


def call(number: int) -> dict[str, Any]:
    return {"name": "count", "args": {"number": number}, "id": f"call {number}"}


def answer(number: int) -> ToolMessage:
    return ToolMessage(f"{number}", tool_call_id=f"call {number}", id=f"answer {number}")


@pytest.mark.parametrize("said", ["x" * 10_000_000, "é\x00" * 2_000_000, " \n" * 1_000_000])
async def test_a_message_of_ten_million_bytes_is_kept(database: Database, said: str) -> None:
    await both_show(database, HumanMessage(said, id="long"))
    rows = await active_branch(database, "t")
    assert rows[1]["content"] == said.replace("\x00", "\ufffd")


async def test_a_message_of_ten_thousand_tool_calls_is_kept_with_its_answers(
    database: Database,
) -> None:
    calls = [call(number) for number in range(MANY)]
    answers = [answer(number) for number in range(MANY)]
    graph = graph_of(TranscriptSaver(database.pool))
    said = [AIMessage("", id="asked", tool_calls=calls), *answers]
    await graph.ainvoke({"messages": said}, on("t"), durability="exit")
    read = await another_process(database).aget_tuple(on("t"))
    assert read is not None
    assert read.checkpoint["channel_values"]["messages"] == said
    rows = await fetch(database, "SELECT tool_calls FROM messages ORDER BY created_at")
    assert len(rows[0]["tool_calls"]) == MANY
    arguments = [row["tool_calls"][0]["arguments"] for row in rows[1:]]
    assert arguments == [{"number": number} for number in range(MANY)]
    assert await problems(database.pool) == []


async def test_ten_thousand_messages_are_put_at_once(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    messages = [HumanMessage(f"{number}", id=f"{number}") for number in range(MANY)]
    await graph_of(saver).ainvoke({"messages": messages}, on("t"), durability="exit")
    read = await another_process(database).aget_tuple(on("t"))
    assert read is not None
    assert read.checkpoint["channel_values"]["messages"] == messages
    assert await count(database, "messages") == MANY


def rows_of(messages: list[BaseMessage]) -> list[Any]:
    asked = CallsAsked(messages)
    return [
        row_of(
            messages, position, parent=None, payload_type="", payload=b"",
            now=datetime.now(UTC), asked=asked,
        )
        for position in range(len(messages))
    ]  # fmt: skip


@pytest.mark.parametrize(
    "conversation",
    [
        # All asked for in one message, by one message each, and by none.
        lambda many: [
            AIMessage("", tool_calls=[call(number) for number in range(many)]),
            *(answer(number) for number in range(many)),
        ],
        lambda many: [
            message
            for number in range(many)
            for message in (AIMessage("", tool_calls=[call(number)]), answer(number))
        ],
        lambda many: [answer(number) for number in range(many)],
        lambda many: [
            *(AIMessage("", tool_calls=[call(number)]) for number in range(many)),
            *(answer(-number) for number in range(1, many)),
        ],
    ],
)
def test_the_calls_of_ten_times_the_answers_are_found_in_ten_times_the_time(
    conversation: Callable[[int], list[BaseMessage]],
) -> None:
    def seconds(many: int) -> float:
        messages = conversation(many)
        times = []
        for _ in range(3):
            begun = time.process_time()
            rows_of(messages)
            times.append(time.process_time() - begun)
        return min(times)

    # Where each answer looks at all the messages before it, it takes a hundred times as long.
    assert seconds(2_000) < 30 * seconds(200)
