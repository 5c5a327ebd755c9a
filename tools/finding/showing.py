"""Tasks and lists as their owner sees them, in answers."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func
from sqlmodel import col, select

from ..errors import RecurrenceNotUnderstoodError
from ..models import Task, TaskList
from ..shapes.views import INBOX, ListView, TaskView
from ..when.clock_times import END_OF_DAY
from ..when.recurrence import describe
from ..zones import read_zones
from .seeing import Seeing


async def task_views(seeing: Seeing, tasks: Sequence[Task]) -> list[TaskView]:
    """The tasks as their owner sees them."""
    if not tasks:
        return []
    lists = await seeing.lists() if any(task.list_id for task in tasks) else {}
    parents = await _numbers(seeing, [task.parent_id for task in tasks if task.parent_id])
    open_subtasks = await _open_subtasks(seeing, [task.id for task in tasks])
    await read_zones({task.due_zone for task in tasks if task.due_zone})
    return [
        _view(
            seeing,
            task,
            INBOX if task.list_id is None else _name(lists.get(task.list_id)),
            None if task.parent_id is None else parents.get(task.parent_id),
            open_subtasks.get(task.id),
        )
        for task in tasks
    ]


async def _numbers(seeing: Seeing, ids: Sequence[UUID]) -> dict[UUID, int]:
    if not ids:
        return {}
    rows = await seeing.session.exec(
        select(Task.id, Task.number).where(
            col(Task.user_id) == seeing.user_id, col(Task.id).in_(ids)
        )
    )
    return dict(rows.all())


async def _open_subtasks(seeing: Seeing, ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = await seeing.session.exec(
        select(Task.parent_id, func.count())
        .where(
            col(Task.user_id) == seeing.user_id,
            col(Task.parent_id).in_(ids),
            col(Task.completed_at).is_(None),
            col(Task.archived_at).is_(None),
        )
        .group_by(col(Task.parent_id))
    )
    return {id_: count for id_, count in rows.all() if id_ is not None}


def _view(
    seeing: Seeing, task: Task, list_name: str, parent: int | None, open_subtasks: int | None
) -> TaskView:
    return TaskView(
        number=task.number,
        title=task.title,
        notes=task.notes,
        priority=task.priority.value,
        labels=task.labels or None,
        due=shown_due(task, seeing.zone),
        starts=_day(task.starts_on),
        repeats=_repeats(task, seeing.zone),
        list=list_name,
        parent=parent,
        open_subtasks=open_subtasks,
        completed=shown(task.completed_at, seeing.zone),
        archived=shown(task.archived_at, seeing.zone),
        created=shown(task.created_at, seeing.zone) or "",
    )


async def list_view(seeing: Seeing, found: TaskList) -> ListView:
    """A list as its owner sees it."""
    counts = await seeing.open_tasks([found.id])
    return shown_list(found, counts[found.id], seeing.zone)


def shown_list(found: TaskList, open_tasks: int, zone: ZoneInfo) -> ListView:
    """A list, and how many of its tasks are open."""
    return ListView(name=found.name, open=open_tasks, archived=shown(found.archived_at, zone))


def _name(found: TaskList | None) -> str:
    # A task as it once was may be in a list that is no more.
    return "a list that was deleted" if found is None else found.name


def shown(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """A moment as ISO 8601 in a zone."""
    return None if moment is None else moment.astimezone(zone).isoformat(timespec="seconds")


def shown_due(task: Task, zone: ZoneInfo) -> str | None:
    """When a task is due; a day is the one of the zone in which it was given."""
    if task.due_at is None or not task.due_is_day:
        return shown(task.due_at, zone)
    return task.due_at.astimezone(due_zone(task, zone)).date().isoformat()


def due_zone(task: Task, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone in which a task's due time was given, if this machine knows it."""
    if task.due_zone is None:
        return otherwise
    try:
        return ZoneInfo(task.due_zone)
    except (ZoneInfoNotFoundError, ValueError):
        # Another machine knew it, or somebody wrote it by hand: all the other tasks can be shown.
        return otherwise


def repeats_by_day(task: Task, otherwise: ZoneInfo) -> bool:
    """Whether a task repeats on days, without a time, though one occurrence may have got a time."""
    if task.due_is_day or task.recurrence_start is None:
        return task.due_is_day
    start = task.recurrence_start.astimezone(due_zone(task, otherwise))
    return task.due_at != task.occurs_at and start.time() == END_OF_DAY


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _repeats(task: Task, zone: ZoneInfo) -> str | None:
    if task.recurrence is None or task.recurrence_start is None or task.due_zone is None:
        return None
    is_day = repeats_by_day(task, zone)
    try:
        words = describe(
            task.recurrence,
            start=task.recurrence_start.astimezone(due_zone(task, zone)),
            is_day=is_day,
            from_completion=task.recurs_from == "completion",
        )
    except RecurrenceNotUnderstoodError:
        return task.recurrence
    return words if is_day or task.due_zone == zone.key else f"{words} ({task.due_zone})"
