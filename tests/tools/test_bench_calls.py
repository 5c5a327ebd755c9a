"""`make bench-calls` measures what a user starts, and says whether what is wanted is reached."""

import pytest

from bench.calls.finding import Found
from bench.calls.measuring import Amount, Row, measure, verdicts
from bench.calls.ways import AGENT, HTTP, PLAIN, STDIO, WRITE
from storage.database import Database
from tests.tools.support import rows


@pytest.mark.timeout(180)
async def test_a_call_is_made_in_every_way(database: Database, database_url: str) -> None:
    amount = Amount(calls=1, crowds=1, crowd=1, warming=0)
    measured = await measure(database, database_url, amount, [WRITE])
    ways = (PLAIN, AGENT, HTTP, STDIO)
    assert [(row.operation, row.way) for row in measured] == [(WRITE.name, way) for way in ways]
    assert all(row.p50 > 0 and row.crowd > 0 for row in measured)
    # The needle, and one call alone and one in a crowd of each way.
    assert rows(database_url, "SELECT count(*) FROM tasks") == [{"count": 1 + 2 * len(ways)}]


def test_what_is_not_reached_is_said() -> None:
    times = {PLAIN: 5.0, AGENT: 8.5, HTTP: 50.0, STDIO: 400.0}
    slow = [Row("a call", way, time, time, time) for way, time in times.items()]
    ratio, over = verdicts(slow)
    assert "0.0213 of the adapters" in ratio
    assert "3.5 ms over" in over
    assert "missed" in ratio
    assert "missed" in over
    times |= {AGENT: 7.9}
    fast = [Row("a call", way, time, time, time) for way, time in times.items()]
    assert "missed" not in " ".join(verdicts(fast))


def test_a_search_is_judged_by_its_median_in_the_server() -> None:
    assert Found("a search", (10.0, 90.0, 90.0, 90.0)).is_quick
    assert not Found("a search", (10.1, 10.2, 1.0, 1.0)).is_quick
