"""What a label can be.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LABELS = (
    "array_position(labels, NULL) IS NULL AND array_position(labels, '') IS NULL"
    " AND array_to_string(labels, ' ') !~ '[^ ]{51}'"
)


def upgrade() -> None:
    op.execute("ALTER TABLE tasks DROP CONSTRAINT IF EXISTS ck_tasks_labels_words")
    op.create_check_constraint("ck_tasks_labels_words", "tasks", LABELS)


def downgrade() -> None:
    op.drop_constraint("ck_tasks_labels_words", "tasks", type_="check")
