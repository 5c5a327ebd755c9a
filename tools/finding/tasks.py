"""Looking for tasks: by words, labels, priority, state, due time, list and parent, page by page."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, DateTime, literal_column
from sqlalchemy.exc import DataError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..errors import AmbiguousTaskError, InvalidValueError, TaskError
from ..findable import is_part, query_of
from ..models import DUE, NO_ID, RANK, Task, TaskPriority
from ..shapes.arguments import BadItem
from ..shapes.views import FoundTasks, ItemResult, Priority, State, TaskName, TaskPage
from ..texts import check_storable, checked_label, quoted, search_form
from ..when.ranges import Range, read_range
from . import pages
from .looking import ARCHIVED, COMPLETED, EVERY, OPEN, Condition, Wanted, look
from .orders import ORDERS, Sort, rank_of
from .references import in_words, words_in
from .seeing import Seeing
from .showing import task_views
from .users import find_user

STATES: dict[State, tuple[int, ...]] = {
    "open": OPEN,
    "completed": COMPLETED,
    "archived": ARCHIVED,
    "all": EVERY,
}
#: Of these, what is put away is none.
UNARCHIVED: tuple[State, ...] = ("open", "completed")
#: Open subtasks that an answer names.
PARTS_NAMED_MAX = 10
MORE_PARTS = (
    "The first {named} of {count} open subtasks are named; find_tasks with parent {number} shows "
    "all."
)
LIST_AWAY = 'The list {name} is archived, and its tasks with it; state "archived" shows them.'


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
    conditions = list(due)
    said = text_conditions(query.text)
    if labels:
        said.append(lambda task: task.labels.contains(labels))
    if query.priority is not None:
        rank = rank_of(TaskPriority(query.priority))
        conditions.append(lambda _: literal_column(RANK) == rank)
    if query.list is not None:
        found = await seeing.find_list(query.list)
        list_key = NO_ID if found is None else found.id
        if found is not None and found.archived_at is not None and query.state in UNARCHIVED:
            note = " ".join(filter(None, (note, LIST_AWAY.format(name=quoted(found.name)))))
        conditions.append(lambda task: task.list_key == list_key)
    if query.parent is not None:
        parent = (await seeing.find(query.parent)).id
        conditions.append(lambda task: task.parent_id == parent)
    words, symbols = words_and_symbols(query.text)
    pieces = query_of(user_id, words=words, symbols=symbols, labels=labels)
    wanted = Wanted(user_id, STATES[query.state], tuple(conditions), tuple(said), pieces)
    try:
        ids, total = await look(session, wanted, order, start=start, limit=limit + 1)
    except DataError as error:
        raise InvalidValueError(
            "The cursor is none that was given. Leave it out for the first page."
        ) from error
    more, ids = len(ids) > limit, ids[:limit]
    rows = await session.exec(
        select(Task).where(col(Task.user_id) == user_id, col(Task.id).in_(ids))
    )
    by_id = {task.id: task for task in rows.all()}
    # One may have been deleted a moment ago.
    tasks = [by_id[id_] for id_ in ids if id_ in by_id]
    return TaskPage(
        tasks=await task_views(seeing, tasks),
        total=total,
        next_cursor=pages.write(order.place_of(tasks[-1]), query) if more and tasks else None,
        note=note,
    )


async def get_tasks(
    session: AsyncSession, caller: Caller, references: Sequence[str | int | BadItem]
) -> FoundTasks:
    """Each task that is referred to, with its direct open subtasks by name, the first of them."""
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
            parts = await seeing.open_parts(task, limit=PARTS_NAMED_MAX)
            [view] = await task_views(seeing, [task])
        except TaskError as error:
            results.append(failure(item, error))
            continue
        names = [TaskName(number=part.number, title=part.title, completed=False) for part in parts]
        note = None
        if (count := view.open_subtasks or 0) > len(names):
            note = MORE_PARTS.format(named=len(names), count=count, number=task.number)
        results.append(
            ItemResult(item=item, status="done", task=view, open_subtasks=names or None, note=note)
        )
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


def words_and_symbols(text: str | None) -> tuple[list[str], str]:
    """The words of a text that are looked for, or all of it where it has none."""
    text = search_form((text or "").strip())
    words = list(dict.fromkeys(words_in(text)))
    return words, "" if words else text


def text_conditions(text: str | None) -> list[Condition]:
    """Every word stands somewhere in the title or the notes, maybe inside of a longer one."""
    words, symbols = words_and_symbols(text)

    def having(word: str) -> Condition:
        if is_part(word):
            return lambda task: task.searched.contains(word, autoescape=True)
        # The pieces have it only where it is a word by itself.
        return lambda task: (" " + task.pieces + " ").contains(f" {word} ")

    conditions = [having(word) for word in words]
    if symbols:
        conditions.append(lambda task: task.searched.contains(symbols, autoescape=True))
    return conditions


async def _due_conditions(caller: Caller, query: Query) -> tuple[list[Condition], str | None]:
    """What has to hold of the due time, and how its words were understood."""
    due: ColumnElement[datetime] = literal_column(DUE, DateTime(timezone=True))
    missing = literal_column("'infinity'::timestamptz", DateTime(timezone=True))
    conditions: list[Condition] = []

    def between(start: datetime | None, end: datetime | None) -> None:
        if start is not None:
            conditions.append(lambda _: (due >= start) & (due < missing))
        if end is not None:
            conditions.append(lambda _: due < end)

    notes: list[str] = []

    async def read(words: str) -> Range:
        # In a thread: dateparser takes its time when it is first used.
        found = await asyncio.to_thread(
            read_range, words, now=caller.now, zone=caller.zone, locale=caller.locale
        )
        notes.extend(found.notes)
        return found

    if query.due is not None and query.due.strip().casefold() in ("none", "no", "never"):
        conditions.append(lambda _: due == missing)
    elif query.due is not None:
        found = await read(query.due)
        between(found.start, found.end)
    if query.due_from is not None:
        between((await read(query.due_from)).start, None)
    if query.due_until is not None:
        between(None, (await read(query.due_until)).end)
    return conditions, " ".join(dict.fromkeys(notes)) or None
