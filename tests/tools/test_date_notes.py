"""What is noted where a phrase could have been meant otherwise, or says something odd."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from tools.errors import DueNotUnderstoodError
from tools.when.dates import read_due, read_start

VIENNA = ZoneInfo("Europe/Vienna")
#: A Wednesday.
NOW = datetime(2026, 11, 18, 10, 0, 30, tzinfo=VIENNA)


def noted(phrase: str, now: datetime = NOW, zone: ZoneInfo = VIENNA) -> str:
    return " ".join(read_due(phrase, now=now, zone=zone).notes)


@pytest.mark.parametrize(
    "phrase",
    [
        "today",
        "tomorrow",
        "tomorrow at 9",
        "friday",
        "this friday",
        "friday at 5pm",
        "by friday",
        "before friday at 5pm",
        "at 5pm",
        "next wednesday",
        "in 3 weeks",
        "end of month",
        "january 5",
        "2026-12-01T05:00",
        "at 11:00",
        "3 december at 5 in the afternoon",
        "tomorrow at noon",
        "in 2 hours",
        "1 december 2026",
    ],
)
def test_what_can_only_be_meant_in_one_way_has_no_note(phrase: str) -> None:
    assert noted(phrase) == ""


@pytest.mark.parametrize(
    ("phrase", "note"),
    [
        ("yesterday", "Tuesday, 2026-11-17 at 23:59 is in the past"),
        ("2020-01-01", "2020-01-01 at 23:59 is in the past"),
        ("2026-11-18T10:00:30+01:00", "is in the past"),
        ("this morning", "2026-11-18 at 09:00 is in the past"),
        ("today at 9", "2026-11-18 at 09:00 is in the past"),
        ("at 9", "09:00 is past today, so tomorrow is meant"),
        ("at 5", "for the afternoon say 5pm"),
        ("friday at 5", "for the afternoon say 5pm"),
        ("tomorrow 6 o'clock", "for the afternoon say 6pm"),
        ("next friday", '2026-11-27; "friday" is 2026-11-20'),
        ("wednesday", "Today is a Wednesday"),
        ("next week", "2026-11-25"),
        ("next month", "2026-12-18"),
        ("tomorrow at midnight", "the end of 2026-11-19"),
        ("3 november", "No year was said"),
        ("3.11.", "No year was said"),
        ("29 february", "The next one is in 2028"),
        ("29.2.", "The next one is in 2028"),
        ("before friday", "by the end of 2026-11-20"),
    ],
)
def test_what_could_have_been_meant_otherwise_is_noted(phrase: str, note: str) -> None:
    assert note in noted(phrase)


def test_in_the_small_hours_it_is_noted_which_day_tomorrow_is() -> None:
    night = datetime(2026, 11, 19, 1, 30, tzinfo=VIENNA)
    assert "It is 01:30 on Thursday; tomorrow is read as Friday" in noted("tomorrow", night)


@pytest.mark.parametrize(
    ("zone", "now", "phrase", "note"),
    [
        (
            "Europe/Vienna",
            "2026-03-28",
            "tomorrow at 2:30",
            "skip 02:30 on 2026-03-29; it is moved to 03:30",
        ),
        (
            "Europe/Vienna",
            "2026-10-24",
            "tomorrow at 2:30",
            "02:30 comes twice that day; the first",
        ),
        ("America/New_York", "2026-03-07", "tomorrow at 2:30", "it is moved to 03:30"),
        ("America/New_York", "2026-10-31", "tomorrow at 1:30", "comes twice"),
        # Half an hour there.
        ("Australia/Lord_Howe", "2026-10-03", "tomorrow at 2:15", "it is moved to 02:45"),
        ("Australia/Lord_Howe", "2026-04-04", "tomorrow at 1:45", "comes twice"),
        # A whole day was left out.
        ("Pacific/Apia", "2011-12-29", "tomorrow at 9:00", "it is moved to 09:00 on 2011-12-31"),
    ],
)
def test_what_the_clocks_do_to_a_time_is_noted(zone: str, now: str, phrase: str, note: str) -> None:
    there = ZoneInfo(zone)
    morning = datetime.fromisoformat(now).replace(hour=10, tzinfo=there)
    assert note in noted(phrase, morning, there)


def test_the_day_that_apia_left_out_is_the_next() -> None:
    apia = ZoneInfo("Pacific/Apia")
    due = read_due("tomorrow at 9", now=datetime(2011, 12, 29, 10, tzinfo=apia), zone=apia)
    assert due.moment.isoformat() == "2011-12-31T09:00:00+14:00"
    assert "2011-12-30; it is moved to 09:00 on 2011-12-31" in due.notes[0]


def test_a_start_is_a_day() -> None:
    start = read_start("next monday", now=NOW, zone=VIENNA)
    assert start.day == date(2026, 11, 23)
    assert start.notes == ()
    assert read_start("15.3.", now=NOW, zone=VIENNA, locale="de-AT").day == date(2027, 3, 15)


def test_of_a_start_with_a_time_the_time_is_left_out_with_a_note() -> None:
    start = read_start("tomorrow at 9", now=NOW, zone=VIENNA)
    assert start.day == date(2026, 11, 19)
    assert "left out" in start.notes[0]


@pytest.mark.parametrize("phrase", ["at 9", "noon", "soon", ""])
def test_a_start_without_a_day_is_refused(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError):
        read_start(phrase, now=NOW, zone=VIENNA)
