"""Dates in figures: "15.3.", "3/15", "2026/3/15". What is the day depends on the locale."""

import re
from calendar import month_name
from dataclasses import dataclass

_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/.]) ?(?P<month>\d{1,2})(?P=mark) ?(?P<day>\d{1,2})"
)
_YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[-/.]) ?(?P<second>\d{1,2})"
    r"(?:(?P=mark) ?(?P<year>\d{4}|\d{2})|(?P<end>\.)?)"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """A date as far as its figures say it."""

    month: int
    day: int
    #: None where they don't: the next such date is meant.
    year: int | None
    notes: tuple[str, ...] = ()


def read_figures(words: str, order: str | None) -> Figures | None:
    """The date that figures mean where dates are written in this order; None if they are no date.

    `order` is "DMY", "MDY", "YMD" or, where it isn't known, None. With points the day comes first
    there, as it does wherever points are used.

    Raises:
        ValueError: they can be read in two ways.
    """
    if found := _YEAR_FIRST.fullmatch(words):
        return Figures(int(found["month"]), int(found["day"]), int(found["year"]))
    found = _YEAR_LAST.fullmatch(words)
    if found is None or (found["mark"] != "." and found["end"]):
        return None
    first, second, mark = int(found["first"]), int(found["second"]), found["mark"]
    if mark == "-" and found["year"] is None:
        raise ValueError(f"{words} can be a date or a span; write the month's name")
    if mark == "." and found["year"] is None and not found["end"] and len(found["second"]) == 2:
        raise ValueError(
            f"{words} can be a time or a date; write {first}:{second:02}, or the month's name"
        )
    year = int(found["year"]) if found["year"] else None
    if order is None and mark == ".":
        order = "DMY"
    elif (order == "MDY" and mark == ".") or (order == "YMD" and year is not None):
        # Not how dates are written there, so it is from elsewhere.
        order = None
    if year is not None and year < 100:
        if order is None:
            raise ValueError(f"{words} doesn't say which figures are the year; write 20{year:02}")
        year += 2000
    return _in_order(words, first, second, year, order)


def _in_order(words: str, first: int, second: int, year: int | None, order: str | None) -> Figures:
    if order is None and first <= 12 and second <= 12 and first != second:
        raise ValueError(
            f"{words} can be {first} {month_name[second]} or {second} {month_name[first]}; "
            "ask which is meant, and write the month's name"
        )
    day_first = first > 12 if order is None else order == "DMY"
    day, month = (first, second) if day_first else (second, first)
    if month > 12 and day <= 12 and order is not None:
        day, month = month, day
        note = f"{words} is read as {day} {month_name[month]}: there is no month {day}."
        return Figures(month, day, year, (note,))
    return Figures(month, day, year)
