"""A process is killed between a change and its checkpoint: the change is there, and once."""

import asyncio
import os
import random
import signal
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from storage.database import Database
from storage.settings import libpq_uri, parse_url
from storage.verifying import problems
from tests.graph.counting import (
    check_answers,
    check_ledger,
    check_tasks,
    recorded_unanswered,
    shown_tasks,
)
from tests.graph.once_worker import UNDO, UNDOES, WORK, WRITES, Kill, Talk, changing, work_of
from tests.storage.killing import Known, await_silence, check, worker
from tests.storage.talking import user_of

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
KILLS = 400 if LONG else 8
CHATS = 4
#: After so many kills the threads are others, so that their first turns are killed as well.
KILLS_PER_THREAD = 5
#: Seconds that a worker has at most, where another process kills it.
LIFE_MAX = 0.6
#: Seconds between a call's beginning, or its commit, and the kill.
CALL_MAX, GAP_MAX = 0.05, 0.005
MODULE = "tests.graph.once_worker"


def named(database_url: str) -> tuple[str, str]:
    """A URI whose sessions can be told from others by a name, and the name."""
    application = f"worker {uuid4()}"
    url = parse_url(database_url).update_query_dict({"application_name": application})
    return libpq_uri(url), application


async def titles(database: Database, thread_id: str) -> Counter[tuple[str, str, bool]]:
    """A thread's tasks: what follows the subject in the title, the priority, whether it's done."""
    return Counter(
        (task["title"].split()[-1], task["priority"], "completed" in task)
        for task in await shown_tasks(database, user_of(thread_id))
        if task["title"].startswith(f"{thread_id}:")
    )


#: What `work` leaves; that it is taken back is nothing at all.
DONE = Counter(
    {
        ("a", "normal", True): 1,
        ("b", "normal", True): 1,
        ("b", "normal", False): 1,
        ("d", "urgent", False): 1,
    }
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("committed", "at"),
    [
        (True, (*range(1, WRITES + 1), UNDOES)),
        (False, (*range(1, WRITES + 1), UNDOES) if LONG else (2, 4, UNDOES)),
    ],
)
async def test_a_process_killed_at_each_call_of_a_turn_makes_each_change_once(
    database: Database, database_url: str, *, committed: bool, at: tuple[int, ...]
) -> None:
    uri, application = named(database_url)
    known = Known()

    def run(talk: Talk) -> int:
        told, code = processes.run_to_end(work_of(talk))
        known.update(told)
        return code

    with worker(MODULE, uri) as processes:
        for call in at:
            thread_id = f"chat {call}"
            killed = Talk([thread_id], [WORK, UNDO], kill=Kill(call, committed))
            assert await asyncio.to_thread(run, killed) == -signal.SIGKILL
            await await_silence(database, application)
            if committed:
                # The change is there, and nothing of the conversation tells of it.
                assert len(await recorded_unanswered(database, [thread_id])) >= 1
            assert await asyncio.to_thread(run, Talk([thread_id], [])) == 0
            assert await recorded_unanswered(database, [thread_id]) == []
            left = Counter() if call == UNDOES else DONE
            assert await titles(database, thread_id) == left
    known.update(processes.known)
    await check(database, known)
    await check_all(database, known)


async def check_all(database: Database, known: Known) -> None:
    """What was said is what is there, in the ledger and in the tasks."""
    await check_answers(database, list(known.has))
    await check_ledger(database)
    await check_tasks(database, list(known.has))
    assert await problems(database.pool) == []


def some_kill(chance: random.Random) -> dict[str, Any]:
    """An instant at a call or soon after its commit."""
    committed = chance.random() < 0.7
    delay = chance.uniform(0, GAP_MAX if committed else CALL_MAX)
    return {
        "kill": Kill(chance.randint(1, 2 * CHATS), committed, 0 if chance.random() < 0.3 else delay)
    }


@pytest.mark.timeout(7200 if LONG else 180)
async def test_a_process_killed_at_any_instant_makes_no_change_twice_and_loses_none(
    database: Database, database_url: str
) -> None:
    chance = random.Random(20261125)
    uri, application = named(database_url)
    in_between: set[str] = set()
    with worker(MODULE, uri) as processes:
        known = processes.known
        for kill in range(KILLS):
            threads = [f"chat {kill // KILLS_PER_THREAD}-{number}" for number in range(CHATS)]
            # Whoever does not wait for the end of a turn says something new.
            talk: dict[str, Any] = {"threads": threads, "resume": chance.random() < 0.7}
            if chance.random() < 0.3:
                told = await asyncio.to_thread(
                    processes.run,
                    work_of(Talk(**talk)),
                    chance.uniform(0, LIFE_MAX),
                    from_start=False,
                )
            else:
                work = work_of(Talk(**talk, **some_kill(chance)))
                told, code = await asyncio.to_thread(processes.run_to_end, work)
                assert code == -signal.SIGKILL
            await await_silence(database, application)
            known.update(told)
            await check(database, told)
            in_between |= {made.key for made in await recorded_unanswered(database, threads)}
    told = Known()
    async with changing(database, told.add) as conversations:
        for thread_id in known.has:
            await conversations.change(thread_id, [], resume=True)
    known.update(told)
    await check(database, known)
    assert await recorded_unanswered(database, list(known.has)) == []
    await check_all(database, known)
    # Else the kills missed what this is about.
    assert len(in_between) > KILLS / 3
