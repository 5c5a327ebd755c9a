"""The user's tasks and lists as one transaction sees them, found by what people call them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Uuid, cast, func, literal_column, not_, or_, type_coerce
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..errors import AmbiguousTaskError, ListNotFoundError, TaskError, TaskNotFoundError
from ..findable import query_of
from ..models import NO_ID, Task, TaskEvent, TaskList
from ..shapes.views import INBOX
from ..texts import is_inbox, quoted
from .looking import COUNT_MAX, OPEN, TASKS, Wanted, fitting, having
from .references import (
    LISTED_MAX,
    Candidate,
    Prefer,
    ambiguous,
    check_reference,
    find,
    not_found,
    number_in,
    words_in,
)
from .users import plan_by_indexes

#: Tasks whose titles are compared with a reference. The shortest titles are the nearest ones.
COMPARED_MAX = 500
#: Lists that an error names.
NAMED_MAX = 20


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
        task = await self.with_number(number)
        if task is None:
            raise TaskNotFoundError(
                f"Task {number} isn't there any more: it was deleted by this call."
            )
        return task

    async def find(self, reference: str, *, prefer: Prefer | None = "open") -> Task:
        """The task that a reference means.

        The number of a task that was deleted means no other whose title has that number in it.

        Raises:
            AmbiguousTaskError, TaskNotFoundError, InvalidValueError: see `references.find`.
        """
        check_reference(reference)
        number = number_in(reference)
        if number is not None:
            if (task := await self.with_number(number)) is not None:
                return task
            if await self.was_given(number):
                raise TaskNotFoundError(
                    f"No task is meant by {quoted(reference)}; nothing was changed. "
                    f"Task {number} was deleted; find_activity shows when."
                )
            if "#" in reference:
                raise TaskNotFoundError(not_found(reference, await self._open()))
        found = find(reference, await self._candidates(reference, prefer), prefer=prefer)
        if found is None:
            raise TaskNotFoundError(not_found(reference, await self._open()))
        return await self.numbered(found.number)

    async def told_anew(self, reference: str, error: TaskError) -> TaskError:
        """The error about a reference, the tasks that it names being told as they are now."""
        if isinstance(error, AmbiguousTaskError):
            candidates = [await self._as_now(one) for one in error.candidates]
            return ambiguous(reference, candidates, error.count)
        try:
            await self.find(reference)
        except TaskError as anew:
            return anew
        return error

    async def _as_now(self, candidate: Candidate) -> Candidate:
        task = await self.with_number(candidate.number)
        if task is None:
            return replace(candidate, deleted=True)
        completed, archived = task.completed_at is not None, task.archived_at is not None
        return Candidate(task.number, task.title, completed, archived)

    async def with_number(self, number: int) -> Task | None:
        """The task with a number, if there is one."""
        found: Task | None = (
            await self.session.exec(
                select(Task).where(col(Task.user_id) == self.user_id, col(Task.number) == number)
            )
        ).first()
        return found

    async def was_given(self, number: int) -> bool:
        """Whether a task has or had a number; no other task ever gets it."""
        events = select(TaskEvent.id).where(
            col(TaskEvent.user_id) == self.user_id, col(TaskEvent.task_number) == number
        )
        return (await self.session.exec(events.limit(1))).first() is not None

    async def _candidates(self, reference: str, prefer: Prefer | None) -> list[Candidate]:
        """The tasks that a reference may mean, the preferred and the nearest ones first."""
        words = list(dict.fromkeys(words_in(reference)))
        pieces = query_of(self.user_id, words=words, symbols="" if words else reference)
        if pieces is None:
            return []
        await plan_by_indexes(self.session)
        found = having(pieces)
        completed, archived = found.c.completed_at.is_not(None), found.c.archived_at.is_not(None)
        closed = or_(completed, archived)
        preferred = [closed] if prefer == "open" else [not_(closed)] if prefer else []
        nearest: Any = (
            select_columns(found.c.number, found.c.title, completed, archived)
            .where(found.c.user_id == self.user_id)
            .order_by(*preferred, func.length(found.c.title), found.c.number)
            .limit(COMPARED_MAX)
        )
        rows = await self.session.exec(nearest)
        return sorted((Candidate(*row) for row in rows.all()), key=lambda one: one.number)

    async def _open(self) -> list[Candidate]:
        """The open tasks; where there are more than a message lists, some of them."""
        rows = await self.session.exec(
            select(Task.number, Task.title)
            .where(*fitting(Wanted(self.user_id, OPEN)))
            .limit(LISTED_MAX + 1)
        )
        found = [Candidate(number, title, completed=False) for number, title in rows.all()]
        return sorted(found, key=lambda one: one.number)

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
            found = rows.all()
            below += found
            parents = [one.id for one in found]
        return below

    async def open_parts(self, task: Task, *, limit: int) -> list[Task]:
        """The first of the open tasks that are a part of it, and of nothing between."""
        rows = await self.session.exec(
            select(Task)
            .where(
                col(Task.user_id) == self.user_id,
                col(Task.parent_id) == task.id,
                col(Task.completed_at).is_(None),
                col(Task.archived_at).is_(None),
            )
            .order_by(col(Task.place), col(Task.number))
            .limit(limit)
        )
        return list(rows.all())

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

    async def find_list(self, name: str, *, by_words: bool = True) -> TaskList | None:
        """The list of that name, or with its words in the name; none for the Inbox.

        Raises:
            ListNotFoundError: there is none, or several have the words.
        """
        if is_inbox(name):
            return None
        lists = list((await self.lists()).values())
        for found in lists:
            if found.name.casefold() == " ".join(name.split()).casefold():
                return found
        wanted = set(words_in(name)) - {"list", "project"}
        near = [found for found in lists if wanted and wanted <= set(words_in(found.name))]
        if len(near) == 1 and by_words:
            return near[0]
        names = ", ".join([INBOX, *(quoted(found.name) for found in (near or lists)[:NAMED_MAX])])
        raise ListNotFoundError(
            f"There is no list {quoted(name)}. The lists are {names}. Give one of these names, or "
            "make the list with save_lists first."
        )

    async def open_tasks(self, list_ids: Sequence[UUID | None]) -> dict[UUID | None, int]:
        """How many open tasks these lists have, of which None is the Inbox; up to `COUNT_MAX`."""
        ids = cast([id_ or NO_ID for id_ in list_ids], ARRAY(Uuid))
        asked = func.unnest(ids).table_valued("key").render_derived()
        key = type_coerce(asked.c.key, Uuid())
        some: Any = (
            select_columns(TASKS.c.list_key)
            .where(
                TASKS.c.user_id == self.user_id,
                TASKS.c.list_key == key,
                # In the words of the index that holds no others.
                TASKS.c.completed_at.is_(None),
                TASKS.c.archived_at.is_(None),
            )
            .limit(literal_column(str(COUNT_MAX)))
            .correlate(asked)
            .subquery()
        )
        counted: Any = select_columns(
            key, select_columns(func.count()).select_from(some).scalar_subquery()
        )
        found = dict((await self.session.exec(counted)).all())
        return {id_: found[id_ or NO_ID] for id_ in list_ids}
