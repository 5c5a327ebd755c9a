"""Indexes by which a page of many tasks is found, in each order, and by words and labels.

Revision ID: 0009
Revises: 0008
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATE = "GREATEST(2 * (archived_at IS NOT NULL)::integer, (completed_at IS NOT NULL)::integer)"
DUE = "COALESCE(due_at, 'infinity'::timestamp with time zone)"
ORDERED_BY = {
    "due": [DUE],
    "priority": ["array_position('{urgent,high,normal,low}'::task_priority[], priority)", DUE],
    "place": ["place"],
    "title": ['"left"(searched, 100)'],
    "created": ["created_at"],
    "updated": ["updated_at"],
    "completed": ["COALESCE(completed_at, '-infinity'::timestamp with time zone)"],
}
PIECES = (
    "replace(' '::text || pieces, ' '::text, ' '::text || \"right\"(user_id::text, 8))::tsvector"
)
#: Rows that are filled at a time.
BATCH = 2_000

_WORD = re.compile(r"[^\W_]+")
_SPECIAL = re.compile(r"[\s'\\:]")


def upgrade() -> None:
    """Some tens of seconds for a million tasks, in which others can read them."""
    op.execute("SET LOCAL statement_timeout = '30min'")
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    op.add_column(
        "tasks",
        sa.Column("pieces", sa.Text, nullable=False, server_default=sa.text("''")),
        if_not_exists=True,
    )
    _fill()
    for name, keys in ORDERED_BY.items():
        op.create_index(
            f"ix_tasks_by_{name}",
            "tasks",
            ["user_id", *(sa.text(key) for key in (STATE, *keys)), "number"],
            if_not_exists=True,
        )
    op.create_index(
        "ix_tasks_pieces",
        "tasks",
        [sa.text(f"({PIECES})")],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        if_not_exists=True,
    )
    op.drop_index("ix_tasks_user_id_due_at", "tasks", if_exists=True)


def downgrade() -> None:
    op.create_index("ix_tasks_user_id_due_at", "tasks", ["user_id", "due_at"], if_not_exists=True)
    op.drop_index("ix_tasks_pieces", "tasks")
    for name in ORDERED_BY:
        op.drop_index(f"ix_tasks_by_{name}", "tasks")
    op.drop_column("tasks", "pieces")


def _fill() -> None:
    """What no SQL says in the same way whatever the database's locale."""
    if op.get_context().as_sql:
        return  # The script is one for an empty database.
    connection = op.get_bind()
    fill = sa.text("UPDATE tasks SET pieces = :pieces WHERE id = :id")
    for rows in _batches(connection):
        connection.execute(
            fill, [{"id": row.id, "pieces": _pieces(row.searched, row.labels)} for row in rows]
        )


def _batches(connection: sa.Connection) -> Iterator[Sequence[sa.Row[tuple[object, ...]]]]:
    page = sa.text(
        "SELECT id, searched, labels FROM tasks WHERE id > :last ORDER BY id LIMIT :batch"
    )
    last = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(page, {"last": last, "batch": BATCH}).all():
        yield rows
        last = rows[-1].id


def _pieces(text: str, labels: Sequence[str]) -> str:
    found: dict[str, None] = {}
    for word in _WORD.findall(text):
        found[word[:8]] = None
        for start in range(1, len(word)):
            piece = word[start : start + 8]
            if len(piece.encode()) >= 3:
                found[piece] = None
    for sign in text:
        if not sign.isascii() and unicodedata.category(sign).startswith("S"):
            found[sign] = None
    for label in labels:
        found["#" + _SPECIAL.sub("_", label)] = None
    return " ".join(found)
