"""Completing tasks, with the next occurrence of those that repeat, and reopening them."""

from uuid import uuid4

from ..models import Task
from ..shapes.views import ItemResult, TaskName
from . import timing
from .call import Call
from .ledger import snapshot

#: Columns that the next occurrence has from the one before it.
INHERITED = (
    *("user_id", "title", "notes", "priority", "labels", "list_id", "parent_id", "place"),
    *("due_is_day", "due_zone", "recurrence", "recurrence_start", "recurs_from", "searched"),
)
#: Open subtasks that an answer names.
NAMED_MAX = 10

LAST_TIME = "That was the last time: it repeats no more."


async def complete_task(call: Call, task: Task, *, with_subtasks: bool) -> ItemResult:
    """Mark a task as done, and its open subtasks where asked; says which of them are open still.

    Of a task that repeats, the next occurrence is added, a task with a number of its own.
    """
    below = [part for part in await call.seeing.subtasks(task) if part.completed_at is None]
    done = []
    if task.completed_at is None:
        done.append(task)
    if with_subtasks:
        done += below
        below = []
    still_open = [
        TaskName(number=part.number, title=part.title, completed=False)
        for part in below[:NAMED_MAX]
    ] or None
    if not done:
        return ItemResult(
            item=call.item,
            status="unchanged",
            task=await call.view(task),
            note="The task was completed already.",
            open_subtasks=still_open,
        )
    told = []
    following: Task | None = None
    for one in done:
        if one is task and task.recurrence is not None:
            following = await _repeat(call, task)
            told += [] if following else [LAST_TIME]
        else:
            before = snapshot(one)
            one.completed_at = call.caller.now
            await call.record("completed", one, before=before)
    if parts := len([one for one in done if one is not task]):
        told.append(f"Subtasks completed with it: {parts}.")
    if still_open:
        told.append(f"Subtasks that are still open: {len(below)}.")
    await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action="completed",
        task=await call.view(task),
        next=None if following is None else await call.view(following),
        note=" ".join(told) or None,
        open_subtasks=still_open,
    )


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
    note = None
    parent = await call.seeing.parent_of(task)
    if parent is not None and parent.completed_at is not None:
        note = f"Task {parent.number}, of which it is a part, is completed."
    return ItemResult(
        item=call.item, status="done", action="reopened", task=await call.view(task), note=note
    )


async def _repeat(call: Call, task: Task) -> Task | None:
    """Complete an occurrence, and add the one after it; none after the last."""
    before = snapshot(task)
    due = timing.following(task, call.caller)
    following: Task | None = None
    if due is not None:
        following = Task(
            id=uuid4(),
            number=await call.new_number(),
            due_at=due,
            occurs_at=due,
            starts_on=timing.moved_start(task, due, call.caller),
            created_at=call.caller.now,
            **{name: getattr(task, name) for name in INHERITED},
        )
        timing.clear_recurrence(task)
    task.completed_at = call.caller.now
    await call.record("completed", task, before=before)
    if following is not None:
        call.session.add(following)
        await call.record("added", following, before=None)
    return following
