"""Users, conversations, messages; tasks and their ledger.

Revision ID: 0001
Revises:
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from migrations import create
from migrations.run import metadata as models

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: The tables as this revision leaves them. The models move on, a migration doesn't.
tables = sa.MetaData()


def time_of_write(name: str) -> sa.Column[datetime]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.text("clock_timestamp()"),
    )


sa.Table(
    "users",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    time_of_write("created_at"),
    sa.UniqueConstraint("subject", name="uq_users_subject"),
)

sa.Table(
    "conversations",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("title", sa.String(200)),
    sa.Column(
        "leaf_id", sa.ForeignKey("messages.id", name="fk_conversations_leaf_id", use_alter=True)
    ),
    sa.Column("leaf_checkpoint_id", sa.Text),
    time_of_write("created_at"),
    time_of_write("updated_at"),
    sa.UniqueConstraint("thread_id", name="uq_conversations_thread_id"),
    sa.Index("ix_conversations_user_id", "user_id"),
    sa.Index("ix_conversations_updated_at", "updated_at"),
    sa.Index("ix_conversations_leaf_id", "leaf_id"),
)

sa.Table(
    "messages",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "conversation_id", sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("parent_id", sa.ForeignKey("messages.id")),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("tool_calls", JSONB),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("payload_type", sa.String(50), nullable=False, server_default=sa.text("'msgpack'")),
    time_of_write("created_at"),
    sa.UniqueConstraint("conversation_id", "digest", name="uq_messages_conversation_digest"),
    sa.Index("ix_messages_conversation_id", "conversation_id"),
    sa.Index("idx_messages_conversation_created", "conversation_id", "created_at"),
    sa.Index("ix_messages_parent_id", "parent_id"),
)

sa.Table(
    "tasks",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("notes", sa.Text),
    sa.Column(
        "priority",
        ENUM("low", "normal", "high", name="task_priority", create_type=False),
        nullable=False,
        server_default=sa.text("'normal'"),
    ),
    sa.Column("due_at", sa.DateTime(timezone=True)),
    sa.Column("completed_at", sa.DateTime(timezone=True)),
    time_of_write("created_at"),
    sa.UniqueConstraint("user_id", "number", name="uq_tasks_user_number"),
    sa.CheckConstraint("length(btrim(title)) > 0", name="ck_tasks_title_not_blank"),
    sa.CheckConstraint("number > 0", name="ck_tasks_number_positive"),
    sa.Index("ix_tasks_user_id_due_at", "user_id", "due_at"),
)

sa.Table(
    "task_events",
    tables,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("action", sa.String(50), nullable=False),
    sa.Column("task_number", sa.Integer, nullable=False),
    sa.Column("before", JSONB),
    sa.Column("after", JSONB),
    sa.Column("result", JSONB, nullable=False),
    time_of_write("created_at"),
    sa.UniqueConstraint("user_id", "key", name="uq_task_events_user_key"),
    sa.Index("ix_task_events_user_id_task_number", "user_id", "task_number"),
)


def upgrade() -> None:
    """Create what is missing; a database that somebody has touched holds some of it."""
    create.create_missing(models if create.made_from(models, tables) else tables)


def downgrade() -> None:
    """Drop the tables, with every row in them. LangGraph's own tables stay."""
    create.drop(tables)
