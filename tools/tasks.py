"""What can be done with tasks. The caller owns the session, and commits.

Every change is written together with its event, and a change whose key the ledger holds is
answered from there. Nothing is changed where one of these functions raises.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from . import ledger
from .context import Caller
from .dates import Due
from .errors import InvalidValueError
from .models import Task, TaskEvent, TaskPriority
from .references import Candidate, find, words_in
from .schemas import Action, Change, State, TaskList, view
from .texts import checked_notes, checked_title

#: Tasks in one answer. A model reads all of it, and pays for it, at every later step.
LIST_MAX = 100

PAST_DUE_NOTE = "The due time is in the past."


class _Keep(Enum):
    KEEP = "keep"


#: Leaves a value of a task as it is, where none means to clear it.
KEEP: Final = _Keep.KEEP
Keep = Literal[_Keep.KEEP]


async def add_task(
    session: AsyncSession,
    caller: Caller,
    *,
    title: str,
    notes: str | None = None,
    priority: TaskPriority = TaskPriority.NORMAL,
    due: datetime | None = None,
) -> Change:
    """Add a task with the user's next number.

    Raises:
        InvalidValueError: the title or the notes can't be stored.
    """
    title = checked_title(title)
    notes = checked_notes(notes) if notes else None
    change = await _Change.begin(session, caller, "add_task")
    if change.recorded:
        return change.recorded
    task = Task(
        user_id=change.user_id,
        number=await ledger.next_number(session, change.user_id),
        title=title,
        notes=notes,
        priority=priority,
        due_at=due,
        created_at=caller.now,
    )
    session.add(task)
    return change.record("added", task, before=None, note=_due_note(due, caller))


async def list_tasks(
    session: AsyncSession, caller: Caller, *, state: State = "open", text: str | None = None
) -> TaskList:
    """The user's tasks, the first due first; with `text`, those that have its words in them.

    A word may stand anywhere in the title or the notes, also inside of a longer one.
    """
    user_id = await ledger.find_user(session, caller.subject)
    if user_id is None:
        return TaskList(tasks=[], total=0, state=state)
    query = select(Task).where(col(Task.user_id) == user_id)
    if state != "all":
        done = col(Task.completed_at)
        query = query.where(done.is_(None) if state == "open" else done.is_not(None))
    query = query.order_by(col(Task.due_at).asc().nulls_last(), col(Task.number))
    tasks = list((await session.exec(query)).all())
    if text and (words := words_in(text) or [text.strip().casefold()]):
        # Not in SQL: what lower() does with letters beyond ASCII depends on the server's locale.
        tasks = [task for task in tasks if _has_words(task, words)]
    shown = [view(task, caller.zone) for task in tasks[:LIST_MAX]]
    return TaskList(tasks=shown, total=len(tasks), state=state)


async def update_task(
    session: AsyncSession,
    caller: Caller,
    reference: str,
    *,
    title: str | Keep = KEEP,
    notes: str | Keep | None = KEEP,
    priority: TaskPriority | Keep = KEEP,
    due: Due | datetime | Keep | None = KEEP,
) -> Change:
    """Change what a task says; open tasks are looked at before completed ones.

    What a `Due` leaves open, the day or the time of day, stays as the task has it.

    Raises:
        InvalidValueError: nothing is to be changed, or the title or the notes can't be stored.
        AmbiguousTaskError, TaskNotFoundError: see `references.find`.
    """
    if title is KEEP and notes is KEEP and priority is KEEP and due is KEEP:
        raise InvalidValueError("Say what to change: title, notes, priority or due.")
    if title is not KEEP:
        title = checked_title(title)
    if notes is not KEEP and notes is not None:
        notes = checked_notes(notes)
    change = await _Change.begin(session, caller, "update_task")
    if change.recorded:
        return change.recorded
    task = await _find(session, change.user_id, reference, open_first=True)
    before = ledger.snapshot(task)
    if title is not KEEP:
        task.title = title
    if notes is not KEEP:
        task.notes = notes
    if priority is not KEEP:
        task.priority = priority
    if due is not KEEP:
        if isinstance(due, Due):
            due = due.instead_of(task.due_at, now=caller.now)
        task.due_at = due
    if not session.is_modified(task):
        return _unchanged(task, caller, "The task was like that already.")
    note = None if due is KEEP else _due_note(task.due_at, caller)
    return change.record("updated", task, before=before, note=note)


async def complete_task(session: AsyncSession, caller: Caller, reference: str) -> Change:
    """Mark a task as done; a task that was completed before stays as it is.

    Raises:
        AmbiguousTaskError, TaskNotFoundError, InvalidValueError: see `references.find`.
    """
    change = await _Change.begin(session, caller, "complete_task")
    if change.recorded:
        return change.recorded
    task = await _find(session, change.user_id, reference, open_first=True)
    if task.completed_at is not None:
        return _unchanged(task, caller, "The task was completed already.")
    before = ledger.snapshot(task)
    task.completed_at = caller.now
    return change.record("completed", task, before=before)


async def delete_task(session: AsyncSession, caller: Caller, reference: str) -> Change:
    """Delete a task, open or completed. Its number is not given again.

    Raises:
        AmbiguousTaskError, TaskNotFoundError, InvalidValueError: see `references.find`.
    """
    change = await _Change.begin(session, caller, "delete_task")
    if change.recorded:
        return change.recorded
    task = await _find(session, change.user_id, reference, open_first=False)
    await session.delete(task)
    return change.record("deleted", task, before=ledger.snapshot(task))


@dataclass(slots=True)
class _Change:
    """A change that is being made, with the user's other changes kept out until it is committed."""

    session: AsyncSession
    caller: Caller
    tool: str
    user_id: UUID
    #: What was answered when this very call was carried out before.
    recorded: Change | None

    @classmethod
    async def begin(cls, session: AsyncSession, caller: Caller, tool: str) -> "_Change":
        user_id = await ledger.lock_user(session, caller.subject)
        result = await ledger.recorded_result(session, user_id, caller.key)
        recorded = None if result is None else Change.model_validate(result)
        return cls(session, caller, tool, user_id, recorded)

    def record(
        self,
        action: Action,
        task: Task,
        *,
        before: dict[str, object] | None,
        note: str | None = None,
    ) -> Change:
        """Write the event, and answer what it keeps as the answer."""
        result = Change(action=action, task=view(task, self.caller.zone), note=note)
        self.session.add(
            TaskEvent(
                user_id=self.user_id,
                key=self.caller.key,
                action=self.tool,
                task_number=task.number,
                before=before,
                after=None if action == "deleted" else ledger.snapshot(task),
                result=result.model_dump(mode="json"),
                created_at=self.caller.now,
            )
        )
        return result


def _unchanged(task: Task, caller: Caller, note: str) -> Change:
    # Without an event: the ledger holds changes. Done again, the call is answered afresh.
    return Change(action="unchanged", task=view(task, caller.zone), note=note)


async def _find(session: AsyncSession, user_id: UUID, reference: str, *, open_first: bool) -> Task:
    names = await session.exec(
        select(Task.number, Task.title, col(Task.completed_at).is_not(None))
        .where(col(Task.user_id) == user_id)
        .order_by(col(Task.number))
    )
    candidates = [Candidate(number, title, completed) for number, title, completed in names.all()]
    number = find(reference, candidates, open_first=open_first).number
    task: Task = (
        await session.exec(
            select(Task).where(col(Task.user_id) == user_id, col(Task.number) == number)
        )
    ).one()
    return task


def _has_words(task: Task, words: list[str]) -> bool:
    text = f"{task.title}\n{task.notes or ''}".casefold().replace("'", "").replace("’", "")
    return all(word in text for word in words)


def _due_note(due: datetime | None, caller: Caller) -> str | None:
    return PAST_DUE_NOTE if due is not None and due < caller.now else None
