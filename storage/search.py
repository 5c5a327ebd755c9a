"""Full-text search in one user's messages, the newest hits first.

A common word is soon found among the newest messages, while an index of words would list every one
of its hits only to sort them; a rare word is just what such an index is for. So a search first goes
back from the newest message, along `ix_messages_user_id`. If that doesn't fill the page, it asks
`ix_messages_words`, for the hits of four weeks after those of another, until there are enough.

Words are compared in lower case, as Postgres's configuration `simple` takes them: in any language,
without stemming and stop words. What people and models said is searched, on all branches; what
tools returned is not, nor what follows a message's 100,000th character, nor a word of 500.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause
from sqlmodel.ext.asyncio.session import AsyncSession

from .conversations import explained
from .cursors import cursor, place
from .errors import StorageError
from .models import LONGEST_WORD, PERIOD
from .search_query import Query
from .search_sql import ACTIVE, LOOK_UP, PARSE, WALK, page
from .transcript import storable

#: Characters of a search.
LONGEST = 1_000

#: How many of the newest messages are looked at first; a sixth of them for a phrase, which is
#: seldom as common.
NEWEST = 300

#: How many are looked at where those make it likely that so many hold a page of hits.
FARTHER = 1_000

#: The greatest id there is: where a first page starts, at the time of the newest message.
_LAST = UUID(int=2**128 - 1)

# Before and after a word that was searched for, in a snippet on its way from the server.
_MARK = re.compile("[\x02\x03]")


class SearchTooLongError(StorageError, ValueError):
    """Nobody searches for so many words, or for a word as long as that."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found."""

    id: UUID
    conversation_id: UUID
    thread_id: str
    #: The conversation's title; none where the user has said nothing in it.
    title: str | None
    #: user or assistant.
    role: str
    created_at: datetime
    #: Some words of the text, around those that were searched for.
    snippet: str
    #: Begin and end of each word in `snippet` that was searched for.
    matches: tuple[tuple[int, int], ...]

    @property
    def cursor(self) -> str:
        """What to ask for the hits after this one with."""
        return cursor("hit", self.created_at, self.id)


async def search_messages(
    session: AsyncSession, user: str, words: str, *, limit: int = 20, before: str | None = None
) -> list[Hit]:
    """The messages of a user's conversations that hold all these words, the newest first.

    "Words in quotes" have to follow each other, `-word` must not occur, and of `one or another` one
    is enough. The last word may be the beginning of one, from three letters on. Nothing that can be
    typed is an error. Where no word is asked for, but only for some not to occur, nothing is found.

    Args:
        session: Only read from.
        user: The subject of the user; nobody else's messages are found.
        words: At most `LONGEST` characters.
        limit: How many hits; fewer mean that there are no more.
        before: The cursor of the last hit of the page before.

    Raises:
        SearchTooLongError: there are too many characters, or a word has `LONGEST_WORD` of them.
        InvalidCursorError: `before` is the cursor of no hit.
        TablesMissingError: the database has not been migrated.
    """
    if len(words) > LONGEST:
        raise SearchTooLongError(
            f"the search is {len(words):,} characters long, and {LONGEST:,} is the most. "
            "Search for fewer words."
        )
    typed = _NO_NEGATION.sub(" ", storable(words))
    start = None if before is None else place("hit", before)
    with explained():
        asked = {"user": storable(user), "words": typed}
        row = (await _execute(session, PARSE, asked))[0]
        user_id, newest, oldest, parsed, positive, _ = row
        query = Query.of(parsed, positive, typed)
        if query.longest >= LONGEST_WORD or _TOO_LONG.search(typed):
            raise SearchTooLongError(
                f"a word of the search has {LONGEST_WORD} characters or more, and no index holds "
                "such words. Leave it out, or search for what stands beside it."
            )
        if newest is None or not query.wanted:
            return []
        at, id_ = start or (newest, _LAST)
        values = {
            "user_id": user_id,
            "words": query.text,
            "at": at,
            "id": id_,
            "limit": limit,
        }
        return [_hit(row) for row in await _search(session, query, values, oldest)]


async def active_hits(session: AsyncSession, hits: Sequence[Hit]) -> set[UUID]:
    """The ids of those hits that are on the active branches of their conversations.

    A branch is followed from its leaf to its root, so it takes some microseconds for each message
    of the conversations that the hits are of.
    """
    values = {
        "conversations": list({hit.conversation_id for hit in hits}),
        "hits": [hit.id for hit in hits],
    }
    with explained():
        return {id_ for (id_,) in await _execute(session, ACTIVE, values)}


#: Dashes with no word or phrase after them. Postgres takes each for a negation of the next one, and
#: refuses a query with 32 of them.
_NO_NEGATION = re.compile(r"-(?![\w\"])")

#: What Postgres may leave out of a query, as it does with words of more than 2 KB.
_TOO_LONG = re.compile(rf"[^\W_]{{{LONGEST_WORD}}}")


async def _search(
    session: AsyncSession, query: Query, values: dict[str, Any], oldest: datetime
) -> Sequence[Row[Any]]:
    """The rows of a page."""
    has_phrase = query.has_phrase
    any_or_all = "ANY" if query.has_alternatives else "ALL"
    plain, short = query.plain()
    told_by: dict[str, Any] = {"patterns": query.patterns(), "plain": plain, "short": short}
    if has_phrase:
        told_by["adjacent"] = query.adjacent()
    walk = page(WALK, any_or_all, has_phrase=has_phrase)
    limit = values["limit"]
    for count in (NEWEST // 6 if has_phrase else NEWEST, FARTHER):
        rows = await _execute(session, walk, values | told_by | {"count": count})
        hits = [row for row in rows if row.id is not None]
        if len(hits) == limit or len(hits) == len(rows):
            return hits
        if 3 * len(hits) * FARTHER <= 4 * limit * count:
            break
    owner = values["user_id"]
    periods = range(_period(values["at"]), _period(oldest) - 1, -1)
    places = {
        "queries": [query.among(_letter(owner, period)) for period in periods],
        "marks": [_mark(owner, period) for period in periods],
    }
    look_up = page(LOOK_UP, any_or_all, has_phrase=has_phrase)
    more = told_by if has_phrase else {}
    return await _execute(session, look_up, values | more | places)


def _period(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=PERIOD)


def _letter(owner: UUID, period: int) -> str:
    """What the index has before the words of somebody's messages of a period."""
    return chr(40 + owner.bytes[-1] % 4 * 13 + abs(period) % 13)


def _mark(owner: UUID, period: int) -> str:
    """What the index has of somebody's messages of a period beside their words, as a `tsquery`."""
    return f"' {str(owner)[-10:]}{period}'"


def _hit(row: Row[Any]) -> Hit:
    id_, conversation_id, thread_id, title, role, created_at, marked = row
    # Plain words and those searched for take turns.
    pieces = _MARK.split(marked)
    ends = accumulate((len(piece) for piece in pieces), initial=0)
    return Hit(
        id=id_,
        conversation_id=conversation_id,
        thread_id=thread_id,
        title=title,
        role=role,
        created_at=created_at,
        snippet="".join(pieces),
        matches=tuple(pairwise(ends))[1::2],
    )


async def _execute(
    session: AsyncSession, statement: TextClause, values: dict[str, Any]
) -> Sequence[Row[Any]]:
    return (await (await session.connection()).execute(statement, values)).all()
