"""How Postgres carries out what a function reads: the plan of each of its statements."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database

Read = Callable[[AsyncSession], Awaitable[Any]]


@dataclass(frozen=True)
class Plan:
    """A statement as it was carried out once, with what Postgres noted about it."""

    explained: Mapping[str, Any]

    def nodes(self) -> Iterator[Mapping[str, Any]]:
        """Every step that was not left out."""
        waiting = [self.explained["Plan"]]
        while waiting:
            node = waiting.pop()
            if node["Actual Loops"]:
                yield node
                waiting += node.get("Plans", ())

    @property
    def milliseconds(self) -> float:
        """In the server, to plan it and to carry it out."""
        return float(self.explained["Planning Time"] + self.explained["Execution Time"])

    @property
    def pages(self) -> int:
        """How many pages of 8 KB it looked at, in memory or not."""
        top = self.explained["Plan"]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    @property
    def scanned(self) -> set[str]:
        """The tables that were read from one end to the other."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    @property
    def sorted_rows(self) -> int:
        """How many rows the longest sort had to do with."""
        return max(
            (
                int(node["Plans"][0]["Actual Rows"] * node["Plans"][0]["Actual Loops"])
                for node in self.nodes()
                if node["Node Type"] in ("Sort", "Incremental Sort")
            ),
            default=0,
        )


async def plans(database: Database, read: Read) -> list[Plan]:
    """What `read` makes the server do, statement by statement, each carried out once more."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        async with database.session() as session:
            await read(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    found = []
    async with database.engine.connect() as connection:
        for statement, parameters in statements:
            # Without the times of each step, which take longer than the steps.
            result = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", parameters
            )
            (explained,) = result.one()
            if isinstance(explained, str):
                explained = json.loads(explained)
            found.append(Plan(explained[0]))
    return found
