"""Search in one user's messages.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEARCHED = "role = ANY (ARRAY['user', 'assistant']) AND content <> ''"
VECTOR = (
    "(to_tsvector('simple', left(content, 100000))"
    " || array_to_tsvector(ARRAY[' ' || COALESCE(right(user_id::text, 12), ''),"
    " ((' ' || COALESCE(right(user_id::text, 12), '')) || ' ')"
    " || floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 604800)::text]))"
)


def upgrade() -> None:
    """Index the messages that are there: about a minute for a million, in which others can read."""
    op.execute("SET LOCAL statement_timeout = '30min'")
    # What PostgreSQL's documentation recommends for a GIN index on a table with rows in it.
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.create_index(
        "ix_messages_user_id",
        "messages",
        ["user_id", "created_at", "id"],
        postgresql_where=sa.text(SEARCHED),
        if_not_exists=True,
    )
    op.create_index(
        "ix_messages_search",
        "messages",
        [sa.text(VECTOR)],
        postgresql_using="gin",
        postgresql_where=sa.text(SEARCHED),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_search", "messages")
    op.drop_index("ix_messages_user_id", "messages")
