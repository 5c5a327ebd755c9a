"""The day that words without a time of day mean: "next friday", "in 3 weeks", "the 15th"."""

import re
from calendar import monthrange
from datetime import date, datetime, time, timedelta

from dateparser.date import DateDataParser  # type: ignore[import-untyped]

from ..texts import quoted
from .calendar_words import AMOUNT, MONTH, WEEKDAY, WEEKDAYS, weekday_number
from .figures import read_figures

_NAMED = rf"(?P<weekday>{WEEKDAY})"
_DAY = r"(?:the )?\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?: (?P<year>\d{4}))?"
_MONTH_DATE = re.compile(rf"(?:{_DAY} (?:of )?{MONTH}|{MONTH} {_DAY}){_YEAR}")
_AMOUNT = rf"(?:{AMOUNT}|an?)"
_CLOCK_UNIT = r"(?:h|hrs?|hours?|m|mins?|minutes?)"
# "2026 week" is no span.
_DAYS = rf"(?:{_AMOUNT} days?|(?!\d{{4}}){_AMOUNT} (?:weeks?|fortnights?|months?|years?))"
CLOCK_SPAN = re.compile(
    rf"(?:in )?{_AMOUNT} ?{_CLOCK_UNIT}(?: (?:and )?{_AMOUNT} ?{_CLOCK_UNIT})?(?: from now)?"
)
_DAY_SPAN = re.compile(
    rf"(?:in )?{_DAYS}(?: (?:and )?{_DAYS})?(?: from (?:now|today))?"
    r"|next (?:week|month|year)"
)


def read_day(words: str, today: date, *, order: str | None, notes: list[str]) -> date:
    """The day that words in lower case mean to somebody for whom it is `today`.

    `order` is that of figures in a date, as `locales.date_order` gives it. Where the words could
    have been meant otherwise, a sentence is added to `notes`.

    Raises:
        ValueError: they can't be read, or can be read in two ways.
    """
    words = re.sub(r"^the (?=day |end |week)", "", words)
    words = re.sub(r"(?<=\d)\. (?=[a-z])", " ", words)
    named = {"today": 0, "tomorrow": 1, "tmrw": 1, "day after tomorrow": 2, "yesterday": -1}
    if words in named:
        return today + timedelta(days=named[words])
    if re.fullmatch(r"\d{4}-\d\d-\d\d", words):
        return date.fromisoformat(words)
    if found := re.fullmatch(rf"(?:(?P<which>this|this coming|coming|next) )?{_NAMED}", words):
        return _weekday(found["weekday"], found["which"], today, notes)
    if (found := re.fullmatch(rf"next week (?:on )?{_NAMED}", words)) or (
        found := re.fullmatch(rf"{_NAMED} (?:of )?next week", words)
    ):
        return _next_week(found["weekday"], today)
    if found := re.fullmatch(rf"{_NAMED} (?:the )?(?P<date>.*\d.*)", words):
        day = read_day(found["date"], today, order=order, notes=notes)
        return _checked_weekday(day, found["weekday"])
    if (end := _end_of_period(words, today)) is not None:
        return end
    if found := re.fullmatch(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)", words):
        return _day_of_month(int(found[1]), today)
    if (figures := read_figures(words, order)) is not None:
        notes += figures.notes
        if figures.year is not None:
            return date(figures.year, figures.month, figures.day)
        return _next_date(figures.month, figures.day, today, notes)
    if found := _MONTH_DATE.fullmatch(words):
        # dateparser moves a date that isn't later than its base; today's is meant as today.
        base = datetime.combine(today - timedelta(days=1), time())
        day = ask_dateparser(words, "absolute-time", base).date()
        if found["year"] is None:
            _note_another_year(day, today, notes)
        return day
    if _DAY_SPAN.fullmatch(words):
        day = ask_dateparser(words, "relative-time", datetime.combine(today, time())).date()
        if words.startswith("next"):
            notes.append(
                f"{quoted(words)} is read as {_said(day)}; say so if another day is meant."
            )
        return day
    raise ValueError(f"{quoted(words)} is no day")


def _said(day: date) -> str:
    return f"{day:%A}, {day.isoformat()}"


def _weekday(name: str, which: str | None, today: date, notes: list[str]) -> date:
    ahead = (weekday_number(name) - today.weekday()) % 7
    if which == "next":
        day = _next_week(name, today)
        if 0 < ahead < (day - today).days:
            sooner = today + timedelta(days=ahead)
            notes.append(
                f'"next {name}" is read as the one of next week, {_said(day)}; '
                f'"{name}" is {sooner.isoformat()}.'
            )
        return day
    # On a Friday "friday" is a week away, as who means today says so; "this friday" is today.
    if ahead == 0 and which != "this":
        notes.append(f"Today is a {today:%A}: that of next week is meant, not today.")
        ahead = 7
    return today + timedelta(days=ahead)


def _next_week(name: str, today: date) -> date:
    return today + timedelta(days=7 - today.weekday() + weekday_number(name))


def _checked_weekday(day: date, weekday: str) -> date:
    if day.weekday() != weekday_number(weekday):
        raise ValueError(f"{day.isoformat()} is a {WEEKDAYS[day.weekday()].capitalize()}")
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


def _next_date(month: int, day: int, today: date, notes: list[str]) -> date:
    """The next day with this date; years without a 29th of February are passed over."""
    if not 1 <= month <= 12 or not 1 <= day <= monthrange(2028, month)[1]:
        raise ValueError(f"there is no day {day} in a month {month}")
    year = today.year
    while day > monthrange(year, month)[1] or date(year, month, day) < today:
        year += 1
    found = date(year, month, day)
    _note_another_year(found, today, notes)
    return found


def _note_another_year(day: date, today: date, notes: list[str]) -> None:
    """Said in November, the 3rd of October may have been that of this year."""
    if day.year > today.year + 1:
        notes.append(f"The next one is in {day.year}: {day.isoformat()} is meant.")
    elif (
        day.year > today.year
        and (today - day.replace(year=today.year, day=min(day.day, 28))).days < 180
    ):
        notes.append(f"No year was said; that of this year is past, so {day.isoformat()} is meant.")


def ask_dateparser(phrase: str, parser: str, base: datetime) -> datetime:
    """What dateparser makes of a phrase of a known form, as a time without a zone.

    Raises:
        ValueError: nothing.
    """
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
