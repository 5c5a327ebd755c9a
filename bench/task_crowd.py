"""A database in which one user has very many tasks, and many users have some."""

import random
from typing import Any

import psycopg
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, DropIndex
from sqlmodel import SQLModel

from bench.crowd import WORDS, vocabulary
from tools.findable import pieces_of

#: Whose tasks are many.
HEAVY = "heavy"
#: Users beside.
OTHERS = 1_000
LISTS = 20
#: Different titles and notes; a task has one of each, and its number in the title.
FRAGMENTS = 4_000
TITLE_WORDS, NOTES_WORDS = 4, 15
#: A label that one task in a thousand has; the n-th of the others an n-th as often as the first.
RARE_LABEL = "rare"
LABELS = ("home", "work", "errand", "garden", "bills", "health", "travel", "school")

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

_FILL = """
    INSERT INTO users (id, subject)
    SELECT md5('user ' || number)::uuid,
           CASE WHEN number = 0 THEN {heavy} ELSE 'user ' || number END
    FROM generate_series(0, {others}) AS number;

    INSERT INTO task_lists (id, user_id, name)
    SELECT md5('list ' || number)::uuid, md5('user 0')::uuid, 'List ' || number
    FROM generate_series(1, {lists}) AS number;

    INSERT INTO tasks (id, user_id, number, title, notes, priority, labels, list_id, place,
                       due_at, due_zone, completed_at, archived_at, searched, pieces,
                       created_at, updated_at)
    SELECT md5('task ' || n)::uuid, owner, n, t.words || ' ' || n, o.words,
           (CASE WHEN p < 0.05 THEN 'urgent' WHEN p < 0.2 THEN 'high' WHEN p < 0.8 THEN 'normal'
                 ELSE 'low' END)::task_priority,
           CASE WHEN label IS NULL THEN '{{}}' ELSE ARRAY[label] END,
           CASE WHEN n <= {tasks} AND random() < 0.6
                THEN md5('list ' || floor(power({lists}, random()))::int)::uuid END,
           n, due, CASE WHEN due IS NOT NULL THEN 'UTC' END,
           CASE WHEN state < 0.5 THEN created + random() * interval '9 days' END,
           CASE WHEN state > 0.95 THEN created + random() * interval '9 days' END,
           t.words || ' ' || n || E'\\n' || coalesce(o.words, ''),
           t.pieces || ' ' || n || coalesce(' ' || o.pieces, '') || coalesce(' #' || label, ''),
           created, created + random() * interval '9 days'
    FROM (
        SELECT n, md5('user ' || CASE WHEN n <= {tasks} THEN 0 ELSE n % {others} + 1 END)::uuid
               AS owner, random() AS p, random() AS state,
               CASE WHEN n % 1000 = 0 THEN {rare} WHEN random() < 0.4
                    THEN ({labels})[floor(power(8, random()))::int] END AS label,
               floor(random() * {fragments})::int AS title,
               CASE WHEN random() < 0.2 THEN floor(random() * {fragments})::int END AS notes,
               TIMESTAMPTZ '2026-11-18' - interval '2 years' * (1 - n::float8 / {all_tasks})
               AS created,
               CASE WHEN random() < 0.7
                    THEN TIMESTAMPTZ '2026-11-18' + interval '1 day' * (random() * 900 - 700) END
               AS due
        FROM generate_series(1, {all_tasks}) AS n
    ) AS task
    JOIN fragments t ON t.kind = 'title' AND t.number = title
    LEFT JOIN fragments o ON o.kind = 'notes' AND o.number = notes;
"""


def fill(connection: psycopg.Connection[Any], *, tasks: int, others: int) -> None:
    """So many tasks of `HEAVY`, about half of them open, and so many of others.

    The tables have to be empty, and the connection in autocommit mode.
    """
    chance = random.Random(5)
    words = vocabulary()
    connection.execute(
        "CREATE TEMP TABLE fragments (kind text, number int, words text, pieces text)"
    )
    with connection.cursor().copy("COPY fragments FROM STDIN") as copy:
        for kind, count in (("title", TITLE_WORDS), ("notes", NOTES_WORDS)):
            for number in range(FRAGMENTS):
                said = " ".join(words[int(WORDS ** chance.random()) - 1] for _ in range(count))
                copy.write_row((kind, number, said, pieces_of(said, ())))
    # To fill an index row by row takes many times as long.
    indexes = sorted(SQLModel.metadata.tables["tasks"].indexes, key=lambda index: str(index.name))
    for index in indexes:
        connection.execute(str(DropIndex(index).compile(dialect=_DIALECT)).encode())
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        _FILL.format(
            heavy=f"'{HEAVY}'",
            others=OTHERS,
            lists=LISTS,
            labels="ARRAY[" + ", ".join(f"'{label}'" for label in LABELS) + "]",
            rare=f"'{RARE_LABEL}'",
            fragments=FRAGMENTS,
            tasks=tasks,
            all_tasks=tasks + others,
        ).encode()
    )
    for index in indexes:
        connection.execute(str(CreateIndex(index).compile(dialect=_DIALECT)).encode())
    for statement in ("DROP TABLE fragments", "VACUUM ANALYZE"):
        connection.execute(statement.encode())
