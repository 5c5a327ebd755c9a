"""Doing to the tables what nothing but a hand with SQL can do."""

from typing import Any

from psycopg.sql import SQL, Identifier

from storage.database import Database

SELECT_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname FROM pg_constraint
    WHERE contype = 'f' AND conrelid = ANY('{messages,conversations}'::regclass[])
"""


async def execute(database: Database, query: str, *args: Any) -> int:
    """Change something; says how many rows changed, which has to be some."""
    async with database.pool.connection() as connection:
        cursor = await connection.execute(query, args)
        assert cursor.rowcount != 0, query
        return cursor.rowcount


async def drop_foreign_keys(database: Database) -> None:
    """Let rows refer to what is not there, as after a restore that left constraints out."""
    async with database.pool.connection() as connection:
        cursor = await connection.execute(SELECT_CONSTRAINTS)
        for table, name in await cursor.fetchall():
            await connection.execute(
                SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(Identifier(table), Identifier(name))
            )
