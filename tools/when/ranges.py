"""Which days somebody means who looks for tasks: "today", "next 7 days", "december"."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

from ..errors import DueNotUnderstoodError
from ..texts import quoted
from .calendar_words import AMOUNT, MONTH, MONTHS, month_number, number
from .clock_times import existing
from .dates import YEARS, read_phrase, tidied
from .locales import in_english

FORMS = (
    '"today", "tomorrow", "overdue", "this week", "next 7 days", "next month", "december", '
    '"2026-12", "2026-12-01/2026-12-31", "until friday", "after 1 december"'
)

_PERIOD = re.compile(
    r"(?P<which>this|current|next|last|previous|the) (?P<unit>week|weekend|month|quarter|year)"
)
_DAYS_AHEAD = re.compile(
    r"(?:in |within |over )?(?:the )?(?P<which>next|coming|following|last|past|previous) "
    rf"(?P<amount>{AMOUNT}) (?P<unit>day|week|month|year)s"
)
# Words before a slash, which stands in "3/4 to 5/4" as well.
_EACH_SIDE = re.compile(
    r"(?P<whole>from |between )?"
    r"(?:(?P<first>.+?) (?P<word>to|until|till|and|or|through|-|–) (?P<last>.+)"
    r"|(?P<before>.+?) ?/ ?(?P<after>.+))"
)
_UP_TO = re.compile(r"(?P<which>until|till|by|up to|before|after|from|since|starting) (?P<day>.+)")


@dataclass(frozen=True, slots=True)
class Range:
    """Moments from `start` on and before `end`; None has no bound on that side."""

    start: datetime | None
    end: datetime | None
    notes: tuple[str, ...] = ()


def read_range(text: str, *, now: datetime, zone: ZoneInfo, locale: str | None = None) -> Range:
    """The moments that `text` means to somebody in `zone` at the moment `now`, as times there.

    - A day is from midnight to midnight; both days of "2026-12-01/2026-12-31" belong to it.
    - "overdue" is before now. Weeks begin on Monday; "next 7 days" begin with today, "last 7 days"
      end with it.
    - "until friday" has that Friday in it, "before friday" and "after friday" don't.

    Raises:
        DueNotUnderstoodError: it can't be read, or can be read in two ways.
    """
    now = now.astimezone(zone)
    try:
        phrase = tidied(text)
        found = _in_any_language(phrase, _Reader(now, zone, locale))
        if found.start is not None and found.end is not None and found.start >= found.end:
            raise ValueError(
                "it is a moment; give its day, or another moment after a slash"
                if found.start == found.end
                else "it ends before it begins"
            )
    except (ValueError, OverflowError) as error:
        raise DueNotUnderstoodError(
            f"The range {quoted(text)} was not understood: {error}. Forms that work: {FORMS}."
        ) from error
    return found


def _in_any_language(phrase: str, reader: "_Reader") -> Range:
    translated = in_english(phrase, reader.locale)
    try:
        return reader.read(translated)
    except ValueError:
        if translated == phrase:
            raise
        return reader.read(phrase)


class _Reader:
    def __init__(self, now: datetime, zone: ZoneInfo, locale: str | None) -> None:
        self.now, self.zone, self.locale = now, zone, locale
        self.today = now.date()

    def read(self, phrase: str) -> Range:
        if phrase in ("overdue", "past due", "late"):
            return Range(None, self.now)
        phrase = re.sub(r"^(?:due|on|in) (?!the )", "", phrase)
        if (found := self._open(phrase)) is not None:
            return found
        if phrase.endswith("/"):
            return Range(self._bounds(phrase.rstrip("/ ")).start, None)
        sides = _EACH_SIDE.fullmatch(phrase)
        try:
            return self._bounds(phrase)
        except ValueError:
            # "3/12" is a date that wasn't understood, and no range.
            if sides is None or re.fullmatch(r"[\d./-]{1,10}", phrase):
                raise
        first, last = sides["first"] or sides["before"], sides["last"] or sides["after"]
        if sides["word"] in ("and", "or") and not sides["whole"]:
            return self._both(first, last)
        return self._between(first, last)

    def _days(self, first: date, end: date, *notes: str) -> Range:
        """The days from `first` on and before `end`."""
        return Range(self._midnight(first), self._midnight(end), notes)

    def _midnight(self, day: date) -> datetime:
        if day.year not in YEARS:
            raise ValueError(f"the year has to be from {YEARS[0]} to {YEARS[-1]}")
        return existing(datetime.combine(day, time(), self.zone))

    def _period(self, phrase: str) -> Range | None:
        found = _PERIOD.fullmatch(phrase)
        if found is None:
            return None
        step = {"next": 1, "last": -1, "previous": -1}.get(found["which"], 0)
        if found["unit"] in ("week", "weekend"):
            monday = self.today + timedelta(days=7 * step - self.today.weekday())
            first = monday + timedelta(days=5 if found["unit"] == "weekend" else 0)
            return self._days(first, monday + timedelta(days=7))
        months = {"month": 1, "quarter": 3, "year": 12}[found["unit"]]
        begin = (self.today.month - 1) // months * months + months * step
        return self._days(self._first(begin), self._first(begin + months))

    def _first(self, months: int) -> date:
        """The first day of the month that begins as many months after January of this year."""
        return date(self.today.year + months // 12, months % 12 + 1, 1)

    def _span(self, phrase: str) -> Range | None:
        found = _DAYS_AHEAD.fullmatch(phrase)
        if found is None:
            return None
        amount = number(found["amount"])
        if amount == 0:
            raise ValueError("it is empty")
        tomorrow = self.today + timedelta(days=1)
        if found["which"] in ("last", "past", "previous"):
            return self._days(self._later(tomorrow, -amount, found["unit"]), tomorrow)
        return self._days(self.today, self._later(self.today, amount, found["unit"]))

    def _later(self, day: date, amount: int, unit: str) -> date:
        later: date = day + relativedelta(**{f"{unit}s": amount})
        return later

    def _month(self, phrase: str) -> Range | None:
        if found := re.fullmatch(r"(\d{4})(?:-(\d\d))?", phrase):
            begin = (int(found[1]) - self.today.year) * 12 + (int(found[2]) - 1 if found[2] else 0)
            if found[2] and not 1 <= int(found[2]) <= 12:
                raise ValueError(f"there is no month {found[2]}")
            return self._days(self._first(begin), self._first(begin + (1 if found[2] else 12)))
        found = re.fullmatch(
            rf"(?:(?P<which>this|next|last) )?(?P<name>{MONTH})(?: (?P<year>\d{{4}}))?", phrase
        )
        if found is None:
            return None
        month = month_number(found["name"]) - 1
        if found["year"]:
            begin = (int(found["year"]) - self.today.year) * 12 + month
            return self._days(self._first(begin), self._first(begin + 1))
        notes: tuple[str, ...] = ()
        if found["which"] == "last":
            begin = month if month < self.today.month - 1 else month - 12
        elif month < self.today.month - 1 or (
            found["which"] == "next" and month == self.today.month - 1
        ):
            begin = month + 12
            notes = (
                f"{MONTHS[month].capitalize()} is read as that of {self.today.year + 1}; for the "
                f'one that is past say "{MONTHS[month]} {self.today.year}".',
            )
        else:
            begin = month
        return self._days(self._first(begin), self._first(begin + 1), *notes)

    def _open(self, phrase: str) -> Range | None:
        found = _UP_TO.fullmatch(phrase)
        if found is None or _EACH_SIDE.fullmatch(phrase):
            return None
        bounds = self._bounds(found["day"])
        if found["which"] == "since" and bounds.start is not None and bounds.start > self.now:
            week_ago = _Reader(self.now - timedelta(days=7), self.zone, self.locale)
            bounds = week_ago._bounds(found["day"])
        if found["which"] in ("until", "till", "by", "up to"):
            return Range(None, bounds.end, bounds.notes)
        if found["which"] == "before":
            return Range(None, bounds.start, bounds.notes)
        return Range(bounds.end if found["which"] == "after" else bounds.start, None, bounds.notes)

    def _between(self, first: str, last: str) -> Range:
        start, end = self._bounds(first), self._bounds(last)
        if start.start is not None and end.end is not None and end.end <= start.start:
            # Said on a Wednesday, "monday to friday" is both of next week.
            end = _Reader(start.start, self.zone, self.locale)._bounds(last)
        return Range(start.start, end.end, start.notes + end.notes)

    def _both(self, first: str, last: str) -> Range:
        """What two days or periods have in them, where nothing lies between."""
        found, start = self._between(first, last), self._bounds(first)
        end = self._bounds(last)
        if start.end is None or end.start is None or end.start > start.end or end.end != found.end:
            raise ValueError(
                "those between may be meant, or not; ask for each by itself, or say "
                f'"{first} to {last}" for all'
            )
        return found

    def _bounds(self, phrase: str) -> Range:
        """What a phrase for a day, a moment or a period lies between."""
        for form in (self._period, self._span, self._month):
            if (found := form(phrase)) is not None:
                return found
        due = read_phrase(phrase, now=self.now, zone=self.zone, locale=self.locale)
        if due.names_time:
            return Range(due.moment, due.moment, due.notes)
        day = due.moment.date()
        return self._days(day, day + timedelta(days=1), *due.notes)
