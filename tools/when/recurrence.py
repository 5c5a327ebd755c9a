"""How a task repeats: people's words or an RRULE, and the times that follow from it.

A rule is stored without its beginning (DTSTART in RFC 5545); that is a time of its own, in the zone
of the task, and gives what the rule leaves open: the time of day, mostly.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from ..errors import DueNotUnderstoodError, RecurrenceNotUnderstoodError
from ..texts import quoted
from .clock_times import END_OF_DAY, existing
from .dates import Due, read_due
from .locales import in_english
from .occurrences import next_moment
from .recurrence_clauses import take_apart
from .recurrence_days import Repeating, in_short_months
from .recurrence_texts import rule_in_words
from .recurrence_words import FORMS, read_repeating
from .rrules import TEXT_MAX, Rule, parse_rule


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How a task repeats, and when first."""

    #: An RRULE of RFC 5545 without DTSTART.
    rule: str
    #: Whether the next is counted from when the last was completed, and not from when it was due.
    from_completion: bool
    #: The first occurrence, as a time in the zone of whoever said it: DTSTART. Days without a time
    #: end at 23:59.
    first: datetime
    #: Which parts of `first` somebody named; the other was supplied.
    names_day: bool
    names_time: bool
    #: How it was understood, where it could have been meant otherwise: sentences for the model.
    notes: tuple[str, ...]
    #: What was said, whatever `first` is.
    _said: Repeating

    def beginning(self, due: Due | None, *, now: datetime) -> "Recurrence":
        """The same with the due time that was given along with it as its first occurrence.

        What one of the two doesn't name is taken from the other. Always use the `rule` of the
        result: from a 31st on, "monthly" is on the last day of each month.

        Raises:
            RecurrenceNotUnderstoodError: they name different times of day, or `due` is after the
                end.
        """
        if due is None:
            return self
        rule, zone = self._said.rule, _zone(due.moment)
        at = self._at(due, rule)
        if due.names_day:
            first = existing(datetime.combine(due.moment, at, zone))
        elif self.names_day:
            first = existing(datetime.combine(self.first, at, zone))
            if first <= now:
                first = next_moment(_each(rule), start=first, after=now, zone=zone) or first
        else:
            first = due.moment
        try:
            return _beginning(
                self._said,
                first,
                at,
                from_completion=self.from_completion,
                names_day=due.names_day or self.names_day,
                names_time=due.names_time or self.names_time,
            )
        except ValueError as error:
            raise RecurrenceNotUnderstoodError(
                f"{due.moment.date().isoformat()} can't be the first time: {error}."
            ) from error

    def _at(self, due: Due, rule: Rule) -> time:
        """The time of day that is meant by both."""
        if rule.hours:
            return due.time_of_day if due.names_time else _times(rule)[0]
        if not self.names_time:
            return due.time_of_day
        # Not that of `first`: the clocks may skip it on that day.
        at = self._said.at or self.first.time().replace(fold=0)
        if due.names_time and due.time_of_day != at:
            raise RecurrenceNotUnderstoodError(
                f"It repeats at {at:%H:%M}, but is due at {due.time_of_day:%H:%M}. Ask which is "
                "meant, and give one of them."
            )
        return at


def read_recurrence(
    text: str, *, now: datetime, zone: ZoneInfo, locale: str | None = None
) -> Recurrence:
    """How a task repeats for somebody in `zone`, and the first such time after `now`.

    A day that some months don't have is on their last day, if said in words; as an RRULE it means
    what RFC 5545 says: such months are left out.

    Raises:
        RecurrenceNotUnderstoodError: it can't be read, or can be read in two ways.
    """
    try:
        if not text.strip() or len(text) > TEXT_MAX:
            raise ValueError(f"1 to {TEXT_MAX} characters are needed")
        return _read(text, now.astimezone(zone), zone, locale)
    except RecurrenceNotUnderstoodError:
        raise
    except (ValueError, OverflowError, DueNotUnderstoodError) as error:
        raise RecurrenceNotUnderstoodError(
            f"The recurrence {quoted(text)} was not understood: {str(error).rstrip('.')}. "
            f"Forms that work: {FORMS}."
        ) from error


def next_occurrence(
    rule: str, *, start: datetime, after: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first time later than `after` at which a task repeats, in `zone`; None after the last.

    `start` is the first occurrence, which COUNT counts from. A time stays the same on the clock
    when the clocks change; one that they skip is moved forward by as much, of one that comes twice
    the first is meant.

    Raises:
        RecurrenceNotUnderstoodError: `rule` can't be used.
    """
    return next_moment(parse_rule(rule, zone=zone), start=start, after=after, zone=zone)


def next_after_completion(
    rule: str, *, start: datetime, completed: datetime, zone: ZoneInfo
) -> datetime | None:
    """When a task repeats whose next time is counted from its completion.

    It keeps the time of day of `start`, its due time; the days are counted from that of `completed`
    in `zone`.

    Raises:
        RecurrenceNotUnderstoodError: `rule` can't be used.
    """
    at = start.astimezone(zone).time().replace(fold=0)
    begin = existing(datetime.combine(completed.astimezone(zone), at, zone))
    repeating = _in_short_months(Repeating(parse_rule(rule, zone=zone)), begin)
    # Not `completed`: in the morning, the time on the same day is still to come.
    return next_moment(repeating.rule, start=begin, after=begin, zone=zone)


def describe(
    rule: str, *, start: datetime, is_day: bool = False, from_completion: bool = False
) -> str:
    """A rule in words, such as "every second Tuesday at 09:00", in English.

    `start` is the first occurrence, as a time in the zone of the task; where `is_day` says that it
    is a day without a time, no time is named.

    Raises:
        RecurrenceNotUnderstoodError: `rule` can't be used.
    """
    return rule_in_words(
        parse_rule(rule, zone=_zone(start)),
        start=start,
        is_day=is_day,
        from_completion=from_completion,
    )


def _read(text: str, now: datetime, zone: ZoneInfo, locale: str | None) -> Recurrence:
    clauses = take_apart(text, partial(read_due, now=now, zone=zone, locale=locale))
    if clauses.rule is not None:
        said = Repeating(parse_rule(clauses.rule, zone=zone))
    else:
        said = _in_any_language(clauses.repeats, locale)
    rule = said.rule
    if clauses.count is not None:
        rule = replace(rule, count=clauses.count)
    if clauses.until is not None:
        last = datetime.combine(clauses.until, time(23, 59, 59), zone)
        rule = replace(rule, until=last.astimezone(UTC))
    at = _times(rule)[0] if rule.hours else said.at
    if rule.hours and not rule.minutes:
        # Else they would be those of the first occurrence.
        rule = replace(rule, minutes=(0,))
    if len(_times(rule)) == 1:
        # The time of day is that of the first occurrence: it can be moved without the rule.
        rule = replace(rule, hours=(), minutes=())
    if clauses.from_completion:
        _check_from_completion(rule)
    starting = clauses.starting
    day = starting.moment.date() if starting else now.date()
    midnight = datetime.combine(day, time(), zone)
    return _beginning(
        replace(said, rule=rule, notes=said.notes + (starting.notes if starting else ())),
        _first(rule, day, at, midnight - timedelta(seconds=1) if starting else now, zone),
        at or END_OF_DAY,
        from_completion=clauses.from_completion,
        names_day=rule.names_day or starting is not None,
        names_time=at is not None,
    )


def _in_any_language(phrase: str, locale: str | None) -> Repeating:
    try:
        return read_repeating(phrase)
    except ValueError:
        translated = in_english(phrase, locale)
        if translated == phrase:
            raise
        return read_repeating(translated)


def _times(rule: Rule) -> list[time]:
    """The times of day that are in the rule."""
    return [time(hour, minute) for hour in rule.hours for minute in rule.minutes or (0,)]


def _first(rule: Rule, day: date, at: time | None, after: datetime, zone: ZoneInfo) -> datetime:
    start = datetime.combine(day, time() if rule.hours else at or END_OF_DAY, zone)
    first = next_moment(_each(rule), start=start, after=after, zone=zone)
    if first is not None and not _is_occurrence(replace(rule, until=None), first):
        # BYSETPOS can choose a later one, or none.
        endless = replace(rule, count=None, until=None)
        first = next_moment(endless, start=first, after=first, zone=zone)
    if first is None:
        raise ValueError("there is no such day within a hundred years")
    return first


def _each(rule: Rule) -> Rule:
    """What it can begin with: every second Tuesday with any, from there on they are counted."""
    every = replace(rule, interval=1, count=None, until=None)
    if not rule.names_day:
        every = Rule("DAILY", months=rule.months)
    return replace(every, hours=rule.hours, minutes=rule.minutes or (0,)) if rule.hours else every


def _beginning(
    said: Repeating,
    first: datetime,
    at: time,
    *,
    from_completion: bool,
    names_day: bool,
    names_time: bool,
) -> Recurrence:
    """What begins at `first`, which is `at` a time on the clock where the clocks don't skip it.

    Raises:
        ValueError: it has ended before.
    """
    # Counted from completion, another day is the first each time.
    repeating = said if from_completion else _in_short_months(said, first)
    rule, notes = repeating.rule, repeating.notes
    if not rule.hours and first.time().replace(fold=0) != at:
        # The clocks skip it on the first day only.
        rule = replace(rule, hours=(at.hour,), minutes=(at.minute,))
    if rule.until is not None and first > rule.until:
        raise ValueError("it ends before it begins")
    if not from_completion and not _is_occurrence(rule, first):
        # RFC 5545 counts it all the same, dateutil doesn't.
        rule = replace(rule, count=max(1, rule.count - 1) if rule.count is not None else None)
        notes += (
            f"{first:%A}, {first.date().isoformat()} at {first:%H:%M} is not one of the times at "
            "which it repeats; it is due then once, and after that as it repeats.",
        )
    return Recurrence(
        rule=str(rule),
        from_completion=from_completion,
        first=first,
        names_day=names_day,
        names_time=names_time,
        notes=notes,
        _said=said,
    )


def _is_occurrence(rule: Rule, moment: datetime) -> bool:
    before, zone = moment - timedelta(seconds=1), _zone(moment)
    return next_moment(rule, start=moment, after=before, zone=zone) == moment


def _zone(moment: datetime) -> ZoneInfo:
    if not isinstance(moment.tzinfo, ZoneInfo):
        raise TypeError(f"{moment.isoformat()} is not a time in a zone with a name.")
    return moment.tzinfo


def _in_short_months(said: Repeating, first: datetime) -> Repeating:
    """Every month from a 31st on is the last day of each: the rule alone would leave some out."""
    rule = said.rule
    if rule.days or rule.month_days:
        return said
    if rule.frequency == "MONTHLY":
        clamped = in_short_months(replace(rule, month_days=(first.day,)))
    elif rule.frequency == "YEARLY" and not rule.months and (first.month, first.day) == (2, 29):
        clamped = in_short_months(replace(rule, months=(2,), month_days=(29,)))
    else:
        return said
    if not clamped.notes:
        return said
    return replace(said, rule=clamped.rule, notes=said.notes + clamped.notes)


def _check_from_completion(rule: Rule) -> None:
    if rule.days or rule.month_days or rule.months or rule.hours:
        raise ValueError(
            "after completion only a span can pass, such as 3 days or 2 weeks, not certain days"
        )
    if rule.count is not None:
        raise ValueError('what is counted from completion can\'t end after some times; say "until"')
