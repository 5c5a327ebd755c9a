"""What the database refuses of tasks, whoever writes them, and what it can't keep away."""

import asyncio

import psycopg
import pytest

from storage.database import Database
from tests.tools.support import person
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


async def test_a_circle_that_somebody_made_by_hand_is_followed_once(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", "c")
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "UPDATE tasks t SET parent_id = o.id FROM tasks o WHERE (t.number, o.number)"
                " IN ((1, 2), (2, 1))"
            )
        async with asyncio.timeout(30):
            assert "open_subtasks" in await ann.named("get_tasks", 1)
            assert "deep" in await ann.refused("update_tasks", task=3, parent=1)
            await ann.one("update_tasks", task=1, parent="none")
            await ann.named("delete_tasks", 1)
            assert await ann.titles() == ["c"]


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
