"""What people say about how a task repeats: "every second tuesday at 9", "monthly on the 31st".

There are libraries for such phrases; none of them is kept up, and they skip words that they don't
know, so that "every friday except holidays" would become every Friday. This is a small grammar: a
phrase is read to its last word or not at all.
"""

import re
from dataclasses import replace
from datetime import time

from ..texts import quoted
from .calendar_words import AMOUNT, MONTH, WEEKDAY, month_number, number, weekday_number
from .clock_times import split_time
from .recurrence_days import DATE, NTH_DAY, ORDINAL, ORDINALS, Repeating, monthly, weekdays, yearly
from .rrules import Day, Rule

FORMS = (
    '"every day at 9", "every weekday", "every 2 weeks on mon and thu", "every second tuesday", '
    '"monthly on the 15th", "last friday of the month", "every year on 24 december", '
    '"every 3 days after completion", each also with "until 1 june" or "10 times", '
    'or an RRULE such as "FREQ=WEEKLY;BYDAY=TU"'
)

_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_EVERY = re.compile(
    rf"every (?:(?P<amount>{AMOUNT}) (?=\w+s\b)|(?P<nth>other|{ORDINAL}) )?"
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
#: What people say that can't be a rule, and what to do about it.
_REFUSED = (
    (
        r"\b(?:bi|semi)[- ]?(?:weekly|monthly|annual(?:ly)?|yearly)\b",
        'can mean two things; ask which, and say "every 2 weeks" or "every mon and thu"',
    ),
    (
        r"\b(?:twice|thrice|\w+ times) (?:a|per|every|each) \w+",
        "leaves open when; ask on which days or at which times",
    ),
    (
        r"\b(?:hours?|hourly|minutes?|minutely|seconds|secondly)\b",
        "is too often, a task repeats daily at most; for several times a day name them: "
        '"daily at 8:00, 14:00 and 20:00"',
    ),
    (
        r"\b(?:except|excluding|but not|unless|skip(?:ping)?)\b",
        "can't be said, a rule has no exceptions; name the days on which it repeats",
    ),
    (
        rf"\bfor (?:the next )?(?:{AMOUNT}|an?) (?:day|week|month|year)s?\b",
        'has to be said as "until 1 june" or "10 times"',
    ),
)


def read_repeating(phrase: str) -> Repeating:
    """What a phrase in lower case, its words one space apart, says about how a task repeats.

    Raises:
        ValueError: it can't be read, or can be read in two ways.
    """
    for pattern, reason in _REFUSED:
        if found := re.search(pattern, phrase):
            raise ValueError(f"{quoted(found[0])} {reason}")
    for pattern, words in _SYNONYMS:
        phrase = re.sub(pattern, words, phrase)
    words, times, notes = _split_times(phrase)
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
    notes = repeating.notes + notes
    return replace(repeating, rule=rule, at=min(times, default=None), notes=notes)


def _split_times(phrase: str) -> tuple[str, list[time], tuple[str, ...]]:
    """The phrase without its times of day, these, and what they could have meant otherwise."""
    if found := re.search(r"(?:^| )at (?P<times>.+ and .+)$", phrase):
        splits = [split_time(f"at {part}") for part in found["times"].split(" and ")]
        times = [split.time for split in splits if split.time is not None and not split.day]
        if len(times) == len(splits):
            return phrase[: found.start()], times, sum((split.notes for split in splits), ())
    split = split_time(phrase)
    return split.day, [] if split.time is None else [split.time], split.notes


def _split_months(words: str) -> tuple[str, tuple[int, ...]]:
    """The words without the "in june and july" at their end, and those months."""
    found = re.fullmatch(rf"(.+) in (?P<months>{MONTH}(?: and {MONTH})*)", words)
    if found is None or re.match(rf"(?:every year on |every )?(?:the )?{ORDINAL} ", found[1]):
        return words, ()
    return found[1], tuple(sorted({month_number(name) for name in found["months"].split(" and ")}))


def _read(words: str) -> Repeating:
    words = re.sub(rf"^((?:{WEEKDAY}|weekday|weekend)s(?: and .+)?)$", r"every \1", words)
    words = re.sub(rf"^({WEEKDAY}(?: and {WEEKDAY})+)$", r"every \1", words)
    words = re.sub(rf"^({WEEKDAY} ?(?:-|–|to|through) ?{WEEKDAY})$", r"every \1", words)
    if found := re.fullmatch(
        rf"(?:every (?:month on )?)?(.+) of (?:the|every|a) (?:(?P<amount>{AMOUNT}) )?months?",
        words,
    ):
        return monthly(found[1], number(found["amount"] or "1"))
    words = re.sub(r"(.+) every (day|week|month|year)$", r"every \2 on \1", words)
    if found := _EVERY.fullmatch(words):
        return _every(found)
    if found := re.fullmatch(rf"every (?P<nth>other|{ORDINAL}) (?P<day>{WEEKDAY})", words):
        return _every_nth_weekday(found["nth"], found["day"])
    if found := re.fullmatch(r"every (.+)", words):
        return _every_such(found[1])
    if found := re.fullmatch(rf"(.+) (?:of|in) ({MONTH}) every year|every year on (.+)", words):
        return yearly(f"{found[1]} of {found[2]}" if found[1] else found[3], 1)
    raise ValueError(f"{quoted(words)} doesn't say how it repeats")


def _every(found: re.Match[str]) -> Repeating:
    """Every day, week, month or year, or several of them, maybe on certain days."""
    interval, unit, on = number(found["amount"] or "1"), found["unit"], found["on"]
    if found["nth"]:
        interval = 2 if found["nth"] == "other" else ORDINALS[found["nth"]]
        if interval == -1 and unit == "day":
            return monthly("last day", 1)
        if interval < 1:
            raise ValueError(f"{quoted(found[0])} can't be counted")
    if on is None:
        return Repeating(Rule(_UNITS[unit], interval=interval))
    if unit == "week":
        return Repeating(Rule("WEEKLY", interval=interval, days=weekdays(on)))
    if unit == "month":
        return monthly(on, interval)
    if unit == "year":
        return yearly(on, interval)
    raise ValueError(f"{quoted(on)} doesn't go with {quoted(found[0])}")


def _every_nth_weekday(nth: str, weekday: str) -> Repeating:
    count = 2 if nth == "other" else ORDINALS[nth]
    day = weekday_number(weekday)
    if count in (1, -1, -2):
        return Repeating(Rule("MONTHLY", days=(Day(day, count),)))
    notes: tuple[str, ...] = ()
    if nth != "other":
        notes = (
            f'"every {nth} {weekday}" is read as every {count} weeks; for one in the month say '
            f'"{nth} {weekday} of the month".',
        )
    return Repeating(Rule("WEEKLY", interval=count, days=(Day(day),)), notes=notes)


def _every_such(words: str) -> Repeating:
    if words in ("weekend", "weekends"):
        note = "Every weekend is read as every Sunday, on which it ends."
        return Repeating(Rule("WEEKLY", days=(Day(6),)), notes=(note,))
    if DATE.fullmatch(words) or re.search(rf"(?:of|in) {MONTH}$", words):
        return yearly(words, 1)
    if re.fullmatch(
        r"(?:the )?\d{1,2}(?:st|nd|rd|th)(?: and (?:the )?\d{1,2}(?:st|nd|rd|th))*", words
    ):
        return monthly(words, 1)
    if NTH_DAY.fullmatch(words):
        return monthly(words, 1)
    return Repeating(Rule("WEEKLY", days=weekdays(words)))
