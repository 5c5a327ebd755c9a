"""The index of words keeps the words of each four weeks apart.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEARCHED = "role = ANY (ARRAY['user', 'assistant']) AND content <> ''"
PERIOD = "floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 2419200)::integer"
WORDS = (
    "((((replace(' ' || regexp_replace(strip(to_tsvector('simple', left(content, 100000)))::text,"
    " '''[^ ]{250}[^ ]{251,}', '', 'g'), ' ''', ' ''' ||"
    f" chr(40 + mod(get_byte(uuid_send(user_id), 15), 4) * 13 + mod(abs({PERIOD}), 13)))"
    f" || ' '' ') || right(user_id::text, 10)) || {PERIOD}::text) || '''')::tsvector"
)
BEFORE = (
    "(to_tsvector('simple', left(content, 100000))"
    " || array_to_tsvector(ARRAY[' ' || COALESCE(right(user_id::text, 12), ''),"
    " ((' ' || COALESCE(right(user_id::text, 12), '')) || ' ')"
    " || floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 604800)::text]))"
)


def upgrade() -> None:
    """Index the messages that are there: some minutes for a million, in which others can read."""
    _index("ix_messages_words", f"({WORDS})")
    op.drop_index("ix_messages_search", "messages", if_exists=True)


def downgrade() -> None:
    _index("ix_messages_search", BEFORE)
    op.drop_index("ix_messages_words", "messages", if_exists=True)


def _index(name: str, words: str) -> None:
    op.execute("SET LOCAL statement_timeout = '30min'")
    # What PostgreSQL's documentation recommends for a GIN index on a table with rows in it.
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.create_index(
        name,
        "messages",
        [sa.text(words)],
        postgresql_using="gin",
        postgresql_where=sa.text(SEARCHED),
        if_not_exists=True,
    )
