"""Looking for tasks: by words, labels, priority, state, due time, list and parent, page by page."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func
from sqlalchemy.exc import DataError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..errors import AmbiguousTaskError, InvalidValueError, TaskError
from ..models import Task, TaskPriority
from ..shapes.arguments import BadItem
from ..shapes.views import FoundTasks, ItemResult, Priority, State, TaskName, TaskPage
from ..texts import check_storable, checked_label, search_form
from ..when.ranges import Range, read_range
from . import pages
from .orders import ORDERS, Sort
from .references import in_words, words_in
from .seeing import Seeing
from .showing import task_views
from .users import find_user

#: As many tasks are counted at most; that there are many is all that more would say.
COUNT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; every condition has to hold."""

    text: str | None = None
    labels: tuple[str, ...] = ()
    priority: Priority | None = None
    state: State = "open"
    due: str | None = None
    due_from: str | None = None
    due_until: str | None = None
    list: str | None = None
    parent: str | None = None
    sort: Sort = "due"


async def find_tasks(
    session: AsyncSession, caller: Caller, query: Query, *, limit: int, cursor: str | None = None
) -> TaskPage:
    """The tasks that a query asks for, a page of them.

    Raises:
        TaskError: a range, a label, a list, a parent or the cursor is not understood.
    """
    order = ORDERS[query.sort]
    start = None if cursor is None else pages.read(cursor, query, length=len(order.keys))
    check_storable("text", query.text or "")
    due, note = await _due_conditions(caller, query)
    labels = [checked_label(label) for label in query.labels]
    user_id = await find_user(session, caller.subject)
    if user_id is None:
        return TaskPage(tasks=[], total=0, note=note)
    seeing = Seeing(session, user_id, caller.zone)
    conditions = [
        col(Task.user_id) == user_id,
        *_state_conditions(query.state),
        *_text_conditions(query.text),
        *due,
    ]
    if labels:
        conditions.append(col(Task.labels).contains(labels))
    if query.priority is not None:
        conditions.append(col(Task.priority) == TaskPriority(query.priority))
    if query.list is not None:
        found = await seeing.find_list(query.list)
        conditions.append(col(Task.list_id) == (None if found is None else found.id))
    if query.parent is not None:
        parent = await seeing.find(query.parent)
        conditions.append(col(Task.parent_id) == parent.id)
    counted = select(Task.id).where(*conditions).limit(COUNT_MAX).subquery()
    total: int = (await session.exec(select(func.count()).select_from(counted))).one()
    if start is not None:
        conditions.append(order.after(start))
    page = select(Task).where(*conditions).order_by(*order.clauses()).limit(limit + 1)
    try:
        tasks = list((await session.exec(page)).all())
    except DataError as error:
        raise InvalidValueError(
            "The cursor is none that was given. Leave it out for the first page."
        ) from error
    more = len(tasks) > limit
    tasks = tasks[:limit]
    return TaskPage(
        tasks=await task_views(seeing, tasks),
        total=total,
        next_cursor=pages.write(order.place_of(tasks[-1]), query) if more else None,
        note=note,
    )


async def get_tasks(
    session: AsyncSession, caller: Caller, references: Sequence[str | int | BadItem]
) -> FoundTasks:
    """Each task that is referred to, with its open subtasks by name."""
    user_id = await find_user(session, caller.subject)
    results = []
    for item, reference in enumerate(references, start=1):
        if isinstance(reference, BadItem):
            results.append(ItemResult(item=item, status="failed", error=reference.error))
            continue
        try:
            if user_id is None:
                raise InvalidValueError("The user has no tasks yet; add_tasks adds some.")
            seeing = Seeing(session, user_id, caller.zone)
            task = await seeing.find(in_words(reference))
            parts = [part for part in await seeing.subtasks(task) if part.is_open]
            [view] = await task_views(seeing, [task])
        except TaskError as error:
            results.append(failure(item, error))
            continue
        names = [TaskName(number=part.number, title=part.title, completed=False) for part in parts]
        results.append(ItemResult(item=item, status="done", task=view, open_subtasks=names or None))
    return FoundTasks(results=results, failed=sum(result.status == "failed" for result in results))


def failure(item: int, error: TaskError) -> ItemResult:
    """The result of an item that was refused, with the tasks that may have been meant."""
    candidates = None
    if isinstance(error, AmbiguousTaskError):
        candidates = [
            TaskName(number=one.number, title=one.title, completed=one.completed)
            for one in error.candidates
        ]
    return ItemResult(item=item, status="failed", error=str(error), candidates=candidates)


def _state_conditions(state: State) -> list[ColumnElement[bool]]:
    completed, archived = col(Task.completed_at), col(Task.archived_at)
    match state:
        case "open":
            return [completed.is_(None), archived.is_(None)]
        case "completed":
            return [completed.is_not(None), archived.is_(None)]
        case "archived":
            return [archived.is_not(None)]
        case "all":
            return []


def _text_conditions(text: str | None) -> list[ColumnElement[bool]]:
    """Every word stands somewhere in the title or the notes, maybe inside of a longer one."""
    if not text or not text.strip():
        return []
    words = words_in(text) or [search_form(text.strip())]
    searched = col(Task.searched)
    return [searched.contains(word, autoescape=True) for word in words]


async def _due_conditions(
    caller: Caller, query: Query
) -> tuple[list[ColumnElement[bool]], str | None]:
    """What has to hold of the due time, and how its words were understood."""
    due = col(Task.due_at)
    conditions: list[ColumnElement[bool]] = []
    notes: list[str] = []

    async def read(words: str) -> Range:
        # In a thread: dateparser takes its time when it is first used.
        found = await asyncio.to_thread(
            read_range, words, now=caller.now, zone=caller.zone, locale=caller.locale
        )
        notes.extend(found.notes)
        return found

    if query.due is not None and query.due.strip().casefold() in ("none", "no", "never"):
        conditions.append(due.is_(None))
    elif query.due is not None:
        found = await read(query.due)
        if found.start is not None:
            conditions.append(due >= found.start)
        if found.end is not None:
            conditions.append(due < found.end)
    if query.due_from is not None and (start := (await read(query.due_from)).start) is not None:
        conditions.append(due >= start)
    if query.due_until is not None and (end := (await read(query.due_until)).end) is not None:
        conditions.append(due < end)
    return conditions, " ".join(dict.fromkeys(notes)) or None
