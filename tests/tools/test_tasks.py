"""The operations, on a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlmodel import col, select

from storage.database import Database
from tools import tasks
from tools.context import Caller
from tools.dates import read_due
from tools.errors import AmbiguousTaskError, InvalidValueError, TaskNotFoundError
from tools.models import Task, TaskEvent, TaskPriority
from tools.schemas import Change

NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
ANN = Caller(subject="ann", zone=ZoneInfo("Europe/Berlin"), now=NOW, key=None)
BOB = replace(ANN, subject="bob")

Operation = Callable[..., Awaitable[Any]]


async def do(
    database: Database, operation: Operation, caller: Caller, *args: Any, **kwargs: Any
) -> Any:
    """Run one operation in a transaction of its own, as the server does."""
    async with database.session() as session:
        result = await operation(session, caller, *args, **kwargs)
        await session.commit()
        return result


async def add(database: Database, caller: Caller, title: str, **kwargs: Any) -> Change:
    change: Change = await do(database, tasks.add_task, caller, title=title, **kwargs)
    return change


async def titles(database: Database, caller: Caller, **kwargs: Any) -> list[str]:
    listed = await do(database, tasks.list_tasks, caller, **kwargs)
    return [task.title for task in listed.tasks]


async def events(database: Database) -> list[TaskEvent]:
    async with database.session() as session:
        return list((await session.exec(select(TaskEvent).order_by(col(TaskEvent.id)))).all())


async def rows(database: Database) -> list[Task]:
    async with database.session() as session:
        return list((await session.exec(select(Task).order_by(col(Task.number)))).all())


async def test_an_added_task_has_everything_that_was_said_of_it(database: Database) -> None:
    change = await add(
        database,
        ANN,
        "  Buy \n milk ",
        notes=" the good one\nnot the other ",
        priority=TaskPriority.HIGH,
        due=datetime(2026, 11, 19, 8, tzinfo=UTC),
    )
    assert change.model_dump() == {
        "action": "added",
        "task": {
            "number": 1,
            "title": "Buy milk",
            "notes": "the good one\nnot the other",
            "priority": "high",
            "due": "2026-11-19T09:00:00+01:00",
            "completed": None,
            "created": "2026-11-18T10:00:00+01:00",
        },
        "note": None,
    }
    [task] = await rows(database)
    assert (task.title, task.due_at, task.created_at) == (
        "Buy milk",
        datetime(2026, 11, 19, 8, tzinfo=UTC),
        NOW,
    )


async def test_a_due_time_in_the_past_is_kept_and_remarked_on(database: Database) -> None:
    change = await add(database, ANN, "Milk", due=NOW - timedelta(days=1))
    assert change.note == tasks.PAST_DUE_NOTE


@pytest.mark.parametrize(
    "values",
    [
        {"title": " "},
        {"title": "x" * 501},
        {"title": "a\x00b"},
        {"title": "a\ud800b"},
        {"title": "a", "notes": "a\x00b"},
        {"title": "a", "notes": "\udfff"},
        {"title": "a", "notes": "x" * 10_001},
    ],
)
async def test_a_task_that_cannot_be_stored_is_refused(
    database: Database, values: dict[str, str]
) -> None:
    with pytest.raises(InvalidValueError) as error:
        await do(database, tasks.add_task, ANN, **values)
    str(error.value).encode()
    assert len(str(error.value)) < 500
    assert await rows(database) == []


async def test_text_of_every_script_is_stored_as_it_is(database: Database) -> None:
    title = "Zahnärztin 🦷 مرحبا 买牛奶 O'Neil %s {x} \\"
    await add(database, ANN, title)
    assert await titles(database, ANN) == [title]


async def test_tasks_are_listed_by_due_time_then_number(database: Database) -> None:
    await add(database, ANN, "some day")
    await add(database, ANN, "later", due=NOW + timedelta(days=2))
    await add(database, ANN, "sooner", due=NOW + timedelta(days=1))
    await add(database, ANN, "sooner too", due=NOW + timedelta(days=1))
    await add(database, ANN, "some other day")
    assert await titles(database, ANN) == [
        "sooner",
        "sooner too",
        "later",
        "some day",
        "some other day",
    ]


async def test_tasks_are_listed_by_their_state(database: Database) -> None:
    await add(database, ANN, "open one")
    await add(database, ANN, "done one")
    await do(database, tasks.complete_task, ANN, "2")
    assert await titles(database, ANN) == ["open one"]
    assert await titles(database, ANN, state="completed") == ["done one"]
    assert await titles(database, ANN, state="all") == ["open one", "done one"]


async def test_a_list_holds_the_tasks_with_all_the_words_in_title_or_notes(
    database: Database,
) -> None:
    await add(database, ANN, "Call the Zahnärztin", notes="about Tuesday's 100% appointment")
    await add(database, ANN, "Call Ann")
    assert await titles(database, ANN, text="zahnÄrztin") == ["Call the Zahnärztin"]
    assert await titles(database, ANN, text="call tuesday") == ["Call the Zahnärztin"]
    assert await titles(database, ANN, text="the call task") == ["Call the Zahnärztin", "Call Ann"]
    assert await titles(database, ANN, text="zebra") == []
    assert await titles(database, ANN, text="%") == ["Call the Zahnärztin"]


async def test_a_long_list_is_cut_and_says_how_many_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LIST_MAX", 2)
    for title in ("a", "b", "c"):
        await add(database, ANN, title)
    listed = await do(database, tasks.list_tasks, ANN)
    assert [task.title for task in listed.tasks] == ["a", "b"]
    assert listed.total == 3


async def test_a_user_nobody_has_heard_of_has_no_tasks_and_is_not_stored(
    database: Database, database_url: str
) -> None:
    assert await titles(database, ANN) == []
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)


async def test_a_completed_task_leaves_the_list_with_the_time_it_was_done(
    database: Database,
) -> None:
    await add(database, ANN, "Buy milk")
    later = replace(ANN, now=NOW + timedelta(hours=1))
    change = await do(database, tasks.complete_task, later, "the milk")
    assert (change.action, change.task.completed) == ("completed", "2026-11-18T11:00:00+01:00")
    assert await titles(database, ANN) == []


async def test_completing_again_changes_nothing_and_says_so(database: Database) -> None:
    await add(database, ANN, "Buy milk")
    await do(database, tasks.complete_task, ANN, "1")
    later = replace(ANN, now=NOW + timedelta(hours=1))
    change = await do(database, tasks.complete_task, later, "milk")
    assert change.action == "unchanged"
    assert change.task.completed == "2026-11-18T10:00:00+01:00"
    assert change.note
    assert len(await events(database)) == 2


async def test_only_what_is_given_is_updated(database: Database) -> None:
    due = NOW + timedelta(days=1)
    await add(database, ANN, "Buy milk", notes="good", priority=TaskPriority.LOW, due=due)
    change = await do(database, tasks.update_task, ANN, "milk", priority=TaskPriority.HIGH)
    assert (change.action, change.task.priority) == ("updated", "high")
    assert (change.task.title, change.task.notes) == ("Buy milk", "good")
    [task] = await rows(database)
    assert (task.due_at, task.priority) == (due, TaskPriority.HIGH)

    change = await do(database, tasks.update_task, ANN, "1", title="Buy bread", notes=None)
    assert (change.task.title, change.task.notes) == ("Buy bread", None)
    change = await do(database, tasks.update_task, ANN, "1", due=None)
    assert change.task.due is None


async def test_a_day_alone_keeps_the_time_of_a_task_and_a_time_alone_its_day(
    database: Database,
) -> None:
    async def due_after(number: str, phrase: str) -> str | None:
        due = read_due(phrase, now=ANN.now, zone=ANN.zone)
        change: Change = await do(database, tasks.update_task, ANN, number, due=due)
        return change.task.due

    await add(database, ANN, "Buy milk", due=datetime(2026, 11, 19, 14, tzinfo=UTC))
    assert await due_after("1", "friday") == "2026-11-20T15:00:00+01:00"
    assert await due_after("1", "4pm") == "2026-11-20T16:00:00+01:00"
    assert await due_after("1", "monday at 9") == "2026-11-23T09:00:00+01:00"
    await add(database, ANN, "Buy bread")
    assert await due_after("2", "friday") == "2026-11-20T23:59:00+01:00"
    assert await due_after("2", "monday") == "2026-11-23T23:59:00+01:00"


async def test_a_kept_time_of_day_that_is_past_is_remarked_on(database: Database) -> None:
    await add(database, ANN, "Buy milk", due=NOW - timedelta(days=1, hours=1))
    today = read_due("today", now=ANN.now, zone=ANN.zone)
    change = await do(database, tasks.update_task, ANN, "1", due=today)
    assert (change.task.due, change.note) == ("2026-11-18T09:00:00+01:00", tasks.PAST_DUE_NOTE)


async def test_an_update_to_what_is_already_so_changes_nothing(database: Database) -> None:
    due = NOW + timedelta(days=1)
    await add(database, ANN, "Buy milk", due=due)
    elsewhere = due.astimezone(ZoneInfo("Asia/Tokyo"))
    change = await do(database, tasks.update_task, ANN, "1", title="Buy milk", due=elsewhere)
    assert change.action == "unchanged"
    assert len(await events(database)) == 1


async def test_an_update_of_nothing_is_refused(database: Database) -> None:
    await add(database, ANN, "Buy milk")
    with pytest.raises(InvalidValueError):
        await do(database, tasks.update_task, ANN, "1")
    with pytest.raises(InvalidValueError):
        await do(database, tasks.update_task, ANN, "1", title="")


async def test_a_reference_to_several_tasks_changes_none(database: Database) -> None:
    await add(database, ANN, "Call Ann")
    await add(database, ANN, "Call Bob")
    for operation in (tasks.complete_task, tasks.delete_task):
        with pytest.raises(AmbiguousTaskError):
            await do(database, operation, ANN, "call")
    with pytest.raises(AmbiguousTaskError):
        await do(database, tasks.update_task, ANN, "call", title="x")
    assert await titles(database, ANN) == ["Call Ann", "Call Bob"]
    assert len(await events(database)) == 2


async def test_deleting_looks_at_completed_tasks_too(database: Database) -> None:
    await add(database, ANN, "Buy milk")
    await do(database, tasks.complete_task, ANN, "milk")
    change = await do(database, tasks.delete_task, ANN, "milk")
    assert (change.action, change.task.title) == ("deleted", "Buy milk")
    assert await rows(database) == []


async def test_deleting_asks_which_where_an_open_and_a_completed_task_are_meant(
    database: Database,
) -> None:
    await add(database, ANN, "Water plants")
    await do(database, tasks.complete_task, ANN, "1")
    await add(database, ANN, "Water plants")
    with pytest.raises(AmbiguousTaskError, match="completed"):
        await do(database, tasks.delete_task, ANN, "plants")
    assert len(await rows(database)) == 2


async def test_a_number_is_never_given_twice(database: Database, database_url: str) -> None:
    await add(database, ANN, "one")
    await add(database, ANN, "two")
    await do(database, tasks.delete_task, ANN, "2")
    assert (await add(database, ANN, "three")).task.number == 3
    # A row that somebody put there by hand has no event.
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO tasks (id, user_id, number, title) "
            "SELECT gen_random_uuid(), id, 7, 'by hand' FROM users"
        )
    assert (await add(database, ANN, "eight")).task.number == 8


async def test_each_user_has_numbers_and_tasks_of_their_own(database: Database) -> None:
    await add(database, ANN, "Ann's secret")
    assert (await add(database, BOB, "Bob's errand")).task.number == 1
    assert await titles(database, BOB, state="all") == ["Bob's errand"]
    await do(database, tasks.delete_task, BOB, "1")
    for operation in (tasks.complete_task, tasks.delete_task):
        for reference in ("1", "secret"):
            with pytest.raises(TaskNotFoundError) as error:
                await do(database, operation, BOB, reference)
            assert "Ann's" not in str(error.value)
    with pytest.raises(TaskNotFoundError):
        await do(database, tasks.update_task, BOB, "secret", title="x")
    assert await titles(database, ANN) == ["Ann's secret"]


async def test_the_ledger_holds_each_change_with_the_task_before_and_after(
    database: Database,
) -> None:
    keyed = replace(ANN, key="k")
    await add(database, keyed, "Buy milk")
    await do(database, tasks.update_task, ANN, "1", title="Buy bread")
    await do(database, tasks.complete_task, ANN, "1")
    await do(database, tasks.delete_task, ANN, "1")
    by_action = {event.action: event for event in await events(database)}
    added, updated = by_action["add_task"], by_action["update_task"]
    completed, deleted = by_action["complete_task"], by_action["delete_task"]
    assert (added.key, updated.key, added.created_at) == ("k", None, NOW)
    assert added.before is None
    assert added.after == {
        "number": 1,
        "title": "Buy milk",
        "notes": None,
        "priority": "normal",
        "due_at": None,
        "completed_at": None,
        "created_at": "2026-11-18T09:00:00+00:00",
    }
    assert updated.before == added.after
    assert updated.after == {**added.after, "title": "Buy bread"}
    assert completed.before == updated.after
    assert deleted.before == completed.after
    assert deleted.after is None
    assert {event.task_number for event in by_action.values()} == {1}


async def test_a_repeated_call_is_answered_as_the_first_time_and_changes_nothing(
    database: Database,
) -> None:
    first = await add(database, replace(ANN, key="a"), "Buy milk")
    # Hours later and elsewhere: a resumed run.
    again = replace(ANN, key="a", now=NOW + timedelta(hours=5), zone=ZoneInfo("UTC"))
    assert await add(database, again, "Buy milk") == first
    done = await do(database, tasks.complete_task, replace(ANN, key="b"), "milk")
    await add(database, ANN, "More milk")
    # Without the key, "milk" would now be the other task.
    assert await do(database, tasks.complete_task, replace(again, key="b"), "milk") == done
    gone = await do(database, tasks.delete_task, replace(ANN, key="c"), "1")
    assert await do(database, tasks.delete_task, replace(ANN, key="c"), "1") == gone
    changed = await do(database, tasks.update_task, replace(ANN, key="d"), "2", title="Tea")
    await do(database, tasks.update_task, ANN, "2", title="Coffee")
    assert await do(database, tasks.update_task, replace(ANN, key="d"), "2", title="Tea") == changed
    assert await titles(database, ANN) == ["Coffee"]


async def test_the_same_call_at_the_same_time_is_carried_out_once(database: Database) -> None:
    keyed = replace(ANN, key="a")
    answers = await asyncio.gather(*(add(database, keyed, "Buy milk") for _ in range(5)))
    assert answers == [answers[0]] * 5
    assert len(await rows(database)) == len(await events(database)) == 1


async def test_calls_of_a_new_user_at_the_same_time_get_different_numbers(
    database: Database,
) -> None:
    answers = await asyncio.gather(*(add(database, ANN, f"task {n}") for n in range(8)))
    assert sorted(answer.task.number for answer in answers) == list(range(1, 9))


async def test_the_same_key_of_another_user_is_another_call(database: Database) -> None:
    await add(database, replace(ANN, key="a"), "Ann's")
    assert (await add(database, replace(BOB, key="a"), "Bob's")).task.title == "Bob's"


async def test_a_change_that_is_not_committed_leaves_neither_task_nor_event(
    database: Database,
) -> None:
    async with database.session() as session:
        await tasks.add_task(session, replace(ANN, key="a"), title="Buy milk")
        await session.flush()
    assert await rows(database) == []
    assert await events(database) == []
    assert (await add(database, replace(ANN, key="a"), "Buy milk")).task.number == 1


async def test_a_change_does_not_keep_others_from_referring_to_the_user(
    database: Database, database_url: str
) -> None:
    await add(database, ANN, "Buy milk")
    async with database.session() as session:
        await tasks.complete_task(session, ANN, "1")
        await session.flush()
        # The checkpointer stores a step meanwhile.
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SET lock_timeout = '5s'")
            await other.execute(
                "INSERT INTO conversations (id, user_id, thread_id) "
                "SELECT gen_random_uuid(), id, 'thread' FROM users"
            )
        await session.commit()
