"""Which call an idempotency key stands for: a digest of its tool and arguments.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task_calls", sa.Column("digest", sa.String(64)), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("task_calls", "digest")
