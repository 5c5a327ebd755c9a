"""The next occurrence of a task that repeats."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from ..finding.showing import due_zone, repeats_by_day
from ..models import Task
from ..snapshots import snapshot
from . import timing
from .call import Call

#: Columns that the next occurrence has from the one before it.
INHERITED = (
    *("user_id", "title", "notes", "priority", "labels", "list_id", "parent_id", "depth"),
    *("place", "due_is_day", "due_zone", "searched"),
)
REPEATING = ("recurrence", "recurrence_start", "recurs_from")


async def complete_occurrence(call: Call, task: Task, parts: Sequence[Task]) -> Task | None:
    """Complete an occurrence, and add the one after it; none after the last.

    `parts` are its subtasks, each after what it is a part of. Those that are open go to the next
    occurrence, and of the others it has new ones.
    """
    before = snapshot(task)
    due = timing.following(task, call.caller)
    if due is None:
        task.completed_at = call.caller.now
        await call.record("completed", task, before=before)
        return None
    following = await _copy(call, task, days=_days_to(due, task, call))
    following.due_at = following.occurs_at = due
    following.due_is_day = repeats_by_day(task, call.caller.zone)
    for name in REPEATING:
        setattr(following, name, getattr(task, name))
    timing.clear_recurrence(task)
    task.completed_at = call.caller.now
    await call.record("completed", task, before=before)
    call.session.add(following)
    await call.record("added", following, before=None)
    await call.session.flush()
    await _carry_over(call, task, following, parts)
    return following


async def _carry_over(call: Call, task: Task, following: Task, parts: Sequence[Task]) -> None:
    """Give the next occurrence the subtasks of the one before it."""
    still_open = {(part.parent_id, part.title) for part in parts if part.completed_at is None}
    days = 0 if following.due_at is None else _days_to(following.due_at, task, call)
    new_parents: dict[UUID | None, UUID] = {task.id: following.id}
    for part in parts:
        parent_id = new_parents.get(part.parent_id)
        if parent_id is None or part.archived_at is not None:
            continue
        if part.completed_at is None:
            if parent_id != part.parent_id:
                before = snapshot(part)
                part.parent_id = parent_id
                await call.record("updated", part, before=before)
            new_parents[part.id] = part.id
        elif (part.parent_id, part.title) not in still_open:
            copy = await _copy(call, part, days=days)
            copy.parent_id = parent_id
            await _hand_on(call, part, copy)
            call.session.add(copy)
            await call.record("added", copy, before=None)
            new_parents[part.id] = copy.id
        # What is referred to is there before what refers to it.
        await call.session.flush()


async def _hand_on(call: Call, part: Task, copy: Task) -> None:
    """Let the copy of a subtask repeat that was completed with what it is a part of."""
    if copy.due_at is None or timing.following(part, call.caller) is None:
        return
    before = snapshot(part)
    for name in REPEATING:
        setattr(copy, name, getattr(part, name))
    copy.occurs_at, copy.due_is_day = copy.due_at, repeats_by_day(part, call.caller.zone)
    timing.clear_recurrence(part)
    await call.record("updated", part, before=before)


def _days_to(due: datetime, task: Task, call: Call) -> int:
    """From the day when a task is due to another one."""
    old = timing.due_day(task, call.caller)
    new = due.astimezone(due_zone(task, call.caller.zone)).date()
    return 0 if old is None else (new - old).days


async def _copy(call: Call, task: Task, *, days: int) -> Task:
    """An open task like this one, due as many days later at the same time of day."""
    copy = Task(
        id=uuid4(),
        number=await call.new_number(),
        created_at=call.caller.now,
        **{name: getattr(task, name) for name in INHERITED},
    )
    copy.labels = list(task.labels)
    copy.due_at, copy.starts_on = timing.later(task, call.caller, days=days)
    return copy
