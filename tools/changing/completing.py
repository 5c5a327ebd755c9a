"""Completing tasks, with the next occurrence of those that repeat, and reopening them."""

from ..finding.tasks import PARTS_NAMED_MAX
from ..models import Task
from ..shapes.views import ItemResult, TaskName
from ..snapshots import snapshot
from .call import Call
from .repeating import complete_occurrence
from .surroundings import AWAY, told_of_closed

LAST_TIME = "That was the last time: it repeats no more."
#: Else it would be back among the open tasks, though it was put away. It keeps its recurrence.
STAYS_AWAY = (
    "It is archived, so there is no next one. To let it repeat again: reopen_tasks, and "
    "update_tasks with archived false."
)
ENDED = "Of these, some repeat and won't come back unless they are reopened: {count}."


async def complete_task(call: Call, task: Task, *, with_subtasks: bool) -> ItemResult:
    """Mark a task as done, and its open subtasks where asked; says which of them are open still.

    Of a task that repeats, the next occurrence is added, a task with a number of its own; not of
    one that is put away.
    """
    parts = await call.seeing.subtasks(task)
    open_parts = [part for part in parts if part.is_open]
    completed = open_parts if with_subtasks else []
    still_open = [] if with_subtasks else open_parts
    names = [
        TaskName(number=part.number, title=part.title, completed=False)
        for part in still_open[:PARTS_NAMED_MAX]
    ]
    if task.completed_at is not None and not completed:
        return ItemResult(
            item=call.item,
            status="unchanged",
            task=await call.view(task),
            note="The task was completed already.",
            open_subtasks=names or None,
        )
    for part in completed:
        await _complete(call, part)
    following: Task | None = None
    told = []
    repeats = task.completed_at is None and task.recurrence is not None
    if repeats and task.archived_at is None:
        following = await complete_occurrence(call, task, parts)
        told += await told_of_closed(call, following) if following else [LAST_TIME]
    elif task.completed_at is None:
        await _complete(call, task)
        told += [STAYS_AWAY] if repeats else []
    if completed:
        told.append(f"Subtasks completed with it: {len(completed)}.")
    # What comes back has handed its recurrence on.
    if ended := sum(part.recurrence is not None for part in completed):
        told.append(ENDED.format(count=ended))
    if still_open:
        where = ", and now parts of the next one" if following else ""
        told.append(f"Subtasks that are still open{where}: {len(still_open)}.")
    await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action="completed",
        task=await call.view(task),
        next=None if following is None else await call.view(following),
        note=" ".join(told) or None,
        open_subtasks=names or None,
    )


async def _complete(call: Call, task: Task) -> None:
    before = snapshot(task)
    task.completed_at = call.caller.now
    await call.record("completed", task, before=before)


async def reopen_task(call: Call, task: Task, _: object = None) -> ItemResult:
    """Let a completed task be open again. The next occurrence that it may have stays."""
    if task.completed_at is None:
        return ItemResult(
            item=call.item,
            status="unchanged",
            task=await call.view(task),
            note="The task is open.",
        )
    before = snapshot(task)
    task.completed_at = None
    await call.record("reopened", task, before=before)
    await call.session.flush()
    told = await told_of_closed(call, task) if task.archived_at is None else [AWAY]
    return ItemResult(
        item=call.item,
        status="done",
        action="reopened",
        task=await call.view(task),
        note=" ".join(told) or None,
    )
