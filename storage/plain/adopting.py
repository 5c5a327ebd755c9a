"""Taking threads that LangGraph's plain saver wrote into the tree, while they are in use.

A thread is taken over in one transaction, or, where its lists are large, in several, each of which
leaves it whole: lists that have become rows and lists that haven't can be read side by side. What
there is to do shows in the database itself, so whoever was stopped just begins again.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from ..connections import Pool, transaction
from ..refusing import storable_name
from ..rows import CHANNEL, INSERT_USER, LEAF_TYPE
from ..transcript import Row, custom_uuid, title_of
from .adopting_rows import (
    COUNT_THREADS,
    INSERT_CONVERSATION,
    LOCK_CONVERSATION,
    REPLACE_BLOBS,
    SELECT_BLOBS,
    SELECT_CONVERSATION,
    SELECT_FACTS,
    SELECT_LISTS,
    SELECT_THREADS,
    TAKEN,
    UPDATE_CONVERSATION,
    USER_KEY,
    insert_messages,
    select_redacted,
    select_stored,
)
from .lists import NotAdoptableError, PlainLists
from .threads import count, each_thread

#: Says whose a thread is, from its id and the name of a user that its checkpoints hold, if they do.
#: That name is what LangGraph's server wrote, or a client that gave it in a run's metadata: with
#: the plain saver either ends up there.
ThreadOwner = Callable[[str, str | None], str]

DELTAS = (
    "its messages are kept in a DeltaChannel, whose checkpoints hold changes and not lists; such "
    "threads stay with LangGraph's own way of storing them"
)

#: Bytes of lists that are read, and replaced, in one transaction; a larger list is one by itself.
STEP_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a transaction has done for a thread, or would do."""

    thread_id: str
    #: Whether the thread had no conversation before.
    is_new: bool = False
    #: Lists that are leaves now.
    lists: int = 0
    #: Rows that were written.
    messages: int = 0
    #: Bytes of those lists.
    size: int = 0
    #: Why something of the thread was left as it is, one reason for each list or one for all.
    left: list[str] = field(default_factory=list)
    #: Whether this was the last of the thread.
    is_last: bool = True


async def count_threads(pool: Pool) -> int:
    """How many threads have checkpoints."""
    return await count(pool, COUNT_THREADS)


async def adopt_threads(
    pool: Pool,
    owner: ThreadOwner,
    *,
    thread_id: str | None = None,
    serde: SerializerProtocol | None = None,
    batch: int = 100,
    dry_run: bool = False,
) -> AsyncIterator[Adopted]:
    """Take threads over, all or the one that is named, and tell of each transaction.

    Threads that are in the tree already are told of too, with nothing done.

    Args:
        owner: is asked once for each thread that has no conversation.
        serde: the serialiser of the checkpointer that will read the threads.
        batch: threads that are looked up at a time.
        dry_run: read everything, write nothing.

    Raises:
        NoSuchThreadError: the thread that is named has no checkpoint.
        DatabaseFailedError: no disk space, no connection, no answer in time.
    """
    serde = serde or JsonPlusSerializer(allowed_msgpack_modules=None)
    rows = each_thread(
        pool,
        SELECT_THREADS,
        {"channel": CHANNEL, "taken": TAKEN},
        thread_id=thread_id,
        batch=batch,
        absent="no checkpoint in the database is of it",
    )
    async for row in rows:
        if row["done"]:
            yield Adopted(row["thread_id"])
            continue
        thread = _Thread(row["thread_id"], owner, serde, dry_run)
        async for adopted in thread.adopt(pool):
            yield adopted


class _Thread:
    """One thread on its way into the tree."""

    def __init__(
        self, thread_id: str, owner: ThreadOwner, serde: SerializerProtocol, dry_run: bool
    ) -> None:
        self.thread_id = thread_id
        self._owner = owner
        self._serde = serde
        self._dry_run = dry_run
        self._lists: PlainLists | None = None
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._user: str | None = None
        self._title: str | None = None
        #: Version, size and time of each list that is still to be read, the next one last.
        self._todo: list[tuple[str, int, datetime | None]] = []
        #: Versions of lists that stay as they are.
        self._left: list[str] = []
        #: What a dry run would have stored.
        self._seen: set[bytes] = set()

    @property
    def _names(self) -> dict[str, Any]:
        return {
            "thread_id": self.thread_id,
            "channel": CHANNEL,
            "taken": TAKEN,
            "leaf_type": LEAF_TYPE,
            "user_key": USER_KEY,
        }

    async def adopt(self, pool: Pool) -> AsyncIterator[Adopted]:
        is_last = False
        while not is_last:
            async with transaction(pool) as cur:
                adopted = await self._transact(cur)
            is_last = adopted.is_last
            yield adopted

    async def _transact(self, cur: AsyncCursor[DictRow]) -> Adopted:
        if self._lists is None:
            await cur.execute(SELECT_FACTS, self._names)
            facts = await cur.fetchone()
            if facts is not None and facts["deltas"]:
                return Adopted(self.thread_id, left=[DELTAS])
            if facts is not None:
                self._first, self._last = _time(facts["first"]), _time(facts["last"])
                self._user = facts["user"]
        conversation_id, is_new = await self._conversation(cur)
        if conversation_id is None and not self._dry_run:
            return Adopted(self.thread_id)  # Deleted in the meantime.
        if self._lists is None:
            await self._find_lists(cur)
            redacted = {} if is_new else await select_redacted(cur, conversation_id)
            self._lists = PlainLists(self._serde, redacted)
        return await self._step(cur, conversation_id, self._lists, is_new=is_new)

    async def _conversation(self, cur: AsyncCursor[DictRow]) -> tuple[UUID | None, bool]:
        """The conversation, locked against steps and deletions until the transaction ends.

        And whether it was made just now, or would have been.
        """
        lock = SELECT_CONVERSATION if self._dry_run else LOCK_CONVERSATION
        await cur.execute(lock, (self.thread_id,))
        if (row := await cur.fetchone()) is not None:
            return row["id"], False
        subject = storable_name("user", self._owner(self.thread_id, self._user))
        if self._dry_run:
            return None, True
        await cur.execute(INSERT_USER, (uuid4(), subject))
        new = conversation_id_of(self.thread_id), self.thread_id, self._first, self._last
        await cur.execute(INSERT_CONVERSATION, (*new, subject, self.thread_id))
        if (row := await cur.fetchone()) is not None:
            return row["id"], True
        # Somebody else made it, or has deleted the thread.
        await cur.execute(lock, (self.thread_id,))
        row = await cur.fetchone()
        return None if row is None else row["id"], False

    async def _find_lists(self, cur: AsyncCursor[DictRow]) -> None:
        await cur.execute(SELECT_LISTS, self._names)
        when = None
        for row in await cur.fetchall():
            when = _time(row["ts"]) or when
            self._todo.append((row["version"], row["size"], when))
        self._todo.reverse()

    async def _step(
        self,
        cur: AsyncCursor[DictRow],
        conversation_id: UUID | None,
        lists: PlainLists,
        *,
        is_new: bool,
    ) -> Adopted:
        """Read some lists, and write their rows and leaves."""
        times: dict[str, datetime | None] = {}
        size = 0
        while self._todo and (not times or size + self._todo[-1][1] <= STEP_BYTES):
            version, bytes_, when = self._todo.pop()
            times[version] = when
            size += bytes_
        await cur.execute(SELECT_BLOBS, {**self._names, "versions": list(times)})
        blobs = {row["version"]: row for row in await cur.fetchall()}
        found: list[tuple[datetime | None, list[Row]]] = []
        leaves: dict[str, bytes] = {}
        left = []
        for version, when in times.items():
            if (blob := blobs.get(version)) is None:
                continue  # Somebody was quicker.
            try:
                found.append((when, lists.read(blob["type"], bytes(blob["blob"] or b""), when)))
            except NotAdoptableError as error:
                left.append(f"version {version} of its messages: {error}")
                self._left.append(version)
                continue
            leaves[version] = lists.leaf
            self._title = self._title or title_of(lists.messages)
        rows = await self._new(cur, None if is_new else conversation_id, found)
        if conversation_id is not None and not self._dry_run:
            await insert_messages(cur, conversation_id, rows)
            await cur.execute(
                REPLACE_BLOBS,
                {**self._names, "versions": list(leaves), "leaves": list(leaves.values())},
            )
            await cur.execute(
                UPDATE_CONVERSATION,
                {
                    **self._names,
                    "conversation_id": conversation_id,
                    "title": self._title,
                    "first": self._first,
                    "left": self._left,
                },
            )
        return Adopted(
            self.thread_id,
            is_new=is_new,
            lists=len(leaves),
            messages=len(rows),
            size=sum(len(blobs[version]["blob"]) for version in leaves),
            left=left,
            is_last=not self._todo,
        )

    async def _new(
        self,
        cur: AsyncCursor[DictRow],
        conversation_id: UUID | None,
        found: list[tuple[datetime | None, list[Row]]],
    ) -> list[tuple[Row, datetime | None, int]]:
        """The rows that are not stored yet, with the time and the place of each.

        The place is that among the new rows of its list, whether somebody was stopped between the
        lists or not, so that the times come out the same.
        """
        stored: set[bytes] = set()
        if conversation_id is not None:
            digests = [row.digest for _, rows in found for row in rows]
            stored = await select_stored(cur, conversation_id, digests)
        if self._dry_run:
            stored |= self._seen
        new = []
        for when, rows in found:
            fresh = [row for row in rows if row.digest not in stored]
            stored.update(row.digest for row in fresh)
            new += [(row, when, place) for place, row in enumerate(fresh)]
        if self._dry_run:
            self._seen.update(row.digest for row, _, _ in new)
        return new


def conversation_id_of(thread_id: str) -> UUID:
    """The id of an adopted thread's conversation.

    Always the same, so that a thread that was ejected has the same rows when it is adopted again.
    """
    return custom_uuid(sha256(b"conversation" + thread_id.encode()).digest())


def _time(text: str | None) -> datetime | None:
    """The time that a checkpoint tells, if it is one."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
