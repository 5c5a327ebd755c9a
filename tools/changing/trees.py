"""Tasks within tasks: how deep each is, and what keeps them from going in circles.

The database compares a part with what it is a part of, row by row. Where several rows of a tree
are changed, it is told to compare them when all are.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import literal_column, text
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..errors import InvalidValueError
from ..models import DEPTH_MAX, Task


def put_under(task: Task, parts: Sequence[Task], parent: Task) -> None:
    """Make a task, with all that is below it, a part of another one.

    Raises:
        InvalidValueError: it would be a part of itself, or too deep.
    """
    if parent.id == task.id or any(parent.id == part.id for part in parts):
        raise InvalidValueError(
            f"Task {task.number} can't be a part of task {parent.number}, which is a part of "
            "it. Choose another parent."
        )
    below = max((part.depth for part in parts), default=task.depth) - task.depth
    levels = parent.depth + 2 + below
    if levels > DEPTH_MAX:
        raise InvalidValueError(
            f"Tasks can be within one another {DEPTH_MAX} deep, and this would be {levels}. "
            "Choose a parent further up."
        )
    task.parent_id = parent.id
    at_depth(task, parts, parent.depth + 1)


def at_depth(task: Task, parts: Sequence[Task], depth: int) -> None:
    """Let a task be within so many others, and all that is below it with it."""
    further = depth - task.depth
    for one in (task, *parts):
        one.depth += further


async def misplaced(
    session: AsyncSession, user_id: UUID, ids: Sequence[UUID]
) -> list[tuple[Task, int]]:
    """Of the trees in which some tasks are, those whose depth isn't what it is: each with that.

    What is in a circle has no depth, and isn't among them.
    """
    up = (
        select(col(Task.id), col(Task.parent_id))
        .where(col(Task.user_id) == user_id, col(Task.id).in_(ids))
        .cte("up", recursive=True)
    )
    above = aliased(Task)
    up = up.union(
        select(col(above.id), col(above.parent_id)).join(up, col(above.id) == up.c.parent_id)
    )
    down = (
        select(up.c.id, literal_column("0").label("depth"))
        .where(up.c.parent_id.is_(None))
        .cte("down", recursive=True)
    )
    part = aliased(Task)
    parts: Any = select(col(part.id), down.c.depth + 1).join(
        down, (col(part.parent_id) == down.c.id) & (col(part.user_id) == user_id)
    )
    down = down.union_all(parts)
    wrong: Any = (
        select(Task, down.c.depth)
        .join(down, col(Task.id) == down.c.id)
        .where(col(Task.depth) != down.c.depth)
        .order_by(col(Task.number))
    )
    return [(task, depth) for task, depth in (await session.exec(wrong)).all()]


async def check_later(session: AsyncSession) -> None:
    """Let parts and what they are parts of differ until `check_now`, or until the commit."""
    await session.exec(text("SET CONSTRAINTS fk_tasks_parent DEFERRED"))  # type: ignore[call-overload]


async def check_now(session: AsyncSession) -> None:
    """
    Raises:
        DBAPIError: a part is not where what it is a part of is.
    """
    await session.exec(text("SET CONSTRAINTS fk_tasks_parent IMMEDIATE"))  # type: ignore[call-overload]
