"""Lists of tasks."""

from typing import Any

import psycopg
import pytest

from storage.database import Database
from tests.tools.support import Person, counts, person


async def saved(ann: Person, **item: Any) -> dict[str, Any]:
    [result] = (await ann.answer("save_lists", lists=[item]))["results"]
    assert result["status"] in ("done", "unchanged")
    return dict(result)


async def names(ann: Person) -> list[tuple[str, int]]:
    return [(one["name"], one["open"]) for one in (await ann.answer("find_lists"))["lists"]]


async def test_lists_are_shown_in_their_order_after_the_inbox(database: Database) -> None:
    async with person(database) as ann:
        assert await names(ann) == [("Inbox", 0)]
        await ann.answer("save_lists", lists=["Work", {"name": "  At \n home "}])
        await ann.add("Report", "Numbers", list="work")
        await ann.add("Milk")
        await ann.named("complete_tasks", "report")
        assert await names(ann) == [("Inbox", 1), ("Work", 1), ("At home", 0)]


async def test_a_list_of_that_name_is_not_made_twice(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await saved(ann, name="Ärger")
        again = await saved(ann, name="ärger")
        assert (again["status"], again["list"]["name"]) == ("unchanged", "Ärger")
    assert counts(database_url) == (0, 1)


async def test_a_list_is_renamed(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work", "Home"])
        await ann.add("Report", list="work")
        result = await saved(ann, list="work", name="Job")
        assert (result["action"], result["list"]) == ("renamed", {"name": "Job", "open": 1})
        assert (await ann.task(1))["list"] == "Job"
        assert (await saved(ann, list="job", name="JOB"))["action"] == "renamed"
        assert "another name" in await ann.error(
            "save_lists", lists=[{"list": "job", "name": "home"}]
        )
        assert (await saved(ann, list="job", name="JOB"))["status"] == "unchanged"


async def test_a_list_is_put_away_with_its_tasks_and_taken_back(database: Database) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work")
        await ann.add("Old", "Report", list="work")
        await ann.one("update_tasks", task="old", archived=True)
        later = ann.at("2026-11-19T10:00:00+01:00")
        result = await saved(later, list="work", archived=True)
        assert (result["action"], result["list"]["archived"]) == (
            "archived",
            "2026-11-19T10:00:00+01:00",
        )
        assert await ann.titles() == []
        assert await ann.titles(state="archived") == ["Old", "Report"]
        assert (await saved(ann, list="work", archived=False))["action"] == "unarchived"
        # What had been put away by itself stays away.
        assert await ann.titles() == ["Report"]


async def test_what_becomes_of_a_task_in_a_list_that_was_put_away_is_told(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("Milk", "Tea")
        await saved(ann, name="Work")
        await ann.add("Report", list="work")
        await saved(ann, list="work", archived=True)
        away = 'The list "Work" is archived; save_lists takes it back.'
        assert (await ann.one("add_tasks", title="Call", list="work"))["note"] == away
        assert (await ann.one("update_tasks", task="milk", list="work"))["note"] == away
        assert (await ann.one("update_tasks", task="report", archived=False))["note"] == away
        part = await ann.one("update_tasks", task="tea", parent="milk")
        assert part["note"] == away
        # What is changed there without being moved, or is away itself, needs no word.
        assert "note" not in await ann.one("update_tasks", task="tea", priority="high")
        await ann.one("update_tasks", task="tea", archived=True)
        assert "note" not in await ann.one("update_tasks", task="tea", parent="none")


async def test_a_search_in_a_list_that_was_put_away_says_where_its_tasks_are(
    database: Database,
) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work")
        await ann.add("Report", list="work", due="tomorrow")
        assert "note" not in await ann.answer("find_tasks", list="work")
        await saved(ann, list="work", archived=True)
        found = await ann.answer("find_tasks", list="work")
        assert (found["tasks"], found["note"]) == (
            [],
            'The list "Work" is archived, and its tasks with it; state "archived" shows them.',
        )
        for state in ("archived", "all"):
            found = await ann.answer("find_tasks", list="work", state=state)
            assert [task["title"] for task in found["tasks"]] == ["Report"]
            assert "note" not in found


async def test_what_stays_away_of_the_tasks_of_a_deleted_list_is_told(database: Database) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work")
        await ann.add("Report", "Call", list="work")
        await saved(ann, list="work", archived=True)
        await ann.add("Milk", list="work")
        answer = await ann.answer("delete_lists", lists=["work"])
        assert answer["results"][0]["note"] == (
            "Tasks that went to the Inbox: 3. Archived, and still so, among them: 2."
        )


async def test_the_tasks_of_a_deleted_list_go_to_the_inbox(database: Database) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work")
        await ann.add("Milk")
        await ann.add("Report", "Call", list="work")
        await ann.add("Numbers", parent="report")
        await ann.one("update_tasks", task="call", place="top")
        answer = await ann.answer("delete_lists", lists=["work"])
        assert "3" in answer["results"][0]["note"]
        assert await names(ann) == [("Inbox", 4)]
        found = await ann.answer("find_tasks", sort="place", list="Inbox")
        tops = [task["title"] for task in found["tasks"] if "parent" not in task]
        assert tops == ["Milk", "Call", "Report"]


async def test_only_the_whole_name_deletes_a_list(database: Database) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work at home")
        await ann.add("Report", list="the work list")
        assert "Work at home" in await ann.error("delete_lists", lists=["work"])
        await ann.answer("delete_lists", lists=[" work at  HOME"])


async def test_words_that_two_lists_have_mean_neither(database: Database) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work here", "Work there", "Play"])
        said = await ann.refused("add_tasks", title="x", list="work")
        assert '"Work here", "Work there"' in said
        assert "Play" not in said


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "inbox"}, "Inbox"),
        ({"name": " "}, "characters"),
        ({"name": "x" * 101}, "characters"),
        ({"name": "a\x00"}, "NUL"),
        ({}, "name"),
        ({"archived": True}, "name"),
        ({"list": "Inbox", "name": "x"}, "Inbox"),
        ({"list": "Work"}, "archived"),
        ({"list": "Play", "archived": True}, "save_lists"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    database: Database, item: dict[str, Any], said: str
) -> None:
    async with person(database) as ann:
        await saved(ann, name="Work")
        text = await ann.error("save_lists", lists=[item])
    assert said in text
    assert len(text) < 500


async def test_the_database_itself_keeps_users_apart(database: Database, database_url: str) -> None:
    async with person(database) as ann, person(database, "bob") as bob:
        await saved(ann, name="Work")
        await ann.add("Ann's")
        await bob.add("Bob's")
    for column, table in (("list_id", "task_lists"), ("parent_id", "tasks")):
        with (
            psycopg.connect(database_url) as connection,
            pytest.raises(psycopg.errors.ForeignKeyViolation),
        ):
            connection.execute(
                f"UPDATE tasks SET {column} = (SELECT x.id FROM {table} x JOIN users u"
                " ON u.id = x.user_id WHERE u.subject = 'ann') WHERE title = 'Bob''s'".encode()
            )


@pytest.mark.parametrize(
    "change",
    [
        "title = ' '",
        "number = 0",
        "parent_id = id",
        "due_at = now()",
        "due_zone = 'UTC'",
        "due_is_day = true",
        "labels = array_fill('x'::text, ARRAY[21])",
        "due_at = now(), due_zone = 'UTC', starts_on = current_date + 9",
        "recurrence = 'FREQ=DAILY'",
        "due_at = now(), due_zone = 'UTC', recurrence = 'FREQ=DAILY', recurs_from = 'now',"
        " recurrence_start = now(), occurs_at = now()",
        "recurrence = 'FREQ=DAILY', recurs_from = 'due', recurrence_start = now(),"
        " occurs_at = now()",
    ],
)
async def test_the_database_itself_refuses_tasks_that_cannot_be(
    database: Database, database_url: str, change: str
) -> None:
    async with person(database) as ann:
        await ann.add("Milk")
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(f"UPDATE tasks SET {change}".encode())
