"""When a task is due, in the words that people use, understood in their time zone.

The words are English, or ISO 8601. A model that speaks another language translates.

dateparser reads dates ("3rd of december") and spans ("in 3 weeks"). It is only shown phrases of a
form that it is known to read rightly: it skips words that it doesn't know, reads "may" as a day in
May, and moves "next friday" to this week, so that a phrase it half understands would become a wrong
date instead of a question.
"""

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateparser.date import DateDataParser  # type: ignore[import-untyped]

from .clock_times import END_OF_DAY, split_time
from .errors import DueNotUnderstoodError
from .texts import quoted

#: Characters that a due time may have; longer ones aren't looked at.
PHRASE_MAX = 100
#: Years that a due time may lie in. psycopg can't read back a time after the year 9999.
YEARS = range(1970, 3000)

FORMS = (
    '"2026-12-01", "2026-12-01T09:00", "tomorrow at 9", "friday 14:30", "next friday", '
    '"in 3 weeks", "3 december at 5pm", "end of month"'
)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY = (
    r"(?P<weekday>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|"
    r"fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?:the )?\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?: (?P<year>\d{4}))?"
_MONTH_DATE = re.compile(rf"(?:{_DAY} (?:of )?{_MONTH}|{_MONTH} {_DAY}){_YEAR}")
_AMOUNT = r"(?:\d{1,4}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_CLOCK_UNIT = r"(?:h|hrs?|hours?|m|mins?|minutes?)"
_DAY_UNIT = r"(?:days?|weeks?|fortnights?|months?|years?)"
_CLOCK_SPAN = re.compile(
    rf"(?:in )?{_AMOUNT} ?{_CLOCK_UNIT}(?: (?:and )?{_AMOUNT} ?{_CLOCK_UNIT})?(?: from now)?"
)
_DAY_SPAN = re.compile(
    rf"(?:in )?{_AMOUNT} {_DAY_UNIT}(?: (?:and )?{_AMOUNT} {_DAY_UNIT})?(?: from (?:now|today))?"
    r"|next (?:week|month|year)"
)


# Without a day, these mean today's; "noon" or "midnight" don't say of which day.
_TODAYS_END = re.compile(r"\b(?:eod|end of (?:the )?day)\b")


@dataclass(frozen=True, slots=True)
class Due:
    """A due time, and which of its parts somebody named; the other was supplied."""

    #: As a time in the zone of whoever named it.
    moment: datetime
    names_day: bool = True
    names_time: bool = True
    #: How it was understood, where it could have been meant otherwise: sentences for the model.
    notes: tuple[str, ...] = ()

    def instead_of(self, old: datetime | None, *, now: datetime) -> datetime:
        """The moment that is meant for a task that has been due at `old`.

        A day alone keeps the time of day that the task had, in the zone of `moment`; a time alone
        keeps its day, unless that moment is past at `now`.
        """
        if old is None or (self.names_day and self.names_time):
            return self.moment
        zone = self.moment.tzinfo
        old = old.astimezone(zone)
        if self.names_day:
            at = old.time().replace(fold=0)
            return _existing(datetime.combine(self.moment, at, zone))
        at = self.moment.time().replace(fold=0)
        kept = _existing(datetime.combine(old, at, zone))
        return kept if kept > now else self.moment


def parse_due(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The moment that `text` means to somebody in `zone` at the moment `now`, as a time there.

    - A day without a time of day ends at 23:59. A time without a day is the next such time.
    - "friday" is the first one after today, "next friday" the one of the next week, which begins on
      Monday. A date without a year is the next such date.
    - "in 2 hours" is two hours later, also on the day that the clocks change; a time that the
      clocks skip is moved forward by as much, of a time that comes twice the first is meant.

    Raises:
        DueNotUnderstoodError: it can't be read, or can be read in two ways (03/04/2026).
    """
    return read_due(text, now=now, zone=zone).moment


def read_due(text: str, *, now: datetime, zone: ZoneInfo, locale: str | None = None) -> Due:
    """What `parse_due` finds, with what `text` names of it: the day, the time of day, or both.

    Raises:
        DueNotUnderstoodError: as `parse_due`.
    """
    phrase = " ".join(text[: PHRASE_MAX + 1].casefold().replace(",", " ").split()).rstrip(" .!?")
    phrase = phrase.replace("half an hour", "30 minutes")
    try:
        if not phrase or len(text) > PHRASE_MAX:
            raise ValueError("give a date, a time or both")
        due = _read(phrase, now.astimezone(zone), zone)
        due = replace(due, moment=_existing(due.moment))
        if due.moment.year not in YEARS:
            raise ValueError(f"the year has to be from {YEARS[0]} to {YEARS[-1]}")
    except (ValueError, OverflowError) as error:
        raise DueNotUnderstoodError(
            f"The due time {quoted(text)} was not understood: {error}. Forms that work: {FORMS}."
        ) from error
    return due


@dataclass(frozen=True, slots=True)
class Start:
    """The day from which on somebody can or wants to do a task."""

    day: date
    #: How it was understood, where it could have been meant otherwise: sentences for the model.
    notes: tuple[str, ...] = ()


def read_start(text: str, *, now: datetime, zone: ZoneInfo, locale: str | None = None) -> Start:
    """The day that `text` means to somebody in `zone`; a time of day beside it is left out.

    Raises:
        DueNotUnderstoodError: as `parse_due`, or it names no day.
    """
    due = read_due(text, now=now, zone=zone, locale=locale)
    if not due.names_day:
        raise DueNotUnderstoodError(
            f"The start {quoted(text)} names no day. A task starts on a day; forms that work: "
            '"2026-12-01", "tomorrow", "next friday", "in 3 weeks".'
        )
    left_out = (f"A task starts on a day: the time in {quoted(text)} is left out.",)
    return Start(due.moment.date(), due.notes + (left_out if due.names_time else ()))


def _existing(moment: datetime) -> datetime:
    """The same time, moved forward if the clocks skip it: it doesn't survive the way to UTC."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo)


def _read(phrase: str, now: datetime, zone: ZoneInfo) -> Due:
    # fromisoformat() also takes week dates and bare digits, which differ between Python versions.
    if re.fullmatch(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d\S*", phrase):
        exact = datetime.fromisoformat(phrase.upper())
        return Due(exact.replace(tzinfo=zone) if exact.tzinfo is None else exact.astimezone(zone))
    if _CLOCK_SPAN.fullmatch(phrase):
        moment = _ask_dateparser(phrase, "relative-time", now.astimezone(UTC)).replace(tzinfo=UTC)
        return Due(moment.replace(second=0, microsecond=0).astimezone(zone))
    split = split_time(phrase)
    words = re.sub(r"^(?:(?:due|by|on|until|till|before|for|to) )+", "", split.day)
    if words:
        day = _day(words, now.date())
    elif split.time is None:
        raise ValueError("give a date, a time or both")
    else:
        coming = split.time > now.time().replace(tzinfo=None)
        day = now.date() if coming else now.date() + timedelta(days=1)
    at = split.time or END_OF_DAY
    if "tonight" in phrase and day == now.date() and at <= now.time():
        at = END_OF_DAY
    return Due(
        datetime.combine(day, at, zone),
        names_day=bool(words) or _TODAYS_END.search(phrase) is not None,
        names_time=split.time is not None,
    )


def _day(words: str, today: date) -> date:
    """The day that words without a time of day mean."""
    words = re.sub(r"^the (?=day |end |week)", "", words)
    named = {"today": 0, "tomorrow": 1, "tmrw": 1, "day after tomorrow": 2, "yesterday": -1}
    if words in named:
        return today + timedelta(days=named[words])
    if re.fullmatch(r"\d{4}-\d\d-\d\d", words):
        return date.fromisoformat(words)
    if found := re.fullmatch(rf"(?:(?P<which>this|this coming|coming|next) )?{_WEEKDAY}", words):
        return _weekday(_weekday_number(found["weekday"]), found["which"], today)
    if (found := re.fullmatch(rf"next week (?:on )?{_WEEKDAY}", words)) or (
        found := re.fullmatch(rf"{_WEEKDAY} (?:of )?next week", words)
    ):
        return _weekday(_weekday_number(found["weekday"]), "next", today)
    if found := re.fullmatch(rf"{_WEEKDAY} (?:the )?(?P<date>.*\d.*)", words):
        return _checked_weekday(_day(found["date"], today), found["weekday"])
    if (end := _end_of_period(words, today)) is not None:
        return end
    if found := re.fullmatch(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)", words):
        return _day_of_month(int(found[1]), today)
    if found := re.fullmatch(r"(\d{1,2})([/.])(\d{1,2})[/.](\d{4})", words):
        return _figures(*found.groups())
    if found := _MONTH_DATE.fullmatch(words):
        # dateparser moves a date that isn't later than its base; today's is meant as today.
        base = datetime.combine(today - timedelta(days=1), time())
        return _ask_dateparser(words, "absolute-time", base).date()
    if _DAY_SPAN.fullmatch(words):
        return _ask_dateparser(words, "relative-time", datetime.combine(today, time())).date()
    raise ValueError(f"{quoted(words)} is no day")


def _weekday_number(name: str) -> int:
    return next(number for number, day in enumerate(_WEEKDAYS) if day.startswith(name[:3]))


def _weekday(number: int, which: str | None, today: date) -> date:
    if which == "next":
        monday = today + timedelta(days=7 - today.weekday())
        return monday + timedelta(days=number)
    ahead = (number - today.weekday()) % 7
    # On a Friday "friday" is a week away, as who means today says so; "this friday" is today.
    return today + timedelta(days=ahead or (0 if which == "this" else 7))


def _checked_weekday(day: date, weekday: str) -> date:
    if day.weekday() != _weekday_number(weekday):
        raise ValueError(f"{day.isoformat()} is a {_WEEKDAYS[day.weekday()].capitalize()}")
    return day


def _end_of_period(words: str, today: date) -> date | None:
    """The last day of a week, which ends on Sunday, of a month or of a year."""
    found = re.fullmatch(
        r"(?:end of (?:the )?)?(?P<which>this |next )?(?P<period>week(?:end)?|month|year)", words
    )
    # "next week" is a span, seven days from now; "the end of next week" and "next weekend" aren't.
    if found is None or not (
        words.startswith("end of") or found["which"] == "this " or found["period"] == "weekend"
    ):
        return None
    step = 1 if found["which"] == "next " else 0
    if found["period"].startswith("week"):
        return today + timedelta(days=6 - today.weekday() + 7 * step)
    if found["period"] == "year":
        return date(today.year + step, 12, 31)
    year, month = divmod(today.year * 12 + today.month - 1 + step, 12)
    return date(year, month + 1, monthrange(year, month + 1)[1])


def _day_of_month(number: int, today: date) -> date:
    """The next day with this number; months without it are passed over."""
    if not 1 <= number <= 31:
        raise ValueError(f"no month has a day {number}")
    day = today
    while day.day != number:
        day += timedelta(days=1)
    return day


def _figures(first: str, separator: str, second: str, year: str) -> date:
    """3.12.2026 is the 3rd of December; with slashes it depends on the country."""
    if separator == "." or int(first) > 12:
        return date(int(year), int(second), int(first))
    if int(second) > 12 or first == second:
        return date(int(year), int(first), int(second))
    raise ValueError("day and month may be meant either way round; write the month's name")


def _ask_dateparser(phrase: str, parser: str, base: datetime) -> datetime:
    """What dateparser makes of a phrase of a known form, as a time without a zone."""
    data = DateDataParser(
        languages=["en"],
        settings={
            "PARSERS": [parser],
            "RELATIVE_BASE": base.replace(tzinfo=None),
            "PREFER_DATES_FROM": "future",
            # Without it the machine's own zone is looked up.
            "TIMEZONE": "UTC",
            "RETURN_AS_TIMEZONE_AWARE": False,
            "REQUIRE_PARTS": ["day", "month"] if parser == "absolute-time" else [],
        },
    ).get_date_data(phrase)
    if data is None or data.date_obj is None:
        raise ValueError(f"{quoted(phrase)} is no date")
    found: datetime = data.date_obj
    return found
