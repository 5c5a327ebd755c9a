"""The tables of the task domain: tasks, their lists, and the ledger of what changed them.

The ledger has two tables. `task_calls` holds what each writing call answered, so that the same call
again is answered alike and done once; `task_events` holds what each call changed, row by row, so
that it can be shown and undone. Both commit with the change.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from storage.models import timestamp_column

TITLE_MAX = 500
#: Characters of the name of a list, or of a label.
NAME_MAX = 100
LABEL_MAX = 50
#: Labels that a task may have.
LABELS_MAX = 20
#: How deep tasks may be within one another.
DEPTH_MAX = 5

#: Less than all ids: what the Inbox has for one, and a task that is a part of nothing, where ids
#: are compared.
NO_ID = UUID(int=0)

# What tasks are sorted and found by, in the words of Postgres. Brackets and casts are where psql
# shows them, so that Alembic knows the expressions of indexes again.

#: 0 for an open task, 1 for a completed one, 2 for one that is put away.
STATE = "GREATEST(2 * (archived_at IS NOT NULL)::integer, (completed_at IS NOT NULL)::integer)"
#: A task without a due time comes after all that have one.
DUE = "COALESCE(due_at, 'infinity'::timestamp with time zone)"
COMPLETED = "COALESCE(completed_at, '-infinity'::timestamp with time zone)"
#: 1 for urgent, 4 for low.
RANK = "array_position('{urgent,high,normal,low}'::task_priority[], priority)"
#: Characters of a title that are compared; a cursor has to hold them.
TITLE_COMPARED = 100
TITLE = f'"left"(searched, {TITLE_COMPARED})'
#: What is a part of nothing comes before all that is.
PARENT = f"COALESCE(parent_id, '{NO_ID}'::uuid)"
#: Characters of its owner's id that stand before each piece by which a task is found, so that
#: nobody looks through what is others'. That is enough: a hit's owner is asked for besides.
OWNER_MARK = 8
PIECES = (
    "replace(' '::text || pieces, ' '::text,"
    f" ' '::text || \"right\"(user_id::text, {OWNER_MARK}))::tsvector"
)


#: The keys of the indexes of orders, by their names.
ORDERED_BY: dict[str, tuple[Any, ...]] = {
    "due": (text(DUE),),
    "priority": (text(RANK), text(DUE)),
    # List by list, and the parts of each task by themselves: a place is one among its like.
    "place": ("list_key", text(PARENT), "place"),
    "title": (text(TITLE),),
    "created": ("created_at",),
    "updated": ("updated_at",),
    "completed": (text(COMPLETED),),
}


class TaskPriority(StrEnum):
    """How much a task matters to its owner, the least first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


def owner_column() -> Any:
    """The user whose row it is; it goes with them."""
    return Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def moment_column() -> Any:
    """A `timestamptz` that may be missing."""
    return Column(DateTime(timezone=True))


def place_column() -> Any:
    """Where a row stands among its like: the least first, with room between any two."""
    return Column(Numeric, nullable=False, server_default=text("0"))


class TaskList(SQLModel, table=True):
    """A named list, or project, of tasks. Tasks without one are in the Inbox, which has no row."""

    __tablename__ = "task_lists"
    __table_args__ = (
        # With the user in the key, nobody's task can be in somebody else's list.
        UniqueConstraint("user_id", "id", name="uq_task_lists_user_id"),
        Index("uq_task_lists_user_name", "user_id", text("lower(name)"), unique=True),
        CheckConstraint("length(btrim(name)) > 0", name="ck_task_lists_name_not_blank"),
        CheckConstraint("lower(name) <> 'inbox'", name="ck_task_lists_name_not_inbox"),
    )

    #: In the order in which lists are made, and shown; tasks are sorted by it.
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    user_id: UUID = Field(sa_column=owner_column())
    name: str = Field(sa_column=Column(String(NAME_MAX), nullable=False))
    place: Decimal = Field(default=Decimal(0), sa_column=place_column())
    #: When the list was put away, and its tasks with it; none while it is in use.
    archived_at: datetime | None = Field(default=None, sa_column=moment_column())
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())


class Task(SQLModel, table=True):
    """Something a user wants done."""

    __tablename__ = "tasks"
    # What the database makes of a row is for its keys, and nobody reads it here.
    __mapper_args__ = {"eager_defaults": False}
    __table_args__ = (
        UniqueConstraint("user_id", "number", name="uq_tasks_user_number"),
        # What the foreign key of parents refers to: users and lists can't differ. And since a part
        # is one deeper than what it is a part of, none is a part of itself, by whatever detour.
        UniqueConstraint("user_id", "id", "list_key", "depth", name="uq_tasks_as_parent"),
        ForeignKeyConstraint(
            ["user_id", "list_id"],
            ["task_lists.user_id", "task_lists.id"],
            name="fk_tasks_list",
        ),
        ForeignKeyConstraint(
            ["user_id", "parent_id", "list_key", "parent_depth"],
            ["tasks.user_id", "tasks.id", "tasks.list_key", "tasks.depth"],
            name="fk_tasks_parent",
            # Checked at once, but where a task and its parts are moved one after the other.
            deferrable=True,
        ),
        CheckConstraint("length(btrim(title)) > 0", name="ck_tasks_title_not_blank"),
        CheckConstraint("number > 0", name="ck_tasks_number_positive"),
        CheckConstraint("parent_id <> id", name="ck_tasks_not_its_own_parent"),
        CheckConstraint(
            f"depth >= 0 AND depth < {DEPTH_MAX} AND (depth = 0 OR parent_id IS NOT NULL)",
            name="ck_tasks_depth",
        ),
        CheckConstraint(f"cardinality(labels) <= {LABELS_MAX}", name="ck_tasks_labels"),
        CheckConstraint(
            "array_position(labels, NULL) IS NULL AND array_position(labels, '') IS NULL"
            f" AND array_to_string(labels, ' ') !~ '[^ ]{{{LABEL_MAX + 1}}}'",
            name="ck_tasks_labels_words",
        ),
        CheckConstraint("(due_at IS NULL) = (due_zone IS NULL)", name="ck_tasks_due_zone"),
        CheckConstraint("due_at IS NOT NULL OR NOT due_is_day", name="ck_tasks_due_is_day"),
        # To the day, and a day more for the zones ahead of UTC.
        CheckConstraint(
            "starts_on <= ((due_at AT TIME ZONE 'UTC')::date + 1)", name="ck_tasks_starts_on"
        ),
        CheckConstraint(
            "recurrence IS NULL AND recurrence_start IS NULL AND recurs_from IS NULL"
            " AND occurs_at IS NULL"
            " OR recurrence IS NOT NULL AND recurrence_start IS NOT NULL"
            " AND recurs_from IS NOT NULL AND occurs_at IS NOT NULL AND due_at IS NOT NULL",
            name="ck_tasks_recurrence",
        ),
        CheckConstraint(
            "recurs_from = 'due' OR recurs_from = 'completion'", name="ck_tasks_recurs_from"
        ),
        # One for each order in which tasks are listed. The state comes first, so that neither do
        # many completed tasks stand between a few open ones, nor the other way round.
        *(
            Index(f"ix_tasks_by_{name}", "user_id", text(STATE), *keys, "number")
            for name, keys in ORDERED_BY.items()
        ),
        Index(
            "ix_tasks_pieces",
            text(f"({PIECES})"),
            postgresql_using="gin",
            # Else each search goes through what was not sorted into the index yet.
            postgresql_with={"fastupdate": "off"},
        ),
        # To count them without looking at them.
        Index(
            "ix_tasks_open",
            "user_id",
            "list_key",
            postgresql_where=text("completed_at IS NULL AND archived_at IS NULL"),
        ),
        Index("ix_tasks_user_id_list_id", "user_id", "list_id", "place"),
        Index("ix_tasks_user_id_parent_id", "user_id", "parent_id", "place"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(sa_column=owner_column())
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
    #: In lower case, each once, in the order in which they were given.
    labels: list[str] = Field(
        default_factory=list,
        sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")),
    )
    #: None: the Inbox. A subtask is in its parent's list.
    list_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    parent_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    #: How many tasks it is within. Where a task gets another parent, its parts follow.
    depth: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    #: For the key of parents: how deep a parent has to be.
    parent_depth: int | None = Field(
        default=None, sa_column=Column(Integer, Computed("depth - 1", persisted=True))
    )
    #: For the key of parents: the list, and something that equals itself for the Inbox.
    list_key: UUID | None = Field(
        default=None,
        sa_column=Column(Uuid, Computed(f"COALESCE(list_id, '{NO_ID}'::uuid)", persisted=True)),
    )
    place: Decimal = Field(default=Decimal(0), sa_column=place_column())
    #: A day without a time of day ends at 23:59 in `due_zone`.
    due_at: datetime | None = Field(default=None, sa_column=moment_column())
    due_is_day: bool = Field(
        default=False,
        sa_column=Column(Boolean, nullable=False, server_default=text("false")),
    )
    #: The IANA name of the zone in which the due time was given.
    due_zone: str | None = Field(default=None, sa_column=Column(Text))
    #: Before that day nobody wants to be reminded of the task.
    starts_on: date | None = Field(default=None, sa_column=Column(Date))
    #: An RRULE of RFC 5545 without DTSTART, which is `recurrence_start` in `due_zone`.
    recurrence: str | None = Field(default=None, sa_column=Column(Text))
    recurrence_start: datetime | None = Field(default=None, sa_column=moment_column())
    #: "due" or "completion": what the next occurrence is counted from.
    recurs_from: str | None = Field(default=None, sa_column=Column(String(10)))
    #: Which occurrence of the rule the task stands for; rescheduling it doesn't change that.
    occurs_at: datetime | None = Field(default=None, sa_column=moment_column())
    #: When the task was completed; none while it is open.
    completed_at: datetime | None = Field(default=None, sa_column=moment_column())
    #: When the task was put away, completed or not.
    archived_at: datetime | None = Field(default=None, sa_column=moment_column())
    #: The title and the notes as they are searched: case folded, without apostrophes. The
    #: database's own lower() depends on its locale, with letters beyond ASCII.
    searched: str = Field(
        default="", sa_column=Column(Text, nullable=False, server_default=text("''"))
    )
    #: What the index of words and labels holds of the task; see `findable`.
    pieces: str = Field(
        default="", sa_column=Column(Text, nullable=False, server_default=text("''"))
    )
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
    #: When the row was last written, by an undo as well.
    updated_at: datetime | None = Field(default=None, sa_column=timestamp_column())

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do it."""
        return self.completed_at is None and self.archived_at is None


class TaskCall(SQLModel, table=True):
    """A writing call that was answered, with the answer.

    A call whose key is here is not carried out again: the recorded result is its answer. That is
    what makes a change happen once, however often a crash makes the agent ask for it. No event
    refers to it by a foreign key, so that answers may be thrown away sooner than the ledger.
    """

    __tablename__ = "task_calls"

    user_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    #: The idempotency key; a random one where the caller gave none.
    key: str = Field(sa_column=Column(Text, primary_key=True))
    tool: str = Field(sa_column=Column(String(50), nullable=False))
    #: SHA-256 of the tool and its arguments, in hexadecimal: a key stands for one call. None in
    #: calls from before it was kept.
    digest: str | None = Field(default=None, sa_column=Column(String(64)))
    result: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())


class TaskEvent(SQLModel, table=True):
    """One change to one task or list, committed together with the change."""

    __tablename__ = "task_events"
    __table_args__ = (
        UniqueConstraint("user_id", "position", name="uq_task_events_user_position"),
        CheckConstraint(
            "(task_number IS NULL) <> (list_id IS NULL)", name="ck_task_events_task_or_list"
        ),
        CheckConstraint(
            "before IS NOT NULL OR after IS NOT NULL", name="ck_task_events_before_or_after"
        ),
        Index("ix_task_events_user_id_task_number", "user_id", "task_number", "position"),
        Index("ix_task_events_user_id_turn_id", "user_id", "turn_id", "position"),
        Index("ix_task_events_user_id_thread_id", "user_id", "thread_id", "position"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(sa_column=owner_column())
    #: 1, 2, 3 … for each user, in the order in which the changes were made.
    position: int = Field(sa_column=Column(Integer, nullable=False))
    #: Of the call that made the change, and which of its items did.
    key: str = Field(sa_column=Column(Text, nullable=False))
    item: int = Field(
        default=1, sa_column=Column(Integer, nullable=False, server_default=text("1"))
    )
    #: What is undone together: the message of the person that a turn of the agent answers, or
    #: the key of a call that belongs to no turn.
    turn_id: str = Field(sa_column=Column(Text, nullable=False))
    #: The thread of the conversation, and the message with the call; none from other clients.
    thread_id: str | None = Field(default=None, sa_column=Column(Text))
    message_id: str | None = Field(default=None, sa_column=Column(Text))
    #: What was done: added, updated, completed, reopened, rescheduled, deleted, restored …
    action: str = Field(sa_column=Column(String(50), nullable=False))
    #: Which task it was done to, or which list.
    task_number: int | None = Field(default=None, sa_column=Column(Integer))
    list_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    #: The row before and after the change; none before it was added, after it was deleted.
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    #: For a change that an undo made: the turn that it took back.
    undoes: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
