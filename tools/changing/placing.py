"""The order of tasks within a list, or within the task that they are parts of."""

import re
from decimal import Decimal, localcontext
from typing import Literal

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from ..errors import InvalidValueError
from ..models import Task
from ..texts import quoted
from .call import Call

_BESIDE = re.compile(r"(?P<side>before|after|above|below) +(?P<reference>.+)", re.IGNORECASE)
#: Digits that a place may have; each task put between two others needs one at most.
DIGITS_MAX = 10_000


async def at_bottom(call: Call, task: Task) -> Decimal:
    """The place after all that are beside the task."""
    return await _edge(call, task, 1)


async def move(call: Call, task: Task, place: str) -> None:
    """Put a task at the top, at the bottom, before or after another.

    Raises:
        InvalidValueError: it is none of these, or the other is somewhere else.
        AmbiguousTaskError, TaskNotFoundError: see `references.find`.
    """
    words = " ".join(place.split())
    match words.casefold():
        case "top" | "first":
            task.place = await _edge(call, task, -1)
            return
        case "bottom" | "last" | "end":
            task.place = await at_bottom(call, task)
            return
    found = _BESIDE.fullmatch(words)
    if found is None:
        raise InvalidValueError(
            f"The place {quoted(place)} was not understood. "
            'Forms that work: "top", "bottom", "before 4", "after 4".'
        )
    other = await call.seeing.find(found["reference"])
    if other.id == task.id:
        raise InvalidValueError(f"Task {task.number} can't be put beside itself.")
    if (other.list_id, other.parent_id) != (task.list_id, task.parent_id):
        raise InvalidValueError(
            f"Task {other.number} is in another list or under another task. "
            f"Move task {task.number} there first, by `list` or `parent`."
        )
    after = found["side"].casefold() in ("after", "below")
    places = await call.session.exec(
        select(col(Task.place))
        .where(
            *_beside(task),
            col(Task.place) > other.place if after else col(Task.place) < other.place,
        )
        .order_by(col(Task.place) if after else col(Task.place).desc())
        .limit(1)
    )
    neighbour = places.first()
    if neighbour is None:
        neighbour = other.place + (1 if after else -1)
    task.place = between(other.place, neighbour)


def between(one: Decimal, other: Decimal) -> Decimal:
    """The shortest number between two different ones."""
    low, high = sorted((one, other))
    with localcontext() as context:
        context.prec = DIGITS_MAX
        digits = 0
        while True:
            step = Decimal(1).scaleb(-digits)
            found = ((low + high) / 2).quantize(step)
            if low < found < high:
                return found
            digits += 1


async def _edge(call: Call, task: Task, step: Literal[1, -1]) -> Decimal:
    place = col(Task.place)
    outermost = select(func.max(place) if step == 1 else func.min(place)).where(*_beside(task))
    found: Decimal | None = (await call.session.exec(outermost)).one()
    return Decimal(0) if found is None else found.to_integral_value() + step


def _beside(task: Task) -> list[ColumnElement[bool]]:
    """The others in the same list, or parts of the same task."""
    return [
        col(Task.user_id) == task.user_id,
        # Of None, SQLAlchemy makes IS NULL.
        col(Task.list_id) == task.list_id,
        col(Task.parent_id) == task.parent_id,
        col(Task.id) != task.id,
    ]
