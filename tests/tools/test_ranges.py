"""Which moments somebody means who looks for tasks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.errors import DueNotUnderstoodError
from tools.when.ranges import Range, read_range

VIENNA = ZoneInfo("Europe/Vienna")
#: A Wednesday.
NOW = datetime(2026, 11, 18, 10, 0, 30, tzinfo=VIENNA)


def understood(phrase: str, locale: str | None = None) -> tuple[str, str]:
    found = read_range(phrase, now=NOW, zone=VIENNA, locale=locale)
    return _written(found.start), _written(found.end)


def _written(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(" ", "minutes")[:16].removesuffix(" 00:00")


@pytest.mark.parametrize(
    ("phrase", "start", "end"),
    [
        ("today", "2026-11-18", "2026-11-19"),
        ("Tomorrow", "2026-11-19", "2026-11-20"),
        ("yesterday", "2026-11-17", "2026-11-18"),
        ("due friday", "2026-11-20", "2026-11-21"),
        ("on friday", "2026-11-20", "2026-11-21"),
        ("2026-12-01", "2026-12-01", "2026-12-02"),
        ("overdue", "", "2026-11-18 10:00"),
        ("this week", "2026-11-16", "2026-11-23"),
        ("next week", "2026-11-23", "2026-11-30"),
        ("last week", "2026-11-09", "2026-11-16"),
        ("this weekend", "2026-11-21", "2026-11-23"),
        ("this month", "2026-11-01", "2026-12-01"),
        ("next month", "2026-12-01", "2027-01-01"),
        ("this quarter", "2026-10-01", "2027-01-01"),
        ("next quarter", "2027-01-01", "2027-04-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ("next year", "2027-01-01", "2028-01-01"),
        ("next 7 days", "2026-11-18", "2026-11-25"),
        ("in the next 7 days", "2026-11-18", "2026-11-25"),
        ("next two weeks", "2026-11-18", "2026-12-02"),
        ("next 3 months", "2026-11-18", "2027-02-18"),
        ("last 30 days", "2026-10-20", "2026-11-19"),
        ("december", "2026-12-01", "2027-01-01"),
        ("in december", "2026-12-01", "2027-01-01"),
        ("november", "2026-11-01", "2026-12-01"),
        ("january", "2027-01-01", "2027-02-01"),
        ("last december", "2025-12-01", "2026-01-01"),
        ("next november", "2027-11-01", "2027-12-01"),
        ("may 2027", "2027-05-01", "2027-06-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2027", "2027-01-01", "2028-01-01"),
        # Both days belong to it.
        ("2026-12-01/2026-12-31", "2026-12-01", "2027-01-01"),
        ("2026-12-01 / 2026-12-01", "2026-12-01", "2026-12-02"),
        ("2026-12-01/", "2026-12-01", ""),
        ("2026-12-01T09:00/2026-12-01T12:00", "2026-12-01 09:00", "2026-12-01 12:00"),
        ("today/friday", "2026-11-18", "2026-11-21"),
        ("friday to sunday", "2026-11-20", "2026-11-23"),
        ("from monday to friday", "2026-11-23", "2026-11-28"),
        ("from 30/11 to 24/12", "2026-11-30", "2026-12-25"),
        ("between 1 december and 5 december", "2026-12-01", "2026-12-06"),
        ("today and tomorrow", "2026-11-18", "2026-11-20"),
        ("today or tomorrow", "2026-11-18", "2026-11-20"),
        ("on friday or saturday", "2026-11-20", "2026-11-22"),
        ("this week and next week", "2026-11-16", "2026-11-30"),
        ("until friday", "", "2026-11-21"),
        ("by the end of the month", "", "2026-12-01"),
        ("before friday", "", "2026-11-20"),
        ("before december", "", "2026-12-01"),
        ("after 1 december", "2026-12-02", ""),
        ("from 1 december", "2026-12-01", ""),
        ("since monday", "2026-11-16", ""),
    ],
)
def test_a_phrase_means_the_moments_between_two(phrase: str, start: str, end: str) -> None:
    assert understood(phrase) == (start, end)


@pytest.mark.parametrize(
    ("locale", "phrase", "start", "end"),
    [
        ("de-AT", "heute", "2026-11-18", "2026-11-19"),
        ("de-AT", "diese woche", "2026-11-16", "2026-11-23"),
        ("de-AT", "dezember", "2026-12-01", "2027-01-01"),
        ("de-AT", "3.12.", "2026-12-03", "2026-12-04"),
        ("de-AT", "1.12./15.12.", "2026-12-01", "2026-12-16"),
        ("en-US", "12/3", "2026-12-03", "2026-12-04"),
        ("en-GB", "3/12", "2026-12-03", "2026-12-04"),
        ("fr-FR", "demain", "2026-11-19", "2026-11-20"),
    ],
)
def test_a_range_is_read_in_the_users_locale(
    locale: str, phrase: str, start: str, end: str
) -> None:
    assert understood(phrase, locale) == (start, end)


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        " ",
        "soonish",
        "31 february",
        "2026-13",
        "next 0 days",
        "2026-12-31/2026-12-01",
        "tomorrow at 9",
        "/",
        "a/b",
        "3/12",
        "03/04/2026",
        "3000",
        "until",
        "from",
        "x" * 200,
    ],
)
def test_a_range_that_is_not_clear_is_refused_with_forms_that_work(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError, match="next 7 days"):
        understood(phrase)


def test_figures_that_can_be_read_in_two_ways_are_asked_about() -> None:
    with pytest.raises(DueNotUnderstoodError, match="3 December or 12 March"):
        understood("3/12")


@pytest.mark.parametrize("phrase", ["monday and friday", "friday or monday", "1.12. and 24.12."])
def test_two_days_that_lie_apart_are_asked_about(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError, match="those between"):
        understood(phrase, "de-AT")


def test_a_month_that_is_past_is_that_of_next_year_with_a_note() -> None:
    found = read_range("october", now=NOW, zone=VIENNA)
    assert found.start == datetime(2027, 10, 1, tzinfo=VIENNA)
    assert 'say "october 2026"' in found.notes[0]


def test_a_day_lasts_as_long_as_the_clocks_make_it() -> None:
    long = read_range("2026-10-25", now=NOW, zone=VIENNA)
    short = read_range("2027-03-28", now=NOW, zone=VIENNA)
    assert _length(long) == timedelta(hours=25)
    assert _length(short) == timedelta(hours=23)


def test_a_day_that_begins_in_a_gap_begins_when_the_clocks_go_on() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    found = read_range("2026-03-29", now=NOW, zone=beirut)
    assert found.start is not None
    assert found.start.isoformat() == "2026-03-29T01:00:00+03:00"


def test_what_is_past_is_looked_for_without_a_note() -> None:
    assert read_range("yesterday", now=NOW, zone=VIENNA).notes == ()
    assert read_range("2020-01-01/2020-12-31", now=NOW, zone=VIENNA).notes == ()


def test_days_are_those_of_the_users_zone() -> None:
    night = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    found = read_range("today", now=night, zone=ZoneInfo("Asia/Tokyo"))
    assert found.start is not None
    assert found.start.isoformat() == "2026-11-19T00:00:00+09:00"


WORDS = ["next", "last", "this", "7", "days", "week", "month", "december", "friday", "today", "to"]
WORDS += ["/", "2026-12-01", "until", "before", "since", "from", "and", "overdue", "2027", "9am"]


@given(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_a_range_with_some_length_or_is_refused(text: str) -> None:
    try:
        found = read_range(text, now=NOW, zone=VIENNA)
    except DueNotUnderstoodError:
        return
    assert found.start is not None or found.end is not None
    if found.start is not None and found.end is not None:
        assert _length(found) > timedelta()


def _length(found: Range) -> timedelta:
    assert found.start is not None
    assert found.end is not None
    return found.end.astimezone(UTC) - found.start.astimezone(UTC)
