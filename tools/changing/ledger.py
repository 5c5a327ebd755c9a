"""The ledger of changes: what makes each happen once, and numbers each task once.

Every function takes the session of a transaction that the caller commits.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.models import User

from ..models import Task, TaskCall, TaskEvent, TaskList, TaskPriority
from ..texts import searched

#: Columns of a task that the ledger keeps. What is left out says for whom it is, follows from the
#: others, or tells of the write itself.
TASK_COLUMNS = tuple(
    name for name in Task.model_fields if name not in ("user_id", "searched", "updated_at")
)
LIST_COLUMNS = tuple(name for name in TaskList.model_fields if name != "user_id")

_MOMENTS = frozenset(
    (
        *("due_at", "recurrence_start", "occurs_at"),
        *("completed_at", "archived_at", "created_at"),
    )
)
_IDS = frozenset(("id", "list_id", "parent_id"))


async def lock_user(session: AsyncSession, subject: str) -> UUID:
    """The user's id, made if need be. The user's other changes wait until the transaction ends.

    One change at a time is what lets a repeated call see what the first one recorded, and what
    gives numbers without gaps or doubles.
    """
    # key_share: rows that refer to the user (conversations) may be inserted all the while.
    locked = select(User.id).where(col(User.subject) == subject).with_for_update(key_share=True)
    user_id: UUID | None = (await session.exec(locked)).first()
    if user_id is None:
        new = insert(User).values(id=uuid4(), subject=subject)
        await session.exec(new.on_conflict_do_nothing(index_elements=["subject"]))
        user_id = (await session.exec(locked)).one()
    return user_id


async def recorded_result(session: AsyncSession, user_id: UUID, key: str) -> dict[str, Any] | None:
    """What the call with this key answered when it was carried out; none if it wasn't."""
    found = (
        await session.exec(
            select(TaskCall.result).where(
                col(TaskCall.user_id) == user_id, col(TaskCall.key) == key
            )
        )
    ).first()
    return None if found is None else dict(found)


async def next_number(session: AsyncSession, user_id: UUID) -> int:
    """The number of the user's next task: no task has or had it."""
    # The ledger knows the deleted ones, the table those that somebody put there by hand.
    greatest = [
        select(func.max(column)).where(owner == user_id).scalar_subquery()
        for column, owner in (
            (col(TaskEvent.task_number), col(TaskEvent.user_id)),
            (col(Task.number), col(Task.user_id)),
        )
    ]
    number: int = (await session.exec(select(func.coalesce(func.greatest(*greatest), 0)))).one()
    return number + 1


async def next_position(session: AsyncSession, user_id: UUID) -> int:
    """The position of the user's next event."""
    latest = select(func.max(col(TaskEvent.position))).where(col(TaskEvent.user_id) == user_id)
    position: int | None = (await session.exec(latest)).one()
    return (position or 0) + 1


def snapshot(row: Task | TaskList) -> dict[str, Any]:
    """The row as the ledger keeps it before and after a change; times are ISO 8601 in UTC."""
    columns = TASK_COLUMNS if isinstance(row, Task) else LIST_COLUMNS
    return {name: _stored(getattr(row, name)) for name in columns}


def task_from(kept: Mapping[str, Any], user_id: UUID) -> Task:
    """The task that was kept by `snapshot`, as a new object. Its columns may be fewer."""
    values = {name: _restored(name, kept[name]) for name in TASK_COLUMNS if name in kept}
    task = Task(user_id=user_id, **values)
    task.searched = searched(task.title, task.notes)
    return task


def list_from(kept: Mapping[str, Any], user_id: UUID) -> TaskList:
    """The list that was kept by `snapshot`, as a new object."""
    values = {name: _restored(name, kept[name]) for name in LIST_COLUMNS if name in kept}
    return TaskList(user_id=user_id, **values)


def _stored(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case TaskPriority():
            return value.value
        case date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal():
            # 1.50 and 1.5 are one place.
            return f"{value.normalize():f}"
        case list():
            return list(value)
        case _:
            return value


def _restored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _MOMENTS:
        return datetime.fromisoformat(value)
    if name in _IDS:
        return UUID(value)
    match name:
        case "starts_on":
            return date.fromisoformat(value)
        case "priority":
            return TaskPriority(value)
        case "place":
            return Decimal(value)
        case _:
            return value
