"""The orders in which tasks are listed, each total, so that a page can go on where one ended.

What is compared is never null: a task without a due time comes after all that have one. Values
come back from a cursor as text, and the database reads them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import DateTime, Integer, Numeric, Text, and_, cast, func, or_, text, tuple_
from sqlalchemy.sql.elements import ColumnElement, SQLColumnExpression
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from ..models import Task

Sort = Literal["due", "priority", "place", "title", "created", "updated", "completed"]

#: Characters of a title that are compared; a cursor has to hold them.
TITLE_COMPARED = 100

_MOMENT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that tasks are compared by."""

    expression: SQLColumnExpression[Any]
    type: TypeEngine[Any]
    #: The same of a task in hand, as text.
    of: Callable[[Task], str]
    falling: bool = False

    def after(self, value: str) -> ColumnElement[bool]:
        """Holds for what comes later than a value."""
        bound = cast(value, self.type)
        return self.expression < bound if self.falling else self.expression > bound


@dataclass(frozen=True, slots=True)
class Order:
    """An order of tasks: by the first key, then by the next."""

    keys: tuple[Key, ...]

    def clauses(self) -> list[SQLColumnExpression[Any]]:
        """For ORDER BY."""
        return [key.expression.desc() if key.falling else key.expression for key in self.keys]

    def place_of(self, task: Task) -> list[str]:
        """Where a task stands."""
        return [key.of(task) for key in self.keys]

    def after(self, place: Sequence[str]) -> ColumnElement[bool]:
        """Holds for the tasks that come later than a place."""
        if not any(key.falling for key in self.keys):
            # One comparison of rows, which is one range of an index.
            bounds = [cast(value, key.type) for key, value in zip(self.keys, place, strict=True)]
            return tuple_(*(key.expression for key in self.keys)) > tuple_(*bounds)
        later: ColumnElement[bool] | None = None
        for key, value in reversed(list(zip(self.keys, place, strict=True))):
            same = key.expression == cast(value, key.type)
            here = key.after(value)
            later = here if later is None else or_(here, and_(same, later))
        if later is None:
            raise ValueError("an order has a key")
        return later


def _moment(name: str, *, missing: Literal["infinity", "-infinity"], falling: bool = False) -> Key:
    def of(task: Task) -> str:
        moment = getattr(task, name)
        return missing if moment is None else str(moment.isoformat())

    expression = func.coalesce(col(getattr(Task, name)), text(f"'{missing}'::timestamptz"))
    return Key(expression, _MOMENT, of, falling)


_NUMBER = Key(col(Task.number), Integer(), lambda task: str(task.number))
_DUE = _moment("due_at", missing="infinity")
_PRIORITY = Key(
    col(Task.priority),
    Task.__table__.c.priority.type,  # type: ignore[attr-defined]
    lambda task: task.priority.value,
    falling=True,
)
_PLACE = Key(col(Task.place), Numeric(), lambda task: str(task.place))
_TITLE = Key(
    func.left(col(Task.searched), TITLE_COMPARED),
    Text(),
    lambda task: task.searched[:TITLE_COMPARED],
)

ORDERS: dict[Sort, Order] = {
    "due": Order((_DUE, _NUMBER)),
    "priority": Order((_PRIORITY, _DUE, _NUMBER)),
    "place": Order((_PLACE, _NUMBER)),
    "title": Order((_TITLE, _NUMBER)),
    "created": Order((_moment("created_at", missing="-infinity", falling=True), _NUMBER)),
    "updated": Order((_moment("updated_at", missing="-infinity", falling=True), _NUMBER)),
    "completed": Order((_moment("completed_at", missing="-infinity", falling=True), _NUMBER)),
}
