"""The ledger of changes: what makes each happen once, and numbers each task once.

Every function takes the session of a transaction that the caller commits.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.models import User

from ..models import Task, TaskCall, TaskEvent
from ..shapes.arguments import given


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


async def recorded_call(session: AsyncSession, user_id: UUID, key: str) -> TaskCall | None:
    """The call with this key, if it was answered."""
    calls = select(TaskCall).where(col(TaskCall.user_id) == user_id, col(TaskCall.key) == key)
    found: TaskCall | None = (await session.exec(calls)).first()
    return found


def digest(tool: str, arguments: Mapping[str, Any]) -> str:
    """What tells a call from others, whoever makes it and when."""
    asked = {name: given(value) for name, value in arguments.items() if value is not None}
    return hashlib.sha256(json.dumps([tool, asked], sort_keys=True).encode()).hexdigest()


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
