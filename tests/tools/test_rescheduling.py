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


async def test_a_task_that_repeats_is_rescheduled_elsewhere_and_repeats_as_before(
    database: Database,
) -> None:
    async with person(database) as ann:
        # In Tokyo that is Wednesday at 4:00, and the end of the day is Thursday morning.
        await ann.add("Report", repeats="every tuesday at 20:00")
        await ann.add("Water plants", repeats="every 3 days", due="2026-11-24")
        tokyo = ann.saying({"task-agent/time-zone": "Asia/Tokyo"})
        moved = await tokyo.one("reschedule_tasks", task=1, due="2026-11-26 at 12:00")
        assert moved["task"]["due"] == "2026-11-26T12:00:00+09:00"
        moved = await tokyo.one("reschedule_tasks", task=2, due="2026-11-25")
        assert moved["task"]["due"] == "2026-11-25"
        assert moved["task"]["repeats"] == "every 3 days"
        later = ann.at("2026-11-26T12:00:00+01:00")
        done = await later.named("complete_tasks", 1)
        assert done["next"]["due"] == "2026-12-01T20:00:00+01:00"
        done = await later.named("complete_tasks", 2)
        assert done["next"]["due"] == "2026-11-27"


async def test_a_time_is_given_to_a_day_that_repeats_from_elsewhere(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Water plants", repeats="every tuesday")
        tokyo = ann.saying({"task-agent/time-zone": "Asia/Tokyo"})
        moved = await tokyo.one("reschedule_tasks", task=1, due="at 9")
        assert moved["task"]["due"] == "2026-11-24T09:00:00+09:00"
        done = await tokyo.named("complete_tasks", 1)
        assert done["next"]["due"] == "2026-12-01"


async def test_what_is_said_of_a_day_that_the_words_left_open_is_not_said_of_another(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", due="friday at 15:00")
        moved = await ann.one("reschedule_tasks", task=1, due="9:00")
        assert moved["task"]["due"] == "2026-11-20T09:00:00+01:00"
        assert "note" not in moved
        # Kept on the day of its own, though the clocks skip that time on another.
        spring = ann.at("2027-03-27T10:00:00+01:00")
        moved = await spring.one("reschedule_tasks", task=1, due="2027-04-02 at 3:00")
        moved = await spring.one("reschedule_tasks", task=1, due="at 2:30")
        assert moved["task"]["due"] == "2027-04-02T02:30:00+02:00"
        assert "note" not in moved
        task = await ann.answer(
            "add_tasks", tasks=[{"title": "Tea", "due": "9:00", "repeats": "every friday"}]
        )
        assert "note" not in task["results"][0]


async def test_a_task_that_nobody_has_to_do_any_more_is_rescheduled_with_a_remark(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", "Buy tea")
        await ann.named("complete_tasks", 1)
        await ann.one("update_tasks", task=2, archived=True)
        moved = await ann.one("reschedule_tasks", task=1, due="tomorrow")
        assert "reopen_tasks" in moved["note"]
        moved = await ann.one("reschedule_tasks", task=2, due="tomorrow")
        assert "archived" in moved["note"]
