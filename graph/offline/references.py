"""Which task a command is about: numbers, words of a title, or a pronoun."""

import re

from .intents import Reference, Talk, Topic
from .wording import MY_LIST, QUOTED, TASK, Quotations, pattern

_LONGEST = 300
_MOST = 20

_ON_LIST = pattern(rf"(?P<ref>.+?),? (?:from|off|on|in) {MY_LIST}")
_NUMBER = (
    rf"(?:the )?(?:{TASK} )?(?:(?:numbers?|nos?\.?|nr\.?) ?)?#?(?P<n>\d{{1,9}})(?: (?:task|one))?"
)
_ONE_NUMBER = pattern(_NUMBER)
_LISTED = pattern(r"#(?P<n>\d{1,9})[ :.,-]+.+")
_WORD_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        (
            *("one", "two", "three", "four", "five", "six"),
            *("seven", "eight", "nine", "ten", "eleven", "twelve"),
        ),
        start=1,
    )
}
_SPELLED = pattern(rf"(?:the )?(?:{TASK}|number|{TASK} number) (?P<word>{'|'.join(_WORD_NUMBERS)})")
_RANGE = pattern(
    rf"(?:the )?(?:{TASK} |numbers? )?#?(?P<from>\d{{1,6}}) ?(?:-|–|to|through|till) ?"
    rf"#?(?P<to>\d{{1,6}})"
)
_NUMBERS_START = pattern(rf"(?:both )?(?:the )?(?:{TASK} |numbers? )?#?\d.*")
_SEPARATOR = re.compile(r",? and |,? & | ?\+ |, ?| ", re.IGNORECASE)
_EVERYTHING = pattern(
    rf"(?:every(?:thing|.{TASK})|(?:absolutely )?all|all of (?:it|them)|(?:everything|all) .+"
    rf"|them all|them|both|these|those"
    rf"|(?:my |the |these |those |our )?(?:whole |entire |open |completed |done |finished |old )*"
    rf"(?:tasks|items|to-?dos|reminders|list|stuff|ones))"
)
_PRONOUN = pattern(r"(?:it|that|this|(?:that|this) (?:one|task)|the (?:task|one)|that task)")
_QUOTES = pattern(rf"(?:the )?(?:{TASK} )?{QUOTED}(?:(?:,? and |, ){QUOTED})*(?: {TASK}| one)?")
_ONES = pattern(r"(?:the|my) .+? (?:one|task)(?:(?:,? and |, )(?:the|my) .+? (?:one|task))+")
_BOTH = pattern(r"(?:the|my) .+?(?:(?:,? and |, )(?:the|my) .+?)+")
_JOINT = re.compile(r"(?:,? and |, )(?=(?:the|my) )", re.IGNORECASE)
_NAMED = pattern(
    rf"(?P<article>(?:the|my|our|that|this|a|an) )?"
    rf"(?P<lead>{TASK} (?:called |named |titled |about |for |to |with )?(?:the |my )?)?"
    rf"(?P<words>.+?)(?P<tail> (?:one|{TASK}))?"
)
# Words that make a command uncertain, conditional or negative.
_UNSURE = re.compile(
    r"\b(?:if|unless|until|when|whenever|once|or|but|except|not|no|never|wait|actually|sorry|maybe"
    r"|perhaps|instead|nothing|none|neither|anything|something|whatever|whichever|yet|should|would"
    r"|could|because|rather|almost|nearly|half)\b|n['’]t\b|\?|…|\.\.",
    re.IGNORECASE,
)
# "The first one" is a place in a list and "2 tasks" a count; neither is a task's number.
_PLACE = pattern(
    rf"#?\d+|{'|'.join(_WORD_NUMBERS)}"
    r"|(?:very )?(?:first|second|third|fourth|fifth|last|next|previous|other|latest|newest|oldest"
    r"|top|bottom|same|old|new|wrong|right|big|open|completed|done|finished|\d+(?:st|nd|rd|th))"
)
_EMPTY = pattern(
    r"(?:the|my|a|an|one|to|of|for|with|about|task|item|todo|list|stuff|things?|up|off|out|as)"
)


def read_references(
    text: str, quotations: Quotations, *, each: bool = False
) -> list[Reference] | Talk | None:
    """Read the task or tasks that a command names.

    Args:
        each: Whether "the milk and the bread" are two tasks; else they are words of one title.

    Returns them, or what to say when a command can't be done that way, or none when the words
    are not surely the name of a task.
    """
    text = text.strip(" .,;:!")
    if (found := _ON_LIST.fullmatch(text)) is not None:
        text = found["ref"]
    if not text or len(text) > _LONGEST:
        return None
    if _PRONOUN.fullmatch(text):
        return [Reference("", "pronoun")]
    if (numbers := _numbers(text)) is not None:
        return [Reference(number, "number", unmistakable=True) for number in numbers] or Talk(
            Topic.TOO_MANY
        )
    if _QUOTES.fullmatch(text):
        return [
            Reference(quotations.restore(quote), unmistakable=True)
            for quote in re.findall(QUOTED, text)
        ]
    if _UNSURE.search(text):
        return None
    if _EVERYTHING.fullmatch(text):
        return Talk(Topic.EVERYTHING)
    if _ONES.fullmatch(text) or (each and _BOTH.fullmatch(text)):
        parts = _JOINT.split(text)
        names = [_name(part, quotations) for part in parts]
        return [name for name in names if isinstance(name, Reference)] if all(names) else None
    name = _name(text, quotations)
    return [name] if isinstance(name, Reference) else name


def read_reference(text: str, quotations: Quotations) -> Reference | Talk | None:
    """Read a command's one task; several are none."""
    found = read_references(text, quotations)
    if isinstance(found, list):
        return found[0] if len(found) == 1 else None
    return found


def _name(text: str, quotations: Quotations) -> Reference | Talk | None:
    found = _NAMED.fullmatch(text)
    if found is None:
        return None
    words = found["words"].strip(" .,;:!")
    if _PLACE.fullmatch(words):
        return Talk(Topic.WHICH)
    if not words or all(_EMPTY.fullmatch(word) for word in words.split(" ")):
        return None
    sure = bool(found["tail"] or found["lead"]) and bool(found["article"])
    return Reference(quotations.restore(words), unmistakable=sure)


def _numbers(text: str) -> list[str] | None:
    """Return the numbers when the text is nothing but numbers; an empty list for too many."""
    if (found := _LISTED.fullmatch(text)) is not None and "," not in text and " and " not in text:
        return [str(int(found["n"]))]
    if (found := _ONE_NUMBER.fullmatch(text)) is not None:
        return [str(int(found["n"]))]
    if (found := _SPELLED.fullmatch(text)) is not None:
        return [_WORD_NUMBERS[found["word"].lower()]]
    if (found := _RANGE.fullmatch(text)) is not None:
        first, last = int(found["from"]), int(found["to"])
        if first > last:
            return None
        return [str(n) for n in range(first, last + 1)] if last - first < _MOST else []
    if _NUMBERS_START.fullmatch(text) is None:
        return None
    text = re.sub(r"^both ", "", text, flags=re.IGNORECASE)
    text = re.sub(rf"\b(?:the )?(?:{TASK}|numbers?) (?=#?\d)", "", text, flags=re.IGNORECASE)
    parts = _SEPARATOR.split(text)
    if not all(re.fullmatch(r"#?\d{1,9}", part) for part in parts):
        return None
    numbers = list(dict.fromkeys(str(int(part.lstrip("#"))) for part in parts))
    return numbers if len(numbers) <= _MOST else []
