"""Many calls of one user at the same time, from one process and from several."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from psycopg import sql

from storage.database import Database, connect
from tests.storage.embedded_support import CHECKOUT
from tests.tools.support import Person, person, rows
from tools.context import META_KEY

AT_ONCE = 32
NUMBERS = "SELECT number FROM tasks ORDER BY number"
POSITIONS = "SELECT position FROM task_events ORDER BY position"


def numbers(database_url: str) -> tuple[list[int], list[int]]:
    """The numbers of all tasks, and the positions of all events."""
    return (
        [row["number"] for row in rows(database_url, NUMBERS)],
        [row["position"] for row in rows(database_url, POSITIONS)],
    )


def up_to(count: int) -> tuple[list[int], list[int]]:
    return list(range(1, count + 1)), list(range(1, count + 1))


def title_numbers(answers: list[dict[str, Any]]) -> list[list[tuple[str, int]]]:
    return [
        [(one["task"]["title"], one["task"]["number"]) for one in answer["results"]]
        for answer in answers
    ]


async def test_32_calls_at_once_give_each_task_a_number_of_its_own_and_each_batch_its_order(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        answers = await asyncio.gather(
            *(
                ann.answer("add_tasks", tasks=[f"{call} a", f"{call} b", f"{call} c"])
                for call in range(AT_ONCE)
            )
        )
        assert numbers(database_url) == up_to(3 * AT_ONCE)
        for call, batch in enumerate(title_numbers(answers)):
            first = batch[0][1]
            # Nothing of another call comes in between.
            assert batch == [(f"{call} {part}", first + n) for n, part in enumerate("abc")]


async def test_32_calls_at_once_of_different_kinds_leave_a_ledger_that_makes_the_tasks(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        for start in range(2):
            await ann.answer(
                "add_tasks", tasks=[f"task {n}" for n in range(start * 8, start * 8 + 8)]
            )
        # Each task is named by four calls, of which each leaves a mark of its own.
        await asyncio.gather(
            *(
                ann.answer(tool, tasks=[item(number)])
                for number in range(1, AT_ONCE // 4 + 1)
                for tool, item in (
                    ("update_tasks", lambda n: {"task": n, "priority": "high"}),
                    ("update_tasks", lambda n: {"task": n, "labels": ["+x"]}),
                    ("reschedule_tasks", lambda n: {"task": n, "due": "tomorrow"}),
                    ("complete_tasks", lambda n: n),
                )
            )
        )
        for number in range(1, AT_ONCE // 4 + 1):
            task = await ann.task(number)
            assert (task["priority"], task["labels"], task["due"]) == ("high", ["x"], "2026-11-19")
            assert "completed" in task
            # One change begins with what the one before left.
            events = (await ann.answer("find_activity", task=number))["events"]
            assert len(events) == 5
    chain = rows(
        database_url,
        "SELECT before = lag(after) OVER (PARTITION BY task_number ORDER BY position) AS follows,"
        " action FROM task_events",
    )
    assert all(row["follows"] for row in chain if row["action"] != "added")


async def test_labels_added_by_32_calls_at_once_to_four_tasks_are_all_there(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add(*(f"task {number}" for number in range(4)))
        await asyncio.gather(
            *(
                ann.answer("update_tasks", tasks=[{"task": 1 + call % 4, "labels": [f"+l{call}"]}])
                for call in range(AT_ONCE)
            )
        )
        for number in range(4):
            labels = (await ann.task(number + 1))["labels"]
            assert set(labels) == {f"l{call}" for call in range(AT_ONCE) if call % 4 == number}


async def test_a_task_completed_by_32_calls_at_once_has_one_next_occurrence(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Water plants", due="tomorrow", repeats="every day")
        answers = await asyncio.gather(
            *(ann.answer("complete_tasks", tasks=[1]) for _ in range(AT_ONCE))
        )
        statuses = [answer["results"][0]["status"] for answer in answers]
        assert sorted(set(statuses)) == ["done", "unchanged"]
        assert statuses.count("done") == 1
        assert (await ann.answer("find_tasks", state="all"))["total"] == 2


@asynccontextmanager
async def server_process(database_url: str) -> AsyncIterator[Person]:
    """Ann, with a task server in a process of her own."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cli", "mcp"],
        env={"DATABASE_URL": database_url, "TASK_AGENT_USER": "ann", "TASK_AGENT_ENV_FILE": ""},
        cwd=CHECKOUT,
    )
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield Person(session, {})


async def test_two_processes_of_one_user_give_no_number_twice_and_make_a_shared_call_once(
    database: Database, database_url: str
) -> None:
    async with (
        server_process(database_url) as here,
        server_process(database_url) as there,
        person(database) as ann,
    ):
        calls = [
            one.saying({META_KEY: key}).answer("add_tasks", tasks=[f"{key} a", f"{key} b"])
            for number in range(AT_ONCE // 2)
            for one, key in (
                (here, f"here {number}"),
                (there, f"there {number}"),
                # Both make this one.
                (here, f"both {number}"),
                (there, f"both {number}"),
            )
        ]
        answers = await asyncio.gather(*calls)
        assert numbers(database_url) == up_to(3 * AT_ONCE)
        for start in range(0, len(answers), 4):
            assert answers[start + 2] == answers[start + 3]
        assert (await ann.answer("find_tasks"))["total"] == 3 * AT_ONCE


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_where_the_database_isolates_more_no_call_fails_for_another(
    database_url: str, level: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_isolation TO {}").format(
                sql.Identifier(name), sql.Literal(level)
            )
        )
    async with connect(database_url) as database, person(database) as ann:
        bob = ann.saying({"task-agent/user": "bob"})
        await asyncio.gather(
            *(
                one.answer("add_tasks", tasks=[f"{call} a", f"{call} b"])
                for call in range(AT_ONCE // 2)
                for one in (ann, bob)
            )
        )
        for one in (ann, bob):
            assert len(await one.titles(limit=100)) == AT_ONCE


DEADLOCK = """
    CREATE SEQUENCE struck;
    CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('struck') <= {times} THEN RAISE '{code}' USING ERRCODE = '{code}'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER strike AFTER INSERT ON task_calls {when}
    FOR EACH ROW EXECUTE FUNCTION strike();
"""


@pytest.mark.parametrize("when", ["", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_change_that_the_database_rolled_back_for_another_is_made_again(
    database: Database, database_url: str, code: str, when: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(DEADLOCK.format(code=code, when=when, times=2))
    async with person(database) as ann:
        added = await ann.add("Buy milk", "Buy bread")
        assert added["number"] == 2
    assert numbers(database_url) == up_to(2)


async def test_a_change_that_is_rolled_back_again_and_again_is_said_not_to_have_been_made(
    database: Database, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(DEADLOCK.format(code="40P01", when="", times=1000))
    async with person(database) as ann:
        assert "nothing was changed" in await ann.error("add_tasks", tasks=["Buy milk"])
    assert numbers(database_url) == up_to(0)
