"""The user's row; there is none before somebody has had anything stored."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.models import User


async def find_user(session: AsyncSession, subject: str) -> UUID | None:
    """The user's id; none for one who has never had anything stored."""
    found: UUID | None = (
        await session.exec(select(User.id).where(col(User.subject) == subject))
    ).first()
    return found
