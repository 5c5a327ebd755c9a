"""What people say about how a task repeats, and the rule that is understood."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.rules import rules
from tools.errors import RecurrenceNotUnderstoodError
from tools.when.dates import read_due
from tools.when.recurrence import Recurrence, describe, next_occurrence, read_recurrence
from tools.when.rrules import Rule, parse_rule

VIENNA = ZoneInfo("Europe/Vienna")
#: A Wednesday.
NOW = datetime(2026, 11, 18, 10, 0, 30, tzinfo=VIENNA)
WORKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"


def said(phrase: str, now: datetime = NOW, locale: str | None = None) -> Recurrence:
    return read_recurrence(phrase, now=now, zone=VIENNA, locale=locale)


def begun(phrase: str, due: str) -> Recurrence:
    return said(phrase).beginning(read_due(due, now=NOW, zone=VIENNA), now=NOW)


def first(recurrence: Recurrence) -> str:
    return recurrence.first.isoformat(" ", "minutes")[:16]


@pytest.mark.parametrize(
    ("phrase", "rule", "expected"),
    [
        # Days.
        ("every day", "FREQ=DAILY", "2026-11-18 23:59"),
        ("Daily at 9", "FREQ=DAILY", "2026-11-19 09:00"),
        ("daily at 11", "FREQ=DAILY", "2026-11-18 11:00"),
        ("every 3 days", "FREQ=DAILY;INTERVAL=3", "2026-11-18 23:59"),
        ("every other day at 9am", "FREQ=DAILY;INTERVAL=2", "2026-11-19 09:00"),
        ("every morning", "FREQ=DAILY", "2026-11-19 09:00"),
        ("every other night", "FREQ=DAILY;INTERVAL=2", "2026-11-18 20:00"),
        ("once a day", "FREQ=DAILY", "2026-11-18 23:59"),
        # Several times a day.
        ("daily at 8, 12 and 20", "FREQ=DAILY;BYHOUR=8,12,20;BYMINUTE=0", "2026-11-18 12:00"),
        ("every day at 9:30 and 5:30pm", "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=30", "2026-11-18 17:30"),
        # Weeks.
        ("every tuesday", "FREQ=WEEKLY;BYDAY=TU", "2026-11-24 23:59"),
        ("every wednesday", "FREQ=WEEKLY;BYDAY=WE", "2026-11-18 23:59"),
        ("Tuesdays and Thursdays at 9", "FREQ=WEEKLY;BYDAY=TU,TH", "2026-11-19 09:00"),
        ("on mondays", "FREQ=WEEKLY;BYDAY=MO", "2026-11-23 23:59"),
        ("mon, wed, fri", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "2026-11-18 23:59"),
        ("every mon, wed and fri", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "2026-11-18 23:59"),
        ("every second tuesday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "2026-11-24 23:59"),
        ("every other friday at noon", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "2026-11-20 12:00"),
        ("every 2 weeks on mon and thu", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "2026-11-19 23:59"),
        ("every three weeks on saturday", "FREQ=WEEKLY;INTERVAL=3;BYDAY=SA", "2026-11-21 23:59"),
        ("fortnightly on friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "2026-11-20 23:59"),
        ("weekly", "FREQ=WEEKLY", "2026-11-18 23:59"),
        ("once a week on friday", "FREQ=WEEKLY;BYDAY=FR", "2026-11-20 23:59"),
        ("every weekday at 8", WORKDAYS, "2026-11-19 08:00"),
        ("every working day", WORKDAYS, "2026-11-18 23:59"),
        ("on weekdays", WORKDAYS, "2026-11-18 23:59"),
        ("monday to friday", WORKDAYS, "2026-11-18 23:59"),
        ("every sat-mon", "FREQ=WEEKLY;BYDAY=MO,SA,SU", "2026-11-21 23:59"),
        ("at 4pm every thursday", "FREQ=WEEKLY;BYDAY=TH", "2026-11-19 16:00"),
        ("every monday morning", "FREQ=WEEKLY;BYDAY=MO", "2026-11-23 09:00"),
        # Months.
        ("monthly", "FREQ=MONTHLY", "2026-11-18 23:59"),
        ("monthly on the 15th", "FREQ=MONTHLY;BYMONTHDAY=15", "2026-12-15 23:59"),
        ("every month on the 1st and 15th", "FREQ=MONTHLY;BYMONTHDAY=1,15", "2026-12-01 23:59"),
        ("on the 1st of every month at 9", "FREQ=MONTHLY;BYMONTHDAY=1", "2026-12-01 09:00"),
        ("the first of each month", "FREQ=MONTHLY;BYMONTHDAY=1", "2026-12-01 23:59"),
        ("every 15th", "FREQ=MONTHLY;BYMONTHDAY=15", "2026-12-15 23:59"),
        ("last day of the month", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-11-30 23:59"),
        ("every last day of the month", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-11-30 23:59"),
        ("last friday of the month", "FREQ=MONTHLY;BYDAY=-1FR", "2026-11-27 23:59"),
        ("every last friday", "FREQ=MONTHLY;BYDAY=-1FR", "2026-11-27 23:59"),
        ("second tuesday of the month", "FREQ=MONTHLY;BYDAY=2TU", "2026-12-08 23:59"),
        ("first and third monday of every month", "FREQ=MONTHLY;BYDAY=1MO,3MO", "2026-12-07 23:59"),
        (
            "last workday of the month",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "2026-11-30 23:59",
        ),
        ("every 3 months on the 1st", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1", "2026-12-01 23:59"),
        ("quarterly", "FREQ=MONTHLY;INTERVAL=3", "2026-11-18 23:59"),
        ("every monday in june and july", "FREQ=WEEKLY;BYMONTH=6,7;BYDAY=MO", "2027-06-07 23:59"),
        # Years.
        ("yearly", "FREQ=YEARLY", "2026-11-18 23:59"),
        ("every year on 24 december", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "2026-12-24 23:59"),
        ("annually on the 3rd of march", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=3", "2027-03-03 23:59"),
        ("every december 24 at 6pm", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "2026-12-24 18:00"),
        (
            "every 2 years on may 1",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=5;BYMONTHDAY=1",
            "2027-05-01 23:59",
        ),
        ("every first monday of september", "FREQ=YEARLY;BYMONTH=9;BYDAY=1MO", "2027-09-06 23:59"),
        # Ends, and beginnings.
        (
            "every tuesday until 1 june",
            "FREQ=WEEKLY;BYDAY=TU;UNTIL=20270601T215959Z",
            "2026-11-24 23:59",
        ),
        ("every day at 9, 10 times", "FREQ=DAILY;COUNT=10", "2026-11-19 09:00"),
        ("every day for five times", "FREQ=DAILY;COUNT=5", "2026-11-18 23:59"),
        (
            "daily starting monday until 24 december",
            "FREQ=DAILY;UNTIL=20261224T225959Z",
            "2026-11-23 23:59",
        ),
        # Rules.
        ("FREQ=DAILY;BYHOUR=8,14", "FREQ=DAILY;BYHOUR=8,14;BYMINUTE=0", "2026-11-18 14:00"),
        ("FREQ=YEARLY;BYMONTH=6", "FREQ=YEARLY;BYMONTH=6", "2027-06-01 23:59"),
        ("FREQ=WEEKLY;BYDAY=TU", "FREQ=WEEKLY;BYDAY=TU", "2026-11-24 23:59"),
        ("RRULE:freq=daily;byhour=9", "FREQ=DAILY", "2026-11-19 09:00"),
        (
            "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=30",
            "FREQ=DAILY;BYHOUR=9,17;BYMINUTE=30",
            "2026-11-18 17:30",
        ),
    ],
)
def test_a_phrase_means_a_rule_and_a_first_time(phrase: str, rule: str, expected: str) -> None:
    recurrence = said(phrase)
    assert (recurrence.rule, first(recurrence)) == (rule, expected)
    assert not recurrence.from_completion


@pytest.mark.parametrize(
    ("phrase", "rule"),
    [
        ("every 3 days after completion", "FREQ=DAILY;INTERVAL=3"),
        ("3 days after completion", "FREQ=DAILY;INTERVAL=3"),
        ("a week after it's done", "FREQ=WEEKLY"),
        ("every 2 weeks after I finish it", "FREQ=WEEKLY;INTERVAL=2"),
        ("monthly from completion", "FREQ=MONTHLY"),
        ("every 6 months after being completed", "FREQ=MONTHLY;INTERVAL=6"),
        ("FREQ=DAILY;INTERVAL=3 after completion", "FREQ=DAILY;INTERVAL=3"),
    ],
)
def test_some_are_counted_from_completion(phrase: str, rule: str) -> None:
    recurrence = said(phrase)
    assert (recurrence.rule, recurrence.from_completion) == (rule, True)


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("", "characters are needed"),
        ("friday", "how it repeats"),
        ("tomorrow", "how it repeats"),
        ("every", "how it repeats"),
        ("sometimes", "how it repeats"),
        ("every friday except holidays", "no exceptions"),
        ("every day except sunday", "no exceptions"),
        ("every day for 2 weeks", "until 1 june"),
        ("every day with joy", "doesn't go with"),
        ("every 32nd", "no day of a month"),
        ("monthly on the 0th", "no day of a month"),
        ("every 31st of february", "no day 31"),
        ("every year on 30 february", "no day 30"),
        ("every 0 days", "0"),
        ("every 5000 days", "1000"),
        ("every day, 0 times", "1000"),
        ("every day at 25", "no time 25"),
        ("every day at 9 and 17:30", "same minute"),
        ("every day until yesterday", "ends before it begins"),
        ("every day until soon", "no day"),
        ("every day until friday at 9", "the time before it"),
        ("x" * 400, "characters are needed"),
        # Said in two ways.
        ("biweekly", "two things"),
        ("bi-monthly", "two things"),
        ("twice a week", "on which days"),
        ("three times a day", "at which times"),
        # Too often.
        ("hourly", "daily at most"),
        ("every 4 hours", "daily at most"),
        ("every 10 minutes", "daily at most"),
        # Counted from completion no day is certain.
        ("every monday after completion", "only a span"),
        ("every 3 days after completion, 5 times", "until"),
        # Rules.
        ("FREQ=HOURLY", "daily at most"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no such day"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9", "no such day"),
        ("FREQ=YEARLY;BYMONTH=1;BYSETPOS=2", "no such day"),
        ("FREQ=WEEKLY;BYDAY=XX", "no weekday"),
    ],
)
def test_a_phrase_that_is_not_clear_is_refused(phrase: str, reason: str) -> None:
    with pytest.raises(RecurrenceNotUnderstoodError, match=reason):
        said(phrase)


@pytest.mark.parametrize(
    ("phrase", "rule", "note"),
    [
        ("monthly on the 31st", "FREQ=MONTHLY;BYMONTHDAY=-1", "without a 31st"),
        ("every 30th", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "without a 30th"),
        ("every month on the 29th", "FREQ=MONTHLY;BYMONTHDAY=28,29;BYSETPOS=-1", "without a 29th"),
        ("every year on 29 feb", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "on the 28th"),
    ],
)
def test_a_day_that_some_months_lack_is_on_their_last_with_a_note(
    phrase: str, rule: str, note: str
) -> None:
    recurrence = said(phrase)
    assert recurrence.rule == rule
    assert note in recurrence.notes[0]


def test_a_day_that_some_months_lack_is_left_out_where_that_is_said() -> None:
    recurrence = said("every month on the 31st (where there is one)")
    assert (recurrence.rule, recurrence.notes) == ("FREQ=MONTHLY;BYMONTHDAY=31", ())


@pytest.mark.parametrize(
    ("phrase", "note"),
    [
        ("every second tuesday", "every 2 weeks"),
        ("every third friday", "third friday of the month"),
        ("every weekend", "Sunday"),
        ("every day at 5", "say 5pm"),
    ],
)
def test_what_could_have_been_meant_otherwise_is_noted(phrase: str, note: str) -> None:
    assert note in " ".join(said(phrase).notes)


@pytest.mark.parametrize(
    ("phrase", "due", "expected", "rule"),
    [
        # The day of the one, the time of the other.
        ("daily at 9", "next monday", "2026-11-23 09:00", "FREQ=DAILY"),
        ("every tuesday", "at 16:00", "2026-11-24 16:00", "FREQ=WEEKLY;BYDAY=TU"),
        ("every wednesday", "at 9", "2026-11-25 09:00", "FREQ=WEEKLY;BYDAY=WE"),
        ("every 3 days", "tomorrow at 9", "2026-11-19 09:00", "FREQ=DAILY;INTERVAL=3"),
        ("every 3 days at 9", "friday", "2026-11-20 09:00", "FREQ=DAILY;INTERVAL=3"),
        ("every 3 days starting monday", "at 9", "2026-11-23 09:00", "FREQ=DAILY;INTERVAL=3"),
        ("every 3 days starting today", "at 9", "2026-11-19 09:00", "FREQ=DAILY;INTERVAL=3"),
        ("weekly", "friday", "2026-11-20 23:59", "FREQ=WEEKLY"),
        (
            "daily at 8, 12 and 20",
            "friday",
            "2026-11-20 08:00",
            "FREQ=DAILY;BYHOUR=8,12,20;BYMINUTE=0",
        ),
        # From a 31st on, in every month.
        ("monthly", "31 december at 9", "2026-12-31 09:00", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        (
            "FREQ=MONTHLY",
            "2027-01-30",
            "2027-01-30 23:59",
            "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
        ),
        ("yearly", "2028-02-29", "2028-02-29 23:59", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
        ("monthly after completion", "31 december", "2026-12-31 23:59", "FREQ=MONTHLY"),
    ],
)
def test_with_a_due_time_each_gives_what_the_other_leaves_open(
    phrase: str, due: str, expected: str, rule: str
) -> None:
    recurrence = begun(phrase, due)
    assert (first(recurrence), recurrence.rule) == (expected, rule)


def test_a_time_that_the_clocks_skip_on_the_first_day_is_kept_for_the_others() -> None:
    before = datetime(2026, 3, 28, 10, tzinfo=VIENNA)
    recurrence = said("every day at 2:30", before)
    assert first(recurrence) == "2026-03-29 03:30"
    later = next_occurrence(
        recurrence.rule, start=recurrence.first, after=recurrence.first, zone=VIENNA
    )
    assert later == datetime(2026, 3, 30, 2, 30, tzinfo=VIENNA)
    assert in_words(recurrence) == "every day at 02:30"


def test_without_a_due_time_it_begins_when_it_says() -> None:
    recurrence = said("every tuesday at 9")
    assert recurrence.beginning(None, now=NOW) == recurrence


def test_what_the_rule_becomes_is_of_the_day_it_begins_on_in_the_end() -> None:
    last = datetime(2026, 12, 31, 10, tzinfo=VIENNA)
    today = said("monthly", last)
    assert today.rule == "FREQ=MONTHLY;BYMONTHDAY=-1"
    due = read_due("5 january", now=last, zone=VIENNA)
    assert today.beginning(due, now=last).rule == "FREQ=MONTHLY"


def test_two_times_of_day_are_asked_about() -> None:
    with pytest.raises(RecurrenceNotUnderstoodError, match="Ask which"):
        begun("daily at 9", "tomorrow at 10")


def test_a_first_time_after_the_end_is_refused() -> None:
    with pytest.raises(RecurrenceNotUnderstoodError, match="ends before"):
        begun("daily until 1 december", "5 december")


def test_a_first_day_on_which_it_does_not_repeat_counts_once_and_is_noted() -> None:
    recurrence = begun("every tuesday, 5 times", "friday")
    assert first(recurrence) == "2026-11-20 23:59"
    # Four on Tuesdays are left after it.
    assert recurrence.rule == "FREQ=WEEKLY;BYDAY=TU;COUNT=4"
    assert "is due then once" in recurrence.notes[0]


def test_names_of_days_may_be_those_of_the_locale() -> None:
    assert said("every montag", locale="de-AT").rule == "FREQ=WEEKLY;BYDAY=MO"
    assert said("every tuesday until 1.6.", locale="de-AT").rule.endswith("UNTIL=20270601T215959Z")
    with pytest.raises(RecurrenceNotUnderstoodError):
        said("every tuesday until 1/6")


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("every second tuesday at 9", "every second Tuesday at 09:00"),
        ("every 2 weeks on mon and thu", "every 2 weeks on Monday and Thursday"),
        ("every mon, wed and fri", "every Monday, Wednesday and Friday"),
        ("every weekday at 8", "every weekday at 08:00"),
        ("daily", "every day"),
        ("daily at 8, 12 and 20", "every day at 08:00, 12:00 and 20:00"),
        ("every 31st", "every month on the last day"),
        ("every 30th at 9", "every month on the 30th at 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=30", "every month on the 30th (where there is one)"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "every month on the 1st, the 15th and the last day"),
        ("first and third monday of every month", "every month on the first and third Monday"),
        ("last workday of the month", "every month on the last weekday"),
        ("every first monday of september", "every year on the first Monday of September"),
        ("every 24 december", "every year on 24 December"),
        ("every monday in june and july", "every Monday in June and July"),
        ("every 3 days after completion", "every 3 days after completion"),
        ("every tuesday until 1 june", "every Tuesday until 1 June 2027"),
        ("every day, 10 times", "every day, 10 times"),
        ("FREQ=YEARLY;BYDAY=20MO", "by the rule FREQ=YEARLY;BYDAY=20MO"),
    ],
)
def test_a_rule_has_words_for_people_which_mean_the_same_again(phrase: str, words: str) -> None:
    recurrence = said(phrase)
    assert in_words(recurrence) == words
    assert said(words).rule == recurrence.rule


def in_words(recurrence: Recurrence) -> str:
    return describe(
        recurrence.rule,
        start=recurrence.first,
        is_day=not recurrence.names_time,
        from_completion=recurrence.from_completion,
    )


WORDS = ["every", "each", "2", "3", "other", "second", "last", "first", "day", "days", "week"]
WORDS += ["weeks", "month", "months", "year", "of", "on", "the", "and", "monday", "friday", "feb"]
WORDS += ["weekday", "31st", "29", "15th", "at 9", "at 17:30", "until 1 june", "10 times", "in"]
WORDS += ["after completion", "daily", "weekly", "monthly", "mondays", "june", "starting friday"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join))
@settings(deadline=None)
def test_any_jumble_is_refused_or_comes_back_from_its_words(text: str) -> None:
    try:
        recurrence = said(text)
    except RecurrenceNotUnderstoodError:
        return
    assert recurrence.first > NOW
    assert str(parse_rule(recurrence.rule, zone=VIENNA)) == recurrence.rule
    again = said(in_words(recurrence))
    assert (again.rule, again.from_completion) == (recurrence.rule, recurrence.from_completion)
    if recurrence.names_time:
        assert again.first.time() == recurrence.first.time()


@given(rules)
@settings(deadline=None, max_examples=50)
def test_any_rule_comes_back_from_its_words(rule: Rule) -> None:
    try:
        recurrence = said(str(rule))
    except RecurrenceNotUnderstoodError:
        return
    assert recurrence.first > NOW
    start, before = recurrence.first, recurrence.first - timedelta(seconds=1)
    assert next_occurrence(recurrence.rule, start=start, after=before, zone=VIENNA) == start
    again = said(in_words(recurrence))
    # The words have the day of an end and not its time, as there is none after it.
    assert without_end(again.rule) == without_end(recurrence.rule)


def without_end(rule: str) -> Rule:
    return replace(parse_rule(rule, zone=VIENNA), until=None)


@given(st.text(max_size=120))
@settings(deadline=None)
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        said(text)
    except RecurrenceNotUnderstoodError as refusal:
        str(refusal).encode()
