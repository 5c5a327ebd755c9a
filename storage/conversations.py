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
from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    Uuid,
    bindparam,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.exc import ProgrammingError
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from .cursors import InvalidCursorError, cursor, place
from .errors import StorageError, TablesMissingError
from .models import Conversation, Message, User
from .transcript import storable

#: A list of conversations tells their sizes up to this one: to count on would take longer than to
#: read the list.
MOST_COUNTED = 1_000


class ConversationNotFoundError(StorageError):
    """No conversation has that id, and none belongs to a thread of that id."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation, as a list of conversations shows it."""

    id: UUID
    thread_id: str
    #: The first words the user said; none before they have said any.
    title: str | None
    #: The subject of the user whose it is.
    user: str
    #: How many messages it has, on all its branches; `MOST_COUNTED` stands for any number from
    #: there on.
    messages: int
    created_at: datetime
    updated_at: datetime

    @property
    def cursor(self) -> str:
        """What to ask for the conversations after this one with."""
        return cursor("conversation", self.updated_at, self.id)


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

    @property
    def cursor(self) -> str:
        """What to ask for the messages before this one with."""
        return cursor("message", self.created_at, self.id)


async def recent_conversations(
    session: AsyncSession, *, limit: int, user: str | None = None, after: str | None = None
) -> list[Summary]:
    """The conversations changed last, the latest first; of one user when a subject is given.

    Args:
        session: Only read from.
        limit: How many; fewer mean that there are no more.
        user: The subject of the user whose they are.
        after: The cursor of the last conversation of the page before.

    Raises:
        InvalidCursorError: `after` is the cursor of no conversation.
        TablesMissingError: the database has not been migrated.
    """
    order = (col(Conversation.updated_at), col(Conversation.id))
    query = _summaries().order_by(*(column.desc() for column in order)).limit(limit)
    if user is not None:
        owner = select(col(User.id)).where(col(User.subject) == storable(user))
        with explained():
            found = await _rows(session, owner)
        if not found:
            return []
        # As a constant: of a user whom it doesn't know Postgres thinks that to sort all that is
        # theirs is quicker than to read it in order.
        id_ = bindparam("owner", found[0][0], Uuid, literal_execute=True)
        query = query.where(col(Conversation.user_id) == id_)
    if after is not None:
        query = query.where(tuple_(*order) < place("conversation", after))
    with explained():
        return [Summary(*row) for row in await _rows(session, query)]


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
        with explained():
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


async def last_messages(
    session: AsyncSession, conversation_id: UUID, *, limit: int = 50, before: str | None = None
) -> list[Entry]:
    """The end of the active transcript, oldest message first, or what comes before a message of it.

    Each message is found by the one after it, so it costs what is read, however long the
    conversation is. Pages fit together also when another branch has become the active one
    meanwhile: what comes before a message is always the same.

    Args:
        session: Only read from.
        conversation_id: A conversation that there is.
        limit: How many messages; fewer mean that the first one is among them.
        before: The cursor of the first message of the page read before.

    Raises:
        InvalidCursorError: `before` is the cursor of no message of this conversation.
        TablesMissingError: the database has not been migrated.
    """
    mine = col(Message.conversation_id) == conversation_id
    if before is None:
        last = select(col(Conversation.leaf_id)).where(col(Conversation.id) == conversation_id)
    else:
        _, shown = place("message", before)
        last = select(col(Message.parent_id)).where(mine, col(Message.id) == shown)
    with explained():
        found = [id_ for (id_,) in await _rows(session, last)]
        if not found and before is not None:
            raise InvalidCursorError(
                f"{before!r} is the cursor of no message of conversation {conversation_id}. "
                "Give one of its own, or none to begin with its last message."
            )
        if found in ([], [None]):
            return []
        path = (
            select(col(Message.id), col(Message.parent_id), literal(1).label("place"))
            .where(mine, col(Message.id) == found[0])
            .cte("path", recursive=True)
        )
        path = path.union_all(
            select(col(Message.id), col(Message.parent_id), path.c.place + 1)
            .join(path, col(Message.id) == path.c.parent_id)
            .where(mine, path.c.place < limit)
        )
        query = (
            select(*_COLUMNS, literal(True))
            .join(path, col(Message.id) == path.c.id)
            .order_by(path.c.place.desc())
        )
        return [Entry(*row) for row in await _rows(session, query)]


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
    counted = (
        select(literal(1))
        .where(col(Message.conversation_id) == col(Conversation.id))
        .limit(MOST_COUNTED)
        .correlate(Conversation)
        .subquery()
    )
    count = select(func.count()).select_from(counted).scalar_subquery()
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
def explained() -> Iterator[None]:
    """Tell that a table is missing as what it is."""
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable | UndefinedColumn):
            raise TablesMissingError(
                f"the database lacks a table or column that this code reads: "
                f"{error.orig.diag.message_primary}. Run `task-agent migrate`."
            ) from error
        raise
