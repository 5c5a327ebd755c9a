"""Full-text search in one user's messages, the newest hits first.

A common word is soon found among the newest messages, while an index of words would list every one
of its hits only to sort them; a rare word is just what such an index is for. So a search first goes
back from the newest message, along `ix_messages_user_id`. If that doesn't fill the page, it asks
`ix_messages_search`: for hits of the latest two weeks if there has been one already, then for all.

Words are compared in lower case, as Postgres's configuration `simple` takes them: in any language,
without stemming and stop words. What people and models said is searched, on all branches; what
tools returned is not, nor what follows a message's 100,000th character.
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
from .search_sql import ACTIVE, LOOK_UP, PARSE, WALK, page
from .transcript import storable

#: Characters of a search.
LONGEST = 1_000

#: Bytes from which on the last word may be the beginning of one: three Latin letters, or one
#: Chinese character. What begins with less, in an index of everybody's words, is too much to list.
SHORTEST_BEGINNING = 3

#: How many of the newest messages are looked at first.
NEWEST = 300

#: The same where the index of words is slow, as it is with beginnings of words.
FOR_BEGINNINGS = 1_000

#: The greatest id there is: where a first page starts, at the time of the newest message.
_LAST = UUID(int=2**128 - 1)

# Before and after a word that was searched for, in a snippet on its way from the server.
_MARK = re.compile("[\x02\x03]")


class SearchTooLongError(StorageError, ValueError):
    """Nobody searches for so many words."""


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
        SearchTooLongError: there are too many characters.
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
        user_id, newest, parsed, positive = (await _execute(session, PARSE, asked))[0]
        query = _Query.of(parsed, positive, typed)
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
        return [_hit(row) for row in await _search(session, query, values)]


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


@dataclass(frozen=True, slots=True)
class _Query:
    """A search as Postgres's `tsquery`, in the text form that it has there."""

    text: str
    #: What a hit holds each of, or where there is an `or` some of.
    wanted: Sequence[str]
    has_alternatives: bool
    #: Whether the last word may be the beginning of one.
    begins: bool

    @classmethod
    def of(cls, parsed: str, positive: str, typed: str) -> "_Query":
        """The query that Postgres made of what was typed; `positive` is what its hits hold."""
        wanted = [
            lexeme.replace("''", "'").replace("\\\\", "\\") for lexeme in _LEXEME.findall(positive)
        ]
        has_alternatives = "|" in _LEXEME.sub("", positive)
        begins = (
            bool(wanted)
            and positive == parsed
            and not has_alternatives
            and len(wanted[-1].encode()) >= SHORTEST_BEGINNING
            # What was typed last is a word, and just what the query ends with: neither the end of
            # a phrase in quotes nor one of the parts that an address has been taken into.
            and typed.split()[-1].lower().lstrip('"') == wanted[-1]
        )
        return cls(f"{parsed}:*" if begins else parsed, wanted, has_alternatives, begins)

    def patterns(self) -> list[str]:
        """What the text of a hit is like, which is quicker to tell than its words are."""
        return ["%" + re.sub(r"([\\%_])", r"\\\1", lexeme) + "%" for lexeme in self.wanted]


#: Dashes with no word or phrase after them. Postgres takes each for a negation of the next one, and
#: refuses a query with 32 of them.
_NO_NEGATION = re.compile(r"-(?![\w\"])")

#: How Postgres writes a word in the text of a `tsquery`.
_LEXEME = re.compile(r"'((?:[^'\\]|''|\\\\)*)'")


async def _search(
    session: AsyncSession, query: _Query, values: dict[str, Any]
) -> Sequence[Row[Any]]:
    """The rows of a page."""
    walk = page(WALK, "ANY" if query.has_alternatives else "ALL")
    count = FOR_BEGINNINGS if query.begins else NEWEST
    rows = await _execute(session, walk, values | {"patterns": query.patterns(), "count": count})
    hits = [row for row in rows if row.id is not None]
    if len(hits) == values["limit"] or len(hits) == len(rows):
        return hits
    owner = f" {str(values['user_id'])[-12:]}"
    week = (values["at"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(weeks=1)
    marks = [f"'{owner}'"]
    if hits:
        marks.insert(0, f"('{owner} {week}' | '{owner} {week - 1}')")
    look_up = page(LOOK_UP)
    for mark in marks:
        rows = await _execute(session, look_up, values | {"query": f"{mark} & ({query.text})"})
        if len(rows) == values["limit"]:
            break
    return rows


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
