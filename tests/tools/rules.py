"""Recurrence rules made by hypothesis: every one that the checks let through can come."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tools.when.rrules import FREQUENCIES, Day, Rule


def _some(values: st.SearchStrategy[int], most: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    lists = st.lists(values, unique=True, max_size=most)
    return lists.map(lambda found: tuple(sorted(found, key=lambda value: (value < 0, value))))


def _made(parts: dict[str, Any]) -> Rule | None:
    try:
        return Rule(**parts)
    except ValueError:
        return None


_DAYS = st.lists(
    st.builds(Day, st.integers(0, 6), st.sampled_from([0, 0, 0, 1, 2, 5, -1, -2])),
    unique=True,
    max_size=3,
).map(lambda days: tuple(sorted(days, key=lambda day: (day.nth < 0, day.nth, day.weekday))))

#: The end is a count, a moment, or missing.
rules: st.SearchStrategy[Rule] = (
    st.fixed_dictionaries(
        {
            "frequency": st.sampled_from(FREQUENCIES),
            "interval": st.integers(1, 5),
            "months": st.just(()) | _some(st.integers(1, 12)),
            "month_days": st.just(()) | _some(st.integers(1, 31) | st.integers(-31, -1)),
            "days": st.just(()) | _DAYS,
            "hours": st.just(()) | _some(st.integers(0, 23)),
            "minutes": st.just(()) | _some(st.integers(0, 59)),
            "positions": st.just(()) | _some(st.sampled_from([1, 2, 3, -1, -2, 366])),
            "count": st.none() | st.integers(1, 20),
            "until": st.none()
            | st.datetimes(datetime(2026, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001
                lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
            ),
            "week_start": st.sampled_from([0, 0, 6]),
        }
    )
    .map(_made)
    .filter(lambda rule: rule is not None)
    .map(lambda rule: rule or Rule("DAILY"))
)
