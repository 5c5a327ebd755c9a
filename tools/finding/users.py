"""The user's row; there is none before somebody has had anything stored."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.models import User

#: For the rest of the transaction: each statement is planned for its values, and goes by an index.
#: Prepared for any user, it would take one with 100,000 tasks for one with ten, and read them all.
#: And where most of all tasks are such as are wanted, Postgres would begin to read everybody's.
PLANNING = (
    func.set_config("plan_cache_mode", "force_custom_plan", True),
    func.set_config("enable_seqscan", "off", True),
)


async def find_user(session: AsyncSession, subject: str) -> UUID | None:
    """The user's id; none for one who has never had anything stored. Sets `PLANNING`."""
    statement: Any = select(col(User.id), *PLANNING).where(col(User.subject) == subject)
    found = (await session.exec(statement)).first()
    return None if found is None else found[0]


async def plan_by_indexes(session: AsyncSession) -> None:
    """Set `PLANNING`."""
    statement: Any = select(*PLANNING)
    await session.exec(statement)
