"""When a task is due, in the words that people use, understood in their time zone.

The words are English, or ISO 8601; names of days and months, and figures, may be those of the
user's locale. A model that speaks another language translates the rest.

dateparser reads dates ("3rd of december") and spans ("in 3 weeks"). It is only shown phrases of a
form that it is known to read rightly: it skips words that it doesn't know, reads "may" as a day in
May, and moves "next friday" to this week, so that a phrase it half understands would become a wrong
date instead of a question.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..errors import DueNotUnderstoodError
from ..texts import quoted
from .clock_times import END_OF_DAY, existing, split_time
from .day_words import CLOCK_SPAN, ask_dateparser, read_day
from .locales import date_order, in_english

#: Characters that a due time may have; longer ones aren't looked at.
PHRASE_MAX = 100
#: Years that a due time may lie in. psycopg can't read back a time after the year 9999.
YEARS = range(1970, 3000)

FORMS = (
    '"2026-12-01", "2026-12-01T09:00", "tomorrow at 9", "friday 14:30", "next friday", '
    '"in 3 weeks", "3 december at 5pm", "end of month"'
)

#: Until then people may still call the day before today.
_SMALL_HOURS = 4
_POINTED = re.compile(r"\d\.\d{1,2}\.$")
# Without a day, these mean today's; "noon" or "midnight" don't say of which day.
_TODAYS_END = re.compile(r"\b(?:eod|end of (?:the )?day)\b")


@dataclass(frozen=True, slots=True)
class Due:
    """A due time, and which of its parts somebody named; the other was supplied."""

    #: As a time in the zone of whoever named it.
    moment: datetime
    names_day: bool = True
    names_time: bool = True
    #: The time of day that was named, where the clocks may skip it on the day of `moment`.
    at: time | None = None
    #: How the words were understood, where they could have been meant otherwise: sentences for the
    #: model.
    on_words: tuple[str, ...] = ()
    #: What is unusual about `moment`, or about what was supplied of it.
    on_moment: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """All that is to be told of it."""
        return self.on_words + self.on_moment

    @property
    def time_of_day(self) -> time:
        """The time on the clock that was named, or supplied."""
        return self.at or self.moment.time().replace(fold=0)

    def instead_of(self, old: datetime | None, *, now: datetime) -> "Due":
        """What is meant for a task that has been due at `old`.

        A day alone keeps the time of day that the task had, in the zone of `moment`; a time alone
        keeps its day, unless that moment is past at `now`.
        """
        if old is None or (self.names_day and self.names_time):
            return self
        zone = self.moment.tzinfo
        old = old.astimezone(zone)
        if self.names_day:
            moment = datetime.combine(self.moment, old.time().replace(fold=0), zone)
        else:
            moment = datetime.combine(old, self.time_of_day, zone)
        kept = _placed(replace(self, moment=moment, names_time=True, on_moment=()))
        if not self.names_day and kept.moment <= now:
            return self
        return _marked_if_past(kept, now)


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
    try:
        due = read_phrase(tidied(text), now=now.astimezone(zone), zone=zone, locale=locale)
    except (ValueError, OverflowError) as error:
        raise DueNotUnderstoodError(
            f"The due time {quoted(text)} was not understood: {error}. Forms that work: {FORMS}."
        ) from error
    return _marked_if_past(due, now)


def _marked_if_past(due: Due, now: datetime) -> Due:
    if due.moment > now:
        return due
    past = (
        f"{due.moment:%A}, {due.moment.date().isoformat()} at {due.moment:%H:%M} is in the past; "
        "ask if another time was meant."
    )
    return replace(due, on_moment=(*due.on_moment, past))


def tidied(text: str) -> str:
    """A phrase in lower case, its words one space apart.

    Raises:
        ValueError: it is empty or too long.
    """
    phrase = " ".join(text[: PHRASE_MAX + 1].casefold().replace(",", " ").split()).rstrip(" !?")
    if not phrase.strip(".") or len(text) > PHRASE_MAX:
        raise ValueError(f"1 to {PHRASE_MAX} characters that name a day, a time or both are needed")
    # The point after "15.3." tells it from a time.
    return phrase if _POINTED.search(phrase) else phrase.rstrip(" .!?")


def read_phrase(phrase: str, *, now: datetime, zone: ZoneInfo, locale: str | None) -> Due:
    """What a tidied phrase means; `now` is a time in `zone`.

    Raises:
        ValueError: why `read_due` refuses it.
    """
    phrase = phrase.replace("half an hour", "30 minutes")
    due = _placed(_in_any_language(phrase, now, zone, locale))
    if due.moment.year not in YEARS:
        raise ValueError(f"the year has to be from {YEARS[0]} to {YEARS[-1]}")
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


def _in_any_language(phrase: str, now: datetime, zone: ZoneInfo, locale: str | None) -> Due:
    """What a phrase means in English or, if its words are the locale's, in that language."""
    order, translated = date_order(locale), in_english(phrase, locale)
    if translated == phrase:
        return _read(phrase, now, zone, order)
    try:
        due = _read(translated, now, zone, order)
    except ValueError:
        return _read(phrase, now, zone, order)
    try:
        english = _read(phrase, now, zone, order)
    except ValueError:
        return due
    if english.moment != due.moment:
        raise ValueError(
            f"it can be {due.moment.date().isoformat()} or {english.moment.date().isoformat()}, "
            "in one language or the other; ask which is meant"
        )
    return due


def _read(phrase: str, now: datetime, zone: ZoneInfo, order: str | None) -> Due:
    # fromisoformat() also takes week dates and bare digits, which differ between Python versions.
    if re.fullmatch(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d\S*", phrase):
        exact = datetime.fromisoformat(phrase.upper())
        return Due(exact.replace(tzinfo=zone) if exact.tzinfo is None else exact.astimezone(zone))
    if CLOCK_SPAN.fullmatch(phrase):
        moment = ask_dateparser(phrase, "relative-time", now.astimezone(UTC)).replace(tzinfo=UTC)
        return Due(moment.replace(second=0, microsecond=0).astimezone(zone))
    notes: list[str] = []
    on_moment: list[str] = []
    split = split_time(phrase)
    words = re.sub(r"^(?:(?:due|by|on|until|till|before|for|to) )+", "", split.day)
    if words:
        day = read_day(words, now.date(), order=order, notes=notes)
        if "before" in split.day.split() and split.time is None:
            notes.append(
                f"{quoted(split.day)} is read as by the end of {day.isoformat()}; for the day "
                "before it say that day."
            )
        if "tomorrow" in words and now.hour < _SMALL_HOURS:
            notes.append(f"It is {now:%H:%M} on {now:%A}; tomorrow is read as {day:%A}.")
    elif split.time is None:
        raise ValueError("give a date, a time or both")
    else:
        day = now.date()
        if split.time <= now.time():
            day += timedelta(days=1)
            on_moment.append(f"{split.time:%H:%M} is past today, so tomorrow is meant.")
    at = split.time or END_OF_DAY
    if "tonight" in phrase and day == now.date() and at <= now.time():
        at = END_OF_DAY
    notes += split.notes
    if "midnight" in phrase:
        on_moment.append(f"Midnight is read as the end of {day.isoformat()}.")
    return Due(
        datetime.combine(day, at, zone),
        names_day=bool(words) or _TODAYS_END.search(phrase) is not None,
        names_time=split.time is not None,
        at=split.time,
        on_words=tuple(notes),
        on_moment=tuple(on_moment),
    )


def _placed(due: Due) -> Due:
    """The due time at a moment that exists, with notes on what is unusual about it."""
    moment, notes = existing(due.moment), list(due.on_moment)
    if moment.replace(tzinfo=None) != due.moment.replace(tzinfo=None):
        notes.append(
            f"The clocks skip {due.moment:%H:%M} on {due.moment.date().isoformat()}; it is moved "
            f"to {moment:%H:%M} on {moment.date().isoformat()}."
        )
    elif due.names_time and _comes_twice(due.moment):
        which = "second" if moment.fold else "first"
        notes.append(f"{moment:%H:%M} comes twice that day; the {which} is meant.")
    return replace(due, moment=moment, on_moment=tuple(notes))


def _comes_twice(moment: datetime) -> bool:
    first, second = moment.replace(fold=0), moment.replace(fold=1)
    return first.utcoffset() != second.utcoffset()
