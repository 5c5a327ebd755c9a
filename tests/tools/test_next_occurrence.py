"""When a task repeats: on the clock of its zone, over every change of the clocks, without end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.rules import rules
from tools.errors import RecurrenceNotUnderstoodError
from tools.when.recurrence import next_after_completion, next_occurrence
from tools.when.rrules import Rule

VIENNA = ZoneInfo("Europe/Vienna")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")


def occurrences(rule: str, start: str, zone: ZoneInfo = VIENNA) -> Iterator[str]:
    """Each as it is written with its offset, beginning with `start`."""
    moment: datetime | None = datetime.fromisoformat(start).replace(tzinfo=zone)
    assert moment is not None
    first, moment = moment, moment - timedelta(seconds=1)
    while (moment := next_occurrence(rule, start=first, after=moment, zone=zone)) is not None:
        yield moment.isoformat(" ", "minutes")


def times(rule: str, start: str, count: int, zone: ZoneInfo = VIENNA) -> list[str]:
    return list(islice(occurrences(rule, start, zone), count))


def days(rule: str, start: str, count: int) -> list[str]:
    return [moment[:10] for moment in times(rule, start, count)]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        (VIENNA, "2026-03-28 09:00", ["28 09:00+01:00", "29 09:00+02:00", "30 09:00+02:00"]),
        (VIENNA, "2026-10-24 09:00", ["24 09:00+02:00", "25 09:00+01:00", "26 09:00+01:00"]),
        (NEW_YORK, "2026-03-07 09:00", ["07 09:00-05:00", "08 09:00-04:00", "09 09:00-04:00"]),
        (NEW_YORK, "2026-10-31 09:00", ["31 09:00-04:00", "01 09:00-05:00", "02 09:00-05:00"]),
        (LORD_HOWE, "2026-04-04 09:00", ["04 09:00+11:00", "05 09:00+10:30", "06 09:00+10:30"]),
        (LORD_HOWE, "2026-10-03 09:00", ["03 09:00+10:30", "04 09:00+11:00", "05 09:00+11:00"]),
        # A time that the clocks skip moves forward by as much, that day only.
        (VIENNA, "2026-03-28 02:30", ["28 02:30+01:00", "29 03:30+02:00", "30 02:30+02:00"]),
        (NEW_YORK, "2026-03-07 02:30", ["07 02:30-05:00", "08 03:30-04:00", "09 02:30-04:00"]),
        (LORD_HOWE, "2026-10-03 02:15", ["03 02:15+10:30", "04 02:45+11:00", "05 02:15+11:00"]),
        # Of one that comes twice the first.
        (VIENNA, "2026-10-24 02:30", ["24 02:30+02:00", "25 02:30+02:00", "26 02:30+01:00"]),
        (NEW_YORK, "2026-10-31 01:30", ["31 01:30-04:00", "01 01:30-04:00", "02 01:30-05:00"]),
        (LORD_HOWE, "2026-04-04 01:45", ["04 01:45+11:00", "05 01:45+11:00", "06 01:45+10:30"]),
        # Of a day that was left out there is one occurrence, together with the next day's.
        (APIA, "2011-12-29 09:00", ["29 09:00-10:00", "31 09:00+14:00", "01 09:00+14:00"]),
    ],
)
def test_a_time_stays_the_same_on_the_clock_when_the_clocks_change(
    zone: ZoneInfo, start: str, expected: list[str]
) -> None:
    assert [moment[8:] for moment in times("FREQ=DAILY", start, 3, zone)] == expected


def test_times_that_the_clocks_skip_are_still_in_order() -> None:
    # 02:30 becomes 03:30, and 03:10 is there, too.
    rule = "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=10,30;BYSETPOS=2,3"
    assert [moment[8:16] for moment in times(rule, "2026-03-28 03:10", 5)] == [
        *("28 03:10", "29 03:10", "29 03:30"),
        *("30 02:30", "30 03:10"),
    ]


def test_a_time_that_the_clocks_skip_is_still_to_come_a_moment_before_it_is_moved_to() -> None:
    found = next_occurrence(
        "FREQ=DAILY",
        start=datetime(2026, 3, 28, 2, 30, tzinfo=VIENNA),
        after=datetime(2026, 3, 29, 3, 15, tzinfo=VIENNA),
        zone=VIENNA,
    )
    assert found == datetime(2026, 3, 29, 3, 30, tzinfo=VIENNA)


def test_a_weekday_is_that_of_the_zone() -> None:
    # 23:30 on Tuesday in New York is Wednesday in UTC.
    found = times("FREQ=WEEKLY;BYDAY=TU", "2026-11-24 23:30", 2, NEW_YORK)
    assert found == ["2026-11-24 23:30-05:00", "2026-12-01 23:30-05:00"]


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        (
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "2026-12-31 09:00",
            ["2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
            "2027-12-30 09:00",
            ["2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30"],
        ),
        # As an RRULE says it, months without the day are left out.
        ("FREQ=MONTHLY", "2027-01-31 09:00", ["2027-01-31", "2027-03-31", "2027-05-31"]),
        (
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
            "2027-02-28 09:00",
            ["2027-02-28", "2028-02-29", "2029-02-28"],
        ),
        ("FREQ=YEARLY", "2028-02-29 09:00", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        # 2100 is no leap year.
        ("FREQ=YEARLY", "2096-02-29 09:00", ["2096-02-29", "2104-02-29"]),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "2026-11-30 09:00",
            ["2026-11-30", "2026-12-31", "2027-01-29"],
        ),
        ("FREQ=MONTHLY;BYDAY=5MO", "2026-11-30 09:00", ["2026-11-30", "2027-03-29", "2027-05-31"]),
        # The weeks between are counted from the week of the first, which begins on Monday.
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU",
            "1997-08-05 09:00",
            ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
            "1997-08-05 09:00",
            ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
            "2026-11-19 09:00",
            ["2026-11-19", "2026-11-30", "2026-12-03", "2026-12-14"],
        ),
        (
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
            "2032-02-29 09:00",
            ["2032-02-29", "2060-02-29"],
        ),
    ],
)
def test_months_and_years_end_when_they_do(rule: str, start: str, expected: list[str]) -> None:
    assert days(rule, start, len(expected)) == expected


def test_after_the_last_there_is_none() -> None:
    assert days("FREQ=DAILY;COUNT=3", "2026-11-18 09:00", 9) == [
        *("2026-11-18", "2026-11-19", "2026-11-20")
    ]
    assert days("FREQ=DAILY;UNTIL=20261120", "2026-11-18 23:59", 9) == [
        *("2026-11-18", "2026-11-19", "2026-11-20")
    ]
    assert days("FREQ=DAILY;UNTIL=20261120T075959Z", "2026-11-18 09:00", 9) == [
        *("2026-11-18", "2026-11-19")
    ]


def test_before_the_first_the_next_is_the_first() -> None:
    start = datetime(2026, 11, 24, 9, tzinfo=VIENNA)
    long_before = datetime(2020, 1, 1, tzinfo=UTC)
    found = next_occurrence("FREQ=WEEKLY;BYDAY=TU", start=start, after=long_before, zone=VIENNA)
    assert found == start


def test_after_a_long_time_the_count_goes_on_from_the_first() -> None:
    start = datetime(2000, 1, 3, 9, tzinfo=VIENNA)
    late = datetime(2026, 11, 18, 10, tzinfo=VIENNA)
    found = next_occurrence("FREQ=DAILY;INTERVAL=10", start=start, after=late, zone=VIENNA)
    assert found is not None
    assert (found.date() - start.date()).days % 10 == 0
    assert timedelta() < found - late <= timedelta(days=10)


@pytest.mark.parametrize(
    ("rule", "completed", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=3", "2026-11-20 08:00", "2026-11-23 09:00"),
        ("FREQ=DAILY;INTERVAL=3", "2026-11-20 22:00", "2026-11-23 09:00"),
        ("FREQ=DAILY", "2026-11-20 08:00", "2026-11-21 09:00"),
        ("FREQ=WEEKLY;INTERVAL=2", "2026-11-20 22:00", "2026-12-04 09:00"),
        # From the end of a month to that of the next, which is shorter.
        ("FREQ=MONTHLY", "2027-01-31 12:00", "2027-02-28 09:00"),
        ("FREQ=MONTHLY", "2027-02-28 12:00", "2027-03-28 09:00"),
        ("FREQ=YEARLY", "2028-02-29 12:00", "2029-02-28 09:00"),
    ],
)
def test_what_is_counted_from_completion_keeps_its_time_of_day(
    rule: str, completed: str, expected: str
) -> None:
    found = next_after_completion(
        rule,
        start=datetime(2026, 11, 18, 9, tzinfo=VIENNA),
        completed=datetime.fromisoformat(completed).replace(tzinfo=VIENNA),
        zone=VIENNA,
    )
    assert found is not None
    assert found.isoformat(" ", "minutes")[:16] == expected


def test_what_is_counted_from_completion_has_an_end() -> None:
    start = datetime(2026, 11, 18, 9, tzinfo=VIENNA)
    rule = "FREQ=DAILY;INTERVAL=3;UNTIL=20261122"
    assert next_after_completion(rule, start=start, completed=start, zone=VIENNA) is not None
    later = start + timedelta(days=2)
    assert next_after_completion(rule, start=start, completed=later, zone=VIENNA) is None


#: None of them ever comes, or only after very many others.
HARD = [
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=DAILY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30,31",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-30",
    "FREQ=YEARLY;INTERVAL=50;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYDAY=MO;BYSETPOS=366",
    "FREQ=YEARLY;BYDAY=53MO,-53MO;BYSETPOS=355,356,357,358,359,360,361,362,363,364,365,366",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=31",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=8",
    "FREQ=WEEKLY;INTERVAL=1000;BYMONTH=2;BYDAY=SU;BYSETPOS=-366",
    "FREQ=DAILY;BYHOUR=0;BYSETPOS=2",
    "FREQ=DAILY;COUNT=1000;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;COUNT=1000;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11;UNTIL=29991231",
]


@pytest.mark.parametrize("rule", HARD)
@pytest.mark.parametrize("year", [1970, 2026, 2399, 2999])
def test_a_rule_that_never_comes_is_given_up_soon(rule: str, year: int) -> None:
    # Tuesday or not: whatever the weekday of the first.
    start = datetime(year, 11, 17, 9, tzinfo=VIENNA)
    began = perf_counter()
    for after in (start, start.replace(year=2999)):
        found = next_occurrence(rule, start=start, after=after, zone=VIENNA)
        assert found is None or found > after
    # A hundredth of it alone on the machine; without a bound it is endless, or seconds each.
    assert perf_counter() - began < 20


def test_a_rule_that_can_not_be_used_is_refused() -> None:
    start = datetime(2026, 11, 18, 9, tzinfo=VIENNA)
    with pytest.raises(RecurrenceNotUnderstoodError):
        next_occurrence("FREQ=SECONDLY", start=start, after=start, zone=VIENNA)


ZONES = st.sampled_from([VIENNA, NEW_YORK, LORD_HOWE, APIA, ZoneInfo("UTC")])
STARTS = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(rules, STARTS, ZONES, st.timedeltas(timedelta(days=-400), timedelta(days=4000)))
@settings(deadline=None, max_examples=50)
def test_the_next_is_later_and_as_dateutil_has_it_on_the_clock(
    rule: Rule, wall: datetime, zone: ZoneInfo, later: timedelta
) -> None:
    after = wall.replace(tzinfo=zone).astimezone(UTC) + later
    found = next_occurrence(str(rule), start=wall.replace(tzinfo=zone), after=after, zone=zone)
    assert found is None or found.astimezone(UTC) > after
    assert found is None or found.tzinfo is zone
    # All from the first on, each moved out of its gap; the end is compared as a moment.
    expected = min(
        (
            moment
            for moment in _moments(replace(rule, until=None), wall, zone, after)
            if moment > after and (rule.until is None or moment <= rule.until)
        ),
        default=None,
    )
    if expected is not None or found is None or found < after + _LOOKED_AHEAD:
        assert (found and found.astimezone(UTC)) == expected


_LOOKED_AHEAD = timedelta(days=800)


#: The calendar repeats, weekdays and all, every 400 years. dateutil looks for the 30th of February
#: until the year 9999, which takes seconds where that is thousands of years away.
_CYCLES = 7_600


def _moments(rule: Rule, wall: datetime, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """What dateutil says, without a zone, from the first to a while after `after`."""
    end = (after + _LOOKED_AHEAD + timedelta(days=3)).replace(tzinfo=None)
    start = wall.replace(year=wall.year + _CYCLES)
    for found in rrulestr(str(rule), dtstart=start):
        moment = found.replace(year=found.year - _CYCLES)
        if moment >= end:
            break
        yield moment.replace(tzinfo=zone).astimezone(UTC)


@given(STARTS, ZONES, st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU", "FREQ=MONTHLY"]))
@settings(deadline=None)
def test_a_time_of_day_that_exists_is_always_the_same(
    wall: datetime, zone: ZoneInfo, rule: str
) -> None:
    start = wall.replace(tzinfo=zone)
    moment: datetime | None = start
    seen = []
    for _ in range(60):
        assert moment is not None
        moment = next_occurrence(rule, start=start, after=moment, zone=zone)
        assert moment is not None
        seen.append(moment)
    moved = [found for found in seen if found.time() != wall.time()]
    for found in moved:
        # Only out of a gap: it isn't there on that day.
        named = datetime.combine(found, time(wall.hour, wall.minute), zone)
        assert named.astimezone(UTC).astimezone(zone).time() != wall.time()
    assert seen == sorted(set(seen), key=lambda found: found.astimezone(UTC))
