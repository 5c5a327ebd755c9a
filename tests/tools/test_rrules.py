"""Recurrence rules of RFC 5545: which are taken, and in which form they are kept."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.rules import rules
from tools.errors import RecurrenceNotUnderstoodError
from tools.when.rrules import Rule, parse_rule

VIENNA = ZoneInfo("Europe/Vienna")


def kept(text: str) -> str:
    return str(parse_rule(text, zone=VIENNA))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("FREQ=DAILY", "FREQ=DAILY"),
        ("RRULE:FREQ=DAILY", "FREQ=DAILY"),
        (" rrule:freq=weekly;byday=mo,tu ", "FREQ=WEEKLY;BYDAY=MO,TU"),
        ("FREQ=DAILY;", "FREQ=DAILY"),
        ("INTERVAL=1;FREQ=DAILY;WKST=MO;BYSECOND=0", "FREQ=DAILY"),
        ("BYDAY=TH,MO,TH;FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH"),
        ("FREQ=MONTHLY;BYDAY=-1FR,+2TU", "FREQ=MONTHLY;BYDAY=2TU,-1FR"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,15,1", "FREQ=MONTHLY;BYMONTHDAY=1,15,-1"),
        ("FREQ=WEEKLY;WKST=SU;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2;WKST=SU"),
        ("FREQ=DAILY;COUNT=010", "FREQ=DAILY;COUNT=10"),
        # Until a day is until its end in the zone; Vienna is an hour from UTC in winter.
        ("FREQ=DAILY;UNTIL=20261231", "FREQ=DAILY;UNTIL=20261231T225959Z"),
        ("FREQ=DAILY;UNTIL=20260701", "FREQ=DAILY;UNTIL=20260701T215959Z"),
        ("FREQ=DAILY;UNTIL=20261231T090000", "FREQ=DAILY;UNTIL=20261231T080000Z"),
        ("FREQ=DAILY;UNTIL=20261231T090000Z", "FREQ=DAILY;UNTIL=20261231T090000Z"),
    ],
)
def test_a_rule_is_kept_in_one_form(text: str, rule: str) -> None:
    assert kept(text) == rule
    assert kept(rule) == rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "NAME=VALUE"),
        ("DAILY", "NAME=VALUE"),
        ("FREQ=", "NAME=VALUE"),
        ("INTERVAL=2", "FREQ has to be"),
        ("FREQ=FORTNIGHTLY", "FREQ has to be"),
        ("FREQ=DAILY;FREQ=WEEKLY", "there twice"),
        ("FREQ=HOURLY;INTERVAL=4", "daily at most"),
        ("FREQ=MINUTELY", "daily at most"),
        ("FREQ=SECONDLY", "daily at most"),
        ("FREQ=DAILY;BYSECOND=30", "full minutes"),
        ("FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12", "times a day"),
        ("FREQ=DAILY;BYHOUR=8,9,10,11;BYMINUTE=0,15,30,45", "times a day"),
        ("FREQ=DAILY;BYMINUTE=30", "say the hour"),
        ("FREQ=DAILY;INTERVAL=0", "1 to 1000"),
        ("FREQ=DAILY;INTERVAL=-1", "no number"),
        ("FREQ=DAILY;INTERVAL=999999999", "no number"),
        ("FREQ=YEARLY;INTERVAL=1000", "50 years"),
        ("FREQ=DAILY;COUNT=0", "1 to 1000"),
        ("FREQ=DAILY;COUNT=1000000", "no number"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "exclude each other"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL is"),
        ("FREQ=DAILY;UNTIL=20261301", "month"),
        ("FREQ=DAILY;UNTIL=99991231", "the year of UNTIL"),
        ("FREQ=DAILY;UNTIL=00000000", "year"),
        ("FREQ=WEEKLY;BYDAY=", "NAME=VALUE"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "BYDAY has"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY has"),
        ("FREQ=MONTHLY;BYDAY=6MO", "only to 5"),
        ("FREQ=YEARLY;BYDAY=54MO", "only to 53"),
        ("FREQ=WEEKLY;BYDAY=1MO", "can't count"),
        ("FREQ=DAILY;BYDAY=1MO", "can't count"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "1 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "1 to 31"),
        ("FREQ=MONTHLY;BYMONTH=-1", "1 to 12"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY doesn't go"),
        ("FREQ=YEARLY;BYMONTHDAY=30", "say the month"),
        ("FREQ=MONTHLY;BYSETPOS=1", "chooses among"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "1 to 366"),
        ("FREQ=YEARLY;BYDAY=MO;BYSETPOS=1,2,3,4,5,6,7,8,9,10,11,12,13", "12 values"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO is not supported"),
        ("FREQ=YEARLY;BYYEARDAY=100", "BYYEARDAY is not supported"),
        ("FREQ=YEARLY;BYEASTER=0", "BYEASTER is not supported"),
        ("RSCALE=HEBREW;FREQ=YEARLY", "RSCALE is not supported"),
        ("DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY", "without DTSTART"),
        ("FREQ=DAILY;" + "BYDAY=" + "MO," * 200, "is the most"),
        ("FREQ=DAILY;\x00=1", "not supported"),
    ],
)
def test_a_rule_that_no_task_can_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(RecurrenceNotUnderstoodError, match=reason):
        kept(text)


@given(rules)
@settings(deadline=None)
def test_a_rule_comes_back_from_its_text(rule: Rule) -> None:
    assert parse_rule(str(rule), zone=VIENNA) == rule


@given(st.text(max_size=80) | st.text("FREQ=DAILYMONTHUINTERVAL;BYHS0123456789,-", max_size=80))
@settings(deadline=None)
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text, zone=VIENNA)
    except RecurrenceNotUnderstoodError:
        return
    assert kept(str(rule)) == str(rule)


def test_an_end_is_a_moment_in_utc() -> None:
    rule = parse_rule("FREQ=DAILY;UNTIL=20261231", zone=ZoneInfo("America/New_York"))
    assert rule.until == datetime(2027, 1, 1, 4, 59, 59, tzinfo=UTC)
