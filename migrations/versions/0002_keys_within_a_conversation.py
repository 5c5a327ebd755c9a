"""Leaves and parents of the same conversation by key; owners and redactions of messages.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from migrations import create
from migrations.run import metadata as models

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if create.made_from(models):
        return
    # A big table may take its time: every message is written once more, with its owner in it.
    op.execute("SET LOCAL statement_timeout = '30min'")
    op.add_column("messages", sa.Column("user_id", sa.Uuid))
    op.add_column("messages", sa.Column("redacted_at", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("redaction", sa.LargeBinary))
    op.add_column("conversations", sa.Column("redacted_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE messages SET user_id = c.user_id FROM conversations c"
        " WHERE c.id = messages.conversation_id"
    )
    # Else a deferred check of the rows just written would be in the way of what follows.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.alter_column("messages", "user_id", nullable=False)

    op.drop_constraint("messages_parent_id_fkey", "messages", type_="foreignkey")
    op.drop_constraint("fk_conversations_leaf_id", "conversations", type_="foreignkey")
    op.drop_index("ix_conversations_leaf_id", "conversations")
    op.drop_index("ix_messages_conversation_id", "messages")
    op.create_unique_constraint(
        "ix_messages_conversation_id", "messages", ["conversation_id", "id"]
    )
    op.create_foreign_key(
        "fk_messages_parent",
        "messages",
        "messages",
        ["conversation_id", "parent_id"],
        ["conversation_id", "id"],
    )
    op.create_foreign_key(
        "fk_conversations_leaf",
        "conversations",
        "messages",
        ["id", "leaf_id"],
        ["conversation_id", "id"],
    )
    op.drop_index("ix_conversations_user_id", "conversations")
    op.create_index("ix_conversations_user_id", "conversations", ["user_id", "updated_at", "id"])


def downgrade() -> None:
    """Redacted messages stay blank; that they were redacted is forgotten."""
    op.drop_index("ix_conversations_user_id", "conversations")
    op.create_index("ix_conversations_user_id", "conversations", ["user_id"])
    op.drop_constraint("fk_conversations_leaf", "conversations", type_="foreignkey")
    op.drop_constraint("fk_messages_parent", "messages", type_="foreignkey")
    op.drop_constraint("ix_messages_conversation_id", "messages", type_="unique")
    op.create_index("ix_messages_conversation_id", "messages", ["conversation_id"])
    op.create_index("ix_conversations_leaf_id", "conversations", ["leaf_id"])
    op.create_foreign_key("messages_parent_id_fkey", "messages", "messages", ["parent_id"], ["id"])
    op.create_foreign_key(
        "fk_conversations_leaf_id", "conversations", "messages", ["leaf_id"], ["id"]
    )
    op.drop_column("conversations", "redacted_at")
    for column in ("redaction", "redacted_at", "user_id"):
        op.drop_column("messages", column)
