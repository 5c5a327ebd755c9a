"""How a task repeats: people's words or an RRULE, and the times that follow from it.

A rule is stored without its beginning (DTSTART in RFC 5545); that is a time of its own, in the zone
of the task, and gives what the rule leaves open: the time of day, mostly.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .clock_times import END_OF_DAY, existing
from .dates import Due, read_due
from .errors import DueNotUnderstoodError, RecurrenceNotUnderstoodError
from .recurrence_texts import rule_in_words
from .recurrence_words import FORMS, Repeating, in_short_months, read_repeating
from .rrules import TEXT_MAX, Rule, next_moment, parse_rule
from .texts import quoted

_COMPLETION = re.compile(
    r" ?\b(?:after|from|since|upon|following) (?:its |the )?(?:last )?completion$|"
    r" ?\bafter (?:(?:it|this|i|being|having)(?:'s|'ve)? ?)?(?:is |was |have |been )?"
    r"(?:done|completed?|completing|finish(?:ed|ing)?)(?: (?:it|this))?$"
)
_TIMES = re.compile(
    r" ?\b(?:for )?(?:a total of )?(?P<count>\d{1,6}|two|three|four|five|six|seven|eight|nine|ten)"
    r" (?:times|occurrences|repetitions)\b(?! (?:a|per|every|each) )"
)
_CLAUSE = re.compile(
    r"(?: |^)(?P<which>until|till|til|through|ending|starting|beginning)(?: (?:on|from|at))? "
)


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
    names_day: bool = True
    names_time: bool = True
    #: How it was understood, where it could have been meant otherwise: sentences for the model.
    notes: tuple[str, ...] = ()

    def beginning(self, due: Due | None, *, now: datetime) -> "Recurrence":
        """The same with the due time that was given along with it as its first occurrence.

        Raises:
            RecurrenceNotUnderstoodError: the two name different times of day.
        """
        if due is None:
            return self
        zone = _zone(due.moment)
        rule = parse_rule(self.rule, zone=zone)
        at = due.moment.time() if due.names_time else self.first.time()
        if due.names_time and self.names_time and not rule.hours and at != self.first.time():
            raise RecurrenceNotUnderstoodError(
                f"It repeats at {self.first:%H:%M}, but is due at {at:%H:%M}. Ask which is meant, "
                "and give one of them."
            )
        if due.names_day:
            moment = datetime.combine(due.moment, at.replace(fold=0), zone)
        elif rule.names_day:
            moment = datetime.combine(self.first, at.replace(fold=0), zone)
            if existing(moment) <= now:
                later = next_moment(replace(rule, interval=1), start=moment, after=now, zone=zone)
                moment = later or moment
        else:
            moment = due.moment
        return _begun(
            rule,
            existing(moment),
            self,
            names_day=due.names_day or self.names_day,
            names_time=due.names_time or self.names_time,
        )


def read_recurrence(
    text: str, *, now: datetime, zone: ZoneInfo, locale: str | None = None
) -> Recurrence:
    """How a task repeats for somebody in `zone`, and the first such time after `now`.

    A day that some months don't have is on their last day, if said in words; as an RRULE it means
    what RFC 5545 says: such months are left out.

    Raises:
        RecurrenceNotUnderstoodError: it can't be read, or can be read in two ways.
    """
    now = now.astimezone(zone)
    try:
        if len(text) > TEXT_MAX:
            raise ValueError(f"it has {len(text):,} characters, {TEXT_MAX} is the most")
        return _read(_Phrase(text, now, zone, locale))
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

    It keeps the time of day of `start`, its due time; the day is counted from that of `completed`
    in `zone`.

    Raises:
        RecurrenceNotUnderstoodError: `rule` can't be used.
    """
    at = start.astimezone(zone).time().replace(fold=0)
    begin = datetime.combine(completed.astimezone(zone), at, zone)
    repeating = _in_short_months(parse_rule(rule, zone=zone), begin)
    # The rest of the day of completion is no longer meant.
    return next_moment(repeating.rule, start=begin, after=existing(begin), zone=zone)


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


class _Phrase:
    """A phrase taken apart: what repeats, from when, until when, how often."""

    def __init__(self, text: str, now: datetime, zone: ZoneInfo, locale: str | None) -> None:
        self.now, self.zone = now, zone
        phrase = " ".join(re.sub(r"[,&]|\bas well as\b", " and ", text.casefold()).split())
        phrase = re.sub(r"\band(?: and)+\b", "and", phrase).rstrip(" .!")
        phrase = re.sub(r"^(?:it |this )?(?:repeat|recur|happen)(?:s|ing)? ", "", phrase)
        self.rule: Rule | None = None
        phrase, completion = _COMPLETION.subn("", phrase)
        self.from_completion = bool(completion)
        if "freq=" in phrase:
            line = _COMPLETION.sub("", text.strip().casefold()).removeprefix("by the rule ")
            self.rule = parse_rule(line.upper(), zone=zone)
            phrase = ""
        self.count: int | None = None
        self.until: datetime | None = None
        self.starting: Due | None = None
        phrase = self._cut_count(phrase)
        phrase = self._cut_clauses(phrase, locale)
        phrase = phrase.removesuffix(" and")
        if (
            completion
            and not self.rule
            and not re.match("every|each|daily|weekly|month|year", phrase)
        ):
            phrase = f"every {phrase}"
        self.words = phrase

    def _cut_count(self, phrase: str) -> str:
        found = _TIMES.search(phrase)
        if found is None or self.rule is not None:
            return phrase
        words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
        count = found["count"]
        self.count = int(count) if count.isdecimal() else words.index(count) + 2
        return phrase[: found.start()] + phrase[found.end() :]

    def _cut_clauses(self, phrase: str, locale: str | None) -> str:
        found = list(_CLAUSE.finditer(phrase))
        ends = [*(clause.start() for clause in found[1:]), len(phrase)]
        for this, end in zip(found, ends, strict=bool(found)):
            clause = phrase[this.end() : end]
            due = read_due(clause.removesuffix(" and"), now=self.now, zone=self.zone, locale=locale)
            if not due.names_day or due.names_time:
                raise ValueError(
                    f'give a day alone after "{this["which"]}", and the time before it'
                )
            if this["which"] in ("starting", "beginning"):
                self.starting = due
            else:
                self.until = datetime.combine(due.moment, time(23, 59, 59), self.zone)
        return phrase[: found[0].start()] if found else phrase


def _read(phrase: _Phrase) -> Recurrence:
    zone, now = phrase.zone, phrase.now
    repeating = Repeating(phrase.rule) if phrase.rule else read_repeating(phrase.words)
    rule = repeating.rule
    if phrase.count is not None:
        # Through its text, so that the bounds are those of rules.
        rule = parse_rule(f"{rule};COUNT={phrase.count}", zone=zone)
    if phrase.until is not None:
        rule = replace(rule, until=phrase.until.astimezone(UTC))
    at = repeating.at
    if rule.hours:
        at = time(rule.hours[0], rule.minutes[0] if rule.minutes else 0)
    if rule.hours and len(rule.hours) * max(1, len(rule.minutes)) == 1:
        # The time of day is that of the first occurrence: it can be moved without the rule.
        rule = replace(rule, hours=(), minutes=())
    if phrase.from_completion:
        _check_from_completion(rule)
    day = phrase.starting.moment.date() if phrase.starting else now.date()
    first = _first(rule, day, at, now, zone, begins=phrase.starting is not None)
    recurrence = Recurrence(
        rule=str(rule),
        from_completion=phrase.from_completion,
        first=first,
        names_day=rule.names_day or phrase.starting is not None,
        names_time=at is not None,
        notes=repeating.notes + (phrase.starting.notes if phrase.starting else ()),
    )
    return _begun(
        rule, first, recurrence, names_day=recurrence.names_day, names_time=recurrence.names_time
    )


def _first(
    rule: Rule, day: date, at: time | None, now: datetime, zone: ZoneInfo, *, begins: bool
) -> datetime:
    start = datetime.combine(day, at or END_OF_DAY, zone)
    midnight = datetime.combine(day, time(), zone)
    after = midnight - timedelta(seconds=1) if begins else now
    # Every second Tuesday begins with the next one; from there on they are counted.
    every = replace(rule, interval=1, count=None) if rule.names_day else Rule("DAILY")
    if rule.hours:
        every = replace(every, hours=rule.hours, minutes=rule.minutes or (0,))
        start = midnight
    first = next_moment(every, start=start, after=after, zone=zone)
    if first is None or (rule.until is not None and first > rule.until):
        raise ValueError(
            "it ends before it begins"
            if rule.until is not None
            else "there is no such day within a hundred years"
        )
    return first


def _begun(
    rule: Rule, first: datetime, said: Recurrence, *, names_day: bool, names_time: bool
) -> Recurrence:
    """`said`, with its beginning and what follows from that."""
    repeating = _in_short_months(rule, first)
    notes = said.notes + repeating.notes
    if not _is_occurrence(repeating.rule, first):
        notes += (
            f"{first:%A}, {first.date().isoformat()} is not one of the days on which it repeats; "
            "it is due then once, and after that as it repeats.",
        )
    return replace(
        said,
        rule=str(repeating.rule),
        first=first,
        names_day=names_day,
        names_time=names_time,
        notes=tuple(dict.fromkeys(notes)),
    )


def _is_occurrence(rule: Rule, moment: datetime) -> bool:
    before, zone = moment - timedelta(seconds=1), _zone(moment)
    return next_moment(replace(rule, until=None), start=moment, after=before, zone=zone) == moment


def _zone(moment: datetime) -> ZoneInfo:
    if not isinstance(moment.tzinfo, ZoneInfo):
        raise TypeError(f"{moment.isoformat()} is not a time in a zone with a name.")
    return moment.tzinfo


def _in_short_months(rule: Rule, first: datetime) -> Repeating:
    """Every month from a 31st on is the last day of each: the rule alone would leave some out."""
    if rule.days or rule.month_days or rule.frequency not in ("MONTHLY", "YEARLY"):
        return Repeating(rule)
    if rule.frequency == "MONTHLY":
        clamped = in_short_months(replace(rule, month_days=(first.day,)))
    elif (first.month, first.day) == (2, 29) and not rule.months:
        clamped = in_short_months(replace(rule, months=(2,), month_days=(29,)))
    else:
        return Repeating(rule)
    return clamped if clamped.notes else Repeating(rule)


def _check_from_completion(rule: Rule) -> None:
    if rule.days or rule.month_days or rule.months or rule.hours:
        raise ValueError(
            "after completion only a span can pass, such as 3 days or 2 weeks, not certain days"
        )
    if rule.count is not None:
        raise ValueError('what is counted from completion can\'t end after some times; say "until"')
