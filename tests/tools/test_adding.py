"""Adding tasks."""

from typing import Any

import pytest

from storage.database import Database
from tests.tools.support import counts, person, rows


async def test_an_added_task_has_everything_that_was_said_of_it(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Errands"])
        result = await ann.one(
            "add_tasks",
            title="  Buy \n milk ",
            notes=" the good one\nnot the other ",
            priority="urgent",
            labels=["#Shop", "home", "shop", "two words"],
            due="tomorrow at 9",
            starts="today",
            list="errands",
        )
    assert result == {
        "item": 1,
        "status": "done",
        "action": "added",
        "task": {
            "number": 1,
            "title": "Buy milk",
            "notes": "the good one\nnot the other",
            "priority": "urgent",
            "labels": ["shop", "home", "two-words"],
            "due": "2026-11-19T09:00:00+01:00",
            "starts": "2026-11-18",
            "list": "Errands",
            "created": "2026-11-18T10:00:00+01:00",
        },
    }
    [row] = rows(database_url, "SELECT due_is_day, due_zone, searched FROM tasks")
    assert row == {
        "due_is_day": False,
        "due_zone": "Europe/Berlin",
        "searched": "buy milk\nthe good one\nnot the other",
    }


async def test_a_day_without_a_time_is_shown_as_a_day_wherever_the_user_is(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        assert (await ann.add("Milk", due="2026-12-01"))["due"] == "2026-12-01"
        elsewhere = ann.saying({"task-agent/time-zone": "Asia/Tokyo"})
        assert (await elsewhere.task(1))["due"] == "2026-12-01"
    [row] = rows(database_url, "SELECT due_at::text, due_is_day FROM tasks")
    assert row["due_is_day"]


async def test_dates_are_read_as_the_users_locale_writes_them(database: Database) -> None:
    async with person(database) as ann:
        austrian = ann.saying({"task-agent/locale": "de-AT"})
        assert (await austrian.add("Milk", due="15.3."))["due"] == "2027-03-15"


async def test_a_due_time_in_the_past_is_kept_and_remarked_on(database: Database) -> None:
    async with person(database) as ann:
        result = await ann.one("add_tasks", title="Milk", due="yesterday at 9")
    assert result["task"]["due"] == "2026-11-17T09:00:00+01:00"
    assert "past" in result["note"]


@pytest.mark.parametrize(
    "values",
    [
        {"title": " "},
        {"title": "x" * 501},
        {"title": "a\x00b"},
        {"title": "a", "notes": "a\x00b"},
        {"title": "a", "notes": "x" * 10_001},
        {"title": "a", "labels": ["x\x00"]},
        {"title": "a", "labels": [" "]},
        {"title": "a", "labels": [f"l{n}" for n in range(21)]},
        {"title": "a", "due": "2026-12-01", "starts": "2026-12-02"},
        {"title": "a", "parent": "1"},
        {"title": "a", "list": "a\x00"},
        {"title": "a", "repeats": "every day at 9", "due": "tomorrow at 10"},
    ],
)
async def test_a_task_that_cannot_be_is_refused(
    database: Database, database_url: str, values: dict[str, Any]
) -> None:
    async with person(database) as ann:
        said = await ann.refused("add_tasks", **values)
    assert len(said) < 500
    assert counts(database_url) == (0, 0)


async def test_text_of_every_script_is_stored_as_it_is(database: Database) -> None:
    title = "Zahnärztin 🦷 مرحبا 买牛奶 O'Neil %s {x} \\"
    async with person(database) as ann:
        await ann.add(title)
        assert await ann.titles() == [title]


async def test_a_task_that_repeats_is_due_when_it_first_does(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        task = await ann.add("Water plants", repeats="every tuesday at 18:00")
    assert task["due"] == "2026-11-24T18:00:00+01:00"
    assert "Tuesday" in task["repeats"]
    [row] = rows(
        database_url,
        "SELECT recurrence, recurs_from, recurrence_start = due_at AS begins_when_due,"
        " occurs_at = due_at AS is_the_first FROM tasks",
    )
    assert row == {
        "recurrence": "FREQ=WEEKLY;BYDAY=TU",
        "recurs_from": "due",
        "begins_when_due": True,
        "is_the_first": True,
    }


async def test_a_subtask_is_in_its_parents_list(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work", "Home"])
        await ann.add("Report", list="Work")
        part = await ann.add("Numbers", parent="report")
        assert (part["parent"], part["list"]) == (1, "Work")
        assert "parent" in await ann.refused("add_tasks", title="x", parent=1, list="Home")
        assert (await ann.task(1))["open_subtasks"] == 1


async def test_a_parent_may_be_added_by_the_same_call(database: Database) -> None:
    async with person(database) as ann:
        answer = await ann.answer(
            "add_tasks", tasks=["Trip", {"title": "Tickets", "parent": "the trip"}]
        )
    assert [result["task"].get("parent") for result in answer["results"]] == [None, 1]


async def test_tasks_are_within_one_another_to_a_certain_depth(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("level 1")
        for level in range(2, 6):
            await ann.add(f"level {level}", parent=level - 1)
        assert "5 deep" in await ann.refused("add_tasks", title="level 6", parent=5)


async def test_a_number_is_never_given_twice(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await ann.add("one", "two")
        await ann.named("delete_tasks", 2)
        assert (await ann.add("three"))["number"] == 3
        # A row that somebody put there by hand has no event.
        rows(
            database_url,
            "INSERT INTO tasks (id, user_id, number, title)"
            " SELECT gen_random_uuid(), id, 7, 'by hand' FROM users RETURNING number",
        )
        assert (await ann.add("eight"))["number"] == 8


async def test_an_item_that_fails_takes_no_number(database: Database) -> None:
    async with person(database) as ann:
        answer = await ann.answer(
            "add_tasks", tasks=["a", {"title": "b", "due": "soonish"}, {"title": "c"}]
        )
    assert [result.get("task", {}).get("number") for result in answer["results"]] == [1, None, 2]
    assert (answer["changed"], answer["failed"]) == (2, 1)
