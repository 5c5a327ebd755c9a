"""Questions in which nothing but days can be meant: "what is due on 15.3.?".

In other sentences a date at the end may belong to a title, so that only forms count that are hard
to mistake. Here the words in front say that a date must come, and all count that the tools read.
"""

from .dues import as_range, is_due
from .intents import Show
from .wording import pattern, trimmed

_SHOW = r"(?:(?:show|list|display|print|give|see|check|tell)(?: me| us)?|(?:let )?me (?:see|know))"
_TASKS = r"(?:tasks?|to-? ?dos?|items?|reminders?|things|ones|stuff)"
_ARE = r"(?:'s|'re| is| are| was| were| will be| comes?| becomes?| falls?)"
_WHAT = rf"(?:what(?:{_ARE}|s)|(?:which|what|how many) {_TASKS}{_ARE}|what)"
_ASKED = (
    pattern(rf"(?:{_SHOW} )?{_WHAT} (?:all |still )?due (?P<days>.+)"),
    pattern(
        rf"(?:{_SHOW} )?(?:all |everything|anything|all the |the |my )*(?:{_TASKS} )?"
        r"(?:that(?:'s| is| are) |which (?:is|are) )?due (?P<days>.+)"
    ),
)
_ALONE = pattern(
    r"(?:(?:and|so|what about|how about|what's|what is|show me|or) )?(?P<days>(?:on |due ).+)"
)
_ALONE_ASKED = pattern(r"(?:(?:and|so|what about|how about) )?(?P<days>.+)")
_BETWEEN = pattern(
    r"(?P<from>from |between )?(?P<first>.+?) (?:to|and|until|till|through|or) (?P<last>.+)"
)
_SINCE = pattern(r"(?:after|since|from|starting) (?P<first>.+)")
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_PERIOD = pattern(
    rf"in (?:(?:next|this|last) )?{_MONTH}(?: \d{{4}})?|(?:this|next|last) {_MONTH}"
    r"|(?:(?:in|within|over) )?(?:the )?(?:next|coming) (?:\d{1,3}|\w+) (?:days|weeks|months)"
)
# By themselves they may go on with a question for what was done then.
_WHERE_DUE_IS_SAID = pattern(
    r"yesterday|(?:last|this) (?:week(?:end)?|month|quarter|year)|next quarter|in 20\d\d"
)
# A month in a language that the tools read by the locale.
_DAY_OF_MONTH = pattern(r"(?:(?:on|by|before|until) )?[0-3]?\d\. [^\W\d_]{3,12}\.?(?: \d{4})?")


def read_days_due(text: str) -> Show | None:
    """Read a question for what is due on some days."""
    for asked in _ASKED:
        if (found := asked.fullmatch(text)) is not None:
            words = found["days"]
            days = words if _WHERE_DUE_IS_SAID.fullmatch(words) else _days(words)
            return None if days is None else Show(due=days)
    return None


def read_days_alone(text: str) -> Show | None:
    """Read days by themselves, as a whole message: "tomorrow?", "due on friday", "on 3 march"."""
    bare = trimmed(text, " ?.!,;:")
    found = _ALONE.fullmatch(bare) or ("?" in text and _ALONE_ASKED.fullmatch(bare)) or None
    days = None if found is None else _days(found["days"])
    return None if days is None else Show(due=days)


def _days(words: str) -> str | None:
    """The days as the tools read them; none if they are no days."""
    if is_due(words):
        return as_range(words)
    words = words.removeprefix("due ")
    if _PERIOD.fullmatch(words):
        return words.removeprefix("in the ").removeprefix("the ")
    if _DAY_OF_MONTH.fullmatch(words):
        return as_range(words)
    if (since := _SINCE.fullmatch(words)) is not None and is_due(since["first"]):
        return words
    sides = _BETWEEN.fullmatch(words)
    if sides is not None and is_due(sides["first"]) and is_due(sides["last"]):
        return words
    return None
