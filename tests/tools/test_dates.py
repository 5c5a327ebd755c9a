"""What people say about when, and the moment that is understood."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import DueNotUnderstoodError
from tools.when.dates import parse_due, read_due

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
#: A Wednesday.
NOW = datetime(2026, 11, 18, 10, 0, 30, tzinfo=BERLIN)


def understood(phrase: str, now: datetime = NOW, zone: ZoneInfo = BERLIN) -> str:
    return parse_due(phrase, now=now, zone=zone).isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        # A day alone ends at 23:59.
        ("today", "2026-11-18 23:59"),
        ("tomorrow", "2026-11-19 23:59"),
        ("Tomorrow!", "2026-11-19 23:59"),
        ("the day after tomorrow", "2026-11-20 23:59"),
        ("yesterday", "2026-11-17 23:59"),
        # Times of day.
        ("tomorrow at 9", "2026-11-19 09:00"),
        ("at 9 tomorrow", "2026-11-19 09:00"),
        ("tomorrow 9", "2026-11-19 09:00"),
        ("tomorrow at 0930", "2026-11-19 09:30"),
        ("tomorrow 9am", "2026-11-19 09:00"),
        ("tomorrow, 9:30 p.m.", "2026-11-19 21:30"),
        ("9.30am tomorrow", "2026-11-19 09:30"),
        ("tomorrow at 9 o'clock", "2026-11-19 09:00"),
        ("12am tomorrow", "2026-11-19 00:00"),
        ("tomorrow 12pm", "2026-11-19 12:00"),
        ("tomorrow noon", "2026-11-19 12:00"),
        ("tomorrow at midnight", "2026-11-19 23:59"),
        ("tomorrow morning", "2026-11-19 09:00"),
        ("tomorrow afternoon", "2026-11-19 15:00"),
        ("tomorrow evening at 7", "2026-11-19 19:00"),
        ("tomorrow at 9 in the morning", "2026-11-19 09:00"),
        ("tomorrow 5 in the afternoon", "2026-11-19 17:00"),
        ("monday at 9 at night", "2026-11-23 21:00"),
        ("end of day tomorrow", "2026-11-19 23:59"),
        ("friday eod", "2026-11-20 23:59"),
        # A bare hour is on the 24-hour clock.
        ("friday at 5", "2026-11-20 05:00"),
        # A time alone is the next such time.
        ("at 11", "2026-11-18 11:00"),
        ("at 9", "2026-11-19 09:00"),
        ("17:00", "2026-11-18 17:00"),
        ("9am", "2026-11-19 09:00"),
        ("noon", "2026-11-18 12:00"),
        ("in the evening", "2026-11-18 18:00"),
        ("tonight", "2026-11-18 20:00"),
        ("tonight at 8", "2026-11-18 20:00"),
        ("at 9 tonight", "2026-11-18 21:00"),
        ("this evening", "2026-11-18 18:00"),
        ("this morning", "2026-11-18 09:00"),
        # Days of the week.
        ("friday", "2026-11-20 23:59"),
        ("on Friday", "2026-11-20 23:59"),
        ("by friday 5pm", "2026-11-20 17:00"),
        ("5pm friday", "2026-11-20 17:00"),
        ("at noon on friday", "2026-11-20 12:00"),
        ("this friday", "2026-11-20 23:59"),
        ("wednesday", "2026-11-25 23:59"),
        ("this wednesday", "2026-11-18 23:59"),
        ("next wednesday", "2026-11-25 23:59"),
        ("next friday", "2026-11-27 23:59"),
        ("next tuesday at 10", "2026-11-24 10:00"),
        ("friday next week", "2026-11-27 23:59"),
        ("next week on friday", "2026-11-27 23:59"),
        ("monday 14:30", "2026-11-23 14:30"),
        ("tues 9:15", "2026-11-24 09:15"),
        ("sat", "2026-11-21 23:59"),
        ("thurs", "2026-11-19 23:59"),
        # Spans.
        ("in 2 hours", "2026-11-18 12:00"),
        ("in an hour", "2026-11-18 11:00"),
        ("in half an hour", "2026-11-18 10:30"),
        ("in 90 minutes", "2026-11-18 11:30"),
        ("in 1 hour 30 minutes", "2026-11-18 11:30"),
        ("2h", "2026-11-18 12:00"),
        ("in two days", "2026-11-20 23:59"),
        ("2 days from now", "2026-11-20 23:59"),
        ("in 3 days at 14:00", "2026-11-21 14:00"),
        ("in a week", "2026-11-25 23:59"),
        ("in 3 weeks", "2026-12-09 23:59"),
        ("in six months", "2027-05-18 23:59"),
        ("next week", "2026-11-25 23:59"),
        ("next month", "2026-12-18 23:59"),
        ("end of month", "2026-11-30 23:59"),
        ("by the end of the month", "2026-11-30 23:59"),
        ("end of next month", "2026-12-31 23:59"),
        ("end of the week", "2026-11-22 23:59"),
        ("this weekend", "2026-11-22 23:59"),
        ("end of the year", "2026-12-31 23:59"),
        # Dates.
        ("3rd of december", "2026-12-03 23:59"),
        ("on the 3rd of December", "2026-12-03 23:59"),
        ("3 december at 5pm", "2026-12-03 17:00"),
        ("December 3rd, 2027 at 9:00 AM", "2027-12-03 09:00"),
        ("dec 3", "2026-12-03 23:59"),
        ("january 5", "2027-01-05 23:59"),
        ("november 18", "2026-11-18 23:59"),
        ("november 17", "2027-11-17 23:59"),
        ("february 29", "2028-02-29 23:59"),
        ("friday 20 november", "2026-11-20 23:59"),
        ("friday, november 13th 2026", "2026-11-13 23:59"),
        ("the 15th", "2026-12-15 23:59"),
        ("31st", "2026-12-31 23:59"),
        ("3.12.2026", "2026-12-03 23:59"),
        ("31/12/2026", "2026-12-31 23:59"),
        ("12/31/2026", "2026-12-31 23:59"),
        # ISO 8601.
        ("2026-12-01", "2026-12-01 23:59"),
        ("2026-12-01 at 9", "2026-12-01 09:00"),
        ("2026-12-01 09:00", "2026-12-01 09:00"),
        ("2026-12-01T09:00", "2026-12-01 09:00"),
        ("2026-12-01T09:00:00.000Z", "2026-12-01 10:00"),
        ("2026-12-01T09:00+01:00", "2026-12-01 09:00"),
        ("2026-12-01T03:00-05:00", "2026-12-01 09:00"),
    ],
)
def test_a_phrase_means_a_moment_in_the_users_zone(phrase: str, expected: str) -> None:
    assert understood(phrase)[:16] == expected


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        " ",
        "soonish",
        "later",
        "now",
        "banana",
        "buy milk",
        "every friday",
        "not tomorrow",
        # dateparser has an answer to each of these, and it is wrong.
        "may",
        "15",
        "tomorrow at 25",
        "tomorrow at 9 CET",
        "9am EST tomorrow",
        "tomorrow 9-10",
        "from 9 to 10 tomorrow",
        "9:00 10:00",
        "noon tomorrow at 9",
        "13pm",
        "tomorrow at 12:60",
        "friday 13",
        "november 31",
        "2026-02-30",
        "2026-13-45",
        "2026-12-01T25:00",
        "in 3 business days",
        "in 9999 years",
        "2026 week",
        # Could be meant in two ways.
        "03/04/2026",
        "3/12",
        # Is a Saturday, the next time.
        "friday 13 november",
        "1066-10-14",
        "9999-12-31",
        "tomorrow" * 20,
        "\x00",
        "\ud800",
    ],
)
def test_a_phrase_that_is_not_clear_is_refused(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError) as refusal:
        understood(phrase)
    # The model gets to know forms that work, in text that can be sent.
    assert "next friday" in str(refusal.value)
    str(refusal.value).encode()


def test_on_a_friday_friday_is_a_week_away_and_this_friday_is_today() -> None:
    friday = datetime(2026, 11, 20, 10, tzinfo=BERLIN)
    assert understood("friday", friday)[:10] == "2026-11-27"
    assert understood("next friday", friday)[:10] == "2026-11-27"
    assert understood("this friday", friday)[:10] == "2026-11-20"


def test_on_a_sunday_next_friday_is_in_the_week_that_begins_tomorrow() -> None:
    sunday = datetime(2026, 11, 22, 10, tzinfo=BERLIN)
    assert understood("next friday", sunday)[:10] == "2026-11-27"
    assert understood("end of the week", sunday)[:10] == "2026-11-22"


def test_tonight_late_in_the_evening_is_the_end_of_the_day() -> None:
    late = datetime(2026, 11, 18, 22, tzinfo=BERLIN)
    assert understood("tonight", late)[:16] == "2026-11-18 23:59"


def test_the_end_of_next_month_in_november_and_december_is_in_the_right_year() -> None:
    december = datetime(2026, 12, 5, 10, tzinfo=BERLIN)
    assert understood("end of next month", december)[:10] == "2027-01-31"


def test_tomorrow_depends_on_where_the_user_is() -> None:
    moment = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    assert understood("tomorrow", moment, BERLIN) == "2026-11-20 23:59+01:00"
    assert understood("tomorrow", moment, NEW_YORK) == "2026-11-19 23:59-05:00"


def test_a_time_that_the_clocks_skip_moves_forward_by_as_much() -> None:
    before = datetime(2026, 3, 28, 10, tzinfo=BERLIN)
    assert understood("tomorrow at 2:30am", before) == "2026-03-29 03:30+02:00"
    assert understood("2026-03-29T02:30", before) == "2026-03-29 03:30+02:00"


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    before = datetime(2026, 10, 24, 10, tzinfo=BERLIN)
    assert understood("tomorrow at 2:30am", before) == "2026-10-25 02:30+02:00"


def test_the_same_time_tomorrow_keeps_its_hour_when_the_clocks_change() -> None:
    before = datetime(2026, 3, 28, 10, tzinfo=BERLIN)
    assert understood("tomorrow at 9", before) == "2026-03-29 09:00+02:00"


def test_two_hours_are_two_hours_when_the_clocks_change() -> None:
    before = datetime(2026, 3, 29, 1, tzinfo=BERLIN)
    due = parse_due("in 2 hours", now=before, zone=BERLIN)
    assert due.isoformat() == "2026-03-29T04:00:00+02:00"
    assert (due.astimezone(UTC) - before.astimezone(UTC)).total_seconds() == 7200


@given(st.text(max_size=120))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        due = parse_due(text, now=NOW, zone=BERLIN)
    except DueNotUnderstoodError:
        return
    assert due.tzinfo is BERLIN


WORDS = ["in", "at", "on", "the", "next", "this", "of", "end", "2", "9", "13", "31", "2026"]
WORDS += ["friday", "tomorrow", "december", "3rd", "week", "weeks", "month", "hours", "9am"]
WORDS += ["17:00", "noon", "tonight", "morning", "2026-12-01", "12/11/2026", "from", "now"]


@given(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
def test_any_jumble_of_the_words_of_dates_is_understood_or_refused(text: str) -> None:
    try:
        due = parse_due(text, now=NOW, zone=BERLIN)
    except DueNotUnderstoodError:
        return
    assert 2025 < due.year < 2040


@pytest.mark.parametrize(
    ("phrase", "day", "time"),
    [
        ("friday", True, False),
        ("in 3 weeks", True, False),
        ("end of month", True, False),
        ("2026-12-01", True, False),
        ("4pm", False, True),
        ("at 16:00", False, True),
        ("noon", False, True),
        ("friday at 4pm", True, True),
        ("tonight", True, True),
        ("in 2 hours", True, True),
        ("2026-12-01T09:00", True, True),
        ("friday eod", True, True),
        ("end of day", True, True),
    ],
)
def test_what_a_phrase_names_of_day_and_time_is_known(phrase: str, day: bool, time: bool) -> None:
    due = read_due(phrase, now=NOW, zone=BERLIN)
    assert (due.names_day, due.names_time) == (day, time)


def moved(phrase: str, old: str, zone: ZoneInfo = BERLIN) -> str:
    """When a task is due that was due at `old`, after a change to the phrase."""
    due = read_due(phrase, now=NOW, zone=zone)
    return due.instead_of(datetime.fromisoformat(old), now=NOW).moment.isoformat(" ", "minutes")


@pytest.mark.parametrize(
    ("phrase", "old", "expected"),
    [
        # The other time of day would be 23:59.
        ("friday", "2026-11-19T08:30+00:00", "2026-11-20 09:30+01:00"),
        ("friday", "2026-11-19T22:59+00:00", "2026-11-20 23:59+01:00"),
        # The day of the old time in UTC is another.
        ("11pm", "2026-11-20T23:30+00:00", "2026-11-21 23:00+01:00"),
        # Over a change of the clocks, and to a time that they skip.
        ("march 30", "2026-11-19T08:00+00:00", "2027-03-30 09:00+02:00"),
        ("march 28", "2026-11-19T01:30+00:00", "2027-03-28 03:30+02:00"),
        ("at 4pm", "2026-11-27T22:59+00:00", "2026-11-27 16:00+01:00"),
        # Past: the next such time.
        ("4pm", "2026-11-16T08:00+00:00", "2026-11-18 16:00+01:00"),
        ("9am", "2026-11-18T15:00+00:00", "2026-11-19 09:00+01:00"),
        ("friday at 4pm", "2026-11-19T08:30+00:00", "2026-11-20 16:00+01:00"),
        ("eod", "2026-11-27T08:30+00:00", "2026-11-18 23:59+01:00"),
    ],
)
def test_what_is_not_named_stays_as_it_was(phrase: str, old: str, expected: str) -> None:
    assert moved(phrase, old) == expected


def test_the_time_of_day_that_stays_is_the_users() -> None:
    assert moved("friday", "2026-11-19T14:00+00:00", NEW_YORK) == "2026-11-20 09:00-05:00"
