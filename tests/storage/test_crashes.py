"""A worker is killed at any instant: what it was told is stored is there, once, and whole."""

import asyncio
import os
import random
from collections import Counter
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.database import Database
from storage.settings import libpq_uri, parse_url
from storage.verifying import problems
from tests.storage.crash_worker import conversations
from tests.storage.killing import Known, await_silence, check, messages, worker
from tests.storage.support import fetch
from tests.storage.talking import items

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
KILLS = 400 if LONG else 15
CHATS = 6
#: After so many kills the threads are others, so that their first steps are interrupted as well.
KILLS_PER_THREAD = 5
#: Seconds that a worker has at most; a turn takes less.
LIFE_MAX = 0.5


async def check_whole(database: Database, known: Known) -> None:
    """Nothing is left open, foreign, lost or done twice."""
    added: Counter[str] = Counter()
    for thread_id in known.has:
        asked, answered = [], []
        for message in await messages(database, thread_id):
            if isinstance(message, AIMessage):
                asked += [call["id"] for call in message.tool_calls]
            if isinstance(message, ToolMessage):
                answered.append(message.tool_call_id)
                [change] = items(message)
                if change["action"] == "added":
                    added[change["task"]["title"]] += 1
        assert asked == answered
    assert set(added.values()) == {1}
    tasks = Counter(row["title"] for row in await fetch(database, "SELECT title FROM tasks"))
    assert set(tasks.values()) == {1}
    assert added.keys() <= tasks.keys()
    serde = JsonPlusSerializer()
    rows = await fetch(
        database,
        "SELECT c.thread_id, m.payload_type, m.payload FROM messages m"
        " JOIN conversations c ON c.id = m.conversation_id",
    )
    for row in rows:
        message = serde.loads_typed((row["payload_type"], row["payload"]))
        owner = str(message.id).removeprefix("result-").split(":")[0]
        assert owner == row["thread_id"] or row["thread_id"].startswith("copy")
    assert await problems(database.pool) == []


@pytest.mark.timeout(3600 if LONG else 180)
async def test_a_worker_that_is_killed_at_any_instant_loses_nothing_it_was_told_is_stored(
    database: Database, database_url: str
) -> None:
    chance = random.Random(20261125)
    application = f"worker {uuid4()}"
    url = parse_url(database_url).update_query_dict({"application_name": application})
    with worker("tests.storage.crash_worker", libpq_uri(url)) as processes:
        known = processes.known
        for kill in range(KILLS):
            threads = [f"chat {kill // KILLS_PER_THREAD}-{number}" for number in range(CHATS)]
            told = await asyncio.to_thread(
                processes.run,
                threads,
                chance.uniform(0, LIFE_MAX),
                from_start=chance.random() < 0.1,
            )
            await await_silence(database, application)
            known.update(told)
            await check(database, told)
    told = Known()
    async with conversations(database, told.add) as talks:
        await asyncio.gather(*(talks.resume(thread_id) for thread_id in known.has))
    known.update(told)
    await check(database, known)
    await check_whole(database, known)
    count = sum(map(len, known.has.values()))
    assert count > KILLS * CHATS
    assert len(known.allows) > KILLS / 4
