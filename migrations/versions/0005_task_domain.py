"""Lists, subtasks, labels, recurrence; the ledger of calls apart from the ledger of changes.

Revision ID: 0005
Revises: 0004
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

from migrations import create
from migrations.run import metadata as models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def time_of_write(name: str) -> sa.Column[datetime]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=False,
        server_default=sa.text("clock_timestamp()"),
    )


def place() -> sa.Column[Any]:
    return sa.Column("place", sa.Numeric, nullable=False, server_default=sa.text("0"))


def moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True))


CHECKS = {
    "ck_tasks_not_its_own_parent": "parent_id <> id",
    "ck_tasks_labels": "cardinality(labels) <= 20",
    "ck_tasks_due_zone": "(due_at IS NULL) = (due_zone IS NULL)",
    "ck_tasks_due_is_day": "due_at IS NOT NULL OR NOT due_is_day",
    "ck_tasks_starts_on": "starts_on <= ((due_at AT TIME ZONE 'UTC')::date + 1)",
    "ck_tasks_recurrence": (
        "recurrence IS NULL AND recurrence_start IS NULL AND recurs_from IS NULL"
        " AND occurs_at IS NULL"
        " OR recurrence IS NOT NULL AND recurrence_start IS NOT NULL"
        " AND recurs_from IS NOT NULL AND occurs_at IS NOT NULL AND due_at IS NOT NULL"
    ),
    "ck_tasks_recurs_from": "recurs_from = 'due' OR recurs_from = 'completion'",
}

#: What a task of before has of the new columns, in the ledger's form; its zone was not kept.
NEW_FIELDS = """
    UPDATE task_events e SET {side} = e.{side} || jsonb_build_object(
        'id', i.id, 'labels', jsonb_build_array(), 'list_id', NULL, 'parent_id', NULL,
        'place', e.{side} ->> 'number', 'due_is_day', false,
        'due_zone', CASE WHEN e.{side} ->> 'due_at' IS NOT NULL THEN 'UTC' END,
        'starts_on', NULL, 'recurrence', NULL, 'recurrence_start', NULL, 'recurs_from', NULL,
        'occurs_at', NULL, 'archived_at', NULL)
    FROM ids_of_tasks i
    WHERE i.user_id = e.user_id AND i.task_number = e.task_number AND e.{side} IS NOT NULL
"""


def upgrade() -> None:
    if create.made_from(models):
        return
    _create_tables()
    _upgrade_tasks()
    _upgrade_events()


def _create_tables() -> None:
    op.create_table(
        "task_lists",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.String(100), nullable=False),
        place(),
        moment("archived_at"),
        time_of_write("created_at"),
        sa.UniqueConstraint("user_id", "id", name="uq_task_lists_user_id"),
        sa.CheckConstraint("length(btrim(name)) > 0", name="ck_task_lists_name_not_blank"),
        sa.CheckConstraint("lower(name) <> 'inbox'", name="ck_task_lists_name_not_inbox"),
    )
    op.create_index(
        "uq_task_lists_user_name", "task_lists", ["user_id", sa.text("lower(name)")], unique=True
    )
    op.create_table(
        "task_calls",
        sa.Column(
            "user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("tool", sa.String(50), nullable=False),
        sa.Column("result", JSONB, nullable=False),
        time_of_write("created_at"),
    )


def _upgrade_tasks() -> None:
    op.execute("ALTER TYPE task_priority ADD VALUE IF NOT EXISTS 'urgent'")
    for column in (
        sa.Column("labels", sa.ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("list_id", sa.Uuid),
        sa.Column("parent_id", sa.Uuid),
        place(),
        sa.Column("due_is_day", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("due_zone", sa.Text),
        sa.Column("starts_on", sa.Date),
        sa.Column("recurrence", sa.Text),
        moment("recurrence_start"),
        sa.Column("recurs_from", sa.String(10)),
        moment("occurs_at"),
        moment("archived_at"),
        sa.Column("searched", sa.Text, nullable=False, server_default=sa.text("''")),
        time_of_write("updated_at"),
    ):
        op.add_column("tasks", column)
    op.execute(
        "UPDATE tasks SET place = number, due_zone = CASE WHEN due_at IS NOT NULL THEN 'UTC' END,"
        " updated_at = greatest(created_at, completed_at),"
        " searched = translate(lower(title || E'\\n' || coalesce(notes, '')), E'\\'’', '')"
    )
    _fold_case()
    op.create_unique_constraint("uq_tasks_user_id", "tasks", ["user_id", "id"])
    op.create_foreign_key(
        "fk_tasks_list", "tasks", "task_lists", ["user_id", "list_id"], ["user_id", "id"]
    )
    op.create_foreign_key(
        "fk_tasks_parent", "tasks", "tasks", ["user_id", "parent_id"], ["user_id", "id"]
    )
    for name, condition in CHECKS.items():
        op.create_check_constraint(name, "tasks", condition)
    op.create_index("ix_tasks_user_id_list_id", "tasks", ["user_id", "list_id", "place"])
    op.create_index("ix_tasks_user_id_parent_id", "tasks", ["user_id", "parent_id", "place"])


def _fold_case() -> None:
    """What lower() does with letters beyond ASCII depends on the database's locale."""
    if op.get_context().as_sql:
        return  # The script is one for an empty database.
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT id, title, notes FROM tasks WHERE title || coalesce(notes, '') ~ '[^ -~]'")
    )
    folded = [
        {
            "id": row.id,
            "searched": f"{row.title}\n{row.notes or ''}".casefold()
            .replace("'", "")
            .replace("’", ""),
        }
        for row in rows
    ]
    if folded:
        connection.execute(sa.text("UPDATE tasks SET searched = :searched WHERE id = :id"), folded)


def _upgrade_events() -> None:
    op.drop_constraint("uq_task_events_user_key", "task_events", type_="unique")
    op.drop_index("ix_task_events_user_id_task_number", "task_events")
    op.execute("UPDATE task_events SET key = id::text WHERE key IS NULL")
    # A call of before changed one task, and its answer said so.
    op.execute(
        "INSERT INTO task_calls (user_id, key, tool, result, created_at)"
        " SELECT user_id, key, action || 's', jsonb_build_object("
        " 'results', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object("
        " 'item', 1, 'status', 'done', 'action', result -> 'action', 'note', result -> 'note',"
        " 'task', (result -> 'task') || '{\"labels\": [], \"list\": \"Inbox\"}'))),"
        " 'changed', 1, 'failed', 0), created_at FROM task_events"
        " ON CONFLICT DO NOTHING"
    )
    for column in (
        sa.Column("position", sa.Integer),
        sa.Column("item", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("turn_id", sa.Text),
        sa.Column("thread_id", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("list_id", sa.Uuid),
        sa.Column("undoes", sa.Text),
    ):
        op.add_column("task_events", column)
    op.execute(
        "UPDATE task_events e SET turn_id = key, position = ordered.position,"
        " action = CASE action WHEN 'add_task' THEN 'added' WHEN 'update_task' THEN 'updated'"
        " WHEN 'complete_task' THEN 'completed' WHEN 'delete_task' THEN 'deleted' ELSE action END"
        " FROM (SELECT id, row_number() OVER (PARTITION BY user_id"
        " ORDER BY created_at, task_number, id) AS position FROM task_events) ordered"
        " WHERE ordered.id = e.id"
    )
    # Deleted tasks have no id any more; one that no other has stands for it.
    op.execute(
        "CREATE TEMPORARY TABLE ids_of_tasks ON COMMIT DROP AS"
        " SELECT DISTINCT ON (e.user_id, e.task_number) e.user_id, e.task_number,"
        " coalesce(t.id, gen_random_uuid()) AS id FROM task_events e"
        " LEFT JOIN tasks t ON t.user_id = e.user_id AND t.number = e.task_number"
    )
    for side in ("before", "after"):
        op.execute(NEW_FIELDS.format(side=side))
    # Rows that somebody put there by hand tell of no change.
    op.execute("UPDATE task_events SET after = '{}' WHERE before IS NULL AND after IS NULL")
    for name in ("key", "position", "turn_id"):
        op.alter_column("task_events", name, nullable=False)
    op.alter_column("task_events", "task_number", nullable=True)
    op.drop_column("task_events", "result")
    op.create_unique_constraint(
        "uq_task_events_user_position", "task_events", ["user_id", "position"]
    )
    op.create_check_constraint(
        "ck_task_events_task_or_list",
        "task_events",
        "(task_number IS NULL) <> (list_id IS NULL)",
    )
    op.create_check_constraint(
        "ck_task_events_before_or_after", "task_events", "before IS NOT NULL OR after IS NOT NULL"
    )
    for indexed in ("task_number", "turn_id", "thread_id"):
        op.create_index(
            f"ix_task_events_user_id_{indexed}", "task_events", ["user_id", indexed, "position"]
        )


def downgrade() -> None:
    """Lists, subtasks and whatever else is new is forgotten; of each call one event is kept."""
    for indexed in ("task_number", "turn_id", "thread_id"):
        op.drop_index(f"ix_task_events_user_id_{indexed}", "task_events")
    for name in ("ck_task_events_task_or_list", "ck_task_events_before_or_after"):
        op.drop_constraint(name, "task_events", type_="check")
    op.drop_constraint("uq_task_events_user_position", "task_events", type_="unique")
    op.execute(
        "DELETE FROM task_events e WHERE task_number IS NULL OR position > ("
        " SELECT min(position) FROM task_events o WHERE o.user_id = e.user_id AND o.key = e.key"
        " AND o.task_number IS NOT NULL)"
    )
    op.add_column("task_events", sa.Column("result", JSONB))
    op.execute(
        "UPDATE task_events e SET result = jsonb_build_object('action', coalesce("
        " c.result #> '{results,0,action}', '\"unchanged\"'),"
        " 'task', c.result #> '{results,0,task}', 'note', c.result #> '{results,0,note}')"
        " FROM task_calls c WHERE c.user_id = e.user_id AND c.key = e.key"
    )
    op.execute(
        "UPDATE task_events SET result = coalesce(result, '{}'),"
        " action = CASE action WHEN 'added' THEN 'add_task' WHEN 'completed' THEN 'complete_task'"
        " WHEN 'deleted' THEN 'delete_task' ELSE 'update_task' END"
    )
    op.alter_column("task_events", "result", nullable=False)
    op.alter_column("task_events", "task_number", nullable=False)
    op.alter_column("task_events", "key", nullable=True)
    for name in ("undoes", "list_id", "message_id", "thread_id", "turn_id", "item", "position"):
        op.drop_column("task_events", name)
    op.create_unique_constraint("uq_task_events_user_key", "task_events", ["user_id", "key"])
    op.create_index("ix_task_events_user_id_task_number", "task_events", ["user_id", "task_number"])

    for indexed in ("list_id", "parent_id"):
        op.drop_index(f"ix_tasks_user_id_{indexed}", "tasks")
    for name in CHECKS:
        op.drop_constraint(name, "tasks", type_="check")
    for name in ("fk_tasks_parent", "fk_tasks_list"):
        op.drop_constraint(name, "tasks", type_="foreignkey")
    op.drop_constraint("uq_tasks_user_id", "tasks", type_="unique")
    for name in (
        *("updated_at", "searched", "archived_at", "occurs_at", "recurs_from"),
        *("recurrence_start", "recurrence", "starts_on", "due_zone", "due_is_day", "place"),
        *("parent_id", "list_id", "labels"),
    ):
        op.drop_column("tasks", name)
    op.execute("ALTER TABLE tasks ALTER COLUMN priority DROP DEFAULT")
    op.execute("ALTER TYPE task_priority RENAME TO task_priority_with_urgent")
    ENUM("low", "normal", "high", name="task_priority").create(op.get_bind())
    op.execute(
        "ALTER TABLE tasks ALTER COLUMN priority TYPE task_priority"
        " USING replace(priority::text, 'urgent', 'high')::task_priority"
    )
    op.execute("ALTER TABLE tasks ALTER COLUMN priority SET DEFAULT 'normal'")
    op.execute("DROP TYPE task_priority_with_urgent")
    op.drop_table("task_calls")
    op.drop_table("task_lists")
