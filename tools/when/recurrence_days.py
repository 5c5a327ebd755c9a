"""The days on which something repeats, as people name them: "mon and thu", "the last friday"."""

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import time

from ..texts import quoted
from .calendar_words import MONTH, MONTHS, WEEKDAY, month_number, weekday_number
from .rrules import Day, Rule

ORDINALS = (
    {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
    | {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}
    | {"second last": -2, "second to last": -2, "penultimate": -2}
)
DATE = re.compile(
    rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of )?(?P<month>{MONTH})|"
    rf"(?P<month_first>{MONTH}) (?:the )?(?P<day_last>\d{{1,2}})(?:st|nd|rd|th)?"
)
ORDINAL = "(?:" + "|".join(sorted(ORDINALS, key=len, reverse=True)) + ")"
NTH_DAY = re.compile(
    rf"(?:the )?(?P<nths>{ORDINAL}(?: and (?:the )?{ORDINAL})*) "
    rf"(?P<day>{WEEKDAY}|weekday|day)"
)
_MONTH_DAY = re.compile(r"(?:the )?(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?(?: day)?")


@dataclass(frozen=True, slots=True)
class Repeating:
    """What a phrase says: a rule without an end, and the time of day where it names one."""

    rule: Rule
    at: time | None = None
    notes: tuple[str, ...] = ()


def monthly(words: str, interval: int) -> Repeating:
    """On some days of the month: by number, or the first Friday."""
    words, literal = re.subn(r" \(?where there is one\)?$", "", words)
    words = re.sub(r" of (?:the|every) month$", "", words)
    if found := NTH_DAY.fullmatch(words):
        return Repeating(_nth_days(found, Rule("MONTHLY", interval=interval)))
    numbers = set()
    for word in words.split(" and "):
        if word.removeprefix("the ") in ("last day", "last", "first"):
            numbers.add(1 if word.endswith("first") else -1)
        elif (found := _MONTH_DAY.fullmatch(word)) and 1 <= int(found["day"]) <= 31:
            numbers.add(int(found["day"]))
        else:
            raise ValueError(f"{quoted(word)} is no day of a month")
    days = tuple(sorted(numbers, key=lambda number: (number < 0, number)))
    rule = Rule("MONTHLY", interval=interval, month_days=days)
    return Repeating(rule) if literal else in_short_months(rule)


def in_short_months(rule: Rule) -> Repeating:
    """The rule with the last day of each month that hasn't the day which it names.

    By itself a rule passes over such months, so that a rent due on the 31st would be paid seven
    times a year.
    """
    last = rule.month_days[0] if len(rule.month_days) == 1 else 0
    longest = max((monthrange(2028, month)[1] for month in rule.months), default=31)
    if last <= 28 or last <= min((monthrange(2026, month)[1] for month in rule.months), default=28):
        return Repeating(rule)
    if last > longest:
        raise ValueError(f"there is no day {last} in these months")
    if rule.frequency == "YEARLY":
        note = "In years without a 29 February it is on the 28th."
        return Repeating(replace(rule, month_days=(-1,)), notes=(note,))
    note = f"In a month without a {last}{'st' if last == 31 else 'th'} it is on the last day."
    if last == longest:
        return Repeating(replace(rule, month_days=(-1,)), notes=(note,))
    days = tuple(range(28, last + 1))
    return Repeating(replace(rule, month_days=days, positions=(-1,)), notes=(note,))


def yearly(words: str, interval: int) -> Repeating:
    words, literal = re.subn(r" \(?where there is one\)?$", "", words)
    if found := re.fullmatch(rf"(.+) (?:of|in) ({MONTH})", words):
        rule = Rule("YEARLY", interval=interval, months=(month_number(found[2]),))
        if nth := NTH_DAY.fullmatch(found[1]):
            return Repeating(_nth_days(nth, rule))
    found = DATE.fullmatch(words)
    if found is None:
        raise ValueError(f"{quoted(words)} is no day of a year")
    month = month_number(found["month"] or found["month_first"])
    day = int(found["day"] or found["day_last"])
    if not 1 <= day <= monthrange(2028, month)[1]:
        raise ValueError(f"{MONTHS[month - 1].capitalize()} has no day {day}")
    rule = Rule("YEARLY", interval=interval, months=(month,), month_days=(day,))
    return Repeating(rule) if literal else in_short_months(rule)


def _nth_days(found: re.Match[str], rule: Rule) -> Rule:
    nths = tuple(
        sorted(
            {ORDINALS[name.removeprefix("the ")] for name in found["nths"].split(" and ")},
            key=lambda number: (number < 0, number),
        )
    )
    if found["day"] == "day":
        return replace(rule, month_days=nths)
    if found["day"] == "weekday":
        return replace(rule, days=tuple(map(Day, range(5))), positions=nths)
    return replace(rule, days=tuple(Day(weekday_number(found["day"]), nth) for nth in nths))


def weekdays(words: str) -> tuple[Day, ...]:
    numbers: set[int] = set()
    for word in words.split(" and "):
        if word.removesuffix("s") == "weekday":
            numbers |= set(range(5))
        elif found := re.fullmatch(
            rf"({WEEKDAY})s?(?: ?(?:-|–|to|through) ?({WEEKDAY}))?", word.removeprefix("on ")
        ):
            first, last = weekday_number(found[1]), weekday_number(found[2] or found[1])
            numbers |= {number % 7 for number in range(first, first + (last - first) % 7 + 1)}
        else:
            raise ValueError(f"{quoted(word)} is no weekday")
    return tuple(map(Day, sorted(numbers)))
