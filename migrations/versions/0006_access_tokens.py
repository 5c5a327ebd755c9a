"""Access tokens: who may act as a user over HTTP.

Revision ID: 0006
Revises: 0005
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from migrations import create

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: The new table, and the one that it refers to.
tables = sa.MetaData()


def time_of_write() -> sa.Column[datetime]:
    return sa.Column(
        "created_at",
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.text("clock_timestamp()"),
    )


sa.Table(
    "users",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    time_of_write(),
    sa.UniqueConstraint("subject", name="uq_users_subject"),
)
sa.Table(
    "access_tokens",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("time_zone", sa.Text),
    sa.Column("locale", sa.Text),
    time_of_write(),
    sa.Column("last_used_at", sa.DateTime(timezone=True)),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    sa.UniqueConstraint("digest", name="uq_access_tokens_digest"),
    sa.CheckConstraint("length(digest) = 32", name="ck_access_tokens_digest_sha256"),
    sa.CheckConstraint("length(btrim(name)) > 0", name="ck_access_tokens_name_not_blank"),
    sa.Index("ix_access_tokens_user_id", "user_id"),
)


def upgrade() -> None:
    create.create_missing(tables)


def downgrade() -> None:
    op.drop_table("access_tokens")
