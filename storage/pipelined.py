"""A cursor whose statements are sent together, and that gives the rows of the last one."""

from typing import Any, Self

from psycopg import AsyncConnection, AsyncCursor
from psycopg.abc import Params, QueryNoTemplate
from psycopg.pq import Format
from psycopg.rows import DictRow, dict_row


class PipelinedCursor(AsyncCursor[DictRow]):
    """For a connection in pipeline mode, with values in binary.

    If the answer to a statement comes while the next one is being sent, because that is long,
    psycopg's own cursor takes it for the answer to that, and doesn't wait for another. So each
    statement has a cursor of its own here.
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=dict_row)
        self._last = self._another()

    def _another(self) -> AsyncCursor[DictRow]:
        cursor = AsyncCursor(self.connection, row_factory=dict_row)
        cursor.format = Format.BINARY
        return cursor

    # Not for templates, which nothing here is.
    async def execute(  # type: ignore[override]
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        """Send a statement, or leave it to be sent with the next ones."""
        self._last = self._another()
        await self._last.execute(query, params, prepare=prepare, binary=binary)
        return self

    async def fetchone(self) -> DictRow | None:
        """The next row of the last statement."""
        return await self._last.fetchone()

    async def fetchmany(self, size: int = 0) -> list[DictRow]:
        """Its next rows."""
        return await self._last.fetchmany(size)

    async def fetchall(self) -> list[DictRow]:
        """All rows that are left of it."""
        return await self._last.fetchall()

    async def __anext__(self) -> DictRow:
        return await self._last.__anext__()

    @property
    def rowcount(self) -> int:
        """How many rows it has concerned, once its answer is there."""
        return self._last.rowcount
