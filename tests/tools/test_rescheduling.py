"""Giving tasks another due time."""

from storage.database import Database
from tests.tools.support import counts, person


async def test_a_day_alone_keeps_the_time_of_a_task_and_a_time_alone_its_day(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", due="tomorrow at 15:00")
        await ann.add("Buy bread")

        async def due_after(number: int, due: str) -> str | None:
            task = (await ann.one("reschedule_tasks", task=number, due=due))["task"]
            found: str | None = task.get("due")
            return found

        assert await due_after(1, "friday") == "2026-11-20T15:00:00+01:00"
        assert await due_after(1, "4pm") == "2026-11-20T16:00:00+01:00"
        assert await due_after(1, "monday at 9") == "2026-11-23T09:00:00+01:00"
        assert await due_after(2, "friday") == "2026-11-20"
        assert await due_after(2, "monday") == "2026-11-23"
        assert await due_after(2, "4pm") == "2026-11-23T16:00:00+01:00"
        assert await due_after(2, "none") is None


async def test_a_time_alone_keeps_the_day_of_a_task_in_the_zone_that_it_was_given_in(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.saying({"task-agent/time-zone": "Asia/Tokyo"}).add("Milk", due="2026-12-01")
        moved = await ann.one("reschedule_tasks", task=1, due="at 16:00")
        assert moved["task"]["due"] == "2026-12-01T16:00:00+01:00"


async def test_a_kept_time_of_day_that_is_past_is_remarked_on(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", due="tomorrow at 9")
        moved = await ann.one("reschedule_tasks", task=1, due="today")
        assert moved["task"]["due"] == "2026-11-18T09:00:00+01:00"
        assert "past" in moved["note"]
        moved = await ann.one("reschedule_tasks", task=1, due="2026-12-01")
        assert "note" not in moved


async def test_the_same_due_time_changes_nothing(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", due="tomorrow at 9")
        same = await ann.one("reschedule_tasks", task=1, due="2026-11-19T09:00")
        assert same["status"] == "unchanged"
    assert counts(database_url) == (1, 1)


async def test_a_start_stays_before_the_due_time(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report", due="2026-12-10", starts="2026-12-01")
        moved = await ann.one("reschedule_tasks", task=1, due="2026-12-05")
        assert moved["task"]["starts"] == "2026-12-01"
        moved = await ann.one("reschedule_tasks", task=1, due="2026-11-30")
        assert moved["task"]["starts"] == "2026-11-30"
        assert "start" in moved["note"]
        moved = await ann.one("reschedule_tasks", task=1, due="2026-12-20", starts="2026-12-15")
        assert moved["task"]["starts"] == "2026-12-15"
        assert (
            "starts"
            not in (await ann.one("reschedule_tasks", task=1, due="2026-12-20", starts="none"))[
                "task"
            ]
        )
        assert "after" in await ann.refused(
            "reschedule_tasks", task=1, due="2026-12-20", starts="2026-12-21"
        )


async def test_one_occurrence_is_moved_and_the_task_repeats_as_before(database: Database) -> None:
    async with person(database) as ann:
        task = await ann.add("Water plants", repeats="every tuesday at 18:00")
        moved = await ann.one("reschedule_tasks", task=1, due="monday at 9:00")
        assert moved["task"]["due"] == "2026-11-23T09:00:00+01:00"
        assert moved["task"]["repeats"] == task["repeats"]
        assert "repeats as before" in moved["note"]
        # Done on Monday instead of Tuesday: the next is not that Tuesday.
        done = await ann.at("2026-11-23T09:30:00+01:00").named("complete_tasks", 1)
        assert done["next"]["due"] == "2026-12-01T18:00:00+01:00"


async def test_what_repeats_is_always_due(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Water plants", repeats="every tuesday")
        assert "update_tasks" in await ann.refused("reschedule_tasks", task=1, due="none")
