"""Subtasks in the list of what they are parts of, and no circles of them; places list by list.

Revision ID: 0010
Revises: 0009
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATE = "GREATEST(2 * (archived_at IS NOT NULL)::integer, (completed_at IS NOT NULL)::integer)"
#: Of each circle, the task with the lowest number is a part of nothing from now on.
BREAK_CIRCLES = """
    WITH RECURSIVE above (id, ancestor) AS (
        SELECT id, parent_id FROM tasks WHERE parent_id IS NOT NULL
        UNION
        SELECT above.id, t.parent_id FROM above JOIN tasks t ON t.id = above.ancestor
        WHERE t.parent_id IS NOT NULL
    ), circles (id, first) AS (
        SELECT above.id, min(t.number) FROM above JOIN tasks t ON t.id = above.ancestor
        GROUP BY above.id HAVING bool_or(above.id = above.ancestor)
    )
    UPDATE tasks t SET parent_id = NULL FROM circles c WHERE c.id = t.id AND c.first = t.number
"""
#: What is too deep becomes a part of the task that is as deep as a parent may be, and the list of
#: the outermost task is the list of all its parts.
SETTLE = """
    WITH RECURSIVE tree (id, user_id, parent_id, depth, list_id) AS (
        SELECT id, user_id, parent_id, 0, list_id FROM tasks t WHERE parent_id IS NULL
        AND EXISTS (SELECT FROM tasks part WHERE part.user_id = t.user_id AND part.parent_id = t.id)
        UNION ALL
        SELECT t.id, t.user_id, CASE WHEN tree.depth < 4 THEN tree.id ELSE tree.parent_id END,
               least(tree.depth + 1, 4), tree.list_id
        FROM tree JOIN tasks t ON t.user_id = tree.user_id AND t.parent_id = tree.id
    )
    UPDATE tasks t SET parent_id = tree.parent_id, depth = tree.depth, list_id = tree.list_id
    FROM tree WHERE tree.id = t.id AND (t.parent_id, t.depth, t.list_id)
        IS DISTINCT FROM (tree.parent_id, tree.depth, tree.list_id)
"""


def upgrade() -> None:
    """What was put together by hand is mended: no task is lost, none says anything else.

    The table is written anew, with its indexes, and nobody reads it meanwhile: about a minute for
    200,000 tasks on a busy machine.
    """
    op.execute("SET LOCAL statement_timeout = '30min'")
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.execute("ALTER TABLE tasks DROP CONSTRAINT IF EXISTS fk_tasks_parent")
    for name in ("uq_tasks_user_id", "uq_tasks_as_parent"):
        op.execute(f"ALTER TABLE tasks DROP CONSTRAINT IF EXISTS {name}")
    op.execute("ALTER TABLE tasks DROP CONSTRAINT IF EXISTS ck_tasks_depth")
    op.drop_index("ix_tasks_by_place", "tasks", if_exists=True)
    # Both in one statement, since it writes the whole table anew.
    op.execute(
        "ALTER TABLE tasks ADD COLUMN IF NOT EXISTS depth integer NOT NULL DEFAULT 0,"
        " ADD COLUMN IF NOT EXISTS parent_depth integer GENERATED ALWAYS AS (depth - 1) STORED,"
        " ADD COLUMN IF NOT EXISTS list_key uuid GENERATED ALWAYS AS"
        " (COALESCE(list_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED"
    )
    op.execute(BREAK_CIRCLES)
    op.execute(SETTLE)
    op.create_check_constraint(
        "ck_tasks_depth",
        "tasks",
        "depth >= 0 AND depth < 5 AND (depth = 0 OR parent_id IS NOT NULL)",
    )
    op.create_unique_constraint(
        "uq_tasks_as_parent", "tasks", ["user_id", "id", "list_key", "depth"]
    )
    op.create_foreign_key(
        "fk_tasks_parent",
        "tasks",
        "tasks",
        ["user_id", "parent_id", "list_key", "parent_depth"],
        ["user_id", "id", "list_key", "depth"],
        deferrable=True,
    )
    nobody = "'00000000-0000-0000-0000-000000000000'::uuid"
    parent = f"COALESCE(parent_id, {nobody})"
    _index_places(["list_key", sa.text(parent), "place"])
    op.create_index(
        "ix_tasks_open",
        "tasks",
        ["user_id", "list_key"],
        postgresql_where=sa.text("completed_at IS NULL AND archived_at IS NULL"),
        if_not_exists=True,
    )


def _index_places(keys: list[Any]) -> None:
    op.create_index("ix_tasks_by_place", "tasks", ["user_id", sa.text(STATE), *keys, "number"])


def downgrade() -> None:
    op.drop_index("ix_tasks_open", "tasks")
    op.drop_index("ix_tasks_by_place", "tasks")
    op.drop_constraint("fk_tasks_parent", "tasks", type_="foreignkey")
    op.drop_constraint("uq_tasks_as_parent", "tasks", type_="unique")
    op.drop_constraint("ck_tasks_depth", "tasks", type_="check")
    for name in ("list_key", "parent_depth", "depth"):
        op.drop_column("tasks", name)
    op.create_unique_constraint("uq_tasks_user_id", "tasks", ["user_id", "id"])
    op.create_foreign_key(
        "fk_tasks_parent", "tasks", "tasks", ["user_id", "parent_id"], ["user_id", "id"]
    )
    _index_places(["place"])
