"""The details of a new task: its title, and the due time, priority and note said with it."""

import re

from .dues import leading_due, split_due
from .intents import Add, Priority, Talk, Topic
from .repeats import split_label, split_repeats
from .wording import MY_LIST, QUOTED, Quotations, pattern, without_thanks

_URGENT = r"(?:urgent|critical)"
_HIGH = rf"(?:high(?:est)?|top|{_URGENT})"
_LOW = r"(?:low(?:est)?)"
_NORMAL = r"(?:normal|medium|default|regular|ordinary)"
_LEVEL = rf"(?:{_HIGH}|{_LOW}|{_NORMAL})"
_PRIORITY = r"prio(?:rity)?"

_LEVEL_PRIORITY = rf"{_LEVEL}[- ]{_PRIORITY}|{_PRIORITY}:? {_LEVEL}"

#: "high priority", "priority: low", "urgent", "not urgent".
PRIORITY = (
    rf"(?:{_LEVEL_PRIORITY}|(?:very |really |not (?:so |very )?|un)?(?:urgent|important)|{_LEVEL})"
)

_IT_IS = r"(?:it'?s |it is |this is )?"
# Free text may end in "important" or "low" by itself; those count only behind a comma.
_TRAILING_PRIORITY = pattern(
    rf"(?P<before>.*?)(?:"
    rf"(?:[,;.–—-] ?|[ ])(?:and )?{_IT_IS}(?:with |at |as )?(?:an? )?"
    rf"(?P<marked>{_LEVEL_PRIORITY}|(?:not |very )?urgent(?:ly)?)"
    rf"|[,;.–—-] ?(?:and )?{_IT_IS}(?P<said>{PRIORITY})"
    rf"|[ ][(\[](?P<inside>{PRIORITY})[)\]])[.!]*"
)
_LEADING_PRIORITY = pattern(
    rf"(?:(?P<level>{PRIORITY})[:!,–—-]+ |[(\[](?P<inside>{PRIORITY})[)\]]:? )(?P<rest>.+)"
)
_BRACKETED_END = pattern(r"(?P<before>.+) [(\[](?P<inside>[^()\[\]]+)[)\]]")
_ON_LIST = pattern(rf"(?P<before>.+?) (?:to|on|onto|in|into) {MY_LIST}")
_NOTE = pattern(
    r"(?P<before>.*?)\b(?:with )?(?:an? |the )?"
    r"(?:notes?[:=] ?|note (?:saying|that says):? )(?P<note>.+)"
)
_WITH_NOTE = pattern(rf"(?P<before>.*?),? with (?:an? |the )?notes? (?P<note>{QUOTED})")

# After one of these the word belongs to the title: "mark it as urgent", "what is urgent".
_HOLDS_ON = frozenset(
    (
        *("a", "an", "and", "are", "as", "be", "for", "if", "is", "how", "like", "no"),
        *("not", "of", "or", "so", "than", "the", "this", "too", "very", "was"),
    )
)


def note_starts(text: str) -> bool:
    """Whether the text holds the beginning of a note, which runs to the end of its line."""
    return _NOTE.fullmatch(text) is not None


def to_priority(words: str) -> Priority:
    """Return the priority that words of the pattern `PRIORITY` stand for."""
    lowered = words.lower()
    if re.search(r"\bnot |\bun|\blow", lowered):
        return "low"
    if re.search(r"norm|medium|default|regular|ordinary", lowered):
        return "normal"
    return "urgent" if re.search(_URGENT, lowered) else "high"


def leading_priority(text: str) -> tuple[Priority | None, str]:
    """Take "urgent:" or "low priority:" off the beginning of a sentence."""
    found = _LEADING_PRIORITY.fullmatch(text)
    if found is None:
        return None, text
    return to_priority(found["level"] or found["inside"]), found["rest"]


def new_task(
    text: str,
    quotations: Quotations,
    *,
    due: str | None = None,
    priority: Priority | None = None,
) -> Add | Talk:
    """Read what follows "add" or "remind me to".

    Only what stands at the end is taken off the title, in any order: a due time, a priority, how
    it repeats, labels, "to my list", "please". A due time or priority already known is kept, and
    the words stay.
    """
    text, notes = _split_note(text)
    title = text.strip()
    repeats: str | None = None
    labels: list[str] = []
    for _ in range(8):
        before = title
        title = without_thanks(title)
        if (found := _ON_LIST.fullmatch(title)) is not None:
            title = found["before"]
        if priority is None:
            priority, title = _split_priority(title)
        title, label = split_label(title)
        if label is not None and label.lower() not in map(str.lower, labels):
            labels.insert(0, label)
        if repeats is None:
            title, repeats = split_repeats(title)
        if due is None:
            title, due = split_due(title)
        if found := _BRACKETED_END.fullmatch(title):
            title, due = _bracketed(title, found, due)
        title = title.rstrip(" ,;:–—")
        if title == before:
            break
    title = title.lstrip(" ,;:–—-")
    if due is None and re.match(r"(?:for|by|on) ", title, re.IGNORECASE):
        due, title = leading_due(title)
    title = _without_full_stop(title)
    restored = quotations.restore(title).strip()
    if not any(char.isalnum() for char in restored) and not re.search(r"[^\x00-\x7f]", restored):
        return Talk(Topic.WHAT_TO_ADD)
    return Add(
        restored,
        due,
        priority,
        quotations.restore(notes) if notes else None,
        repeats,
        tuple(labels),
    )


def _split_note(text: str) -> tuple[str, str | None]:
    found = _WITH_NOTE.fullmatch(text) or _NOTE.fullmatch(text)
    if found is None or not found["before"].strip():
        return text, None
    note = found["note"].strip()
    if note.endswith(")") and "(" not in note:
        note = note[:-1]
    return found["before"].rstrip(" ,;:.–—-("), note or None


def _split_priority(title: str) -> tuple[Priority | None, str]:
    found = _TRAILING_PRIORITY.fullmatch(title)
    if found is None:
        return None, title
    before = found["before"].rstrip(" ,;:–—-")
    spaced = found["marked"] and title[len(found["before"])] == " "
    if not before or (spaced and before.split(" ")[-1].lower() in _HOLDS_ON):
        return None, title
    return to_priority(found["marked"] or found["said"] or found["inside"]), before


def _bracketed(title: str, found: re.Match[str], due: str | None) -> tuple[str, str | None]:
    """Read "(due tomorrow)" at the end; other brackets stay in the title."""
    if due is not None:
        return title, due
    rest, inside = split_due(f"x {found['inside']}")
    return (found["before"], inside) if inside and rest == "x" else (title, due)


def _without_full_stop(title: str) -> str:
    """Take the sentence's full stop or exclamation mark off, but not "etc." or "...".

    A full stop after a short capitalised word or within an abbreviation belongs to the word.
    """
    if re.search(r"(?:\.\.|…|\betc\.|\b\w\.\w\.|\b(?:Dr|Jr|Sr|St|Inc|Ltd|Co)\.)$", title):
        return title
    return title.rstrip("!.")
