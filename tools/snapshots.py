"""Tasks and lists as the ledger keeps them, before and after a change: JSON, and back.

Pure: no I/O.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .findable import make_findable
from .models import Task, TaskList, TaskPriority

#: Columns of a task that the ledger keeps. What is left out says for whom it is, follows from the
#: others, or tells of the write itself.
TASK_COLUMNS = tuple(
    name
    for name in Task.model_fields
    if name not in ("user_id", "depth", "parent_depth", "list_key")
    and name not in ("searched", "pieces", "updated_at")
)
LIST_COLUMNS = tuple(name for name in TaskList.model_fields if name != "user_id")

_MOMENTS = frozenset(
    (
        *("due_at", "recurrence_start", "occurs_at"),
        *("completed_at", "archived_at", "created_at"),
    )
)
_IDS = frozenset(("id", "list_id", "parent_id"))


def snapshot(row: Task | TaskList) -> dict[str, Any]:
    """The row as the ledger keeps it before and after a change; times are ISO 8601 in UTC."""
    columns = TASK_COLUMNS if isinstance(row, Task) else LIST_COLUMNS
    return {name: _stored(getattr(row, name)) for name in columns}


def task_from(kept: Mapping[str, Any], user_id: UUID) -> Task:
    """The task that was kept by `snapshot`, as a new object. Its columns may be fewer."""
    values = {name: _restored(name, kept[name]) for name in TASK_COLUMNS if name in kept}
    task = Task(user_id=user_id, **values)
    make_findable(task)
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
