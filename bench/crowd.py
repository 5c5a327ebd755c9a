"""A database after a year: many users, of whom some say much, in words as common as people's."""

import random
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Index
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from sqlmodel import SQLModel

from bench.messages import SYLLABLES

#: How many different words there are. The n-th is said an n-th as often as the first.
WORDS = 40_000

#: Words to a fragment. A person says one of them at a time, a model four.
FRAGMENT = 10

#: Share of the conversations that is one user's, beside the share that user has as the first.
HEAVY = 0.12

_FILL = """
    -- The n-th user has an n-th of the conversations of the first; a few conversations are long.
    CREATE TEMP TABLE plan AS
    SELECT number,
           CASE WHEN number <= 2 OR random() < {heavy} THEN 1
                ELSE floor(power({users}::float8, random()))::int END AS owner,
           CASE WHEN number <= {conversations} / 1000 THEN {messages} / 200
                ELSE 1 + floor(-ln(1 - random()) * {messages} / {conversations} * 0.88)::int
           END AS size,
           clock_timestamp() - random() * interval '365 days' - interval '5 days' AS began
    FROM generate_series(1, {conversations}) AS number;

    INSERT INTO users (id, subject)
    SELECT gen_random_uuid(), 'user ' || number FROM generate_series(1, {users}) AS number;

    INSERT INTO conversations (id, user_id, thread_id, title, created_at, updated_at)
    SELECT md5('conversation ' || number)::uuid, id, 'thread ' || number, 'Title ' || number, began,
           began + size * interval '1 minute'
    FROM plan JOIN users ON subject = 'user ' || owner;

    INSERT INTO messages (id, conversation_id, user_id, parent_id, digest, role, content, payload,
                          created_at)
    SELECT md5(said.number || '-' || place)::uuid, c.id, c.user_id,
           CASE WHEN place > 1 THEN md5(said.number || '-' || place - 1)::uuid END,
           sha256((said.number || '-' || place)::bytea),
           CASE WHEN place % 2 = 1 THEN 'user' ELSE 'assistant' END,
           CASE WHEN place % 2 = 1 THEN a.words ELSE
               a.words || ' ' || b.words || ' ' || d.words || ' ' || e.words END,
           (SELECT string_agg(decode(md5(said.number || '-' || place || '-' || n), 'hex'), '')
            FROM generate_series(1, 40) AS n),
           at
    FROM (
        SELECT number, size, place, began + place * interval '1 minute' AS at,
               {pick} AS f, {pick} AS g, {pick} AS h, {pick} AS i
        FROM plan, generate_series(1, size) AS place
        -- As time went by, so that rows lie on the disk as they would.
        ORDER BY at
    ) AS said
    JOIN conversations c ON c.id = md5('conversation ' || said.number)::uuid
    JOIN fragments a ON a.number = f JOIN fragments b ON b.number = g
    JOIN fragments d ON d.number = h JOIN fragments e ON e.number = i
    ORDER BY at;

    UPDATE conversations SET leaf_id = md5(number || '-' || size)::uuid FROM plan
    WHERE id = md5('conversation ' || number)::uuid;
"""


def vocabulary() -> list[str]:
    """Words of no meaning, the commonest first; the same in every run. Common words are short."""
    chance = random.Random(2)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(chance.choices(SYLLABLES, k=2 + len(words).bit_length() // 6))] = None
    return list(words)


def fill(
    connection: psycopg.Connection[Any], *, messages: int, conversations: int, users: int
) -> None:
    """About so many messages, in so many conversations of so many users.

    `user 1` has a fifth of it all. The tables have to be empty, and the connection in autocommit
    mode.
    """
    chance = random.Random(3)
    words = vocabulary()
    count = max(1_000, messages // 20)
    connection.execute("CREATE TEMP TABLE fragments (number int PRIMARY KEY, words text NOT NULL)")
    with connection.cursor().copy("COPY fragments FROM STDIN") as copy:
        for number in range(count):
            said = (words[int(WORDS ** chance.random()) - 1] for _ in range(FRAGMENT))
            copy.write_row((number, " ".join(said)))
    # To fill an index of words row by row takes many times as long.
    search = _index("ix_messages_words")
    connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(search.name))))
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        _FILL.format(
            users=users,
            conversations=conversations,
            messages=messages,
            heavy=HEAVY,
            pick=f"floor(random() * {count})::int",
        ).encode()
    )
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    connection.execute(str(CreateIndex(search).compile(dialect=dialect)).encode())
    for statement in ("DROP TABLE plan, fragments", "VACUUM ANALYZE"):
        connection.execute(statement.encode())


def _index(name: str) -> Index:
    (found,) = (
        index for index in SQLModel.metadata.tables["messages"].indexes if index.name == name
    )
    return found
