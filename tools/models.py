"""The tables of the task domain: tasks, and the ledger of what changed them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.models import timestamp_column

TITLE_MAX = 500


class TaskPriority(StrEnum):
    """How much a task matters to its owner."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Task(SQLModel, table=True):
    """Something a user wants done."""

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("user_id", "number", name="uq_tasks_user_number"),
        CheckConstraint("length(btrim(title)) > 0", name="ck_tasks_title_not_blank"),
        CheckConstraint("number > 0", name="ck_tasks_number_positive"),
        Index("ix_tasks_user_id_due_at", "user_id", "due_at"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    #: What the user and the model call the task: 1, 2, 3 … for each user, never given twice.
    number: int = Field(sa_column=Column(Integer, nullable=False))
    title: str = Field(sa_column=Column(String(TITLE_MAX), nullable=False))
    notes: str | None = Field(default=None, sa_column=Column(Text))
    priority: TaskPriority = Field(
        default=TaskPriority.NORMAL,
        sa_column=Column(
            Enum(
                TaskPriority,
                name="task_priority",
                values_callable=lambda kinds: [kind.value for kind in kinds],
            ),
            nullable=False,
            server_default=text("'normal'"),
        ),
    )
    due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    #: When the task was completed; none while it is open.
    completed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())


class TaskEvent(SQLModel, table=True):
    """One change to a task, committed together with the change: the ledger.

    A write that carries an idempotency key which the ledger already holds is not done again: the
    recorded result is its answer. That is what makes a change happen once, however often a crash
    makes the agent ask for it.
    """

    __tablename__ = "task_events"
    __table_args__ = (
        UniqueConstraint("user_id", "key", name="uq_task_events_user_key"),
        Index("ix_task_events_user_id_task_number", "user_id", "task_number"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    #: The idempotency key of the call; none when the caller gave none.
    key: str | None = Field(default=None, sa_column=Column(Text))
    #: The tool that made the change: add_task, update_task, complete_task, delete_task.
    action: str = Field(sa_column=Column(String(50), nullable=False))
    task_number: int = Field(sa_column=Column(Integer, nullable=False))
    #: The task before and after the change; none before it was added, after it was deleted.
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    #: What the tool answered, to be answered again for the same key.
    result: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
