"""Changing when tasks are due."""

from ..errors import InvalidValueError
from ..models import Task
from ..shapes.arguments import NewDue
from ..shapes.views import ItemResult
from ..snapshots import snapshot
from . import timing
from .call import Call
from .surroundings import AWAY


async def reschedule_task(call: Call, task: Task, item: NewDue) -> ItemResult:
    """Give a task another due time; one that repeats goes on repeating as before.

    What the words leave open, the day or the time of day, stays as the task has it. A start that
    would be after the new due time is moved to its day.

    Raises:
        DueNotUnderstoodError: the words can't be read.
        InvalidValueError: it would start after it is due, or repeat without being due.
    """
    before = snapshot(task)
    told: list[str] = []
    if timing.clears(item.due):
        if task.recurrence is not None:
            raise InvalidValueError(
                "A task that repeats has to be due sometime. To end the repetition call "
                'update_tasks with repeats "none" first.'
            )
        timing.clear_due(task)
    else:
        told += await timing.set_due(call, task, item.due)
    if item.starts is not None:
        if timing.clears(item.starts):
            task.starts_on = None
        else:
            told += await timing.set_start(call, task, item.starts)
    day = timing.due_day(task, call.caller)
    if task.starts_on is not None and day is not None and task.starts_on > day:
        task.starts_on = day
        told.append("Its start was moved to the day when it is due.")
    if snapshot(task) == before:
        return ItemResult(
            item=call.item,
            status="unchanged",
            task=await call.view(task),
            note=" ".join(["It was due then already.", *told]),
        )
    if task.recurrence is not None and before["recurrence_start"] is not None:
        told.append("Only this occurrence was moved; after it, the task repeats as before.")
    if task.completed_at is not None:
        told.append("It is completed; reopen_tasks lets it be open again.")
    elif task.archived_at is not None:
        told.append(AWAY)
    await call.record("rescheduled", task, before=before)
    await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action="rescheduled",
        task=await call.view(task),
        note=" ".join(told) or None,
    )
