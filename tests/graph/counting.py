"""What conversations say was done, held against the ledger and the tasks."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from sqlmodel import col, select

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.models import User
from tests.storage.killing import messages
from tests.storage.support import fetch, on
from tests.storage.talking import user_of
from tests.tools.support import person
from tools.client import idempotency_key
from tools.models import Task, TaskEvent
from tools.snapshots import snapshot

READS = ("find_", "get_")


@dataclass(frozen=True)
class Made:
    """A call of a conversation that may have changed something."""

    user: str
    key: str
    #: None while the conversation has none.
    answer: ToolMessage | None


def key_of(thread_id: str, message: BaseMessage, call: ToolCall) -> str | None:
    """The idempotency key of a call."""
    return idempotency_key(thread_id, call["id"], call["name"], call["args"], message.id)


async def calls(database: Database, thread_id: str) -> list[Made]:
    """A thread's writing calls in their order, with their answers."""
    known = await messages(database, thread_id)
    answers = {one.tool_call_id: one for one in known if isinstance(one, ToolMessage)}
    made = []
    for message in known:
        for call in message.tool_calls if isinstance(message, AIMessage) else ():
            key = key_of(thread_id, message, call)
            assert key is not None
            if not call["name"].startswith(READS):
                made.append(Made(user_of(thread_id), key, answers.get(str(call["id"]))))
    return made


async def recorded_calls(database: Database) -> dict[tuple[str, str], dict[str, Any]]:
    """What the ledger has of calls, by user and key."""
    query = "SELECT u.subject, c.key, c.result FROM task_calls c JOIN users u ON u.id = c.user_id"
    return {(row["subject"], row["key"]): row["result"] for row in await fetch(database, query)}


async def recorded_unanswered(database: Database, threads: Sequence[str]) -> list[Made]:
    """The calls that were carried out, and whose answers no checkpoint has."""
    recorded = await recorded_calls(database)
    found = []
    for thread_id in threads:
        pending = set(await _pending(database, thread_id))
        found += [
            made
            for made in await calls(database, thread_id)
            if made.answer is None and (made.user, made.key) in recorded and made.key not in pending
        ]
    return found


async def _pending(database: Database, thread_id: str) -> list[str]:
    """The keys of the calls whose answers are stored, but not yet in the list of messages."""
    stored = await TranscriptSaver(database.pool).aget_tuple(on(thread_id))
    if stored is None:
        return []
    answered = {
        message.tool_call_id
        for _, channel, value in stored.pending_writes or ()
        for message in (value if channel == "messages" and isinstance(value, list) else [])
        if isinstance(message, ToolMessage)
    }
    return [
        key
        for message in await messages(database, thread_id)
        for call in (message.tool_calls if isinstance(message, AIMessage) else ())
        if call["id"] in answered and (key := key_of(thread_id, message, call))
    ]


async def check_answers(database: Database, threads: Sequence[str]) -> None:
    """Each call has one answer, the recorded one; nothing else was ever recorded."""
    recorded = await recorded_calls(database)
    for thread_id in threads:
        known = await messages(database, thread_id)
        asked = [call["id"] for message in _of_model(known) for call in message.tool_calls]
        answered = [one.tool_call_id for one in known if isinstance(one, ToolMessage)]
        assert asked == answered
        for made in await calls(database, thread_id):
            assert made.answer is not None
            result = recorded.pop((made.user, made.key))
            if result.get("executed") is False:
                assert str(made.answer.text).startswith("Not executed:")
            else:
                assert json.loads(str(made.answer.text)) == result
    assert recorded == {}


async def check_tasks(database: Database, threads: Sequence[str]) -> None:
    """Each user's tasks are those that their conversations were told of, as they were told."""
    told: dict[str, dict[int, Any]] = {user_of(thread_id): {} for thread_id in threads}
    lists: dict[str, set[str]] = {user: set() for user in told}
    for thread_id in threads:
        own: dict[int, Any] = {}
        for change in await _changes(database, thread_id):
            if kept := change.get("list"):
                gone = change["action"] == "deleted"
                (lists[user_of(thread_id)].discard if gone else lists[user_of(thread_id)].add)(
                    kept["name"]
                )
            if task := change.get("task"):
                if change["action"] == "deleted":
                    own.pop(task["number"])
                else:
                    own[task["number"]] = task
            if following := change.get("next"):
                own[following["number"]] = following
        assert not own.keys() & told[user_of(thread_id)].keys()
        told[user_of(thread_id)] |= own
    for user, tasks in told.items():
        assert {task["number"]: task for task in await shown_tasks(database, user)} == tasks
        async with person(database, user, **UTC) as owner:
            shown = (await owner.answer("find_lists"))["lists"]
        assert [one["name"] for one in shown].count("Inbox") == 1
        assert {one["name"] for one in shown} - {"Inbox"} == lists[user]


UTC = {"task-agent/time-zone": "UTC"}


async def shown_tasks(database: Database, user: str) -> list[dict[str, Any]]:
    """All of a user's tasks, as the tools show them."""
    found: list[dict[str, Any]] = []
    async with person(database, user, **UTC) as owner:
        cursor: dict[str, str] = {}
        while True:
            page = await owner.answer("find_tasks", state="all", limit=100, **cursor)
            found += page["tasks"]
            if "next_cursor" not in page:
                return found
            cursor = {"cursor": page["next_cursor"]}


async def check_ledger(database: Database) -> None:
    """The events, one after the other, make the tasks; no number was given twice."""
    async with database.session() as session:
        for user in (await session.exec(select(User))).all():
            events = select(TaskEvent).where(col(TaskEvent.user_id) == user.id)
            made: dict[int, Any] = {}
            numbers: list[int] = []
            positions = []
            for event in await session.exec(events.order_by(col(TaskEvent.position))):
                positions.append(event.position)
                if event.task_number is None:
                    continue
                # Each change begins where the one before ended.
                assert made.get(event.task_number) == event.before
                if event.action == "added":
                    numbers.append(event.task_number)
                made[event.task_number] = event.after
            assert positions == list(range(1, len(positions) + 1))
            assert numbers == list(range(1, len(numbers) + 1))
            tasks = await session.exec(select(Task).where(col(Task.user_id) == user.id))
            kept = {task.number: snapshot(task) for task in tasks}
            assert kept == {number: after for number, after in made.items() if after}


def _of_model(known: Sequence[BaseMessage]) -> Iterator[AIMessage]:
    return (message for message in known if isinstance(message, AIMessage))


async def _changes(database: Database, thread_id: str) -> list[dict[str, Any]]:
    """What a thread was told was done, in its order."""
    return [
        item
        for made in await calls(database, thread_id)
        if made.answer is not None and str(made.answer.text).startswith("{")
        for item in json.loads(str(made.answer.text))["results"]
        if item["status"] == "done"
    ]
