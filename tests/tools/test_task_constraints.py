"""What the database refuses of tasks, whoever writes them, and what it can't keep away."""

import asyncio

import psycopg
import pytest

from storage.database import Database
from tests.tools.support import Person, person, rows
from tools.models import LABEL_MAX, LABELS_MAX


@pytest.mark.parametrize(
    "change",
    [
        "title = ' '",
        "number = 0",
        "number = 2",
        "labels = '{\"\"}'",
        "labels = '{a,NULL}'",
        f"labels = ARRAY['a', repeat('ä', {LABEL_MAX + 1})]",
        f"labels = (SELECT array_agg(n::text) FROM generate_series(0, {LABELS_MAX}) n)",
        "list_id = (SELECT id FROM task_lists WHERE name = 'Bob''s')",
        "parent_id = (SELECT id FROM tasks WHERE title = 'Bob''s')",
        "parent_id = id",
        "due_at = now()",
        "due_zone = 'UTC'",
        "due_is_day = true",
        "due_at = '2026-12-01Z', due_zone = 'UTC', starts_on = '2026-12-03'",
        "recurrence = 'FREQ=DAILY'",
    ],
)
async def test_the_database_refuses_what_no_tool_would_store(
    database: Database, database_url: str, change: str
) -> None:
    async with person(database) as ann, person(database, "bob") as bob:
        await ann.add("a", "b")
        await bob.answer("save_lists", lists=["Bob's"])
        await bob.add("Bob's", list="Bob's")
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.IntegrityError):
        connection.execute(f"UPDATE tasks SET {change} WHERE title = 'a'".encode())


async def test_labels_of_the_greatest_length_are_stored(database: Database) -> None:
    async with person(database) as ann:
        labels = [f"{n:02}" + "😀" * (LABEL_MAX - 2) for n in range(LABELS_MAX)]
        assert (await ann.add("a", labels=labels))["labels"] == labels


#: A task with a part, which has one too, and a task by itself; a list with a task.
async def trees(ann: Person) -> None:
    await ann.answer("save_lists", lists=["Work"])
    await ann.add("a", "b")
    await ann.add("a's part", parent="a")
    await ann.add("a part of a's part", parent=3)
    await ann.add("c", list="Work")


@pytest.mark.parametrize(
    "change",
    [
        # A circle of two, of three, and one with the depths that each by itself might have.
        "parent_id = CASE number WHEN 1 THEN 2 WHEN 2 THEN 1 END",
        "parent_id = CASE number WHEN 1 THEN 4 END",
        "parent_id = CASE number WHEN 1 THEN 4 END, depth = CASE number WHEN 1 THEN 3 END",
        "parent_id = CASE number WHEN 3 THEN 4 WHEN 4 THEN 3 END",
        # A part in another list, and the other way round.
        "list_id = CASE number WHEN 3 THEN 'Work' END",
        "list_id = CASE number WHEN 1 THEN 'Work' END",
        "parent_id = CASE number WHEN 2 THEN 5 END, depth = CASE number WHEN 2 THEN 1 END",
        "list_id = CASE number WHEN 1 THEN 'Work' WHEN 3 THEN 'Work' END",
        # A depth that is not what it is.
        "depth = CASE number WHEN 2 THEN 1 END",
        "depth = CASE number WHEN 3 THEN 0 END",
        "depth = CASE number WHEN 4 THEN 3 END",
        "depth = CASE number WHEN 2 THEN -1 END",
        "depth = number + 5",
    ],
)
@pytest.mark.parametrize("deferred", [False, True])
async def test_the_database_refuses_trees_that_no_tool_would_grow(
    database: Database, database_url: str, change: str, deferred: bool
) -> None:
    async with person(database) as ann:
        await trees(ann)
    ids = {
        "parent_id": "(SELECT id FROM tasks o WHERE o.number = ({}))",
        "list_id": "(SELECT id FROM task_lists l WHERE l.name = ({}))",
        "depth": "{}",
    }
    changes = []
    for part in change.split(", "):
        column, value = part.replace("number", "tasks.number").split(" = ", 1)
        changes.append(f"{column} = coalesce({ids[column].format(value)}, {column})")
    update = f"UPDATE tasks SET {', '.join(changes)}"
    if deferred:
        update = f"SET CONSTRAINTS ALL DEFERRED; {update}; SET CONSTRAINTS ALL IMMEDIATE"
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.IntegrityError):
        connection.execute(update.encode())


async def test_whole_trees_go_to_another_list_by_hand_too(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await trees(ann)
        work = "(SELECT id FROM task_lists)"
        with psycopg.connect(database_url) as connection:
            connection.execute(f"UPDATE tasks SET list_id = {work} WHERE number <> 2".encode())
        assert (await ann.task(4))["list"] == "Work"


async def test_two_who_each_make_the_others_task_a_part_of_theirs_make_no_circle(
    database: Database, database_url: str
) -> None:
    """Neither sees what the other has done when it looks."""
    async with person(database) as ann:
        await ann.add("a", "b", "c")
    move = (
        "UPDATE tasks SET depth = 1, parent_id = (SELECT id FROM tasks WHERE number = %s)"
        " WHERE number = %s"
    )
    async with (
        await psycopg.AsyncConnection.connect(database_url) as one,
        await psycopg.AsyncConnection.connect(database_url) as other,
    ):
        for connection in (one, other):
            await connection.execute("SET CONSTRAINTS ALL DEFERRED")
        await one.execute(move, (2, 1))
        await other.execute(move, (1, 2))
        done = await asyncio.gather(one.commit(), other.commit(), return_exceptions=True)
    # Both wait for the task that the other one moved, and one of them, if not both, has to give up.
    refused = [error for error in done if error is not None]
    assert refused
    assert all(
        isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.ForeignKeyViolation)
        for error in refused
    )
    found = rows(database_url, "SELECT number, depth FROM tasks WHERE parent_id IS NOT NULL")
    assert len(found) + len(refused) == 2


async def test_of_two_calls_that_would_make_a_circle_together_one_is_refused(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("a", "b")
        await ann.add("a's part", parent="a")
        await ann.add("b's part", parent="b")
        answers = await asyncio.gather(
            ann.ask("update_tasks", tasks=[{"task": 1, "parent": 4}]),
            ann.ask("update_tasks", tasks=[{"task": 2, "parent": 3}]),
        )
        assert sorted(answer.isError for answer in answers) == [False, True]


async def test_a_task_of_a_zone_that_is_not_known_does_not_hide_the_others(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", due="tomorrow at 9", repeats="every day")
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE tasks SET due_zone = 'Mars/Olympus' WHERE number = 1")
        assert await ann.titles() == ["a", "b"]
        assert (await ann.task(1))["due"] == "2026-11-19T09:00:00+01:00"
        assert (await ann.named("complete_tasks", 1))["next"]["due"] == "2026-11-20T09:00:00+01:00"
