"""The user's tasks and lists as they are seen within one transaction: found, named and shown."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, not_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..errors import ListNotFoundError, RecurrenceNotUnderstoodError, TaskNotFoundError
from ..models import Task, TaskList
from ..recurrence import describe
from ..shapes.views import INBOX, TaskView
from ..texts import is_inbox, quoted, search_form
from .references import (
    LISTED_MAX,
    Candidate,
    Prefer,
    check_reference,
    find,
    not_found,
    number_in,
    search_words,
)

#: Tasks whose titles are compared with a reference. The shortest titles are the nearest ones.
COMPARED_MAX = 500


@dataclass(slots=True)
class Seeing:
    """What one user has, as the transaction of `session` sees it."""

    session: AsyncSession
    user_id: UUID
    zone: ZoneInfo
    _lists: dict[UUID, TaskList] | None = field(default=None)

    def forget(self) -> None:
        """Look again, after a change to lists or one that was rolled back."""
        self._lists = None

    # Tasks

    async def numbered(self, number: int) -> Task:
        """The task with a number.

        Raises:
            TaskNotFoundError: there is none, or none any more.
        """
        task = await self._numbered(number)
        if task is None:
            raise TaskNotFoundError(
                f"Task {number} isn't there any more: it was deleted by this call."
            )
        return task

    async def find(self, reference: str, *, prefer: Prefer | None = "open") -> Task:
        """The task that a reference means.

        Raises:
            AmbiguousTaskError, TaskNotFoundError, InvalidValueError: see `references.find`.
        """
        check_reference(reference)
        number = number_in(reference)
        if number is not None and (task := await self._numbered(number)) is not None:
            return task
        found = find(reference, await self._candidates(reference, prefer), prefer=prefer)
        if found is None:
            raise TaskNotFoundError(not_found(reference, *await self._open()))
        return await self.numbered(found.number)

    async def _numbered(self, number: int) -> Task | None:
        found: Task | None = (
            await self.session.exec(
                select(Task).where(col(Task.user_id) == self.user_id, col(Task.number) == number)
            )
        ).first()
        return found

    async def _candidates(self, reference: str, prefer: Prefer | None) -> list[Candidate]:
        """The tasks that a reference may mean, the preferred and the nearest ones first."""
        searched = col(Task.searched)
        words = [searched.contains(word, autoescape=True) for word in search_words(reference)]
        conditions: list[ColumnElement[bool]] = []
        if words:
            conditions.append(and_(*words))
        if not reference.isascii():
            conditions.append(searched.contains(search_form(reference.strip()), autoescape=True))
        if not conditions:
            return []
        return await self._named(or_(*conditions), limit=COMPARED_MAX, prefer=prefer)

    async def _open(self) -> tuple[list[Candidate], int]:
        """The first open tasks, and how many there are."""
        still_open = [col(Task.completed_at).is_(None), col(Task.archived_at).is_(None)]
        rows = await self.session.exec(
            select(Task.number, Task.title)
            .where(col(Task.user_id) == self.user_id, *still_open)
            .order_by(col(Task.number))
            .limit(LISTED_MAX)
        )
        first = [Candidate(number, title, completed=False) for number, title in rows.all()]
        count = select(func.count()).where(col(Task.user_id) == self.user_id, *still_open)
        return first, (await self.session.exec(count)).one()

    async def _named(
        self, condition: ColumnElement[bool], *, limit: int, prefer: Prefer | None
    ) -> list[Candidate]:
        completed = col(Task.completed_at).is_not(None)
        archived = col(Task.archived_at).is_not(None)
        closed = or_(completed, archived)
        preferred = [closed] if prefer == "open" else [not_(closed)] if prefer else []
        rows = await self.session.exec(
            select(Task.number, Task.title, completed, archived)
            .where(col(Task.user_id) == self.user_id, condition)
            .order_by(*preferred, func.length(col(Task.title)), col(Task.number))
            .limit(limit)
        )
        return sorted((Candidate(*row) for row in rows.all()), key=lambda one: one.number)

    async def parent_of(self, task: Task) -> Task | None:
        """The task that a task is a part of."""
        return None if task.parent_id is None else await self.session.get(Task, task.parent_id)

    async def subtasks(self, task: Task) -> list[Task]:
        """The tasks that are a part of it, and of them, each after what it is a part of."""
        below: list[Task] = []
        parents = [task.id]
        while parents:
            rows = await self.session.exec(
                select(Task)
                .where(col(Task.user_id) == self.user_id, col(Task.parent_id).in_(parents))
                .order_by(col(Task.place), col(Task.number))
            )
            found = list(rows.all())
            below += found
            parents = [one.id for one in found]
        return below

    async def depth(self, task: Task) -> int:
        """How deep tasks are within it: 0 where it has no subtasks."""
        levels: dict[UUID | None, int] = {task.id: 0}
        for part in await self.subtasks(task):
            levels[part.id] = levels[part.parent_id] + 1
        return max(levels.values())

    # Lists

    async def lists(self) -> dict[UUID, TaskList]:
        """The user's lists by their ids, in their order."""
        if self._lists is None:
            rows = await self.session.exec(
                select(TaskList)
                .where(col(TaskList.user_id) == self.user_id)
                .order_by(col(TaskList.place), col(TaskList.name))
            )
            self._lists = {found.id: found for found in rows.all()}
        return self._lists

    async def find_list(self, name: str) -> TaskList | None:
        """The list of that name; none for the Inbox.

        Raises:
            ListNotFoundError: there is none.
        """
        if is_inbox(name):
            return None
        lists = list((await self.lists()).values())
        wanted = " ".join(name.split()).casefold().lstrip("#")
        for found in lists:
            if found.name.casefold() == wanted:
                return found
        near = [found for found in lists if wanted and wanted in found.name.casefold()]
        if len(near) == 1:
            return near[0]
        names = ", ".join([INBOX, *(quoted(found.name) for found in (near or lists)[:20])])
        said = "Several lists are meant by" if near else "There is no list"
        raise ListNotFoundError(
            f"{said} {quoted(name)}. The lists are {names}. Give one of these names, or make the "
            "list with save_lists first."
        )

    # Showing

    async def views(self, tasks: Sequence[Task]) -> list[TaskView]:
        """The tasks as their owner sees them."""
        if not tasks:
            return []
        lists = await self.lists() if any(task.list_id for task in tasks) else {}
        parents = await self._numbers([task.parent_id for task in tasks if task.parent_id])
        open_subtasks = await self._open_subtasks([task.id for task in tasks])
        zones = {task.due_zone for task in tasks if task.due_zone} - {self.zone.key}
        if zones:
            # In a thread: the first use of a zone reads a file.
            await asyncio.to_thread(lambda: [ZoneInfo(zone) for zone in zones])
        return [
            self._view(
                task,
                INBOX if task.list_id is None else lists[task.list_id].name,
                None if task.parent_id is None else parents[task.parent_id],
                open_subtasks.get(task.id),
            )
            for task in tasks
        ]

    async def _numbers(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        if not ids:
            return {}
        rows = await self.session.exec(
            select(Task.id, Task.number).where(
                col(Task.user_id) == self.user_id, col(Task.id).in_(ids)
            )
        )
        return dict(rows.all())

    async def _open_subtasks(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        rows = await self.session.exec(
            select(Task.parent_id, func.count())
            .where(
                col(Task.user_id) == self.user_id,
                col(Task.parent_id).in_(ids),
                col(Task.completed_at).is_(None),
                col(Task.archived_at).is_(None),
            )
            .group_by(col(Task.parent_id))
        )
        return {id_: count for id_, count in rows.all() if id_ is not None}

    def _view(
        self, task: Task, list_name: str, parent: int | None, open_subtasks: int | None
    ) -> TaskView:
        return TaskView(
            number=task.number,
            title=task.title,
            notes=task.notes,
            priority=task.priority.value,
            labels=task.labels or None,
            due=shown_due(task, self.zone),
            starts=_day(task.starts_on),
            repeats=_repeats(task),
            list=list_name,
            parent=parent,
            open_subtasks=open_subtasks,
            completed=shown(task.completed_at, self.zone),
            archived=shown(task.archived_at, self.zone),
            created=shown(task.created_at, self.zone) or "",
        )


def shown(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """A moment as ISO 8601 in a zone."""
    return None if moment is None else moment.astimezone(zone).isoformat(timespec="seconds")


def shown_due(task: Task, zone: ZoneInfo) -> str | None:
    """When a task is due; a day is the one of the zone in which it was given."""
    if task.due_at is None or not task.due_is_day:
        return shown(task.due_at, zone)
    return task.due_at.astimezone(due_zone(task, zone)).date().isoformat()


def due_zone(task: Task, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone in which a task's due time was given."""
    return otherwise if task.due_zone is None else ZoneInfo(task.due_zone)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _repeats(task: Task) -> str | None:
    if task.recurrence is None or task.recurrence_start is None or task.due_zone is None:
        return None
    try:
        return describe(
            task.recurrence,
            start=task.recurrence_start.astimezone(ZoneInfo(task.due_zone)),
            is_day=task.due_is_day,
            from_completion=task.recurs_from == "completion",
        )
    except RecurrenceNotUnderstoodError:
        return task.recurrence
