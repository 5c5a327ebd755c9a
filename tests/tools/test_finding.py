"""Looking for tasks."""

from typing import Any

import pytest

from storage.database import Database
from tests.tools.support import Person, person, rows


async def pages(ann: Person, limit: int, **conditions: Any) -> list[list[int]]:
    """The numbers of the tasks on each page."""
    found: list[list[int]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await ann.answer("find_tasks", limit=limit, **conditions, **cursor)
        found.append([task["number"] for task in answer["tasks"]])
        if "next_cursor" not in answer:
            return found
        cursor = {"cursor": answer["next_cursor"]}


async def test_tasks_are_found_by_due_time_then_number(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("some day")
        await ann.add("later", due="in 2 days")
        await ann.add("sooner", "sooner too", due="tomorrow")
        await ann.add("some other day")
        assert await ann.titles() == ["sooner", "sooner too", "later", "some day", "some other day"]


async def test_tasks_are_found_by_their_state(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("open", "done", "away", "done and away")
        await ann.named("complete_tasks", 2, 4)
        for number in (3, 4):
            await ann.one("update_tasks", task=number, archived=True)
        assert await ann.titles(state="OPEN") == ["open"]
        assert await ann.titles(state="completed") == ["done"]
        assert await ann.titles(state="archived") == ["away", "done and away"]
        assert await ann.titles(state="all") == ["open", "done", "away", "done and away"]


async def test_all_the_words_are_in_the_title_or_the_notes(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Call the Zahnärztin", notes="about Tuesday's 100% appointment")
        await ann.add("Call Ann")
        assert await ann.titles(text="zahnÄrztin") == ["Call the Zahnärztin"]
        assert await ann.titles(text="call tuesday") == ["Call the Zahnärztin"]
        assert await ann.titles(text="ztin tuesdays") == ["Call the Zahnärztin"]
        assert await ann.titles(text="the call task") == ["Call the Zahnärztin", "Call Ann"]
        assert await ann.titles(text="zebra") == []
        assert await ann.titles(text="%") == ["Call the Zahnärztin"]
        assert await ann.titles(text="  ") == ["Call the Zahnärztin", "Call Ann"]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"labels": ["#Home"]}, [1, 2]),
        ({"labels": "home"}, [1, 2]),
        ({"labels": ["home", "work"]}, [2]),
        ({"priority": "Urgent"}, [3]),
        ({"list": "job"}, [4]),
        ({"list": "Inbox"}, [5, 1, 2, 3]),
        ({"parent": 2}, [5]),
        ({"due": "overdue"}, [6]),
        ({"due": "today"}, [1]),
        ({"due": "this week"}, [6, 1, 2]),
        ({"due": "2026-11-19/2026-12-01"}, [2, 3]),
        ({"due_from": "2026-11-19", "due_until": "2026-11-30"}, [2]),
        ({"due_from": "2026-11-19"}, [2, 3]),
        ({"due_until": "today"}, [6, 1]),
        ({"due": "none"}, [4, 5]),
        ({"labels": ["home"], "due": "today", "text": "milk"}, [1]),
        ({"labels": ["home"], "due": "today", "text": "tea"}, []),
    ],
)
async def test_every_condition_has_to_hold(
    database: Database, conditions: dict[str, Any], found: list[int]
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Job"])
        await ann.add("Buy milk", labels=["home"], due="today")
        await ann.add("Buy tea", labels=["work", "home"], due="tomorrow at 9")
        await ann.add("Pay rent", priority="urgent", due="2026-12-01")
        await ann.add("Report", list="Job")
        await ann.add("Sugar", parent=2)
        await ann.at("2026-11-16T10:00:00+01:00").add("Late", due="tomorrow", list="Job")
        answer = await ann.answer("find_tasks", **conditions)
        expected = sorted({*found, 6}) if conditions.get("list") == "job" else sorted(found)
        assert sorted(task["number"] for task in answer["tasks"]) == expected
        assert answer["total"] == len(expected)


SORTS = ["due", "priority", "place", "title", "created", "updated", "completed"]


async def some_tasks(ann: Person) -> None:
    await ann.answer(
        "add_tasks",
        tasks=[
            {
                "title": f"Task {'cab'[number % 3]}",
                "priority": ["low", "normal", "high", "urgent"][number % 4],
                **({"due": f"2026-12-0{1 + number % 2}"} if number % 3 else {}),
            }
            for number in range(11)
        ],
    )
    await ann.at("2026-11-19T10:00:00+01:00").named("complete_tasks", 2, 4)
    await ann.at("2026-11-20T10:00:00+01:00").named("complete_tasks", 7)
    await ann.one("update_tasks", task=9, place="top")


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_follow_one_another_in_every_order(database: Database, sort: str) -> None:
    async with person(database) as ann:
        await some_tasks(ann)
        [whole] = await pages(ann, 100, sort=sort, state="all")
        assert sorted(whole) == list(range(1, 12))
        for limit in (1, 3, 11):
            found = await pages(ann, limit, sort=sort, state="all")
            assert [number for page in found for number in page] == whole
            assert all(len(page) == limit for page in found[:-1])


async def test_each_order_is_what_it_is_called(database: Database, database_url: str) -> None:
    async with person(database) as ann:
        await some_tasks(ann)

        async def values(sort: str, column: str) -> list[Any]:
            [numbers] = await pages(ann, 100, sort=sort, state="all")
            found = {
                row["number"]: row["value"]
                for row in rows(database_url, f"SELECT number, {column} AS value FROM tasks")
            }
            return [found[number] for number in numbers]

        dues = await values("due", "due_at")
        assert dues == [*sorted(due for due in dues if due), *(due for due in dues if not due)]
        ranks = await values(
            "priority", "array_position('{urgent,high,normal,low}', priority::text)"
        )
        assert ranks == sorted(ranks)
        for sort in ("place", "title"):
            found = await values(sort, {"title": "lower(title)"}.get(sort, sort))
            assert found == sorted(found)
        for sort, column in (("created", "created_at"), ("updated", "updated_at")):
            found = await values(sort, column)
            assert found == sorted(found, reverse=True)
        completed = await values("completed", "completed_at::text")
        assert completed[:3] == sorted(filter(None, completed), reverse=True)


async def test_by_place_the_lists_follow_one_another_and_parts_stand_with_their_like(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.answer("save_lists", lists=["Work", "Home", "Away"])
        for title in ("1", "2", "3"):
            for list_ in ("Home", "Inbox", "Away", "Work"):
                await ann.add(f"{list_} {title}", list=list_)
        await ann.add("Work 2 a", "Work 2 b", parent="Work 2")
        await ann.add("Work 1 a", "Work 1 b", parent="Work 1")
        await ann.one("update_tasks", task="Work 3", place="top")
        await ann.one("update_tasks", task="Work 2 b", place="top")
        titles = await ann.titles(sort="place")
        assert titles[:6] == ["Inbox 1", "Inbox 2", "Inbox 3", "Work 3", "Work 1", "Work 2"]
        assert sorted([titles[6:8], titles[8:10]]) == [
            ["Work 1 a", "Work 1 b"],
            ["Work 2 b", "Work 2 a"],
        ]
        assert titles[10:] == [f"{name} {n}" for name in ("Home", "Away") for n in (1, 2, 3)]
        assert await ann.titles(sort="place", list="Work") == titles[3:10]
        [whole] = await pages(ann, 100, sort="place")
        assert [number for page in await pages(ann, 3, sort="place") for number in page] == whole


async def test_a_cursor_goes_on_where_the_page_ended_whatever_was_changed(
    database: Database,
) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", "c", "d")
        first = await ann.answer("find_tasks", limit=2)
        await ann.named("delete_tasks", "b")
        await ann.add("new", due="today")
        rest = await ann.answer("find_tasks", limit=2, cursor=first["next_cursor"])
        assert [task["title"] for task in rest["tasks"]] == ["c", "d"]


async def test_a_cursor_belongs_to_its_question(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("a", "b", "c")
        cursor = (await ann.answer("find_tasks", limit=1))["next_cursor"]
        assert "other arguments" in await ann.error("find_tasks", state="all", cursor=cursor)
        assert "next_cursor" in await ann.error("find_tasks", cursor=cursor[:-4])
        for nonsense in ("", "x", "[]", "é", cursor * 50):
            assert "cursor" in await ann.error("find_tasks", cursor=nonsense)


async def test_there_are_as_many_as_are_counted(database: Database) -> None:
    async with person(database) as ann:
        for _ in range(3):
            await ann.add(*[f"task {n}" for n in range(50)])
        answer = await ann.answer("find_tasks", limit=5)
        assert (len(answer["tasks"]), answer["total"]) == (5, 150)


async def test_how_a_question_was_understood_is_told(database: Database) -> None:
    async with person(database) as ann:
        answer = await ann.answer("find_tasks", due="october")
    assert "2027" in answer["note"]


async def test_a_user_nobody_has_heard_of_has_no_tasks_and_is_not_stored(
    database: Database, database_url: str
) -> None:
    async with person(database) as ann:
        assert await ann.titles() == []
        assert (await ann.answer("find_lists"))["lists"] == [{"name": "Inbox", "open": 0}]
        assert (await ann.answer("get_overview"))["counts"]["open"] == 0
        assert (await ann.answer("find_activity"))["events"] == []
        await ann.error("get_tasks", tasks=[1])
    assert rows(database_url, "SELECT 1 FROM users") == []


async def test_a_task_is_looked_at_with_its_open_subtasks(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add("Numbers", "Pictures", parent=1)
        await ann.named("complete_tasks", 2)
        answer = await ann.answer("get_tasks", tasks=["report", "zebra", 3])
        assert answer["failed"] == 1
        first, second, third = answer["results"]
        assert first["open_subtasks"] == [{"number": 3, "title": "Pictures", "completed": False}]
        assert second["status"] == "failed"
        assert (third["item"], third["task"]["parent"]) == (3, 1)


async def test_of_many_open_subtasks_the_first_are_named(database: Database) -> None:
    async with person(database) as ann:
        await ann.add("Report")
        await ann.add(*(f"Chapter {number}" for number in range(1, 13)), parent=1)
        await ann.add("Paragraph", parent=2)
        found = await ann.named("get_tasks", 1)
        # Those that the count counts, and that find_tasks finds by their parent.
        assert found["task"]["open_subtasks"] == 12
        assert [part["number"] for part in found["open_subtasks"]] == list(range(2, 12))
        assert found["note"] == (
            "The first 10 of 12 open subtasks are named; find_tasks with parent 1 shows all."
        )
        assert len(await ann.titles(parent=1)) == 12
        assert "note" not in await ann.named("get_tasks", 2)


async def test_what_there_is_to_do_is_told_at_a_glance(database: Database) -> None:
    async with person(database) as ann:
        await ann.at("2026-11-16T10:00:00+01:00").add("Late", due="tomorrow")
        await ann.add("Just missed", due="today at 9:59")
        await ann.add("Tonight", due="today at 20:00", priority="urgent")
        await ann.add("Today", due="today")
        await ann.add("Next", due="tomorrow at 00:00")
        await ann.add("In a week", due="2026-11-25 23:30")
        await ann.add("Much later", due="2026-11-26 00:00")
        await ann.add("Some day", "Done", "Done before", "Put away")
        await ann.named("complete_tasks", "done")
        await ann.at("2026-11-17T23:59:00+01:00").named("complete_tasks", "done before")
        await ann.one("update_tasks", task="put away", archived=True)
        overview = await ann.answer("get_overview")
    shown = {kind: [task["title"] for task in overview[kind]] for kind in ("overdue", "today")}
    assert shown == {"overdue": ["Late", "Just missed"], "today": ["Tonight", "Today"]}
    assert [task["title"] for task in overview["next"]] == ["Next", "In a week", "Much later"]
    assert overview["now"] == "2026-11-18T10:00:00+01:00"
    assert overview["counts"] == {
        "open": 8,
        "overdue": 2,
        "today": 2,
        "next_7_days": 2,
        "without_due": 1,
        "urgent": 1,
        "completed_today": 1,
    }


async def test_a_glance_shows_a_few_of_many(database: Database) -> None:
    async with person(database) as ann:
        await ann.add(*[f"task {n}" for n in range(15)], due="today")
        overview = await ann.answer("get_overview")
    assert (len(overview["today"]), overview["counts"]["today"]) == (10, 15)
