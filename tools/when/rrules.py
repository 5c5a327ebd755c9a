"""Recurrence rules of RFC 5545: read, checked, and written in the one form that is stored."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ..errors import RecurrenceNotUnderstoodError
from ..texts import quoted

#: Characters that a rule or a phrase may have; longer ones aren't looked at.
TEXT_MAX = 300
INTERVAL_MAX = 1000
YEARS_APART_MAX = 50
COUNT_MAX = 1000
#: Times of day that a rule may have; more would repeat hourly by another name.
TIMES_MAX = 12
#: Values of BYSETPOS: each goes over all the days of a year.
POSITIONS_MAX = 12
#: Years of UNTIL, as those of a due time.
YEARS = range(1970, 3000)

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_NUMBERS = {
    "BYMONTH": range(1, 13),
    "BYMONTHDAY": range(1, 32),
    "BYHOUR": range(24),
    "BYMINUTE": range(60),
    "BYSETPOS": range(1, 367),
}
_FROM_THE_END = {"BYMONTHDAY", "BYSETPOS"}
_PARTS = {"FREQ", "INTERVAL", "BYDAY", "BYSECOND", "COUNT", "UNTIL", "WKST", *_NUMBERS}


@dataclass(frozen=True, slots=True)
class Day:
    """A weekday, 0 being Monday, and which of them in a month or year: 1 the first, -1 the last."""

    weekday: int
    nth: int = 0

    def __str__(self) -> str:
        return f"{self.nth or ''}{WEEKDAYS[self.weekday]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked recurrence rule; `str()` gives it in the one form in which it is stored."""

    frequency: str
    interval: int = 1
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    days: tuple[Day, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    count: int | None = None
    #: The last moment that an occurrence may be at, in UTC.
    until: datetime | None = None
    #: The weekday on which weeks begin: it tells which are the second ones.
    week_start: int = 0

    def __post_init__(self) -> None:
        _check(self)

    def __str__(self) -> str:
        parts = [f"FREQ={self.frequency}"]
        if self.interval > 1:
            parts.append(f"INTERVAL={self.interval}")
        for name, values in (
            ("BYMONTH", self.months),
            ("BYMONTHDAY", self.month_days),
            ("BYDAY", self.days),
            ("BYHOUR", self.hours),
            ("BYMINUTE", self.minutes),
            ("BYSETPOS", self.positions),
        ):
            if values:
                parts.append(f"{name}={','.join(map(str, values))}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        if self.week_start:
            parts.append(f"WKST={WEEKDAYS[self.week_start]}")
        return ";".join(parts)

    @property
    def names_day(self) -> bool:
        """Whether the days are in the rule, and not those of its first occurrence."""
        return bool(self.month_days or self.days) or (
            self.frequency == "DAILY" and self.interval == 1
        )


def parse_rule(text: str, *, zone: ZoneInfo) -> Rule:
    """The rule that an RRULE says, with or without "RRULE:" in front.

    UNTIL without a time is the end of that day in `zone`, a time without Z is one of `zone`.

    Raises:
        RecurrenceNotUnderstoodError: it isn't one, or is one that no task can have.
    """
    try:
        return _parsed(text, zone)
    except (ValueError, OverflowError) as error:
        raise RecurrenceNotUnderstoodError(
            f"The recurrence rule {quoted(text)} can't be used: {error}."
        ) from error


def _parsed(text: str, zone: ZoneInfo) -> Rule:
    if len(text) > TEXT_MAX:
        raise ValueError(f"it has {len(text):,} characters, {TEXT_MAX} is the most")
    line = re.sub(r"^RRULE:", "", text.strip().upper())
    if re.search(r"\s|DTSTART|EXDATE|RDATE|EXRULE", line):
        raise ValueError(
            "one line of parts such as FREQ=WEEKLY;BYDAY=TU is needed, without DTSTART or "
            "exceptions; the due date says when it begins"
        )
    parts: dict[str, str] = {}
    for part in line.rstrip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError(f"{quoted(part)} is no part of the form NAME=VALUE")
        if name not in _PARTS:
            raise ValueError(
                f"{name[:20]} is not supported; these are: {', '.join(sorted(_PARTS))}"
            )
        if name in parts:
            raise ValueError(f"{name} is there twice")
        parts[name] = value
    if parts.get("BYSECOND", "0") != "0":
        raise ValueError("tasks are due at full minutes; leave BYSECOND out")
    return Rule(
        frequency=parts.get("FREQ", ""),
        interval=_number("INTERVAL", parts.get("INTERVAL", "1")),
        months=_numbers(parts, "BYMONTH"),
        month_days=_numbers(parts, "BYMONTHDAY"),
        days=_days(parts.get("BYDAY")),
        hours=_numbers(parts, "BYHOUR"),
        minutes=_numbers(parts, "BYMINUTE"),
        positions=_numbers(parts, "BYSETPOS"),
        count=_number("COUNT", parts["COUNT"]) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"], zone) if "UNTIL" in parts else None,
        week_start=_weekday(parts.get("WKST", "MO")),
    )


def _number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise ValueError(f"{name} is {quoted(text)}, which is no number")
    return int(text)


def _numbers(parts: dict[str, str], name: str) -> tuple[int, ...]:
    if name not in parts:
        return ()
    allowed, signed, numbers = _NUMBERS[name], name in _FROM_THE_END, set()
    for text in parts[name].split(","):
        if not re.fullmatch(r"[+-]?[0-9]{1,3}" if signed else "[0-9]{1,3}", text) or (
            abs(int(text)) not in allowed
        ):
            from_end = f", or {-allowed[0]} to {-allowed[-1]}" if signed else ""
            raise ValueError(
                f"{name} has {quoted(text)}; it can be {allowed[0]} to {allowed[-1]}{from_end}"
            )
        numbers.add(int(text))
    return _ordered(numbers)


def _ordered(numbers: Iterable[int]) -> tuple[int, ...]:
    """Those that count from the end last, as people say them."""
    return tuple(sorted(set(numbers), key=lambda number: (number < 0, number)))


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"{quoted(text)} is no weekday; these are: {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


def _days(text: str | None) -> tuple[Day, ...]:
    if text is None:
        return ()
    days = set()
    for item in text.split(","):
        found = re.fullmatch(r"([+-]?[0-9]{1,2})?([A-Z]{2})", item)
        if found is None or (found[1] is not None and int(found[1]) == 0):
            raise ValueError(f"BYDAY has {quoted(item)}; it can be MO to SU, 2TU or -1FR")
        days.add(Day(_weekday(found[2]), int(found[1] or 0)))
    return tuple(sorted(days, key=lambda day: (day.nth < 0, day.nth, day.weekday)))


def _until(text: str, zone: ZoneInfo) -> datetime:
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?", text, re.ASCII)
    if found is None:
        raise ValueError(f"UNTIL is {quoted(text)}; it can be 20261231 or 20261231T090000Z")
    year, month, day, hour, minute, second = (int(group or 0) for group in found.groups()[:6])
    if found[4] is None:
        hour, minute, second = 23, 59, 59
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC if found[7] else zone)
    return moment.astimezone(UTC)


def _check(rule: Rule) -> None:
    """
    Raises:
        ValueError: the parts don't go together, or their occurrences would be too many.
    """
    if rule.frequency in ("HOURLY", "MINUTELY", "SECONDLY"):
        raise ValueError(
            "a task repeats daily at most; for several times a day name them: "
            '"daily at 8:00, 14:00 and 20:00", or FREQ=DAILY;BYHOUR=8,14,20;BYMINUTE=0'
        )
    if rule.frequency not in FREQUENCIES:
        raise ValueError(f"FREQ has to be one of {', '.join(FREQUENCIES)}")
    if rule.frequency == "YEARLY" and rule.interval > YEARS_APART_MAX:
        raise ValueError(f"{YEARS_APART_MAX} years are the most that can lie between")
    if len(rule.positions) > POSITIONS_MAX:
        raise ValueError(f"BYSETPOS can have {POSITIONS_MAX} values at most")
    if rule.count is not None and not 1 <= rule.count <= COUNT_MAX:
        raise ValueError(f"it can come 1 to {COUNT_MAX} times, not {rule.count}")
    if not 1 <= rule.interval <= INTERVAL_MAX:
        raise ValueError(f"the interval can be 1 to {INTERVAL_MAX}, not {rule.interval}")
    if rule.count is not None and rule.until is not None:
        raise ValueError("COUNT and UNTIL exclude each other; leave one out")
    if rule.until is not None and rule.until.year not in YEARS:
        raise ValueError(f"the year of UNTIL has to be from {YEARS[0]} to {YEARS[-1]}")
    if rule.month_days and rule.frequency == "WEEKLY":
        raise ValueError("BYMONTHDAY doesn't go with FREQ=WEEKLY; FREQ=DAILY or MONTHLY it does")
    if rule.month_days and rule.frequency == "YEARLY" and not rule.months:
        # Programs differ: the day of every month, or of the month in which the rule begins.
        raise ValueError("say the month too, by BYMONTH, or take FREQ=MONTHLY for every month")
    furthest = max((abs(day.nth) for day in rule.days), default=0)
    most = {"MONTHLY": 5, "YEARLY": 5 if rule.months else 53}.get(rule.frequency, 0)
    if furthest > most:
        raise ValueError(
            f"BYDAY can't count to {furthest} with FREQ={rule.frequency}"
            + (f" here, only to {most}" if most else "; MONTHLY and YEARLY it can")
        )
    if rule.positions and not (rule.months or rule.month_days or rule.days or rule.hours):
        raise ValueError("BYSETPOS chooses among what another part such as BYDAY gives; add that")
    if rule.minutes and not rule.hours:
        raise ValueError("say the hour too, by BYHOUR, or leave BYMINUTE out")
    if len(rule.hours or [0]) * len(rule.minutes or [0]) > TIMES_MAX:
        raise ValueError(f"more than {TIMES_MAX} times a day are too many for a task")
