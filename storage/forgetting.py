"""Deleting a conversation, or a user with all that is theirs, whole: all of it goes, or nothing.

One transaction each, however much it is. Whatever else refers to users and goes with them, such as
an application's own tables, is found by its foreign keys and counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.rows import DictRow, dict_row

from .deleting import delete_threads
from .errors import StorageError
from .writers import wait_for_writers

SELECT_CONVERSATION = """
    SELECT thread_id FROM conversations WHERE thread_id = %(name)s OR id::text = lower(%(name)s)
    UNION
    SELECT thread_id FROM checkpoints WHERE thread_id = %(name)s
"""
LOCK_USER = "SELECT id FROM users WHERE subject = %s FOR UPDATE"
DELETE_USER = "DELETE FROM users WHERE id = %s"
# A thread that the plain saver wrote has no conversation; whose it is stands in the metadata of its
# runs, if the server authenticates its users.
SELECT_THREADS = """
    SELECT thread_id FROM conversations WHERE user_id = %(user_id)s
    UNION
    SELECT thread_id FROM checkpoints k WHERE metadata ->> 'langgraph_auth_user_id' = %(subject)s
    AND NOT EXISTS (SELECT FROM conversations c WHERE c.thread_id = k.thread_id)
"""
COUNT = """
    SELECT (SELECT count(*) FROM conversations WHERE thread_id = ANY(%(threads)s)) AS conversations,
           (SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
            WHERE c.thread_id = ANY(%(threads)s)) AS messages,
           (SELECT count(*) FROM checkpoints WHERE thread_id = ANY(%(threads)s)) AS checkpoints,
           (SELECT count(*) FROM checkpoint_blobs WHERE thread_id = ANY(%(threads)s))
            AS checkpoint_blobs,
           (SELECT count(*) FROM checkpoint_writes WHERE thread_id = ANY(%(threads)s))
            AS checkpoint_writes
"""
# What is deleted together with a user.
SELECT_BELONGINGS = """
    SELECT k.conrelid::regclass::text AS shown, n.nspname AS schema, c.relname AS table,
           a.attname AS column
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.confrelid = 'users'::regclass AND k.confdeltype = 'c'
    AND k.conrelid <> 'conversations'::regclass
"""
# A run that was under way may have stored a pending write after its thread was gone.
DELETE_LEFT_OVERS = """
    DELETE FROM {table} t WHERE thread_id = ANY(%(threads)s)
    AND NOT EXISTS (SELECT FROM conversations c WHERE c.thread_id = t.thread_id)
"""


class NothingToDeleteError(StorageError):
    """There is no such conversation or user."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion took away, or would."""

    threads: Sequence[str]
    #: Rows of each table.
    rows: Counter[str] = field(default_factory=Counter)


async def delete_conversation(
    connection: AsyncConnection[Any], name: str, *, dry_run: bool = False
) -> Deletion:
    """Delete a thread, named by its id or its conversation's: rows and checkpoints, or nothing.

    Args:
        connection: in autocommit mode and in no transaction.

    Raises:
        NothingToDeleteError: there is no such thread.
    """
    async with (
        connection.transaction(force_rollback=dry_run),
        connection.cursor(binary=True, row_factory=dict_row) as cur,
    ):
        await cur.execute(SELECT_CONVERSATION, {"name": name.replace("\x00", "\ufffd")})
        threads = [row["thread_id"] for row in await cur.fetchall()]
        if not threads:
            raise NothingToDeleteError(
                f"there is no conversation {name!r}. `task-agent conversations` lists those there "
                "are."
            )
        deleted = Deletion(threads, await _count(cur, threads))
        await delete_threads(cur, threads)
    await _clear_left_overs(connection, threads, dry_run)
    return deleted


async def delete_user(
    connection: AsyncConnection[Any], subject: str, *, dry_run: bool = False
) -> Deletion:
    """Delete a user and all that is theirs, or nothing.

    A run of theirs that is under way fails at its next step. If they come back they are new.

    Args:
        connection: in autocommit mode and in no transaction.
        subject: the name that authentication gives the user.

    Raises:
        NothingToDeleteError: there is no such user, and no thread of theirs.
    """
    async with (
        connection.transaction(force_rollback=dry_run),
        connection.cursor(binary=True, row_factory=dict_row) as cur,
    ):
        subject = subject.replace("\x00", "\ufffd")
        await cur.execute(LOCK_USER, (subject,))
        user = await cur.fetchone()
        user_id = None if user is None else user["id"]
        await cur.execute(SELECT_THREADS, {"user_id": user_id, "subject": subject})
        threads = sorted(row["thread_id"] for row in await cur.fetchall())
        if user is None and not threads:
            raise NothingToDeleteError(
                f"there is no user {subject!r}. `task-agent conversations` shows whose "
                "conversations there are."
            )
        rows = await _count(cur, threads)
        if user is not None:
            rows += await _belongings(cur, user_id)
            rows["users"] = 1
        await delete_threads(cur, threads)
        await cur.execute(DELETE_USER, (user_id,))
    await _clear_left_overs(connection, threads, dry_run)
    return Deletion(threads, rows)


async def _count(cur: AsyncCursor[DictRow], threads: Sequence[str]) -> Counter[str]:
    await cur.execute(COUNT, {"threads": threads})
    (counted,) = await cur.fetchall()
    return Counter(counted)


async def _belongings(cur: AsyncCursor[DictRow], user_id: Any) -> Counter[str]:
    await cur.execute(SELECT_BELONGINGS)
    counted: Counter[str] = Counter()
    for found in await cur.fetchall():
        await cur.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
                sql.Identifier(found["schema"], found["table"]), sql.Identifier(found["column"])
            ),
            (user_id,),
        )
        (row,) = await cur.fetchall()
        counted[found["shown"]] += row["count"]
    return counted


async def _clear_left_overs(
    connection: AsyncConnection[Any], threads: Sequence[str], dry_run: bool
) -> None:
    if dry_run:
        return
    await wait_for_writers(connection)
    async with connection.transaction():
        for table in ("checkpoint_writes", "checkpoint_blobs", "checkpoints"):
            statement = sql.SQL(DELETE_LEFT_OVERS).format(table=sql.Identifier(table))
            await connection.execute(statement, {"threads": list(threads)})
