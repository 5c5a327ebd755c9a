"""The time of day in a phrase such as "tomorrow at 9" or "friday evening".

dateparser is not asked for it: it takes "friday at 5" for the 5th of the month, and "tomorrow at 9"
for tomorrow at the present time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time

#: What is meant by a day without a time of day, and by its end.
END_OF_DAY = time(23, 59)

#: Hours before it are seldom meant where no part of the day is named.
_MORNING = 7

PARTS = {
    "morning": time(9),
    "noon": time(12),
    "midday": time(12),
    "lunchtime": time(12),
    "afternoon": time(15),
    "evening": time(18),
    "night": time(20),
    "midnight": END_OF_DAY,
    "end of day": END_OF_DAY,
    "end of the day": END_OF_DAY,
    "eod": END_OF_DAY,
}

_PART = re.compile(
    r"\b(?:(?:in the|at|by|around) )?(?P<part>"
    + "|".join(sorted(PARTS, key=len, reverse=True))
    + r")\b"
)
_MERIDIEM = r"(?P<meridiem>[ap])\.?m\b\.?"
_AT = r"(?:(?:\bat|\bby|\baround|@) ?)"
_HOUR = r"(?<![\d:./#-])(?P<hour>\d{1,2})"
_AFTER = r"(?![\d:./-])"
#: Tried in this order; the first that is found is the time.
_CLOCKS = [
    re.compile(pattern)
    for pattern in (
        rf"{_AT}?{_HOUR}[:.](?P<minute>\d\d) ?{_MERIDIEM}",
        rf"{_AT}?{_HOUR}:(?P<minute>\d\d)(?::\d\d)?{_AFTER}",
        rf"{_AT}?{_HOUR} ?{_MERIDIEM}",
        rf"{_AT}?{_HOUR} ?o'?clock\b",
        rf"{_AT}(?P<hour>\d\d)(?P<minute>\d\d){_AFTER}\b",
        rf"{_AT}{_HOUR}{_AFTER}(?=$| )",
        rf"{_HOUR}(?= (?:in the|at) (?:morning|afternoon|evening|night)\b)",
        rf"(?<=\btomorrow ){_HOUR}$",
        rf"(?<=\btoday ){_HOUR}$",
    )
]


@dataclass(frozen=True, slots=True)
class Split:
    """A phrase taken apart."""

    #: The phrase without its time of day.
    day: str
    #: None where the phrase names no time of day.
    time: time | None
    #: Whether only an hour was named, neither minutes nor a part of the day: "at 5".
    is_bare: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell the model where another time of day could have been meant."""
        if self.time is None or not self.is_bare or not 0 < self.time.hour < _MORNING:
            return ()
        return (
            f"Read as {self.time:%H:%M} in the morning; for the afternoon say {self.time.hour}pm.",
        )


def split_time(phrase: str) -> Split:
    """Take the time of day out of a phrase in lower case, its words one space apart.

    A bare hour is on the 24-hour clock ("at 5" is 05:00), unless the phrase names the part of the
    day ("at 5 in the afternoon", "tonight at 8").

    Raises:
        ValueError: it names an hour that doesn't exist, or one that its part of the day hasn't.
    """
    rest, part = _cut_part(phrase)
    clock = next((found for pattern in _CLOCKS if (found := pattern.search(phrase))), None)
    if clock is None:
        return Split(rest, PARTS[part] if part else None)
    groups = clock.groupdict()
    hour, minute = int(groups["hour"]), int(groups.get("minute") or 0)
    meridiem = groups.get("meridiem")
    if meridiem and not 1 <= hour <= 12:
        raise ValueError(f"there is no hour {hour} {meridiem}m")
    if meridiem:
        hour = hour % 12 + (12 if meridiem == "p" else 0)
    elif part:
        hour = _in_part(hour, part)
    # What the clock stands in may end with the part of the day ("9 in the morning").
    rest, _ = _cut_part(phrase[: clock.start()] + " " + phrase[clock.end() :])
    try:
        is_bare = not (meridiem or part or groups.get("minute") or groups["hour"][0] == "0")
        return Split(rest, time(hour, minute), is_bare)
    except ValueError as error:
        raise ValueError(f"there is no time {hour}:{minute:02}") from error


def existing(moment: datetime) -> datetime:
    """The same time, moved forward if the clocks skip it: it doesn't survive the way to UTC."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo)


def _cut_part(phrase: str) -> tuple[str, str | None]:
    # "tonight" and "this evening" name a day as well: leave it in.
    phrase = re.sub(r"\btonight\b", "today night", phrase)
    phrase = re.sub(r"\bthis (?=(?:morning|afternoon|evening)\b)", "today ", phrase)
    found = _PART.search(phrase)
    if found is None:
        return _tidy(phrase), None
    return _tidy(phrase[: found.start()] + " " + phrase[found.end() :]), found["part"]


def _in_part(hour: int, part: str) -> int:
    """The hour on the 24-hour clock: 8 in the evening is 20."""
    if part == "morning" and hour < 12:
        return hour
    if part in ("afternoon", "evening", "night") and 1 <= hour < 24:
        return hour if hour >= 12 else hour + 12
    raise ValueError(f"there is no hour {hour} in the {part}")


def _tidy(phrase: str) -> str:
    """Without the words that led to the time which was cut out."""
    return re.sub(
        r"(?: (?:at|by|on|in the|around|@))+$", "", " " + " ".join(phrase.split())
    ).strip()
