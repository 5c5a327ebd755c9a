"""What people say about how a task repeats: "every second tuesday at 9", "monthly on the 31st".

There are libraries for such phrases; none of them is kept up, and they skip words that they don't
know, so that "every friday except holidays" would become every Friday. This is a small grammar: a
phrase is read to its last word or not at all.
"""

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import time

from .clock_times import split_time
from .rrules import Day, Rule
from .texts import quoted

FORMS = (
    '"every day at 9", "every weekday", "every 2 weeks on mon and thu", "every second tuesday", '
    '"monthly on the 15th", "last friday of the month", "every year on 24 december", '
    '"every 3 days after completion", each also with "until 1 june" or "10 times", '
    'or an RRULE such as "FREQ=WEEKLY;BYDAY=TU"'
)

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = (
    {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
    | {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}
    | {"second last": -2, "second to last": -2, "penultimate": -2}
)
_WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|"
    r"sat(?:urday)?|sun(?:day)?)"
)
_WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of )?(?P<month>{_MONTH})|"
    rf"(?P<month_first>{_MONTH}) (?:the )?(?P<day_last>\d{{1,2}})(?:st|nd|rd|th)?"
)
_ORDINAL = "(?:" + "|".join(sorted(_ORDINALS, key=len, reverse=True)) + ")"
_NTH_DAY = re.compile(
    rf"(?:the )?(?P<nths>{_ORDINAL}(?: and (?:the )?{_ORDINAL})*) "
    rf"(?P<day>{_WEEKDAY}|weekday|day)"
)
_MONTH_DAY = re.compile(r"(?:the )?(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?(?: day)?")
_AMOUNT = rf"(?:\d{{1,4}}|{'|'.join(_NUMBERS[1:])})"
_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_EVERY = re.compile(
    rf"every (?:(?P<amount>{_AMOUNT}) (?=\w+s\b)|(?P<nth>other|{_ORDINAL}) )?"
    r"(?P<unit>day|week|month|year)s?(?: (?:on )?(?P<on>.+))?"
)

#: Said in one word: other words for it, which the grammar reads.
_SYNONYMS = (
    (r"\b(?:each|any|every single)\b", "every"),
    (r"\bonce (?:a|per|every)\b", "every"),
    (r"^(?:a|per) (?=day|week|month|year)", "every "),
    (r"\b(?:every )?fortnight(?:ly)?\b", "every 2 weeks"),
    (r"\b(?:quarterly|every quarter)\b", "every 3 months"),
    (r"\bhalf[- ]yearly\b", "every 6 months"),
    (r"\bdaily\b", "every day"),
    (r"\bweekly\b", "every week"),
    (r"\bmonthly\b", "every month"),
    (r"\b(?:yearly|annually)\b", "every year"),
    (r"\b(?:week ?day|work(?:ing)? ?day|business day)(s?)\b", r"weekday\1"),
)
_TWO_MEANINGS = re.compile(r"\b(?:bi|semi)[- ]?(?:weekly|monthly|annual(?:ly)?|yearly)\b")
_OFTENER = re.compile(r"\b(?:hours?|hourly|minutes?|minutely|seconds|secondly)\b")
_PER_PERIOD = re.compile(r"\b(?:twice|thrice|\w+ times) (?:a|per|every) ")


@dataclass(frozen=True, slots=True)
class Repeating:
    """What a phrase says: a rule without an end, and the time of day where it names one."""

    rule: Rule
    at: time | None = None
    notes: tuple[str, ...] = ()


def read_repeating(phrase: str) -> Repeating:
    """What a phrase in lower case, its words one space apart, says about how a task repeats.

    Raises:
        ValueError: it can't be read, or can be read in two ways.
    """
    for pattern, words in _SYNONYMS:
        phrase = re.sub(pattern, words, phrase)
    if found := _TWO_MEANINGS.search(phrase):
        raise ValueError(
            f'{quoted(found[0])} can mean two things; ask which, and say "every 2 weeks" or '
            '"every mon and thu", or the like'
        )
    if found := _PER_PERIOD.search(phrase):
        raise ValueError(f"ask on which days or at which times, instead of {quoted(found[0])}")
    if _OFTENER.search(phrase):
        raise ValueError(
            "a task repeats daily at most; for several times a day name them: "
            '"daily at 8:00, 14:00 and 20:00"'
        )
    words, times = _split_times(phrase)
    words, months = _split_months(words)
    if words in ("every", "every other") and times:
        # The day of "every morning" went with its time.
        words += " day"
    repeating = _read(re.sub(r"^on (?!every)|^(?:on )?(?=every)", "", words))
    rule = repeating.rule
    if months:
        rule = replace(rule, months=months)
    if len(times) > 1:
        hours, minutes = {at.hour for at in times}, {at.minute for at in times}
        if len(hours) * len(minutes) != len(set(times)):
            raise ValueError(
                "several times a day have to be at the same minute of the hour; "
                "make a task for each of the others"
            )
        rule = replace(rule, hours=tuple(sorted(hours)), minutes=tuple(sorted(minutes)))
    return replace(repeating, rule=rule, at=min(times, default=None))


def _split_times(phrase: str) -> tuple[str, list[time]]:
    """The phrase without its times of day, and these."""
    if found := re.search(r"(?:^| )at (?P<times>[^a-z]*(?:[a-z.:\d ]+) and .+)$", phrase):
        splits = [split_time(f"at {part}") for part in found["times"].split(" and ")]
        if all(split.time is not None and not split.day for split in splits):
            return phrase[: found.start()], [split.time for split in splits if split.time]
    split = split_time(phrase)
    return split.day, [] if split.time is None else [split.time]


def _split_months(words: str) -> tuple[str, tuple[int, ...]]:
    """The words without the "in june and july" at their end, and those months."""
    found = re.fullmatch(rf"(.+) in (?P<months>{_MONTH}(?: and {_MONTH})*)", words)
    if found is None or re.match(rf"(?:every year on |every )?(?:the )?{_ORDINAL} ", found[1]):
        return words, ()
    return found[1], tuple(sorted({_month(name) for name in found["months"].split(" and ")}))


def _read(words: str) -> Repeating:
    words = re.sub(rf"^((?:{_WEEKDAY}|weekday|weekend)s(?: and .+)?)$", r"every \1", words)
    words = re.sub(rf"^({_WEEKDAY} ?(?:-|–|to|through) ?{_WEEKDAY})$", r"every \1", words)
    if found := re.fullmatch(
        rf"(?:every (?:month on )?)?(.+) of (?:the|every|a) (?:(?P<amount>{_AMOUNT}) )?months?",
        words,
    ):
        return _monthly(found[1], _amount(found["amount"]))
    words = re.sub(r"(.+) every (day|week|month|year)$", r"every \2 on \1", words)
    if found := _EVERY.fullmatch(words):
        return _every(found)
    if found := re.fullmatch(rf"every (?P<nth>other|{_ORDINAL}) (?P<day>{_WEEKDAY})", words):
        return _every_nth_weekday(found["nth"], found["day"])
    if found := re.fullmatch(r"every (.+)", words):
        return _every_such(found[1])
    if found := re.fullmatch(rf"(.+) (?:of|in) ({_MONTH}) every year|every year on (.+)", words):
        return _yearly(f"{found[1]} of {found[2]}" if found[1] else found[3], 1)
    raise ValueError(f"{quoted(words)} doesn't say how it repeats")


def _every(found: re.Match[str]) -> Repeating:
    """Every day, week, month or year, or several of them, maybe on certain days."""
    interval, unit, on = _amount(found["amount"]), found["unit"], found["on"]
    if found["nth"]:
        interval = 2 if found["nth"] == "other" else _ORDINALS[found["nth"]]
        if interval == -1 and unit == "day":
            return _monthly("last day", 1)
        if interval < 1:
            raise ValueError(f"{quoted(found[0])} can't be counted")
    if on is None:
        return Repeating(Rule(_UNITS[unit], interval=interval))
    if unit == "week":
        return Repeating(Rule("WEEKLY", interval=interval, days=_weekdays(on)))
    if unit == "month":
        return _monthly(on, interval)
    if unit == "year":
        return _yearly(on, interval)
    raise ValueError(f"{quoted(on)} doesn't go with {quoted(found[0])}")


def _every_nth_weekday(nth: str, weekday: str) -> Repeating:
    number = 2 if nth == "other" else _ORDINALS[nth]
    day = _weekday(weekday)
    if number in (1, -1, -2):
        return Repeating(Rule("MONTHLY", days=(Day(day, number),)))
    notes: tuple[str, ...] = ()
    if nth != "other":
        notes = (
            f'"every {nth} {weekday}" is read as every {number} weeks; for one in the month say '
            f'"{nth} {weekday} of the month".',
        )
    return Repeating(Rule("WEEKLY", interval=number, days=(Day(day),)), notes=notes)


def _every_such(words: str) -> Repeating:
    if words in ("weekend", "weekends"):
        note = "Every weekend is read as every Sunday, on which it ends."
        return Repeating(Rule("WEEKLY", days=(Day(6),)), notes=(note,))
    if _DATE.fullmatch(words) or re.search(rf"(?:of|in) {_MONTH}$", words):
        return _yearly(words, 1)
    if re.fullmatch(
        r"(?:the )?\d{1,2}(?:st|nd|rd|th)(?: and (?:the )?\d{1,2}(?:st|nd|rd|th))*", words
    ):
        return _monthly(words, 1)
    if _NTH_DAY.fullmatch(words):
        return _monthly(words, 1)
    return Repeating(Rule("WEEKLY", days=_weekdays(words)))


def _monthly(words: str, interval: int) -> Repeating:
    """On some days of the month: by number, or the first Friday."""
    words, literal = re.subn(r" \(?where there is one\)?$", "", words)
    words = re.sub(r" of (?:the|every) month$", "", words)
    if found := _NTH_DAY.fullmatch(words):
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
    note = f"In a month without a {last}{'st' if last == 31 else 'th'} it is on the last day."
    if last == longest:
        return Repeating(replace(rule, month_days=(-1,)), notes=(note,))
    days = tuple(range(28, last + 1))
    return Repeating(replace(rule, month_days=days, positions=(-1,)), notes=(note,))


def _yearly(words: str, interval: int) -> Repeating:
    words, literal = re.subn(r" \(?where there is one\)?$", "", words)
    if found := re.fullmatch(rf"(.+) (?:of|in) ({_MONTH})", words):
        rule = Rule("YEARLY", interval=interval, months=(_month(found[2]),))
        if nth := _NTH_DAY.fullmatch(found[1]):
            return Repeating(_nth_days(nth, rule))
    found = _DATE.fullmatch(words)
    if found is None:
        raise ValueError(f"{quoted(words)} is no day of a year")
    month = _month(found["month"] or found["month_first"])
    day = int(found["day"] or found["day_last"])
    if not 1 <= day <= monthrange(2028, month)[1]:
        raise ValueError(f"{MONTHS[month - 1].capitalize()} has no day {day}")
    rule = Rule("YEARLY", interval=interval, months=(month,), month_days=(day,))
    return Repeating(rule) if literal else in_short_months(rule)


def _nth_days(found: re.Match[str], rule: Rule) -> Rule:
    nths = tuple(
        sorted(
            {_ORDINALS[name.removeprefix("the ")] for name in found["nths"].split(" and ")},
            key=lambda number: (number < 0, number),
        )
    )
    if found["day"] == "day":
        return replace(rule, month_days=nths)
    if found["day"] == "weekday":
        return replace(rule, days=tuple(map(Day, range(5))), positions=nths)
    return replace(rule, days=tuple(Day(_weekday(found["day"]), nth) for nth in nths))


def _weekdays(words: str) -> tuple[Day, ...]:
    numbers: set[int] = set()
    for word in words.split(" and "):
        if word.removesuffix("s") == "weekday":
            numbers |= set(range(5))
        elif found := re.fullmatch(
            rf"({_WEEKDAY})s?(?: ?(?:-|–|to|through) ?({_WEEKDAY}))?", word.removeprefix("on ")
        ):
            first, last = _weekday(found[1]), _weekday(found[2] or found[1])
            numbers |= {number % 7 for number in range(first, first + (last - first) % 7 + 1)}
        else:
            raise ValueError(f"{quoted(word)} is no weekday")
    return tuple(map(Day, sorted(numbers)))


def _weekday(name: str) -> int:
    return _WEEKDAY_NAMES.index(name[:3])


def _month(name: str) -> int:
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))


def _amount(word: str | None) -> int:
    if word is None:
        return 1
    return int(word) if word.isdecimal() else _NUMBERS.index(word)
