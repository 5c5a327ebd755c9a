"""What was changed, when, by which tool and from which conversation: the ledger, read back."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.models import Conversation

from ..context import Caller
from ..errors import InvalidValueError
from ..models import TaskCall, TaskEvent
from ..shapes.views import Activity, Event, FieldChange, TaskView
from ..snapshots import list_from, task_from
from ..texts import check_storable
from . import pages
from .references import number_in
from .seeing import Seeing
from .showing import shown, task_views
from .users import find_user

#: What a change of a task is told by.
FIELDS = tuple(
    name for name in TaskView.model_fields if name not in ("number", "open_subtasks", "created")
)


async def find_activity(
    session: AsyncSession,
    caller: Caller,
    *,
    task: str | None = None,
    turn: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Activity:
    """The user's changes, the latest first: all, those of a task, or those of a turn.

    A task that was deleted is known by its number alone.

    Raises:
        TaskError: no task is meant, several are, or the cursor is not understood.
    """
    question = ("activity", task, turn)
    start = None if cursor is None else pages.read(cursor, question, length=1)
    if turn is not None:
        check_storable("turn", turn)
    user_id = await find_user(session, caller.subject)
    if user_id is None:
        return Activity(events=[])
    seeing = Seeing(session, user_id, caller.zone)
    conditions = [col(TaskEvent.user_id) == user_id]
    if task is not None:
        number = number_in(task)
        if number is None or not await seeing.was_given(number):
            number = (await seeing.find(task, prefer=None)).number
        conditions.append(col(TaskEvent.task_number) == number)
    if turn is not None:
        conditions.append(col(TaskEvent.turn_id) == turn)
    if start is not None:
        if not re.fullmatch("[0-9]{1,9}", start[0]):
            raise InvalidValueError("The cursor is none that was given. Leave it out.")
        conditions.append(col(TaskEvent.position) < int(start[0]))
    events: Any = (
        select_columns(TaskEvent, col(TaskCall.tool), col(Conversation.title))
        .outerjoin(
            TaskCall,
            (col(TaskCall.user_id) == col(TaskEvent.user_id))
            & (col(TaskCall.key) == col(TaskEvent.key)),
        )
        .outerjoin(
            Conversation,
            (col(Conversation.thread_id) == col(TaskEvent.thread_id))
            & (col(Conversation.user_id) == col(TaskEvent.user_id)),
        )
        .where(*conditions)
        .order_by(col(TaskEvent.position).desc())
        .limit(limit + 1)
    )
    found: list[tuple[TaskEvent, str | None, str | None]] = [
        tuple(row) for row in (await session.exec(events)).all()
    ]
    more, found = len(found) > limit, found[:limit]
    changes = await _changes(seeing, [event for event, _, _ in found])
    return Activity(
        events=[
            _shown(caller, event, tool, title, changed)
            for (event, tool, title), changed in zip(found, changes, strict=True)
        ],
        next_cursor=pages.write([str(found[-1][0].position)], question) if more else None,
    )


def _shown(
    caller: Caller,
    event: TaskEvent,
    tool: str | None,
    conversation: str | None,
    changes: list[FieldChange],
) -> Event:
    kept = event.after or event.before or {}
    return Event.model_validate(
        {
            "at": shown(event.created_at, caller.zone),
            "action": event.action,
            "tool": tool,
            "task": event.task_number,
            "title": kept.get("title") or kept.get("name") or "",
            "changes": changes or None,
            "turn": event.turn_id,
            "thread": event.thread_id,
            "conversation": conversation,
            "here": (caller.thread is not None and caller.thread == event.thread_id) or None,
            "undoes": event.undoes,
        }
    )


async def _changes(seeing: Seeing, events: Sequence[TaskEvent]) -> list[list[FieldChange]]:
    """What changed in each event that has a row before and after it."""
    changed = [
        event for event in events if event.before and event.after and event.task_number is not None
    ]
    kept = [side for event in changed for side in (event.before, event.after) if side]
    views = await task_views(seeing, [task_from(side, seeing.user_id) for side in kept])
    told = {
        event.id: _difference(before, after, event)
        for event, before, after in zip(changed, views[::2], views[1::2], strict=True)
    }
    return [told.get(event.id) or _list_changes(seeing, event) for event in events]


def _difference(before: TaskView, after: TaskView, event: TaskEvent) -> list[FieldChange]:
    differing = [
        FieldChange(field=name, before=_text(old), after=_text(new))
        for name in FIELDS
        if (old := getattr(before, name)) != (new := getattr(after, name))
    ]
    places = [(side or {}).get("place") for side in (event.before, event.after)]
    if not differing and places[0] != places[1]:
        differing.append(FieldChange(field="place", before=places[0], after=places[1]))
    return differing


def _list_changes(seeing: Seeing, event: TaskEvent) -> list[FieldChange]:
    if event.list_id is None or not event.before or not event.after:
        return []
    before, after = (list_from(side, seeing.user_id) for side in (event.before, event.after))
    values = {
        "name": (before.name, after.name),
        "archived": (
            shown(before.archived_at, seeing.zone),
            shown(after.archived_at, seeing.zone),
        ),
    }
    return [
        FieldChange(field=name, before=old, after=new)
        for name, (old, new) in values.items()
        if old != new
    ]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
