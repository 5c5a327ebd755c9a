"""A recurrence rule in the words that people use, and that `read_recurrence` reads."""

from collections.abc import Sequence
from datetime import datetime

from .calendar_words import MONTHS, WEEKDAYS
from .rrules import Day, Rule

_NTHS = {
    1: "first",
    2: "second",
    3: "third",
    4: "fourth",
    5: "fifth",
    -1: "last",
    -2: "second last",
}
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_WORKDAYS = tuple(map(Day, range(5)))


def rule_in_words(
    rule: Rule, *, start: datetime, is_day: bool = False, from_completion: bool = False
) -> str:
    """ "every second Tuesday at 09:00": a rule whose first occurrence is at `start`.

    The words are in English, times and days in the zone of `start`. Of a day without a time,
    `is_day`, no time is named.
    """
    words = _days(rule, start)
    if words is None:
        return f"by the rule {rule}"
    if not is_day:
        words += f" at {_joined(_times(rule, start))}"
    if from_completion:
        words += " after completion"
    if rule.count is not None:
        words += f", {rule.count} time{'s' if rule.count > 1 else ''}"
    if rule.until is not None:
        until = rule.until.astimezone(start.tzinfo)
        words += f" until {until.day} {MONTHS[until.month - 1].capitalize()} {until.year}"
    return words


def _times(rule: Rule, start: datetime) -> list[str]:
    minutes = rule.minutes or (start.minute,)
    return [f"{hour:02}:{minute:02}" for hour in rule.hours or (start.hour,) for minute in minutes]


def _days(rule: Rule, start: datetime) -> str | None:
    """On which days; None for what has no short words."""
    every = _every(rule.interval, _UNITS[rule.frequency])
    in_months = f" in {_joined(_months(rule))}" if rule.months else ""
    plain = not rule.positions and not any(day.nth for day in rule.days)
    if rule.week_start:
        return None
    if rule.frequency == "DAILY":
        return every + in_months if plain and not rule.days and not rule.month_days else None
    if rule.frequency == "WEEKLY":
        return _weekly(rule, every) + in_months if plain else None
    on = _in_month(rule)
    if rule.frequency == "MONTHLY":
        if rule.days or rule.month_days:
            return f"{every} on {on}{in_months}" if on else None
        return f"{every}{in_months}" if plain else None
    if not rule.days and not rule.month_days:
        return every if plain and not rule.months else None
    if len(rule.months) != 1 or len(rule.month_days) > 1 or on is None:
        return None
    if not rule.days and len(rule.month_days) == 1 and rule.month_days[0] > 0:
        literal = " (where there is one)" if rule.month_days[0] > 28 and rule.months == (2,) else ""
        return f"{every} on {rule.month_days[0]} {_months(rule)[0]}{literal}"
    return f"{every} on {on} of {_months(rule)[0]}"


def _every(interval: int, unit: str) -> str:
    return f"every {unit}" if interval == 1 else f"every {interval} {unit}s"


def _weekly(rule: Rule, every: str) -> str:
    if not rule.days:
        return every
    if rule.days == _WORKDAYS:
        return "every weekday" if rule.interval == 1 else f"{every} on weekdays"
    names = _joined([WEEKDAYS[day.weekday].capitalize() for day in rule.days])
    if rule.interval == 1:
        return f"every {names}"
    # "every second Tuesday in June" would be one of each June.
    if rule.interval == 2 and len(rule.days) == 1 and not rule.months:
        return f"every second {names}"
    return f"{every} on {names}"


def _in_month(rule: Rule) -> str | None:
    """On which days of a month; None for what has no short words."""
    if rule.days and rule.month_days:
        return None
    if rule.days:
        if rule.days == _WORKDAYS and rule.positions and set(rule.positions) <= set(_NTHS):
            return f"the {_joined([_NTHS[nth] for nth in rule.positions])} weekday"
        weekdays, nths = {day.weekday for day in rule.days}, [day.nth for day in rule.days]
        if rule.positions or len(weekdays) > 1 or not set(nths) <= set(_NTHS):
            return None
        return (
            f"the {_joined([_NTHS[nth] for nth in nths])} {WEEKDAYS[weekdays.pop()].capitalize()}"
        )
    days = rule.month_days
    if rule.positions:
        # As `in_short_months` makes it: the last of these days that the month has.
        short = rule.positions == (-1,) and days in ((28, 29), (28, 29, 30)) and not rule.months
        return f"the {_ordinal(days[-1])}" if short else None
    if not set(days) <= {*range(1, 32), -1, -2}:
        return None
    if days == (-2,):
        return "the second last day"
    if -2 in days:
        return None
    names = [f"the {_ordinal(day)}" if day > 0 else "the last day" for day in days]
    literal = len(days) == 1 and days[0] > 28
    return _joined(names) + (" (where there is one)" if literal else "")


def _ordinal(number: int) -> str:
    special = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number in (11, 12, 13) else special}"


def _months(rule: Rule) -> list[str]:
    return [MONTHS[month - 1].capitalize() for month in rule.months]


def _joined(words: Sequence[str]) -> str:
    """ "Monday, Wednesday and Friday"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
