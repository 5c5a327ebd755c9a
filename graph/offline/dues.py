"""Where in a sentence a due time stands.

Only the span is found here; what the words mean is for the tool to say, which knows the clock and
the user's time zone. A title must not lose words that only look like a date ("sun cream", "march
with the band", "Black Friday"), so at the end of free text only forms that are hard to mistake
count, and no more of them than a few words are looked at.
"""

from .wording import pattern, trimmed

_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SHORT = r"(?:mon|tue|tues|thu|thur|thurs|fri)"
# English words too, so they need a word in front that makes them days.
_AMBIGUOUS_SHORT = r"(?:wed|weds|sat|sun)"
_ANY_DAY = rf"(?:{_WEEKDAY}|{_SHORT}|{_AMBIGUOUS_SHORT})"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
)
_ORDINAL = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)"
_DAY_NUMBER = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:20\d\d)"
_COUNT = (
    r"(?:\d{1,3}|half an|a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve)"
)
_UNIT = r"(?:min(?:ute)?s?|h(?:ou)?rs?|days?|weeks?|fortnights?|months?|years?)"
_PART = r"(?:morning|afternoon|evening|night)"
_HALF = r"(?:a\.?m\b\.?|p\.?m\b\.?)"
_HOUR = r"(?:[01]?\d|2[0-4])"
_CLEAR_TIME = rf"(?:{_HOUR}(?:[:.][0-5]\d)? ?{_HALF}|{_HOUR} o'clock(?: {_HALF})?)"
_TIME = rf"(?:{_CLEAR_TIME}|{_HOUR}[:.][0-5]\d|{_HOUR}|noon|midday|midnight|lunchtime)"
_CLOCK = rf"(?:{_CLEAR_TIME}|{_HOUR}[:.][0-5]\d|noon|midday|midnight|lunchtime)"
_AT_TIME = rf"(?:(?:at|@|around) ?{_TIME}|{_CLEAR_TIME})"

_CALENDAR = (
    rf"(?:{_MONTH} (?:the )?{_DAY_NUMBER}\b(?:,? {_YEAR})?"
    rf"|(?:the )?{_DAY_NUMBER} (?:of )?{_MONTH}(?:,? {_YEAR})?"
    rf"|{_YEAR}-[01]?\d-[0-3]?\d(?:[t ][0-2]?\d:[0-5]\d(?::[0-5]\d)?(?:z|[+-]\d\d:?\d\d)?)?"
    rf"|[0-3]?\d[./][0-3]?\d[./]{_YEAR})"
)
_DAY = (
    rf"(?:today|tonight|tomorrow|tmrw|(?:the )?day after tomorrow"
    rf"|(?:this |next |coming |this coming ){_ANY_DAY}|{_WEEKDAY}|{_SHORT}"
    rf"|{_ANY_DAY} (?:of )?next week|next week (?:on )?{_ANY_DAY}"
    rf"|(?:this |next )(?:week(?:end)?|month|year)|eod"
    rf"|(?:the )?end of (?:the |this |next )?(?:week(?:end)?|month|year)"
    rf"|(?:the )?end of (?:the )?day"
    rf"|this (?:morning|afternoon|evening)|(?:{_ANY_DAY},? )?{_CALENDAR}"
    rf"|{_ANY_DAY},? (?:the )?{_ORDINAL})"
)
_AND = rf"(?: (?:and )?{_COUNT} {_UNIT})?"
_SPAN = rf"(?:in {_COUNT} {_UNIT}{_AND}|{_COUNT} {_UNIT}{_AND} from (?:now|today))"
_SHORT_DATE = rf"(?:{_AMBIGUOUS_SHORT}|the {_ORDINAL})"

_FIGURES = rf"(?:(?:{_ANY_DAY},? )?[0-3]?\d[./][0-3]?\d\.?)"
# "3.12" is a version as well; what "3/12" and "3.12." mean depends on the user's locale.
_CLEAR_FIGURES = r"(?:[0-3]?\d/[0-3]?\d|[0-3]?\d\.[01]?\d\.)"

_DAY_PART = rf"(?: {_PART}| in the (?:morning|afternoon|evening)| at night)?"
_AFTER_DAY = (
    rf"{_DAY_PART}(?:,? (?:(?:at|@|around|by|before) ?{_TIME}|{_CLEAR_TIME}|{_HOUR}:[0-5]\d)"
    rf"{_DAY_PART})?"
)


def _when(day: str) -> str:
    return rf"(?:{day}{_AFTER_DAY}|{_AT_TIME}{_DAY_PART}(?:,? (?:on )?{day}{_DAY_PART})?)"


_BEFORE = r"(?:due(?: on| by| at| in)?|by|on|before|until|till|no later than|not later than)"

#: At the end of free text.
_CLEAR = pattern(
    rf"(?:(?:{_BEFORE} |for )?{_when(_DAY)}|{_SPAN}(?: {_AT_TIME})?|due {_SPAN}"
    rf"|{_BEFORE} (?:the )?{_when(_SHORT_DATE)}|{_BEFORE} {_when(_CLEAR_FIGURES)}"
    rf"|{_AT_TIME}{_DAY_PART},? on {_CLEAR_FIGURES}"
    rf"|(?:due|by|before|until|till) (?:noon|midday|midnight|{_HOUR}:[0-5]\d))"
)
#: Where the sentence says that a date must come.
_EXPECTED = pattern(
    rf"(?:(?:{_BEFORE}|for|at|to) )?(?:{_when(rf'(?:{_DAY}|{_SHORT_DATE}|{_ORDINAL}|{_FIGURES})')}"
    rf"|{_SPAN}(?: {_AT_TIME})?|{_CLOCK}|(?:at|by) {_HOUR})"
)
_PREPOSITION = pattern(
    r"(?:(?:due|by|on|before|until|till|no later than|not later than|for|to|at(?= the end of)) )+"
)
# "By friday" is another question than "on friday".
_BOUND = pattern(r"[ ,]*(?:due )?(?:(?P<before>before)|by|until|till|(?:no|not) later than) ")
_TODAY = pattern(
    rf"tonight|this {_PART}|eod|(?:the )?end of (?:the )?day|in {_COUNT} (?:min|h).*"
    rf"|{_AT_TIME}{_DAY_PART}|{_CLOCK}"
)
_FIRST_TIME = pattern(rf"^{_AT_TIME}{_DAY_PART},? (?:on )?")
_TIME_OF_DAY = pattern(rf"(?:{_AFTER_DAY}|(?<=\d)[t ][0-2]?\d:[0-5]\d.*)$")
# Ways to say a due time that the tools would not understand.
_REWORDED = (
    (pattern(r",? before (?=\d|noon|mid|lunch)"), " at "),
    (pattern(r"(?<=[t@dy] )(\d{1,2})\.([0-5]\d)(?![.\d])"), r"\1:\2"),
    (pattern(r"\ba couple of "), "two "),
    (pattern(rf"({_COUNT} {_UNIT}{_AND}) from (?:now|today)"), r"in \1"),
    (pattern(r"^the (?=end of (?:the )?day)"), ""),
)
_IT_IS = pattern(r"[.,;!–—-] ?(?:it'?s|it is|this is)$")

_MOST_WORDS = 12
_LONGEST = 100

# After one of these a date belongs to what stands before it: "about tomorrow", "every monday".
_HOLDS_ON = frozenset(
    (
        *("a", "about", "after", "all", "and", "any", "as", "at", "be", "before", "between", "by"),
        *("called", "due", "during", "each", "every", "for", "from", "her", "his", "how", "in"),
        *("into", "is", "its", "last", "like", "meet", "my", "named", "near", "no", "not", "of"),
        *("on", "or", "our", "over", "per", "since", "than", "that", "the", "their", "this"),
        *("through", "titled", "to", "until", "vs", "was", "what", "when", "where", "which"),
        *("who", "why", "with", "without", "your", "&", "+", "/"),
    )
)
# "Monday - friday" is no due time, "clean the attic - due friday" has one.
_RANGE = pattern(rf"(?:\b{_ANY_DAY}|\d) ?[-–—]$")
# Days that are names of something: "Black Friday".
_NAMED = frozenset(
    (
        *("ash", "black", "casual", "cyber", "easter", "fat", "good", "holy", "manic"),
        *("palm", "shrove", "super"),
    )
)
# Verbs that can mean a period as such: "plan next week".
_TAKES_PERIOD = frozenset(
    (
        *("budget", "discuss", "organise", "organize", "outline", "plan", "prepare"),
        *("review", "schedule"),
    )
)


def is_due(text: str) -> bool:
    """Whether the whole text is a due time, where a date is expected."""
    return len(text) <= _LONGEST and _EXPECTED.fullmatch(text) is not None


def bare_due(text: str) -> str:
    """Return a due time as the tool reads it, without the preposition in front.

    "by friday before 9.30" -> "friday at 9:30"; other words stay as they are.
    """
    found = _PREPOSITION.match(text)
    bare = trimmed(text[found.end() :] if found else text, " ,.;!")
    for words, put in _REWORDED:
        bare = words.sub(put, bare)
    return bare


def as_range(text: str) -> str:
    """Return the days that a due time in a question stands for, as the tool reads them.

    "due tomorrow at 9" -> "tomorrow", "by friday" stays; of a time of day the whole day is meant.
    """
    found = _BOUND.match(text)
    due = bare_due(trimmed(text, " ,.;!?"))
    days = "today" if _TODAY.fullmatch(due) else _TIME_OF_DAY.sub("", _FIRST_TIME.sub("", due))
    if found is None:
        return days
    # "Before friday at 9" has the Friday in it.
    return f"before {days}" if found["before"] and days == due else f"by {days}"


def split_due(text: str) -> tuple[str, str | None]:
    """Take a due time off the end of free text.

    Returns the text before it and the due time without its preposition, or the whole text and
    none. A text that is nothing but a date is left whole: something must remain to be done.
    """
    words = text.split(" ")
    for start in range(max(1, len(words) - _MOST_WORDS), len(words)):
        tail = " ".join(words[start:])
        if len(tail) > _LONGEST or _CLEAR.fullmatch(trimmed(tail, ".!;,")) is None:
            continue
        before = " ".join(words[:start])
        if _belongs_to_title(before, tail):
            break
        return _IT_IS.sub("", before).rstrip(" ,;:-–—("), bare_due(tail)
    return text, None


def leading_due(text: str) -> tuple[str | None, str]:
    """Take a due time off the beginning of a text: "tomorrow at 9 to buy milk".

    Returns the due time, or none, and what follows it.
    """
    words = text.split(" ")
    for end in range(min(len(words) - 1, _MOST_WORDS), 0, -1):
        head = " ".join(words[:end])
        if len(head) <= _LONGEST and _CLEAR.fullmatch(head.rstrip(",:")) is not None:
            return bare_due(head.rstrip(",:")), " ".join(words[end:])
    return None, text


def _belongs_to_title(before: str, tail: str) -> bool:
    last = before.rstrip(",;:(").split(" ")[-1].lower()
    if not last or (last in _HOLDS_ON and before[-1] not in ",;:(") or _RANGE.search(before):
        return True
    if last in _NAMED:
        return True
    if " " not in before and last in _TAKES_PERIOD and tail.lower().startswith(("this", "next")):
        return True
    # "The Day After Tomorrow" is a name: two or more words with a capital that dates don't have.
    proper = pattern(rf"(?:{_ANY_DAY}|{_MONTH})")
    capitals = [word for word in tail.split() if word[0].isupper() and not proper.match(word)]
    return len(capitals) >= 2 and not tail.isupper()
