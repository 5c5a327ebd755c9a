"""The SQL of a search; `search.py` tells what is asked when."""

from functools import cache

from sqlalchemy import Integer, TextClause, bindparam, text

from .models import SEARCH_VECTOR, SEARCH_WORDS, SEARCHED

# Who asks and what for, and when their newest and oldest messages were said. `querytree` leaves of
# a query what has to occur in its hits. For the rest of the transaction nothing is compiled, which
# takes ten times as long as a search: Postgres can't guess how few messages are looked at.
_PARSE = """
    SELECT owner.id, newest.created_at, oldest.created_at, query::text, querytree(query),
           set_config('jit', 'off', true)
    FROM websearch_to_tsquery('simple', :words) AS query
    LEFT JOIN users owner ON owner.subject = :user
    LEFT JOIN LATERAL (
        SELECT created_at FROM messages WHERE {searched} AND user_id = owner.id
        ORDER BY created_at DESC, id DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN LATERAL (
        SELECT created_at FROM messages WHERE {searched} AND user_id = owner.id
        ORDER BY created_at, id LIMIT 1
    ) AS oldest ON true
"""
PARSE = text(_PARSE.format(searched=SEARCHED))

# Postgres is asked for the user outside of what reads an index. Otherwise, when it plans a prepared
# statement, or its statistics are old, it would take them for somebody who has said little, and go
# through all that is theirs to sort it.

# The hits among the user's newest messages, and one row more, without an id, if there are messages
# beyond those. Nobody comes to look for that row when the page is filled.
WALK = """
    (
        SELECT id, created_at FROM (
            SELECT user_id, id, created_at, content FROM messages
            WHERE {searched} AND (user_id, created_at, id) < (:user_id, :at, :id)
            ORDER BY user_id DESC, created_at DESC, id DESC LIMIT :count
        ) AS newest
        WHERE user_id = :user_id
        AND left(content, 100000) ILIKE {any_or_all} (CAST(:patterns AS text[]))
        AND {adjacent}
        AND {words} @@ CAST(:words AS tsquery)
        ORDER BY user_id DESC, created_at DESC, id DESC LIMIT :limit
    )
    UNION ALL
    (
        SELECT NULL, NULL FROM (
            SELECT user_id FROM messages
            WHERE {searched} AND (user_id, created_at, id) < (:user_id, :at, :id)
            ORDER BY user_id DESC, created_at DESC, id DESC OFFSET :count LIMIT 1
        ) AS beyond
        WHERE user_id = :user_id
    )
    LIMIT :limit
"""

# The hits of one period after the other, the newest first, until the page is filled. Those of a
# period are put in order first and checked then, so that no more are checked than the page takes:
# to tell whether words follow each other takes longer than all the rest.
LOOK_UP = """
    WITH RECURSIVE period(place, number, ids, times) AS (
        SELECT 0, 0, NULL::uuid[], NULL::timestamptz[]
        UNION ALL
        SELECT later.place + 1, later.number + found.number, found.ids, found.times
        FROM period AS later
        CROSS JOIN LATERAL (
            SELECT count(*)::int AS number, array_agg(id) AS ids, array_agg(created_at) AS times
            FROM (
                SELECT id, created_at FROM (
                    SELECT id, created_at, user_id, content FROM messages
                    WHERE {searched} AND {vector} @@ (CAST(:queries AS tsquery[]))[later.place + 1]
                    ORDER BY created_at DESC, id DESC OFFSET 0
                ) AS newest
                WHERE user_id = :user_id AND (created_at, id) < (:at, :id) {checked}
                LIMIT :limit - later.number
            ) AS hit
        ) AS found
        WHERE later.number < :limit AND later.place < cardinality(CAST(:queries AS tsquery[]))
    )
    SELECT hit.id, hit.created_at FROM period, unnest(ids, times) AS hit(id, created_at)
"""

# The index knows which words a message holds, but not in which order.
_CHECKED = "AND {adjacent} AND {words} @@ CAST(:words AS tsquery)"

# Much quicker to tell than where the words of a message stand, if it isn't as long as a book.
_ADJACENT = "(octet_length(content) > 32000 OR lower(content) ~ ALL (CAST(:adjacent AS text[])))"

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
ACTIVE = text(
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
def page(hits: str, any_or_all: str = "", *, has_phrase: bool = False) -> TextClause:
    """The statement that reads a page of these hits."""
    places = {
        "searched": SEARCHED,
        "words": SEARCH_WORDS,
        "vector": SEARCH_VECTOR,
        "adjacent": _ADJACENT if has_phrase else "true",
        "any_or_all": any_or_all,
    }
    checked = _CHECKED.format(**places) if has_phrase else ""
    hits = hits.format(checked=checked, **places)
    # Of a limit that is a parameter Postgres expects a tenth of everything.
    limits = [
        bindparam(name, type_=Integer, literal_execute=True)
        for name in ("limit", "count")
        if f":{name}" in hits
    ]
    return text(_PAGE.format(hits=hits)).bindparams(*limits)
