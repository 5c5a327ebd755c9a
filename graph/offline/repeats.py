"""Where in the words of a new task it is said how it repeats, and which labels it has.

As with due times only the span is found here; what the words mean is for the tool to say.
"""

from .wording import pattern

_DAY = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat"
    r"|sun))"
)
_DAYS = rf"{_DAY}(?:(?:,| and|, and) {_DAY})*"
_NTH = (
    r"(?:other|second|third|fourth|2nd|3rd|4th|\d{1,2}|two|three|four|five|six|seven|eight|nine"
    r"|ten)"
)
_UNIT = r"(?:days?|weeks?|months?|years?|fortnights?|weekdays?|workdays?|weekends?)"
_ORDINAL = r"(?:(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th))"
_PLACE = rf"(?:{_ORDINAL}|first|second|third|fourth|last)"
_TIME = r"(?:[01]?\d|2[0-4])(?:[:.][0-5]\d)? ?(?:a\.?m\b\.?|p\.?m\b\.?)?|noon|midday|midnight"
_EVERY = (
    rf"(?:every|each) (?:single )?(?:{_NTH} )?(?:{_DAYS}|{_UNIT})"
    rf"|(?:every|each) {_PLACE} {_DAY}(?: of (?:the|every|each) month)?"
    rf"|(?:every|each) {_PLACE}(?: day)?(?: of (?:the|every|each) month)?"
    r"|(?:every|each) (?:morning|afternoon|evening|night)"
    r"|(?:daily|weekly|fortnightly|monthly|yearly|annually)"
)
_REPEATS = pattern(
    rf"(?:{_EVERY})(?: on (?:the {_PLACE}|{_DAYS}))?(?: (?:morning|afternoon|evening|night))?"
    rf"(?: (?:at|@) ?(?:{_TIME}))?(?: after (?:completion|it is done|it's done))?"
)
_LABEL = pattern(r"#(?P<label>[^\W\d_][\w-]{0,48})")
_MOST_WORDS = 14

# After one of these the words belong to the title: "think about every monday", "the weekly".
_HOLDS_ON = frozenset(
    (
        *("a", "about", "all", "almost", "an", "and", "for", "her", "his", "how", "in", "is"),
        *(
            "its",
            "my",
            "nearly",
            "not",
            "of",
            "on",
            "or",
            "our",
            "than",
            "that",
            "the",
            "their",
            "this",
        ),
        *("to", "what", "when", "why", "with", "your"),
    )
)


def split_repeats(text: str) -> tuple[str, str | None]:
    """Take "every monday at 9" off the end of free text.

    Returns the text before it and those words, or the whole text and none.
    """
    words = text.split(" ")
    for start in range(max(1, len(words) - _MOST_WORDS), len(words)):
        tail = " ".join(words[start:]).rstrip(".!;,")
        if _REPEATS.fullmatch(tail) is None:
            continue
        before = " ".join(words[:start])
        last = before.rstrip(",;:(").split(" ")[-1].lower()
        if not last or (last in _HOLDS_ON and before[-1] not in ",;:("):
            return text, None
        return before.rstrip(" ,;:-–—("), tail
    return text, None


def split_label(text: str) -> tuple[str, str | None]:
    """Take "#home" off the end of free text; "#3" is a number."""
    before, _, last = text.rpartition(" ")
    found = _LABEL.fullmatch(last.rstrip(".!;,"))
    return (before.rstrip(" ,;"), found["label"]) if before and found else (text, None)


def read_labels(text: str) -> tuple[str, ...]:
    """The labels that a text consists of: "#home", "#home and #work"; none for another text."""
    words = [word for word in text.replace(",", " ").split() if word.lower() not in {"and", "&"}]
    found = [_LABEL.fullmatch(word) for word in words]
    labels = tuple(label["label"] for label in found if label is not None)
    return labels if len(labels) == len(words) else ()
