"""Sentences that ask for the list."""

import re
from dataclasses import replace

from .days_asked import read_days_due
from .details import to_priority
from .dues import as_range, is_due, split_due
from .intents import Look, Reference, Show, State
from .repeats import read_labels
from .wording import QUOTED, Quotations, pattern, trimmed

_LONGEST = 200

_MY = r"(?:my|the|our|your|any(?: of my)?|some)"
_LEVEL = r"(?:(?:high|low|normal|top|urgent)[- ]priority|urgent|important|overdue|past due|due)"
_OPEN = (
    r"(?:open|pending|outstanding|remaining|unfinished|undone|current|active|incomplete"
    r"|uncompleted)"
)
_DONE = r"(?:completed?|finished|done|closed|ticked off|checked off)"
_DID = r"(?:do|done|finish|finished|completed?|ticked? off|checked? off|get done|accomplish(?:ed)?)"
_NOUN = (
    r"(?:(?:to-? ?do |task |tasks )?list|tasks?|to-? ?dos?|to do's|items?|reminders?|agenda|plate"
    r"|schedule|things|ones|stuff)"
)
_ON_LIST = rf"(?:(?:on|in|from) (?:my|the|our|your) (?:{_OPEN} )?{_NOUN})"
_LEFT = (
    r"(?:left to do|still to do|to get done|to do|left|open|due|pending|outstanding|planned"
    rf"|{_ON_LIST})"
)
_SHOW = (
    r"(?:show|list|display|print|give|see|view|read(?: out)?|get|fetch|check|tell|look at|open"
    r"|pull up|go over)(?: me| us)?"
)
_HAVE = r"(?:(?:i|we) (?:still |also )?(?:have|need|must|got|should))"
_ASK_HAVE = (
    r"(?:do|did|have|should|must|can) (?:i|we) (?:still |also )?(?:have|need|got|must|want|do)?"
)
_SOMETHING = rf"(?:anything|something|any (?:{_OPEN} )?{_NOUN}|an? {_NOUN})"
_IS_THERE = r"(?:is there |is |do i (?:still )?have |have i got |have i |got )?"
_WHATS = r"(?:what's|whats|what is|what are|what're)"
_WHICH = rf"(?:which|what) {_NOUN}"
_ABOUT = (
    r"(?:about|regarding|concerning|mentioning|involving|containing|matching|related to|to do with"
    r"|having to do with|with|for|named|called)"
)


def _any_of(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(text) for text in texts)


_COMPLETED_LIST = _any_of(
    rf"{_SHOW}(?: {_MY}| all(?: my| the)?| everything)? {_DONE}(?: {_NOUN})?",
    rf"{_SHOW} (?:what i(?:'ve| have)? {_DID}|what's (?:been )?{_DONE}|what i did)",
    rf"{_SHOW} {_MY} {_NOUN} (?:that are|i have|i've|which are) {_DONE}",
    rf"(?:my |the )?(?!complete ){_DONE} {_NOUN}",
    rf"(?:{_WHATS}|what has been|what's been|{_WHICH} (?:are|have been|were|have i))(?: been)?"
    rf" {_DONE}(?: {_ON_LIST})?",
    rf"what (?:have|did|had) i (?:get |already |been )?{_DID}",
    rf"what i(?:'ve| have)? (?:did|{_DID})",
    rf"(?:{_WHICH}|how many {_NOUN}) (?:have|did) i {_DID}",
    rf"(?:have|did) i {_DID} (?:anything|something)",
)
_OPEN_LIST = _any_of(
    rf"{_SHOW}(?: {_MY}| what's on my| what is on my)? (?:{_OPEN} )?{_NOUN}",
    rf"{_SHOW} what (?:{_HAVE} to do|is left|is {_ON_LIST})",
    rf"{_SHOW} what's (?:left|{_ON_LIST})",
    rf"(?:my |the |our )?(?:{_OPEN} )?{_NOUN}",
    r"ls",
    rf"{_WHATS} (?:still |all )?(?:{_LEFT}|(?:my|the|our) (?:{_OPEN} )?{_NOUN}|{_OPEN}|next|there)"
    rf"(?: {_LEFT})?",
    rf"what (?:else )?{_ASK_HAVE}(?: {_LEFT}| going on| coming up){{0,3}}",
    rf"what {_HAVE}(?: {_LEFT}){{0,3}}",
    r"what else(?: is there)?(?: to do)?",
    r"what (?:still )?(?:needs to|must|has to|should) be done",
    rf"{_WHICH} (?:do i (?:still )?have|are(?: there| still)?|have i got)(?: {_LEFT}){{0,3}}",
    rf"{_IS_THERE}{_SOMETHING}(?: else)?(?: is| are| do i have)?(?: still)?"
    rf"(?: {_LEFT}| coming up){{0,3}}",
    rf"(?:how many|what number of) (?:{_OPEN} )?{_NOUN}"
    rf"(?: do i (?:still )?have| are there| are| have i got)?(?: {_LEFT}){{0,3}}",
    r"what(?:'s| is) (?:my|the) (?:next task|day like)",
)
_WHOLE_LIST = _any_of(
    rf"{_SHOW}(?: {_MY})? (?:everything|all|it all|all of (?:it|them)|every {_NOUN})"
    rf"(?: {_ON_LIST}| there is)?",
    rf"{_SHOW} (?:all|all of)(?: {_MY})? {_NOUN}",
    rf"(?:all|all of) (?:my |the )?{_NOUN}",
    rf"everything|what are all (?:my|the) {_NOUN}",
    rf"{_SHOW} (?:both )?(?:open and {_DONE}|{_DONE} and open)(?: {_NOUN})?",
)
_LEVEL_LIST = _any_of(
    rf"{_SHOW}(?: {_MY}| all(?: my| the)?)? (?P<level>{_LEVEL})(?: {_NOUN})?",
    rf"(?:{_WHATS}(?: my| the)?|{_IS_THERE}any(?:thing)?|{_WHICH} are|my|the) (?P<level>{_LEVEL})"
    rf"(?: {_NOUN})?",
    rf"(?P<level>{_LEVEL}) {_NOUN}(?: do i have| {_ON_LIST})?",
)
_LABELLED = pattern(
    rf"(?:(?:{_SHOW}(?: {_MY}| all(?: my| the)?)?|{_WHATS}(?: {_LEFT})?|which|what|my|all) )?"
    rf"(?:(?P<kind>{_DONE}|{_OPEN}) )?(?:(?:{_NOUN}|everything|all)(?: do i have| are)? )?"
    r"(?:(?:with|in|for|about|under|tagged|labell?ed)(?: (?:the )?(?:labels?|tags?))? )?"
    rf"(?P<labels>#\w[^?]*?)(?: {_NOUN})?"
)
_ONE = pattern(
    rf"(?:{_SHOW}|{_WHATS}) (?:the )?(?:{_NOUN} |number |{_NOUN} number )?#?(?P<n>\d{{1,9}})"
)
_IS_DONE = _any_of(
    rf"(?:is|are|was|were) (?P<text>.+?) (?:already )?{_DONE}(?: yet| already)?",
    rf"(?:did i|have i) (?:already |ever )?{_DID} (?P<text>.+?)(?: yet| already)?",
)
_FILTERED = _any_of(
    rf"{_IS_THERE}{_SOMETHING}(?: {_ON_LIST})? {_ABOUT} (?P<text>.+)",
    rf"(?:{_SHOW}(?: {_MY}| all(?: my| the)?)? |find (?:me )?(?:my |the |all )?|which |what "
    rf"|what are (?:my |the ))?(?:(?P<kind>{_DONE}|{_OPEN}) )?(?:{_NOUN}|everything|all) "
    rf"(?:that (?:are|is|have|mention|contain) |mention |contain )?{_ABOUT} (?P<text>.+)",
    rf"search (?:my|the) {_NOUN} for (?P<text>.+)",
    rf"(?:find|search(?: for)?|look for|look up|where is|where's)(?: me)? (?P<text>.+?)"
    rf"(?: {_ON_LIST})?",
    rf"which {_NOUN} (?:mentions?|contains?|has|have|is about|are about|involves?) (?P<text>.+)",
    rf"is (?P<text>.+?) (?:still )?(?:already )?(?:{_ON_LIST}|open)",
    rf"(?:do i have|have i got|did i (?:add|put)|have i added) (?P<text>.+?) {_ON_LIST}",
    rf"what (?:do i have|have i got|is there|'s there) (?:{_ON_LIST} )?{_ABOUT} (?P<text>.+)",
    rf"what's (?:{_ON_LIST} )?{_ABOUT} (?P<text>.+)",
    r"when(?:'s| is| are) (?P<text>.+?) due",
    rf"{_SHOW} (?:the|my) (?P<text>.+?) (?:one|ones|task|tasks)",
)
_PREFIX = pattern(
    r"(?:remind me (?:of )?|tell me |let me (?:know|see) "
    r"|i (?:need|want|would like) to (?:know|see) "
    r"|do you know )(?P<rest>.+)"
)
_PAST = pattern(r"(?P<rest>.+?) (?P<when>yesterday|last (?:week|month|year)|recently|lately)")
_AHEAD = pattern(
    r"(?P<rest>.+?)(?: due)? (?:(?:in|within|over|for) )?(?:the )?"
    r"(?P<when>(?:next|coming) (?:\d{1,3}|two|three|four|five|six|seven) (?:days|weeks|months))"
)
# Where the rest is a question for the list, it is no version of something.
_FIGURES = pattern(r"(?P<rest>.+?)(?: due)? (?P<when>(?:on|by|before|until|till|for) [\d./]{3,10})")
_DUE = pattern(r" due$")
_TRAILER = pattern(
    r"(?P<rest>.+?) (?:right now|now|at the moment|currently|still|so far|again|yet|already"
    r"|altogether|in total|here)"
)
_ARTICLE = re.compile(r"(?:the|my|a|an|our|that|some) ", re.IGNORECASE)
_NO_TEXT = pattern(
    rf"(?:it|that|this|them|me|everything|anything|something|today|tomorrow|#?\d+|{_NOUN}|all"
    rf"|(?:{_OPEN}|{_DONE}|{_LEVEL})(?: {_NOUN})?)"
)


def read_question(text: str, quotations: Quotations) -> Show | Look | None:
    """Read a sentence that asks for the list, or for tasks that have something in their text."""
    text = trimmed(text, " ?.!,;:")
    if not text or len(text) > _LONGEST:
        return None
    if (asked := read_days_due(text)) is not None:
        return asked
    found = _for_days(text, _read(text, quotations))
    # "What do I have for tomorrow": there is no text to look for, but there may be a day.
    if found is not None and found != Show():
        return found
    rest, when = _split_when(text)
    narrowed = None if when is None else _read_before_due(rest, quotations)
    if when is not None and isinstance(narrowed, Show):
        # "What did I finish today" asks when tasks were done, which the list can't tell apart.
        if narrowed.state == "completed" or when in {"recently", "lately"}:
            return replace(narrowed, wider=True)
        return replace(narrowed, due=narrowed.due or as_range(when))
    if found is not None:
        return found
    if (prefix := _PREFIX.fullmatch(text)) is not None:
        return read_question(prefix["rest"], quotations)
    return None


def _for_days(text: str, found: Show | Look | None) -> Show | Look | None:
    """What was read, with days in place of a text to look for that is one: "my list for 15.3."."""
    if not isinstance(found, Show) or not found.text or not is_due(found.text):
        return found
    if not text.lower().endswith(f" for {found.text.lower()}"):
        return found
    return replace(found, text=None, due=as_range(found.text))


def _read_before_due(text: str, quotations: Quotations) -> Show | Look | None:
    """Read what stands before a due time, with "due" as it needs it: "what's", "tasks due"."""
    readings = (_read(words, quotations) for words in (text, f"{text} due", _DUE.sub("", text)))
    return next((found for found in readings if found is not None), None)


def _split_when(text: str) -> tuple[str, str | None]:
    """Take off the end of a question for which days it asks."""
    rest, due = split_due(text)
    if due is not None:
        return rest, text[len(rest) :]
    for words in (_PAST, _AHEAD, _FIGURES):
        if (found := words.fullmatch(text)) is not None:
            return found["rest"], found["when"].lower()
    return text, None


def _read(text: str, quotations: Quotations) -> Show | Look | None:
    if (trailer := _TRAILER.fullmatch(text)) is not None:
        text = trailer["rest"]
    states: tuple[tuple[tuple[re.Pattern[str], ...], State], ...] = (
        (_COMPLETED_LIST, "completed"),
        (_OPEN_LIST, "open"),
        (_WHOLE_LIST, "all"),
    )
    for patterns, state in states:
        if _match(patterns, text):
            return Show(state)
    if (one := _ONE.fullmatch(text)) is not None:
        return Look(Reference(str(int(one["n"])), "number", unmistakable=True))
    if (found := _match(_LEVEL_LIST, text)) is not None:
        return _at_level(found["level"].lower())
    found = _LABELLED.fullmatch(text)
    if found is not None and not read_labels(text) and (labels := read_labels(found["labels"])):
        return Show("completed" if _is_done(found["kind"]) else "open", labels=labels)
    if (found := _match(_IS_DONE, text)) is not None:
        return Show("all", _text(found["text"], quotations))
    if (found := _match(_FILTERED, text)) is not None:
        done = _is_done(found.groupdict().get("kind"))
        return Show("completed" if done else "open", _text(found["text"], quotations))
    return None


def _at_level(level: str) -> Show:
    if level == "due":
        return Show()
    if level.endswith("due"):
        return Show(due="overdue")
    return Show(priority=to_priority(level))


def _is_done(kind: str | None) -> bool:
    return kind is not None and re.fullmatch(_DONE, kind, re.IGNORECASE) is not None


def _match(patterns: tuple[re.Pattern[str], ...], text: str) -> re.Match[str] | None:
    for asked in patterns:
        if (found := asked.fullmatch(text)) is not None:
            return found
    return None


def _text(words: str, quotations: Quotations) -> str | None:
    """Return the words to look for; none when they name no text ("it", "3")."""
    if _NO_TEXT.fullmatch(words):
        return None
    if re.fullmatch(QUOTED, words) is None:
        words = _ARTICLE.sub("", words, count=1) if _ARTICLE.match(words) else words
        words = re.sub(r" (?:one|ones|task|tasks|thing)$", "", words, flags=re.IGNORECASE)
    return quotations.restore(words)
