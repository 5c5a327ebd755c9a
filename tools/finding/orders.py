"""The orders in which tasks are listed, each total, so that a page can go on where one ended.

What is compared is never null: a task without a due time comes after all that have one. Each order
is that of an index, whose expressions stand in `models`. Values come back from a cursor as text,
and the database reads them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import DateTime, Integer, Numeric, Text, Uuid, cast, literal_column, tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from ..models import (
    COMPLETED,
    DUE,
    NO_ID,
    PARENT,
    RANK,
    TITLE,
    TITLE_COMPARED,
    Task,
    TaskPriority,
)

Sort = Literal["due", "priority", "place", "title", "created", "updated", "completed"]

_MOMENT = DateTime(timezone=True)
#: As `models.RANK` has them.
_RANKS = (TaskPriority.URGENT, TaskPriority.HIGH, TaskPriority.NORMAL, TaskPriority.LOW)


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that tasks are compared by."""

    #: Its expression, where the columns of tasks are the only ones.
    sql: str
    type: TypeEngine[Any]
    #: The same of a task in hand, as text.
    of: Callable[[Task], str]

    @property
    def expression(self) -> ColumnElement[Any]:
        return literal_column(self.sql, self.type)


@dataclass(frozen=True, slots=True)
class Order:
    """An order of tasks: by the first key, then by the next; all rising, or all falling."""

    keys: tuple[Key, ...]
    falling: bool = False

    def clauses(self, keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """For ORDER BY, of what stands for the keys."""
        return [key.desc() if self.falling else key for key in keys]

    def place_of(self, task: Task) -> list[str]:
        """Where a task stands."""
        return [key.of(task) for key in self.keys]

    def after(
        self, keys: Sequence[ColumnElement[Any]], place: Sequence[str]
    ) -> ColumnElement[bool]:
        """Holds for the tasks that come later than a place."""
        # One comparison of rows, which is one range of an index.
        values = tuple_(
            *(cast(value, key.type) for key, value in zip(self.keys, place, strict=True))
        )
        return tuple_(*keys) < values if self.falling else tuple_(*keys) > values


def rank_of(priority: TaskPriority) -> int:
    """How far from the most urgent: 1 is that."""
    return _RANKS.index(priority) + 1


def _moment(
    name: str, sql: str | None = None, *, missing: Literal["infinity", "-infinity"] = "infinity"
) -> Key:
    def of(task: Task) -> str:
        moment = getattr(task, name)
        return missing if moment is None else str(moment.isoformat())

    return Key(sql or name, _MOMENT, of)


_NUMBER = Key("number", Integer(), lambda task: str(task.number))
_DUE = _moment("due_at", DUE)
_PRIORITY = Key(RANK, Integer(), lambda task: str(rank_of(task.priority)))
_LIST = Key("list_key", Uuid(), lambda task: str(task.list_id or NO_ID))
_PARENT = Key(PARENT, Uuid(), lambda task: str(task.parent_id or NO_ID))
_PLACE = Key("place", Numeric(), lambda task: str(task.place))
_TITLE = Key(TITLE, Text(), lambda task: task.searched[:TITLE_COMPARED])

ORDERS: dict[Sort, Order] = {
    "due": Order((_DUE, _NUMBER)),
    "priority": Order((_PRIORITY, _DUE, _NUMBER)),
    "place": Order((_LIST, _PARENT, _PLACE, _NUMBER)),
    "title": Order((_TITLE, _NUMBER)),
    # The latest first, and of those of one moment the one that was added last.
    "created": Order((_moment("created_at"), _NUMBER), falling=True),
    "updated": Order((_moment("updated_at"), _NUMBER), falling=True),
    "completed": Order(
        (_moment("completed_at", COMPLETED, missing="-infinity"), _NUMBER), falling=True
    ),
}
