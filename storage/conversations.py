"""Reading the rows: which conversations there are, and what was said in one.

Every function takes a session that the caller owns, and only reads.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import UndefinedColumn, UndefinedTable
from sqlalchemy import CTE, ColumnElement, Row, Select, func, literal, select
from sqlalchemy.exc import ProgrammingError
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from .errors import StorageError
from .models import Conversation, Message, User


class ConversationNotFoundError(StorageError):
    """No conversation has that id, and none belongs to a thread of that id."""


class TablesMissingError(StorageError):
    """The database has not been migrated."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation, as a list of conversations shows it."""

    id: UUID
    thread_id: str
    #: The first words the user said; none before they have said any.
    title: str | None
    #: The subject of the user whose it is.
    user: str
    #: How many messages it has, on all its branches.
    messages: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A message's row, without the payload that only the checkpointer reads."""

    id: UUID
    #: The message before it; none for the first.
    parent_id: UUID | None
    role: str
    content: str
    #: Assistant: the calls asked for. Tool: the audit record of what was done. Else none.
    tool_calls: list[dict[str, Any]] | None
    created_at: datetime
    #: Names the message and all before it.
    digest: bytes
    #: Whether it is on the path from the conversation's leaf to the root.
    active: bool


async def recent_conversations(
    session: AsyncSession, *, limit: int, user: str | None = None
) -> list[Summary]:
    """The conversations changed last, the latest first; of one user when a subject is given.

    Raises:
        TablesMissingError: the database has not been migrated.
    """
    query = _summaries().order_by(col(Conversation.updated_at).desc(), col(Conversation.id))
    if user is not None:
        query = query.where(col(User.subject) == user)
    with _explained():
        return [Summary(*row) for row in await _rows(session, query.limit(limit))]


async def find_conversation(session: AsyncSession, name: str) -> Summary:
    """The conversation of a thread, by the thread's id or by its own.

    Raises:
        ConversationNotFoundError: there is none.
        TablesMissingError: the database has not been migrated.
    """
    # Postgres has no text with a NUL in it, and a driver refuses to ask for one.
    matches: list[ColumnElement[bool]] = []
    if "\x00" not in name:
        matches.append(col(Conversation.thread_id) == name)
    if (id_ := _uuid(name)) is not None:
        matches.append(col(Conversation.id) == id_)
    for match in matches:
        with _explained():
            for row in await _rows(session, _summaries().where(match)):
                return Summary(*row)
    raise ConversationNotFoundError(
        f"there is no conversation {name!r}. `task-agent conversations` lists those there are."
    )


async def active_messages(session: AsyncSession, conversation_id: UUID) -> list[tuple[Entry, int]]:
    """The active transcript, oldest message first, in the form of `tree`.

    Read along the chain from the leaf, so it costs what the branch costs, not the tree.
    """
    path = _active_path(conversation_id)
    query = select(*_COLUMNS, literal(True)).join(path, col(Message.id) == path.c.id)
    return list(tree(Entry(*row) for row in await _rows(session, query)))


async def all_messages(session: AsyncSession, conversation_id: UUID) -> list[tuple[Entry, int]]:
    """Every message of the conversation, in the order of `tree`, each with its depth."""
    path = _active_path(conversation_id)
    query = (
        select(*_COLUMNS, path.c.id.is_not(None))
        .outerjoin(path, col(Message.id) == path.c.id)
        .where(col(Message.conversation_id) == conversation_id)
        .order_by(col(Message.created_at), col(Message.id))
    )
    return list(tree(Entry(*row) for row in await _rows(session, query)))


def tree(entries: Iterable[Entry]) -> Iterator[tuple[Entry, int]]:
    """Messages in reading order: each after its parent, and side branches where they leave.

    Of several messages with the same parent the active one goes on, or the last one given when
    none is active; the others are side branches and come before it, each with all that follows on
    it. The number that comes with a message says how many times it lies to the side.
    """
    children: dict[UUID | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        children[entry.parent_id].append(entry)

    def following(parent: UUID | None, depth: int) -> Iterator[tuple[Entry, int]]:
        siblings = sorted(children.pop(parent, ()), key=lambda entry: entry.active)
        for sideways, entry in enumerate(reversed(siblings)):
            yield entry, depth + (sideways > 0)

    # A stack, last out first, and no recursion: a conversation is as deep as it is long.
    stack = list(following(None, 0))
    while stack:
        entry, depth = stack.pop()
        yield entry, depth
        stack.extend(following(entry.id, depth))


_COLUMNS = (
    col(Message.id),
    col(Message.parent_id),
    col(Message.role),
    col(Message.content),
    col(Message.tool_calls),
    col(Message.created_at),
    col(Message.digest),
)


async def _rows(session: AsyncSession, query: Select[Any]) -> Sequence[Row[Any]]:
    # On the connection: a SQLModel session wants its own `select`, which has four columns at most.
    return (await (await session.connection()).execute(query)).all()


def _active_path(conversation_id: UUID) -> CTE:
    """The ids from the leaf to the root."""
    path = (
        select(col(Message.id), col(Message.parent_id))
        .join(Conversation, col(Conversation.leaf_id) == col(Message.id))
        .where(col(Conversation.id) == conversation_id)
        .cte("path", recursive=True)
    )
    # UNION and not UNION ALL: should somebody have bent a chain into a circle, it still ends.
    return path.union(
        select(col(Message.id), col(Message.parent_id)).join(
            path, col(Message.id) == path.c.parent_id
        )
    )


def _summaries() -> Select[Any]:
    count = (
        select(func.count())
        .where(col(Message.conversation_id) == col(Conversation.id))
        .correlate(Conversation)
        .scalar_subquery()
    )
    return select(
        col(Conversation.id),
        col(Conversation.thread_id),
        col(Conversation.title),
        col(User.subject),
        count,
        col(Conversation.created_at),
        col(Conversation.updated_at),
    ).join(User, col(User.id) == col(Conversation.user_id))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable | UndefinedColumn):
            raise TablesMissingError(
                f"the database lacks a table or column that this code reads: "
                f"{error.orig.diag.message_primary}. Run `task-agent migrate`."
            ) from error
        raise
