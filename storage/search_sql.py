"""The SQL of a search; `search.py` tells what is asked when."""

from functools import cache, reduce

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
    SELECT CASE WHEN place <= :count THEN id END AS id, conversation_id, role, created_at,
           CASE WHEN place <= :count THEN content END AS content
    FROM (
        SELECT user_id, id, conversation_id, role, created_at, content, {said} AS said,
               row_number() OVER (ORDER BY user_id DESC, created_at DESC, id DESC) AS place
        FROM (
            SELECT user_id, id, conversation_id, role, created_at, content FROM messages
            WHERE {searched} AND (user_id, created_at, id) < (:user_id, :at, :id)
            ORDER BY user_id DESC, created_at DESC, id DESC LIMIT :count + 1
        ) AS newest
    ) AS told
    WHERE user_id = :user_id AND (place > :count OR {is_hit})
    ORDER BY user_id DESC, created_at DESC, told.id DESC LIMIT :limit
"""

# The hits of one period after the other, the newest first, until the page is filled: a nested loop
# takes the periods in turn. Those of a period are put in order first and checked then, so that no
# more are checked than the page takes. The index is asked for the owner's mark by a condition of
# its own: within one query it would look for the mark of every message that has one of the words.
LOOK_UP = """
    SELECT hit.*
    FROM unnest(CAST(:queries AS tsquery[]), CAST(:marks AS tsquery[])) AS period(query, mark)
    CROSS JOIN LATERAL (
        SELECT id, conversation_id, role, created_at, content FROM (
            SELECT id, conversation_id, role, created_at, content, {said} AS said FROM (
                SELECT user_id, id, conversation_id, role, created_at, content FROM messages
                WHERE {searched} AND {vector} @@ period.query AND {vector} @@ period.mark
                ORDER BY created_at DESC, id DESC OFFSET 0
            ) AS newest
            WHERE user_id = :user_id AND (created_at, id) < (:at, :id) OFFSET 0
        ) AS told
        WHERE {is_checked}
    ) AS hit
    LIMIT :limit
"""

# To take a text into words costs most, so it comes last, and only where it has to.
_IS_HIT = """(
    said LIKE {any_or_all} (CAST(:patterns AS text[])) AND {is_adjacent}
    AND CASE
        WHEN octet_length(content) < :short AND strpos(said, '<') = 0
        AND said ~ ALL (CAST(:plain AS text[]))
        THEN true ELSE {words} @@ CAST(:words AS tsquery)
    END
)"""

# What stands around a word of more than 2,047 bytes follows each other: Postgres leaves it out.
_IS_ADJACENT = r"""(
    said ~ ALL (CAST(:adjacent AS text[]))
    OR octet_length(content) > 2047 AND said ~ '\S{255}'
)"""

# What is searched of a text. To count its characters takes as long as all the rest, and no text has
# more characters than bytes.
_SAID = """
    lower(CASE WHEN octet_length(content) <= 100000 THEN content ELSE left(content, 100000) END)
"""

# All of a page is read at one instant: a message deleted in between would make it look like the
# last. A snippet comes from the beginning of a very long text, which takes time to go through.
# The conversations are looked up one by one, since Postgres can't guess how few there are to be.
_PAGE = """
    WITH hits AS MATERIALIZED ({hits})
    SELECT hits.id, hits.conversation_id, c.thread_id, c.title, hits.role, hits.created_at,
           ts_headline(
               'simple',
               {line},
               CAST(:words AS tsquery),
               E'MinWords=12, MaxWords=24, StartSel=\\x02, StopSel=\\x03'
           )
    FROM hits
    LEFT JOIN LATERAL (
        SELECT thread_id, title FROM conversations WHERE id = hits.conversation_id OFFSET 0
    ) AS c ON true
    ORDER BY hits.created_at DESC, hits.id DESC
"""

# Several times quicker than `translate`, which goes through its list for every character.
_LINE = reduce(
    lambda line, mark: f"replace({line}, E'{mark}', ' ')",
    (r"\x02", r"\x03", r"\n", r"\r", r"\t"),
    "left(hits.content, 10000)",
)

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
def page(hits: str, any_or_all: str = "ALL", *, has_phrase: bool = False) -> TextClause:
    """The statement that reads a page of these hits."""
    is_hit = _IS_HIT.format(
        any_or_all=any_or_all,
        is_adjacent=_IS_ADJACENT if has_phrase else "true",
        words=SEARCH_WORDS,
    )
    hits = hits.format(
        searched=SEARCHED,
        vector=SEARCH_VECTOR,
        said=_SAID,
        is_hit=is_hit,
        # The index knows which words a message holds, but not in which order.
        is_checked=is_hit if has_phrase else "true",
    )
    # Of a limit that is a parameter Postgres expects a tenth of everything.
    limits = [
        bindparam(name, type_=Integer, literal_execute=True)
        for name in ("limit", "count")
        if f":{name}" in hits
    ]
    return text(_PAGE.format(hits=hits, line=_LINE)).bindparams(*limits)
