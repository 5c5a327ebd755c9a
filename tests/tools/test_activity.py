"""The ledger, read back."""

from typing import Any

import psycopg
import pytest

from storage.database import Database
from tests.tools.support import Person, person
from tools.finding import pages
from tools.finding.tasks import Query


async def events(ann: Person, **conditions: Any) -> list[dict[str, Any]]:
    return list((await ann.answer("find_activity", **conditions))["events"])


async def test_changes_are_told_with_what_they_changed_the_latest_first(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report", due="friday", labels=["a"])
        await ann.add("Numbers", parent=1)
        turn = ann.turn()
        await turn.answer(
            "update_tasks",
            tasks=[{"task": 1, "title": "The report", "labels": ["a", "b"], "list": "Work"}],
        )
        await ann.one("reschedule_tasks", task=1, due="2026-12-01 09:00")
        found = await events(ann)
        moved, part, changed, *earlier = found
        assert moved["changes"] == [
            {"field": "due", "before": "2026-11-20", "after": "2026-12-01T09:00:00+01:00"}
        ]
        assert part["task"] == 2
        assert part["changes"] == [{"field": "list", "before": "Inbox", "after": "Work"}]
        assert changed == {
            "at": "2026-11-18T10:00:00+01:00",
            "action": "updated",
            "tool": "update_tasks",
            "task": 1,
            "title": "The report",
            "changes": [
                {"field": "title", "before": "Report", "after": "The report"},
                {"field": "labels", "before": "a", "after": "a, b"},
                {"field": "list", "before": "Inbox", "after": "Work"},
            ],
            "turn": turn.meta["task-agent/turn"],
            "thread": "thread",
        }
        assert [(event["action"], event["title"]) for event in earlier] == [
            ("added", "Numbers"),
            ("added", "Report"),
            ("added", "Work"),
        ]


async def test_changes_of_a_list_are_told(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.answer("save_lists", lists=[{"list": "work", "name": "Job"}])
        renamed, _ = await events(ann)
        assert renamed["changes"] == [{"field": "name", "before": "Work", "after": "Job"}]
        assert (renamed["action"], renamed["title"]) == ("renamed", "Job")


async def test_what_is_deleted_is_still_told_of(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work"])
        await ann.add("Report", list="Work")
        await ann.one("update_tasks", task=1, list="Inbox")
        await ann.named("delete_tasks", 1)
        await ann.answer("delete_lists", lists=["Work"])
        found = await events(ann, task=1)
        assert [event["action"] for event in found] == ["deleted", "updated", "added"]
        assert found[1]["changes"] == [
            {"field": "list", "before": "a list that was deleted", "after": "Inbox"}
        ]


async def test_a_number_that_no_task_has_had_is_no_task_without_changes(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Do the 2024 taxes")
        assert "#2024" in await ann.error("find_activity", task=2024)
        assert [event["task"] for event in await events(ann, task="2024")] == [1]


async def test_it_tells_from_which_conversation(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await ann.add("By another client")
        await ann.turn("here").add("Here")
        await ann.turn("there").add("There")
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "INSERT INTO conversations (id, user_id, thread_id, title)"
                " SELECT gen_random_uuid(), id, 'there', 'About there' FROM users"
            )
        found = await events(ann.turn("here"))
        assert [
            (event["title"], event.get("thread"), event.get("conversation"), event.get("here"))
            for event in found
        ] == [
            ("There", "there", "About there", None),
            ("Here", "here", None, True),
            ("By another client", None, None, None),
        ]


async def test_a_turn_is_shown_with_what_took_it_back(database: Database) -> None:
    async with person(database) as ann:
        turn = ann.turn()
        await turn.add("a", "b")
        await ann.turn().answer("undo_changes")
        name = turn.meta["task-agent/turn"]
        assert [event["title"] for event in await events(ann, turn=name)] == ["b", "a"]
        assert [event.get("undoes") for event in await events(ann)] == [name, name, None, None]


async def test_pages_of_changes_follow_one_another(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", "c", "d", "e")
        titles: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await ann.answer("find_activity", limit=2, **cursor)
            titles += [event["title"] for event in answer["events"]]
            if "next_cursor" not in answer:
                break
            cursor = {"cursor": answer["next_cursor"]}
        assert titles == ["e", "d", "c", "b", "a"]
        assert "other arguments" in await ann.error("find_activity", task=1, **cursor)


@pytest.mark.parametrize("place", ["9" * 30, "²", "x\x00", "\ud800"])
async def test_a_cursor_that_was_not_given_is_refused(database: Database, place: str) -> None:
    async with person(database) as ann:
        await ann.add("a")
        for tool, question, parts in (
            ("find_activity", ("activity", None, None), [place]),
            ("find_tasks", Query(), ["infinity", place]),
            ("find_tasks", Query(), [place, "1"]),
        ):
            cursor = pages.write(parts, question)
            assert "The cursor" in await ann.error(tool, cursor=cursor)


async def test_nobody_sees_what_somebody_else_changed(database: Database) -> None:
    async with person(database) as ann, person(database, "bob") as bob:
        turn = ann.turn("thread")
        await turn.add("Ann's")
        await bob.add("Bob's")
        for conditions in ({}, {"task": 1}):
            assert [event["title"] for event in await events(bob, **conditions)] == ["Bob's"]
        assert await events(bob, turn=turn.meta["task-agent/turn"]) == []
