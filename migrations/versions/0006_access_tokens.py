"""Access tokens: who may act as a user over HTTP.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("time_zone", sa.Text),
        sa.Column("locale", sa.Text),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("digest", name="uq_access_tokens_digest"),
        sa.CheckConstraint("length(digest) = 32", name="ck_access_tokens_digest_sha256"),
        sa.CheckConstraint("length(btrim(name)) > 0", name="ck_access_tokens_name_not_blank"),
        if_not_exists=True,
    )
    op.create_index("ix_access_tokens_user_id", "access_tokens", ["user_id"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("access_tokens")
