"""Completing and reopening tasks, and what comes next of those that repeat."""

import pytest

from storage.database import Database
from tests.tools.support import counts, person, rows
from tools.changing.completing import LAST_TIME


async def test_a_completed_task_leaves_the_open_ones_with_the_time_it_was_done(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        done = await ann.at("2026-11-18T11:00:00+01:00").named("complete_tasks", "the milk")
        assert (done["action"], done["task"]["completed"]) == (
            "completed",
            "2026-11-18T11:00:00+01:00",
        )
        assert await ann.titles() == []
        assert await ann.titles(state="completed") == ["Buy milk"]


async def test_completing_again_changes_nothing_and_says_so(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        await ann.named("complete_tasks", 1)
        again = await ann.at("2026-11-18T12:00:00+01:00").named("complete_tasks", "milk", 1)
        assert (again["status"], again["task"]["completed"]) == (
            "unchanged",
            "2026-11-18T10:00:00+01:00",
        )
    assert counts(database_url) == (1, 2)


async def test_a_reopened_task_is_open_again(database: Database) -> None:
    async with person(database) as ann:
        task = await ann.add("Buy milk")
        await ann.named("complete_tasks", 1)
        assert (await ann.named("reopen_tasks", 1))["task"] == task
        assert (await ann.named("reopen_tasks", 1))["status"] == "unchanged"


async def test_reopening_means_a_completed_task_before_an_open_one(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Water plants")
        await ann.named("complete_tasks", 1)
        await ann.add("Water plants")
        assert (await ann.named("reopen_tasks", "plants"))["task"]["number"] == 1


async def test_a_parent_is_completed_and_says_what_is_open(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", "Pictures", parent=1)
        await ann.named("complete_tasks", "numbers")
        done = await ann.named("complete_tasks", "report")
        assert done["status"] == "done"
        assert done["open_subtasks"] == [{"number": 3, "title": "Pictures", "completed": False}]
        assert "open: 1" in done["note"]
        reopened = await ann.named("reopen_tasks", "numbers")
        assert "Task 1" in reopened["note"]


async def test_a_parent_is_completed_with_its_subtasks_where_that_is_asked(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", parent=1)
        await ann.add("Last year's", parent=2)
        done = await ann.named("complete_tasks", 1, with_subtasks=True)
        assert "open_subtasks" not in done
        assert "2" in done["note"]
        assert await ann.titles() == []


async def test_a_subtask_that_would_not_come_back_with_what_it_is_a_part_of_is_told(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Look after the flat")
        await ann.add("Feed the cat", parent=1, repeats="every day")
        await ann.add("Key", parent=1)
        done = await ann.named("complete_tasks", 1, with_subtasks=True)
        assert "completed with it: 2" in done["note"]
        assert "come back unless they are reopened: 1" in done["note"]
        await ann.named("reopen_tasks", 2)
        assert (await ann.named("complete_tasks", 2))["next"]["due"] == "2026-11-19"


async def test_of_subtasks_that_come_back_with_their_parent_nothing_of_the_kind_is_told(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Clean the flat", repeats="every saturday 2 times")
        await ann.add("Feed the cat", parent=1, repeats="every day", due="friday")
        first = await ann.named("complete_tasks", 1, with_subtasks=True)
        assert "come back" not in first["note"]
        last = await ann.at("2026-11-28T10:00:00+01:00").named(
            "complete_tasks", first["next"]["number"], with_subtasks=True
        )
        assert LAST_TIME in last["note"]
        assert "come back unless they are reopened: 1" in last["note"]


async def test_a_reopened_task_in_what_is_closed_says_so(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report", list="Work")
        await ann.add("Numbers", parent=1)
        await ann.named("complete_tasks", 1, with_subtasks=True)
        await ann.one("update_tasks", task=1, archived=True)
        await ann.one("update_tasks", task=2, archived=False)
        reopened = await ann.named("reopen_tasks", 2)
        assert reopened["note"] == "Task 1, of which it is a part, is archived."


async def test_a_subtask_of_what_is_closed_says_so(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report", "Milk")
        await ann.named("complete_tasks", 1)
        closed = "Task 1, of which it is a part, is completed."
        assert (await ann.one("add_tasks", title="Numbers", parent=1))["note"] == closed
        assert (await ann.one("update_tasks", task=2, parent=1))["note"] == closed


async def test_a_reopened_task_that_is_put_away_says_that_it_is_not_open(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.named("complete_tasks", 1)
        await ann.one("update_tasks", task=1, archived=True)
        reopened = await ann.named("reopen_tasks", 1)
        assert reopened["note"] == "It is archived; update_tasks takes it back."


async def test_a_subtask_that_was_put_away_is_not_open(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", "Pictures", parent=1)
        await ann.one("update_tasks", task="numbers", archived=True)
        assert (await ann.named("get_tasks", 1))["open_subtasks"] == [
            {"number": 3, "title": "Pictures", "completed": False}
        ]
        assert "open: 1" in (await ann.named("complete_tasks", 1))["note"]
        done = await ann.named("complete_tasks", 1, with_subtasks=True)
        assert "completed with it: 1" in done["note"]
        assert "completed" not in await ann.task(2)


async def test_a_subtask_repeats_in_the_next_occurrence_too(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("Clean the flat", repeats="every saturday")
        await ann.add("Feed the cat", parent=1, repeats="every day", due="friday")
        await ann.add("Dust", parent=1, repeats="every day 1 time", due="friday")
        await ann.turn().named("complete_tasks", 1, with_subtasks=True)
        found = {task["title"]: task for task in (await ann.answer("find_tasks"))["tasks"]}
        assert (found["Feed the cat"]["due"], found["Feed the cat"]["repeats"]) == (
            "2026-11-27",
            "every day",
        )
        assert "repeats" not in found["Dust"]
        assert "repeats" not in await ann.task(2)
        await ann.turn().answer("undo_changes")
        assert (await ann.task(2))["repeats"] == "every day"


async def test_a_task_that_repeats_comes_back_with_the_next_number(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        first = await ann.add(
            "Water plants",
            notes="all of them",
            labels=["home"],
            repeats="every tuesday at 18:00",
            starts="monday",
        )
        await ann.add("Something else")
        done = await ann.at("2026-11-24T17:00:00+01:00").named("complete_tasks", "plants")
        assert "repeats" not in done["task"]
        assert done["next"] == {
            **first,
            "number": 3,
            "due": "2026-12-01T18:00:00+01:00",
            "starts": "2026-11-30",
            "created": "2026-11-24T17:00:00+01:00",
        }
        assert await ann.titles() == ["Water plants", "Something else"]
    places = rows(database_url, "SELECT DISTINCT place FROM tasks WHERE title = 'Water plants'")
    assert len(places) == 1


@pytest.mark.parametrize(
    ("completed", "following"),
    [
        # Early: the next one is the one after it.
        ("2026-11-20T10:00:00+01:00", "2026-12-01"),
        ("2026-11-24T10:00:00+01:00", "2026-12-01"),
        # Late: those that were missed are past.
        ("2026-12-11T10:00:00+01:00", "2026-12-15"),
        # On the day of another one, that is still to be done.
        ("2026-12-08T10:00:00+01:00", "2026-12-08"),
    ],
)
async def test_the_next_time_is_after_this_one_and_after_now(
    database: Database, completed: str, following: str
) -> None:
    async with person(database) as ann:
        await ann.add("Water plants", repeats="every tuesday")
        done = await ann.at(completed).named("complete_tasks", 1)
        assert done["next"]["due"] == following


async def test_what_repeats_from_completion_counts_from_the_day_it_was_done(
    database: Database,
) -> None:
    async with person(database) as ann:
        task = await ann.add("Cut hair", repeats="every 3 weeks after completion", due="friday")
        assert task["due"] == "2026-11-20"
        done = await ann.at("2026-12-01T10:00:00+01:00").named("complete_tasks", 1)
        assert done["next"]["due"] == "2026-12-22"
        again = await ann.at("2026-12-20T10:00:00+01:00").named("complete_tasks", "hair")
        assert again["next"]["due"] == "2027-01-10"


async def test_a_task_repeats_to_its_end_and_no_further(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Take the pill", repeats="every day for 2 times", due="today")
        first = await ann.named("complete_tasks", "pill")
        assert first["next"]["due"] == "2026-11-19"
        last = await ann.at("2026-11-19T10:00:00+01:00").named("complete_tasks", "pill")
        assert "next" not in last
        assert last["note"] == LAST_TIME


async def test_a_daily_task_keeps_its_time_when_the_clocks_change(database: Database) -> None:
    async with person(database) as ann:
        before = ann.at("2027-03-27T08:00:00+01:00")
        await before.add("Feed the cat", repeats="every day at 9:00")
        done = await before.named("complete_tasks", 1)
        assert done["next"]["due"] == "2027-03-28T09:00:00+02:00"


async def test_a_time_that_the_clocks_skip_on_the_first_day_is_that_of_the_others(
    database: Database,
) -> None:
    async with person(database) as ann:
        before = ann.at("2027-03-27T10:00:00+01:00")
        for values in (
            {"due": "2027-03-30", "repeats": "every day at 2:30"},
            {"due": "2027-03-30 at 2:30", "repeats": "every day at 2:30"},
            {"due": "at 2:30", "repeats": "every tuesday"},
        ):
            assert (await before.add("Feed", **values))["due"] == "2027-03-30T02:30:00+02:00"
        skipped = await before.add("Feed", repeats="every day at 2:30", due="tomorrow")
        assert skipped["due"] == "2027-03-28T03:30:00+02:00"
        done = await before.named("complete_tasks", skipped["number"])
        assert done["next"]["due"] == "2027-03-29T02:30:00+02:00"


async def test_a_monthly_task_on_the_31st_is_due_on_the_last_day_of_each_month(
    database: Database,
) -> None:
    async with person(database) as ann:
        task = await ann.add("Pay rent", repeats="every month on the 31st")
        dues = [task["due"]]
        for _ in range(4):
            done = await ann.at(f"{dues[-1]}T08:00:00+01:00").named("complete_tasks", "rent")
            dues.append(done["next"]["due"])
    assert dues == ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31"]


async def test_a_call_that_completes_what_repeats_twice_adds_one_next(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Water plants", repeats="every tuesday")
        await ann.answer("complete_tasks", tasks=[1, "plants", 1])
        assert await ann.titles() == ["Water plants"]


async def test_the_next_occurrence_has_the_subtasks_again(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Clean the flat", repeats="every saturday")
        await ann.add("Kitchen", parent=1, due="friday at 9:00")
        await ann.add("Oven", parent="kitchen")
        await ann.add("Windows", parent=1)
        await ann.named("complete_tasks", "kitchen", with_subtasks=True)
        done = await ann.named("complete_tasks", 1)
        assert done["next"]["number"] == 5
        assert done["open_subtasks"] == [{"number": 4, "title": "Windows", "completed": False}]
        # What was still to be done is not there twice.
        found = (await ann.answer("find_tasks", sort="created"))["tasks"]
        assert {(task["title"], task["number"], task.get("parent")) for task in found} == {
            ("Clean the flat", 5, None),
            ("Windows", 4, 5),
            ("Kitchen", 6, 5),
            ("Oven", 7, 6),
        }
        assert (await ann.task(6))["due"] == "2026-11-27T09:00:00+01:00"
        await ann.answer("undo_changes")
        assert await ann.titles() == ["Clean the flat", "Windows"]
        assert (await ann.task(4))["parent"] == 1


async def test_a_subtask_that_is_due_on_a_day_stays_so_when_the_clocks_change(
    database: Database,
) -> None:
    async with person(database) as ann:
        before = ann.at("2027-03-20T08:00:00+01:00")
        await before.add("Clean the flat", repeats="every sunday", due="2027-03-21")
        await before.add("Kitchen", parent=1, due="2027-03-21")
        await before.named("complete_tasks", 1, with_subtasks=True)
        assert [task["due"] for task in (await ann.answer("find_tasks"))["tasks"]] == [
            "2027-03-28",
            "2027-03-28",
        ]


async def test_what_repeats_and_is_put_away_does_not_come_back(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Club"])
        await ann.add("Pay the fee", list="Club", repeats="every monday")
        await ann.answer("save_lists", lists=[{"list": "Club", "archived": True}])
        done = await ann.named("complete_tasks", 1)
        assert "next" not in done
        assert done["note"].startswith("It is archived, so there is no next one")
        assert done["task"]["repeats"] == "every Monday"
        assert await ann.titles() == []
        # What the note says brings it back.
        await ann.named("reopen_tasks", 1)
        await ann.one("update_tasks", task=1, archived=False)
        assert (await ann.named("complete_tasks", 1))["next"]["due"] == "2026-11-30"


async def test_a_next_occurrence_where_nobody_looks_for_it_is_told(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Garden")
        await ann.add("Water", parent=1, repeats="daily")
        await ann.named("complete_tasks", 1)
        done = await ann.named("complete_tasks", 2)
        assert done["next"]["parent"] == 1
        assert done["note"] == "Task 1, of which it is a part, is completed."
        await ann.answer("save_lists", lists=[{"name": "Old", "archived": True}])
        await ann.add("Rent", list="Old", repeats="daily")
        assert 'The list "Old" is archived' in (await ann.named("complete_tasks", "rent"))["note"]
