"""When a task is due, from when on, and how it repeats, from what somebody said to its columns."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from ..context import Caller
from ..errors import InvalidValueError
from ..finding.showing import due_zone
from ..models import Task
from ..when.clock_times import END_OF_DAY, existing
from ..when.dates import Due, read_due, read_start
from ..when.recurrence import next_after_completion, next_occurrence, read_recurrence
from .call import Call

T = TypeVar("T")

#: What a model may write for "no notes", "no due time" and the like.
CLEARING = frozenset({"", "none", "null", "never"})


def clears(text: str) -> bool:
    """Whether a value is to be taken away."""
    return text.strip().casefold() in CLEARING


async def set_due(call: Call, task: Task, words: str) -> list[str]:
    """Make a task due when the words say; what they leave open stays as the task has it.

    Returns what should be told of it.

    Raises:
        DueNotUnderstoodError: see `read_due`.
    """
    caller = call.caller
    due = await _read(read_due, words, caller)
    old = _old_due(task, caller)
    meant = due.instead_of(old, now=caller.now)
    is_day = not due.names_time and (old is None or task.due_is_day)
    # What repeats does so by the clocks of the zone in which that was said, wherever it is moved.
    zone = caller.zone if task.recurrence is None else due_zone(task, caller.zone)
    _due_at(task, meant.moment, zone, is_day=is_day)
    return list(meant.notes)


async def set_recurrence(call: Call, task: Task, words: str, due: str | None) -> list[str]:
    """Make a task repeat as the words say, from its due time on, which `due` may give along.

    Raises:
        RecurrenceNotUnderstoodError, DueNotUnderstoodError: see `read_recurrence`, `read_due`.
    """
    caller = call.caller
    recurrence = await _read(read_recurrence, words, caller)
    begun: Due | None = None
    if due is not None:
        begun = await _read(read_due, due, caller)
    elif (old := _old_due(task, caller)) is not None and not (
        recurrence.names_day and recurrence.names_time
    ):
        if recurrence.names_day:
            old = datetime.combine(recurrence.first, old.time(), old.tzinfo)
        begun = Due(
            old,
            names_day=not recurrence.names_day,
            names_time=not task.due_is_day and not recurrence.names_time,
        )
    recurrence = recurrence.beginning(begun, now=caller.now)
    _due_at(task, recurrence.first, caller.zone, is_day=not recurrence.names_time)
    task.recurrence = recurrence.rule
    task.recurrence_start = task.occurs_at = task.due_at
    task.recurs_from = "completion" if recurrence.from_completion else "due"
    notes = [] if begun is None else list(begun.on_words)
    if begun is not None and recurrence.first == begun.moment:
        notes += begun.on_moment
    return list(dict.fromkeys([*notes, *recurrence.notes]))


def clear_recurrence(task: Task) -> None:
    """Let a task not repeat any more."""
    task.recurrence = task.recurrence_start = task.recurs_from = task.occurs_at = None


async def set_start(call: Call, task: Task, words: str) -> list[str]:
    """Let a task start on a day.

    Raises:
        DueNotUnderstoodError: see `read_start`.
        InvalidValueError: it would start after it is due.
    """
    start = await _read(read_start, words, call.caller)
    task.starts_on = start.day
    check_start(call, task)
    return list(start.notes)


def check_start(call: Call, task: Task) -> None:
    """
    Raises:
        InvalidValueError: the task starts after it is due.
    """
    day = due_day(task, call.caller)
    if task.starts_on is not None and day is not None and task.starts_on > day:
        raise InvalidValueError(
            f"It would start on {task.starts_on.isoformat()}, after {day.isoformat()}, when it is "
            "due. Give another due time or start."
        )


def due_day(task: Task, caller: Caller) -> date | None:
    """The day on which a task is due, where it was given."""
    if task.due_at is None:
        return None
    return task.due_at.astimezone(due_zone(task, caller.zone)).date()


def clear_due(task: Task) -> None:
    """Let a task be due at no time."""
    task.due_at = task.due_zone = None
    task.due_is_day = False


def following(task: Task, caller: Caller) -> datetime | None:
    """When a task that repeats is due after the occurrence that was just completed."""
    if task.recurrence is None or task.recurrence_start is None or task.occurs_at is None:
        return None
    zone = due_zone(task, caller.zone)
    start = task.recurrence_start.astimezone(zone)
    if task.recurs_from == "completion":
        return next_after_completion(task.recurrence, start=start, completed=caller.now, zone=zone)
    # Those that were missed are past; the next one of an early completion is the one after it.
    after = max(task.occurs_at, caller.now)
    return next_occurrence(task.recurrence, start=start, after=after, zone=zone)


def later(task: Task, caller: Caller, *, days: int) -> tuple[datetime | None, date | None]:
    """When a task is due, and starts, so many days later at the same time of day.

    Neither, where there is no such day any more.
    """
    try:
        starts = None if task.starts_on is None else task.starts_on + timedelta(days=days)
        if task.due_at is None:
            return None, starts
        local = task.due_at.astimezone(due_zone(task, caller.zone))
        return existing((local + timedelta(days=days)).replace(fold=0)), starts
    except OverflowError:
        return None, None


def _old_due(task: Task, caller: Caller) -> datetime | None:
    """When a task has been due, in the zone of the caller; of a day, the end of it there."""
    if task.due_is_day and (day := due_day(task, caller)) is not None:
        return datetime.combine(day, END_OF_DAY, caller.zone)
    return None if task.due_at is None else task.due_at.astimezone(caller.zone)


def _due_at(task: Task, moment: datetime, zone: ZoneInfo, *, is_day: bool) -> None:
    """Let a task be due at a moment, or on its day as an end of day in `zone`."""
    task.due_at = datetime.combine(moment, END_OF_DAY, zone) if is_day else moment
    task.due_is_day = is_day
    task.due_zone = zone.key


async def _read(read: Callable[..., T], words: str, caller: Caller) -> T:
    """Read words as the caller means them."""
    # In a thread: dateparser loads its words, and takes its time, when it is first used.
    return await asyncio.to_thread(
        read, words, now=caller.now, zone=caller.zone, locale=caller.locale
    )
