"""Changing what tasks say and where they are."""

from typing import Any

from storage.database import Database
from tests.tools.support import counts, person, rows

DEPTHS = "SELECT depth FROM tasks ORDER BY number"


async def test_only_what_is_given_is_updated(database: Database) -> None:
    async with person(database) as ann:
        before = await ann.add("Buy milk", notes="good", priority="low", due="tomorrow at 9")
        result = await ann.one("update_tasks", task="milk", priority="high")
        assert (result["action"], result["task"]) == ("updated", {**before, "priority": "high"})
        result = await ann.one("update_tasks", task=1, title="Buy bread", notes="none")
        assert result["task"]["title"] == "Buy bread"
        assert "notes" not in result["task"]
        assert await ann.titles(text="bread") == ["Buy bread"]
        assert await ann.titles(text="milk") == []


async def test_an_update_to_what_is_already_so_changes_nothing(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", labels=["shop"], due="tomorrow")
        result = await ann.one(
            "update_tasks", task=1, title=" Buy  milk", labels=["#Shop"], archived=False
        )
        assert result["status"] == "unchanged"
        assert result["note"]
    assert counts(database_url) == (1, 1)


async def test_an_update_of_nothing_is_refused(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        assert "reschedule_tasks" in await ann.refused("update_tasks", task=1)
        assert "title" in await ann.refused("update_tasks", task=1, title=" ")


async def test_labels_are_set_or_added_and_taken_away(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", labels=["shop", "home"])

        async def labels(*said: str) -> list[str] | None:
            task = (await ann.one("update_tasks", task=1, labels=list(said)))["task"]
            found: list[str] | None = task.get("labels")
            return found

        assert await labels("+Urgent", "-home") == ["shop", "urgent"]
        assert await labels("work") == ["work"]
        assert await labels("none") is None
        assert "+home" in await ann.refused("update_tasks", task=1, labels=["+a", "b"])


async def test_a_task_can_be_made_to_repeat_and_not_to(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk", due="tomorrow at 9")
        task = (await ann.one("update_tasks", task=1, repeats="every 2 days"))["task"]
        assert task["due"] == "2026-11-19T09:00:00+01:00"
        assert task["repeats"]
        # The day that is named moves it, the time of day stays.
        task = (await ann.one("update_tasks", task=1, repeats="every monday"))["task"]
        assert task["due"] == "2026-11-23T09:00:00+01:00"
        task = (await ann.one("update_tasks", task=1, repeats="none"))["task"]
        assert "repeats" not in task
        assert task["due"] == "2026-11-23T09:00:00+01:00"


async def test_a_task_goes_to_another_list_with_its_subtasks(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report")
        await ann.add("Numbers", parent=1)
        await ann.add("Last year's", parent=2)
        await ann.one("update_tasks", task=1, list="work")
        for number in (1, 2, 3):
            assert (await ann.task(number))["list"] == "Work"
        # A part that goes elsewhere by itself is a part no more.
        result = await ann.one("update_tasks", task=2, list="Inbox")
        assert (result["task"]["list"], result["task"].get("parent")) == ("Inbox", None)
        assert result["note"] == "It is no part of task 1 any more, which is in another list."
        assert (await ann.task(3))["list"] == "Inbox"


async def test_a_task_can_be_made_a_part_of_another_and_not(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report", "Numbers")
        assert (await ann.one("update_tasks", task=2, parent="report"))["task"]["parent"] == 1
        assert "parent" not in (await ann.one("update_tasks", task=2, parent="none"))["task"]


async def test_no_task_is_a_part_of_itself(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", parent=1)
        for parent in (1, 2):
            assert "another parent" in await ann.refused("update_tasks", task=1, parent=parent)


async def test_subtasks_are_counted_in_the_depth_of_a_move(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("a")
        for parent in (1, 2):
            await ann.add("a part", parent=parent)
        await ann.add("b")
        for parent in (4, 5):
            await ann.add("b part", parent=parent)
        assert "deep" in await ann.refused("update_tasks", task=4, parent=3)
        await ann.one("update_tasks", task=4, parent=2)


async def test_trees_that_are_moved_know_how_deep_they_are(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("a", "b")
        await ann.add("a's part", parent="a")
        await ann.add("a part of a's part", parent=3)

        async def depths(**change: Any) -> list[int]:
            await ann.one("update_tasks", **change)
            return [row["depth"] for row in rows(database_url, DEPTHS)]

        assert await depths(task=1, parent=2) == [1, 0, 2, 3]
        assert await depths(task=2, list="Work") == [1, 0, 2, 3]
        assert await depths(task=3, list="Inbox") == [1, 0, 0, 1]
        assert await depths(task=3, parent=1) == [1, 0, 2, 3]
        assert await depths(task=1, parent="none") == [0, 0, 1, 2]
        assert await depths(task=3, list="Work", parent=2) == [0, 0, 1, 2]
        for number in (1, 2, 3, 4):
            assert (await ann.task(number))["list"] == "Work"
        await ann.answer("delete_lists", lists=["Work"])
        assert (await ann.task(4))["list"] == "Inbox"


async def test_an_item_that_fails_leaves_the_trees_of_the_others_alone(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("a", "b")
        await ann.add("part", parent="a")
        changes = [
            {"task": 1, "list": "Work", "parent": 2},
            {"task": 1, "parent": 2},
            {"task": 2, "parent": 3},
            {"task": 2, "list": "Work"},
        ]
        answer = await ann.answer("update_tasks", tasks=changes)
        assert [found["status"] for found in answer["results"]] == [
            *("failed", "done", "failed", "done")
        ]
        assert [row["depth"] for row in rows(database_url, DEPTHS)] == [1, 0, 2]
        assert {(await ann.task(number))["list"] for number in (1, 2, 3)} == {"Work"}


async def test_a_task_is_put_away_and_taken_back_with_its_subtasks(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report", "Milk")
        await ann.add("Numbers", parent=1)
        result = await ann.one("update_tasks", task=1, archived=True)
        assert result["action"] == "archived"
        assert await ann.titles() == ["Milk"]
        assert await ann.titles(state="archived") == ["Report", "Numbers"]
        assert (await ann.one("update_tasks", task=1, archived=False))["action"] == "unarchived"
        assert await ann.titles() == ["Report", "Milk", "Numbers"]


async def test_a_subtask_that_was_put_away_by_itself_stays_so(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report")
        await ann.add("Numbers", "Pictures", parent=1)
        await ann.one("update_tasks", task="numbers", archived=True)
        await ann.one("update_tasks", task=1, list="Work")
        assert await ann.titles(state="archived", list="Work") == ["Numbers"]
        later = ann.at("2026-11-19T10:00:00+01:00")
        assert "subtasks, 1," in (await later.one("update_tasks", task=1, archived=True))["note"]
        assert "subtasks, 1," in (await later.one("update_tasks", task=1, archived=False))["note"]
        assert await ann.titles(state="archived") == ["Numbers"]


async def test_tasks_are_put_in_order(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", "c", "d")

        async def order_after(task: str | int, place: str) -> str:
            await ann.one("update_tasks", task=task, place=place)
            return "".join(await ann.titles(sort="place"))

        assert await ann.titles(sort="place") == ["a", "b", "c", "d"]
        assert await order_after(4, "top") == "dabc"
        assert await order_after(4, "after 1") == "adbc"
        assert await order_after(1, "before c") == "dbac"
        assert await order_after(2, "Bottom") == "dacb"
        assert "before 4" in await ann.refused("update_tasks", task=1, place="somewhere")
        assert "itself" in await ann.refused("update_tasks", task=1, place="after 1")


async def test_there_is_always_room_between_two_tasks(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("first", "last")
        expected = ["first", "last"]
        for number in range(3, 63):
            title = f"task {number}"
            await ann.add(title)
            await ann.one("update_tasks", task=number, place="after 1")
            expected.insert(1, title)
        assert await ann.titles(sort="place", limit=100) == expected


async def test_tasks_of_different_lists_have_no_order_among_them(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("a")
        await ann.add("b", list="Work")
        assert "another list" in await ann.refused("update_tasks", task=1, place="before 2")
        await ann.one("update_tasks", task=1, list="work", place="before 2")
        assert await ann.titles(list="Work", sort="place") == ["a", "b"]


async def test_a_task_from_elsewhere_is_made_to_repeat_where_the_user_is(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Report", due="2026-11-24 at 20:00")
        await ann.add("Plants", due="2026-11-24")
        tokyo = ann.saying({"task-agent/time-zone": "Asia/Tokyo"})
        task = (await tokyo.one("update_tasks", task=1, repeats="every wednesday"))["task"]
        assert task["due"] == "2026-11-25T04:00:00+09:00"
        done = await tokyo.named("complete_tasks", 1)
        assert done["next"]["due"] == "2026-12-02T04:00:00+09:00"
        task = (await tokyo.one("update_tasks", task=2, repeats="every 3 days"))["task"]
        assert task["due"] == "2026-11-24"
        done = await tokyo.named("complete_tasks", 2)
        assert done["next"]["due"] == "2026-11-27"


async def test_a_time_that_repeats_elsewhere_is_said_to_be_of_there(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report", repeats="every tuesday at 20:00")
        await ann.add("Plants", repeats="every tuesday")
        tokyo = ann.saying({"task-agent/time-zone": "Asia/Tokyo"})
        task = await tokyo.task(1)
        assert task["due"] == "2026-11-25T04:00:00+09:00"
        assert task["repeats"] == "every Tuesday at 20:00 (Europe/Berlin)"
        assert (await tokyo.task(2))["repeats"] == "every Tuesday"
        assert (await ann.task(1))["repeats"] == "every Tuesday at 20:00"
