"""Full-text search in one user's messages, the newest hits first.

A common word is soon found among the newest messages, while an index of words would list every one
of its hits only to sort them; a rare word is just what such an index is for. So a search goes back
from the newest message, along `ix_messages_user_id`, as long as that promises to fill the page, and
otherwise asks `ix_messages_search`.

Words are compared in lower case, as Postgres's configuration `simple` takes them: in any language,
without stemming and stop words. What people and models said is searched, on all branches; what
tools returned is not, nor what follows a message's 100,000th character.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Row, TextClause, bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from .conversations import explained
from .cursors import cursor, place
from .errors import StorageError
from .models import SEARCH_VECTOR, SEARCH_WORDS, SEARCHED
from .transcript import storable

#: Characters of a search.
LONGEST = 1_000

#: Bytes from which on the last word may be the beginning of one: three Latin letters, or one
#: Chinese character. What begins with less, in an index of everybody's words, is too much to list.
SHORTEST_BEGINNING = 3

#: How many of the newest messages are looked at first; how many of them have to be hits for going
#: on like that to be quicker than the index of words; and how far it is gone back then.
NEWEST, DENSE, FURTHEST = 300, 4, 1_600

#: How many are looked at where the index of words would be slow.
FOR_BEGINNINGS = 1_000

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
    values: dict[str, Any] = {"limit": limit}
    if before is not None:
        values["at"], values["id"] = place("hit", before)
    with explained():
        asked = {"user": storable(user), "words": storable(words)}
        user_id, parsed, positive = (await _execute(session, _PARSE, asked))[0]
        query = _Query.of(parsed, positive, asked["words"])
        if user_id is None or not query.wanted:
            return []
        values |= {"user_id": user_id, "words": query.text}
        found = await _walked(session, query, values)
        if found is None:
            values["query"] = f"{_owner(user_id)} & ({query.text})"
            found = await _execute(session, _page(_LOOK_UP, further=before is not None), values)
    return [_hit(row) for row in found]


# Who asks and what for. `querytree` leaves of a query what has to occur.
_PARSE = text(
    """
    SELECT (SELECT id FROM users WHERE subject = :user), query::text, querytree(query)
    FROM websearch_to_tsquery('simple', :words) AS query
    """
)

# The hits among the user's newest messages, and one row more, without an id, if there are messages
# beyond those. That there is no such row as long as the page is filled is what LIMIT sees to: it
# never comes to look for it.
_WALK = """
    (
        SELECT id, created_at FROM (
            SELECT id, created_at, content FROM messages
            WHERE {searched} AND user_id = :user_id {before}
            ORDER BY created_at DESC, id DESC LIMIT :count
        ) AS newest
        WHERE left(content, 100000) ILIKE {any_or_all} (CAST(:patterns AS text[]))
        AND {words} @@ CAST(:words AS tsquery)
        ORDER BY created_at DESC, id DESC LIMIT :limit
    )
    UNION ALL
    (
        SELECT NULL, NULL FROM messages
        WHERE {searched} AND user_id = :user_id {before}
        ORDER BY created_at DESC, id DESC OFFSET :count LIMIT 1
    )
    LIMIT :limit
"""

# The owner is asked for outside of what reads the index of words, so that Postgres has no other way
# to read: with an owner unknown when it plans a prepared statement, it would take them for somebody
# who has said little, and go through all they said.
_LOOK_UP = """
    SELECT id, created_at FROM (
        SELECT id, created_at, user_id FROM messages
        WHERE {searched} AND {vector} @@ CAST(:query AS tsquery) OFFSET 0
    ) AS found
    WHERE user_id = :user_id {before}
    ORDER BY created_at DESC, id DESC LIMIT :limit
"""

# All of a page is read at one instant: a message deleted in between would make it look like the
# last. A snippet comes from the beginning of a very long text, which takes time to go through.
_PAGE = """
    WITH hits AS MATERIALIZED ({hits})
    SELECT hits.id, m.conversation_id, c.thread_id, c.title, m.role, hits.created_at,
           ts_headline(
               'simple',
               translate(left(m.content, 10000), E'\\x02\\x03\\n\\r\\t', '     '),
               CAST(:words AS tsquery),
               E'MinWords=12, MaxWords=24, StartSel=\\x02, StopSel=\\x03'
           )
    FROM hits
    LEFT JOIN messages m ON m.id = hits.id
    LEFT JOIN conversations c ON c.id = m.conversation_id
    ORDER BY hits.created_at DESC NULLS LAST, hits.id DESC
"""

# UNION and not UNION ALL: should somebody have bent a chain into a circle, it still ends.
_ACTIVE = text(
    """
    WITH RECURSIVE branch AS (
        SELECT m.conversation_id, m.id, m.parent_id FROM conversations c
        JOIN messages m ON m.conversation_id = c.id AND m.id = c.leaf_id
        WHERE c.id = ANY(:conversations)
        UNION
        SELECT m.conversation_id, m.id, m.parent_id FROM branch b
        JOIN messages m ON m.conversation_id = b.conversation_id AND m.id = b.parent_id
    )
    SELECT id FROM branch WHERE id = ANY(:hits)
    """
)


@cache
def _page(hits: str, *, further: bool, any_or_all: str = "") -> TextClause:
    """The statement that reads a page; `further` if it isn't the first."""
    hits = hits.format(
        searched=SEARCHED,
        words=SEARCH_WORDS,
        vector=SEARCH_VECTOR,
        any_or_all=any_or_all,
        before="AND (created_at, id) < (:at, :id)" if further else "",
    )
    # Of a limit that is a parameter Postgres expects a tenth of everything.
    limits = [
        bindparam(name, type_=Integer, literal_execute=True)
        for name in ("limit", "count")
        if f":{name}" in hits
    ]
    return text(_PAGE.format(hits=hits)).bindparams(*limits)


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
        return {id_ for (id_,) in await _execute(session, _ACTIVE, values)}


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


#: How Postgres writes a word in the text of a `tsquery`.
_LEXEME = re.compile(r"'((?:[^'\\]|''|\\\\)*)'")


async def _walked(
    session: AsyncSession, query: _Query, values: dict[str, Any]
) -> Sequence[Row[Any]] | None:
    """The page, if it can be had by going back from the newest message."""
    any_or_all = "ANY" if query.has_alternatives else "ALL"
    statement = _page(_WALK, further="at" in values, any_or_all=any_or_all)
    for count in (FOR_BEGINNINGS,) if query.begins else (NEWEST, FURTHEST):
        more = values | {"patterns": query.patterns(), "count": count}
        rows = await _execute(session, statement, more)
        hits = [row for row in rows if row.id is not None]
        if len(hits) == values["limit"] or len(hits) == len(rows):
            return hits
        if len(hits) < DENSE:
            break
    return None


def _owner(user_id: UUID) -> str:
    """The mark of a user's messages in the index of words; see `SEARCH_VECTOR`."""
    return f"' {str(user_id)[-12:]}'"


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
