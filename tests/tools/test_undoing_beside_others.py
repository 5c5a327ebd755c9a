"""Taking back a turn while other conversations, and other calls of the same turn, change tasks."""

import asyncio

from storage.database import Database
from tests.tools.support import Person, person, rows
from tests.tools.test_undoing import refusal, tasks


async def undone(ann: Person) -> list[str]:
    """What an undo has put back or removed, in its order."""
    answer = await ann.answer("undo_changes")
    return [
        found["task"]["title"] if "task" in found else found["list"]["name"]
        for found in answer["results"]
    ]


async def test_a_task_does_not_become_a_part_of_itself(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", parent=1)
        await ann.turn().one("update_tasks", task=2, parent="none")
        await ann.turn("elsewhere").one("update_tasks", task=1, parent=2)
        before = tasks(database_url)
        assert await refusal(ann.turn()) == [
            'Task 2 "Numbers" would be a part of task 1, which has become a part of it.'
        ]
        assert tasks(database_url) == before


async def test_a_task_does_not_leave_the_list_of_what_it_is_a_part_of(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report", "Numbers")
        await ann.turn().one("update_tasks", task=1, list="Work")
        await ann.turn("elsewhere").one("update_tasks", task=2, parent=1)
        before = tasks(database_url)
        assert await refusal(ann.turn()) == [
            'Task 2 "Numbers" would be in another list than task 1, of which it is a part.'
        ]
        await ann.turn("elsewhere").one("update_tasks", task=2, parent="none")
        await ann.turn().answer("undo_changes")
        assert tasks(database_url) != before


async def test_tasks_do_not_get_deeper_within_one_another_than_they_may_be(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("a")
        await ann.add("a's part", parent=1)
        await ann.add("b", "c")
        await ann.add("c's part", parent="c")
        await ann.add("a part of c's part", parent=5)
        await ann.one("update_tasks", task=1, parent=3)
        await ann.turn().one("update_tasks", task=1, parent="none")
        await ann.turn("elsewhere").one("update_tasks", task=3, parent=6)
        before = tasks(database_url)
        assert await refusal(ann.turn()) == [
            'Task 2 "a\'s part" would be 6 deep within others, 5 is the most.'
        ]
        assert tasks(database_url) == before
        await ann.turn("elsewhere").one("update_tasks", task=3, parent=5)
        await ann.turn().answer("undo_changes")
        depths = rows(database_url, "SELECT depth FROM tasks ORDER BY number")
        assert [row["depth"] for row in depths] == [3, 4, 2, 0, 1, 2]


async def test_what_another_conversation_changed_in_the_middle_of_a_turn_is_not_lost(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.add("Buy milk")
        turn = ann.turn()
        await turn.one("update_tasks", task=1, labels=["shop"])
        await ann.turn("elsewhere").one("update_tasks", task=1, priority="urgent")
        await turn.one("update_tasks", task=1, title="Buy bread")
        before = tasks(database_url)
        assert await refusal(ann.turn()) == ['Task 1 "Buy bread" was updated since.']
        assert tasks(database_url) == before


async def test_undoing_twice_in_a_turn_takes_back_two_turns(database: Database) -> None:
    async with person(database) as ann:
        for title in ("a", "b", "c"):
            await ann.turn().add(title)
        turn = ann.turn()
        assert await undone(turn) == ["c"]
        assert await undone(turn) == ["b"]
        assert await ann.titles() == ["a"]
        # What that turn did is undone as a whole.
        assert await undone(ann.turn()) == ["b", "c"]
        assert await ann.titles() == ["a", "b", "c"]


async def test_a_turn_takes_back_what_it_has_changed_itself(database: Database) -> None:
    async with person(database) as ann:
        await ann.turn().add("a")
        turn = ann.turn()
        await turn.add("b")
        assert await undone(turn) == ["b"]
        assert await ann.titles() == ["a"]


async def test_two_conversations_that_undo_at_once_each_undo_their_own(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("shared")
        await ann.turn("here").add("a")
        await ann.turn("there").add("b")
        here, there = ann.turn("here"), ann.turn("there")
        assert tuple(await asyncio.gather(undone(here), undone(there))) == (["a"], ["b"])
        # Of a task that both have changed, one of them can't take its change back.
        await ann.turn("here").one("update_tasks", task=1, priority="high")
        await ann.turn("there").one("update_tasks", task=1, labels=["x"])
        answers = await asyncio.gather(
            *(ann.turn(thread).ask("undo_changes") for thread in ("here", "there"))
        )
        # The later change can always be taken back, the earlier one only after it.
        assert not answers[1].isError
        task = await ann.task(1)
        assert "labels" not in task
        assert task["priority"] == ("high" if answers[0].isError else "normal")


async def test_lists_get_names_back_that_they_have_swapped(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Home", "Work"])
        await ann.add("Report", list="Work")
        await ann.turn().answer(
            "save_lists",
            lists=[
                {"list": "Home", "name": "x"},
                {"list": "Work", "name": "Home"},
                {"list": "x", "name": "Work"},
            ],
        )
        assert (await ann.task(1))["list"] == "Home"
        await ann.turn().answer("undo_changes")
        assert (await ann.task(1))["list"] == "Work"
        await ann.turn().answer("undo_changes")
        assert (await ann.task(1))["list"] == "Home"


async def test_an_undo_shows_everything_as_it_is_in_the_end(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report", list="Work")
        await ann.add("Numbers", parent=1)
        turn = ann.turn()
        await turn.named("delete_tasks", 1)
        await turn.answer("delete_lists", lists=["Work"])
        results = (await ann.turn().answer("undo_changes"))["results"]
        assert [found["item"] for found in results] == [1, 2, 3]
        assert results[0]["list"] == {"name": "Work", "open": 2}
        assert results[1]["task"]["open_subtasks"] == 1
