"""Conversations to search in, and what a search finds there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from storage.database import Database
from storage.models import Conversation, Message, User
from storage.search import Hit, search_messages

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def write(
    database: Database,
    *contents: str,
    user: str = "ann",
    thread: str = "t",
    roles: Sequence[str] = ("user",),
    began: datetime = NOON,
    apart: timedelta = timedelta(minutes=1),
) -> list[UUID]:
    """A conversation of these messages, the later ones said later; their ids."""
    async with database.session() as session:
        owner = User(id=uuid4(), subject=user)
        session.add(owner)
        await session.flush()
        told = Conversation(user_id=owner.id, thread_id=thread, title=f"About {thread}")
        session.add(told)
        await session.flush()
        parent = None
        ids = []
        for number, content in enumerate(contents):
            message = Message(
                id=uuid4(),
                conversation_id=told.id,
                user_id=owner.id,
                parent_id=parent,
                digest=uuid4().bytes * 2,
                role=roles[number % len(roles)],
                content=content,
                payload=b"",
                payload_type="msgpack",
                created_at=began + number * apart,
            )
            session.add(message)
            await session.flush()
            parent = message.id
            ids.append(message.id)
        told.leaf_id = parent
        await session.commit()
        return ids


async def found(database: Database, words: str, *, user: str = "ann", **more: object) -> list[Hit]:
    async with database.session() as session:
        return await search_messages(session, user, words, **more)  # type: ignore[arg-type]


async def said(database: Database, words: str, *, user: str = "ann") -> list[str]:
    """The snippets of what is found."""
    return [hit.snippet for hit in await found(database, words, user=user)]


async def pages(database: Database, words: str, *, limit: int, user: str = "ann") -> list[UUID]:
    """The ids on all pages of a search."""
    ids: list[UUID] = []
    before = None
    while True:
        page = await found(database, words, user=user, limit=limit, before=before)
        ids += [hit.id for hit in page]
        if len(page) < limit:
            return ids
        before = page[-1].cursor
