"""Taking back what a turn changed."""

from typing import Any

from storage.database import Database
from tests.tools.support import Person, person, rows

#: Without the time of the write.
TASKS = "SELECT to_jsonb(t) - 'updated_at' AS row FROM tasks t ORDER BY number"


def tasks(database_url: str) -> list[Any]:
    return [found["row"] for found in rows(database_url, TASKS)]


async def refusal(ann: Person, **arguments: Any) -> list[str]:
    """Why nothing is undone."""
    result = await ann.ask("undo_changes", **arguments)
    assert result.isError
    assert result.structuredContent is not None
    return [found["error"] for found in result.structuredContent["results"]]


async def test_everything_that_the_last_turn_changed_is_taken_back(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        first = ann.turn()
        await first.add("Buy milk", due="tomorrow at 9", labels=["shop"])
        await first.add("Water plants", repeats="every tuesday")
        before = tasks(database_url)
        second = ann.turn()
        await second.named("complete_tasks", "plants")
        await second.one("update_tasks", task="milk", title="Buy bread", labels=["+more"])
        await second.one("reschedule_tasks", task=1, due="friday")
        await second.named("delete_tasks", 1)
        await second.add("Something new")
        undone = await ann.turn().answer("undo_changes")
        assert tasks(database_url) == before
        assert [(found["action"], found["task"]["number"]) for found in undone["results"]] == [
            ("deleted", 4),
            ("restored", 1),
            ("deleted", 3),
            ("restored", 2),
        ]


async def test_an_undo_can_be_undone_and_that_again(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await ann.turn().add("Buy milk")
        before = tasks(database_url)
        await ann.turn().named("complete_tasks", 1)
        after = tasks(database_url)
        for state in (before, after, before):
            await ann.turn().answer("undo_changes")
            assert tasks(database_url) == state
    events = rows(database_url, "SELECT undoes, turn_id FROM task_events ORDER BY position")
    assert [event["undoes"] for event in events[2:]] == [event["turn_id"] for event in events[1:4]]


async def test_the_last_turn_is_that_of_the_conversation(database: Database) -> None:
    async with person(database) as ann:
        await ann.turn("here").add("Here")
        await ann.turn("there").add("There")
        await ann.add("By another client")
        await ann.turn("here").answer("undo_changes")
        assert await ann.titles() == ["There", "By another client"]
        assert "this conversation" in (await refusal(ann.turn("nowhere")))[0]


async def test_a_client_without_conversations_undoes_its_last_call(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("a", "b")
        await ann.add("c", "d")
        await ann.answer("undo_changes")
        assert await ann.titles() == ["a", "b"]


async def test_an_earlier_turn_is_undone_by_its_name(database: Database) -> None:
    async with person(database) as ann:
        first = ann.turn()
        await first.add("a")
        await ann.turn().add("b")
        [event] = (await ann.answer("find_activity", task="a"))["events"]
        await ann.turn().answer("undo_changes", turn=event["turn"])
        assert await ann.titles() == ["b"]


async def test_what_was_changed_since_is_told_and_nothing_is_done(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        await ann.turn().add("Buy milk", "Buy bread", "Buy tea")
        await ann.turn("elsewhere").named("complete_tasks", 1)
        await ann.turn("elsewhere").one("update_tasks", task=1, title="Milk")
        await ann.turn("elsewhere").named("delete_tasks", 3)
        before = tasks(database_url)
        told = await refusal(ann.turn())
        assert told == [
            'Task 3 "Buy tea" was deleted since.',
            'Task 1 "Buy milk" was completed, updated since.',
        ]
        assert tasks(database_url) == before


async def test_a_change_that_was_changed_back_is_no_hindrance(database: Database) -> None:
    async with person(database) as ann:
        await ann.turn().add("Buy milk")
        await ann.turn("elsewhere").named("complete_tasks", 1)
        await ann.turn("elsewhere").named("reopen_tasks", 1)
        await ann.turn().answer("undo_changes")
        assert await ann.titles(state="all") == []


async def test_what_has_come_to_belong_to_it_keeps_a_task_or_a_list(database: Database) -> None:
    async with person(database) as ann:
        turn = ann.turn()
        await turn.answer("save_lists", lists=["Work"])
        await turn.add("Report", list="Work")
        other = ann.turn("elsewhere")
        await other.add("Numbers", parent="report")
        await other.add("Call", list="work")
        told = await refusal(ann.turn())
        assert len(told) == 2
        assert "Numbers" in told[0]
        assert "Call" in told[1]
        assert (await ann.answer("find_lists"))["lists"][1] == {"name": "Work", "open": 3}


async def test_a_task_whose_list_is_gone_since_stays_deleted(database: Database) -> None:
    async with person(database) as ann:
        first = ann.turn()
        await first.answer("save_lists", lists=["Work"])
        await first.add("Report", list="Work")
        await ann.turn().named("delete_tasks", "report")
        await ann.turn("elsewhere").answer("delete_lists", lists=["Work"])
        assert "depends" in (await refusal(ann.turn()))[0]
        assert await ann.titles(state="all") == []


async def test_lists_are_put_back_with_the_tasks_that_were_in_them(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        first = ann.turn()
        await first.answer("save_lists", lists=["Work"])
        await first.add("Report", list="Work")
        await first.add("Numbers", parent=1)
        before = tasks(database_url)
        await ann.turn().answer("delete_lists", lists=["Work"])
        await ann.turn().answer("undo_changes")
        assert tasks(database_url) == before
        turn = ann.turn()
        await turn.answer("save_lists", lists=[{"list": "Work", "name": "Job", "archived": True}])
        await ann.turn().answer("undo_changes")
        assert tasks(database_url) == before
        assert (await ann.answer("find_lists"))["lists"][1] == {"name": "Work", "open": 2}


async def test_a_family_of_tasks_is_deleted_and_restored_in_the_right_order(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        turn = ann.turn()
        await turn.add("a")
        for parent in (1, 2, 2, 3):
            await turn.add("part", parent=parent)
        before = tasks(database_url)
        await ann.turn().named("delete_tasks", 1)
        await ann.turn().answer("undo_changes")
        assert tasks(database_url) == before
        await ann.turn().answer("undo_changes", turn=turn.meta["task-agent/turn"])
        assert tasks(database_url) == []
        await ann.turn().answer("undo_changes")
        assert tasks(database_url) == before


async def test_a_turn_without_any_effect_is_passed_over(database: Database) -> None:
    async with person(database) as ann:
        await ann.turn().add("Buy milk")
        turn = ann.turn()
        await turn.named("complete_tasks", 1)
        await turn.named("reopen_tasks", 1)
        await ann.turn().answer("undo_changes")
        assert await ann.titles(state="all") == []


async def test_the_turns_of_a_copied_thread_are_its_own(database: Database) -> None:
    async with person(database) as ann:
        turn = ann.turn("thread")
        await turn.add("In the thread")
        copy = turn.saying({"task-agent/thread": "copy"})
        await copy.add("In its copy")
        await ann.turn("copy").answer("undo_changes")
        assert await ann.titles() == ["In the thread"]


async def test_nobody_undoes_what_somebody_else_changed(database: Database) -> None:
    async with person(database) as ann, person(database, "bob") as bob:
        turn = ann.turn()
        await turn.add("Ann's")
        await bob.add("Bob's")
        await bob.answer("undo_changes")
        same = bob.saying(turn.meta).saying({"task-agent/user": "bob"})
        for arguments in ({}, {"turn": turn.meta["task-agent/turn"]}):
            await refusal(same, **arguments)
        assert await ann.titles() == ["Ann's"]


async def test_a_user_who_has_done_nothing_has_nothing_to_undo(database: Database) -> None:
    async with person(database) as ann:
        assert "find_activity" in (await refusal(ann))[0]
        assert "that turn" in (await refusal(ann, turn="x"))[0]
