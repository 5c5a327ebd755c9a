"""Which changes of a user's tasks a conversation found made, and in which order its own took
effect, told from the ledger `task_events`. Pure: no I/O.

A tool's result depends on the tasks that were there. Those that the conversation's own calls made
are there again when the calls are made again; all others have to be put there first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.client import idempotency_key

from .recording import Change

LIST = "list_tasks"
ADD = "add_task"


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `task_events`."""

    key: str | None
    tool: str
    number: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    result: dict[str, Any]
    at: datetime


@dataclass(slots=True, eq=False)
class Call:
    """A tool call that reached its tool, and what came of it."""

    thread_id: str
    id: str
    tool: str
    arguments: dict[str, Any]
    at: datetime
    #: The structured result; none where the tool refused.
    result: dict[str, Any] | None
    #: Names the step; calls of one step are made at once.
    step: str
    #: The change that it made, when it was made by this very call.
    event: Event | None = None

    @property
    def key(self) -> str | None:
        return idempotency_key(self.thread_id, self.id, self.tool, self.arguments)


def changes_elsewhere(calls: Sequence[Call], events: Sequence[Event]) -> dict[Call, list[Change]]:
    """The changes that have to be made before each call, the oldest first.

    `calls` are those of a whole thread in the order in which they were made; each is given the
    event that it made. Of several changes to one task before a call only the last is kept, and of
    deleted tasks only the one that the next number depends on.
    """
    elsewhere = _match(calls, events)
    keys = {call.key for call in calls}
    changes: dict[Call, list[Change]] = {}
    waiting = sorted(elsewhere, key=lambda event: event.at)
    greatest = 0
    for call in sorted(calls, key=lambda call: call.at):
        found = [event for event in waiting if _precedes(event, call)]
        waiting = [event for event in waiting if not _precedes(event, call)]
        made = _condensed(found, keys, greatest)
        greatest = max([greatest, *(event.number for event in made)])
        changes[call] = [
            Change(
                before=call.id,
                at=event.at,
                tool=event.tool,
                number=event.number,
                task=event.after,
                # Another conversation's keys and answers are of no use here.
                key=event.key if event.key in keys else None,
                result=event.result if event.key in keys - {None} else None,
            )
            for event in made
        ]
        if call.event is not None:
            greatest = max(greatest, call.event.number)
    return changes


def order_of(calls: Sequence[Call]) -> list[str]:
    """The calls of one step in the order in which they took effect, as far as it can be told."""
    left = list(calls)
    order: list[str] = []
    while left:
        free = [
            call
            for call in left
            if not any(_took_effect_before(other, call) for other in left if other is not call)
        ]
        first = (free or left)[0]
        left.remove(first)
        order.append(first.id)
    return order


def _match(calls: Iterable[Call], events: Sequence[Event]) -> list[Event]:
    """Give each call its event; the events that are left belong to no call."""
    left = list(events)
    for call in calls:
        for event in left:
            if _made_by(event, call):
                call.event = event
                left.remove(event)
                break
    return left


def _made_by(event: Event, call: Call) -> bool:
    # An event of another moment was made when the call was made before, and its result was lost.
    if event.at != call.at or event.tool != call.tool:
        return False
    # A copied thread has another name, and so have its calls.
    return event.key == call.key or event.result == call.result


def _precedes(event: Event, call: Call) -> bool:
    return event.at < call.at


def _condensed(events: Sequence[Event], keys: set[str | None], greatest: int) -> list[Event]:
    last = {event.number: event for event in events}
    highest = max([greatest, *last])
    return [
        event
        for event in events
        if event.key in keys - {None}
        or (
            event is last[event.number]
            # One that was there before has to go; of one that wasn't, the number may matter.
            and (event.after is not None or event.number <= greatest or event.number == highest)
        )
    ]


def _took_effect_before(first: Call, second: Call) -> bool:
    """Whether the results of two calls of one step show that one came before the other."""
    a, b = first.event, second.event
    if a is not None and b is not None:
        if a.tool == b.tool == ADD:
            return a.number < b.number
        return a.number == b.number and a.after is not None and a.after == b.before
    if a is not None and second.tool == LIST:
        return _shown(a, second) is True
    if b is not None and first.tool == LIST:
        return _shown(b, first) is False
    return False


def _shown(event: Event, reading: Call) -> bool | None:
    """Whether a list of tasks shows a change; none where it can't be told."""
    if reading.result is None:
        return None
    tasks = {task["number"]: task for task in reading.result["tasks"]}
    listed = tasks.get(event.number)
    if event.after is not None and listed is not None:
        return bool(listed == event.result["task"])
    if listed is not None:
        return False  # It is deleted, and yet listed.
    state, filtered = reading.result["state"], bool(reading.arguments.get("text"))
    if filtered or reading.result["total"] > len(tasks):
        return None
    match event.tool, state:
        case ("add_task", "open" | "all") | ("complete_task", "completed"):
            return False
        case ("delete_task" | "complete_task", "open") | ("delete_task", "all"):
            return True
        case _:
            return None
