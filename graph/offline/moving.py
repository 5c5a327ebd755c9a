"""What a change of a task's due time says: which task, and until when."""

import re
from collections.abc import Callable

from .dues import bare_due, is_due
from .intents import AddNote, Reference, Talk, Topic, Update
from .references import read_reference
from .wording import Quotations, pattern, trimmed

Change = Update | AddNote | Talk | None

_JOINT = pattern(r" (?:to be due|due|to|until|till|for|on|by|at|in)\b:?(?= )")
_ADVERB = pattern(r" (?=(?:tomorrow|today|tonight|next |this ))")
_DIRECTION = pattern(r"(?P<words>.+) (?:back|forward|out|off|again|over)")
_ODD_DATE = pattern(
    r"(?P<ref>(?:the )?(?:task |number )*#?\d{1,9}) (?:back )?(?:to|until|till):? (?P<value>.+)"
)
_NO_DATE = pattern(
    r"#?\d+|.*\b(?:done|completed?|finished|list|top|bottom|end|start|front|priority)"
)
_SURE = pattern(r"(?:.+ due .+|(?:set|change|update|edit) .+ to .+|schedule (?:the|my) .+)")
_UNSURE = pattern(r"(?:move|push|shift) (?!.* (?:to|until|till|for) ).+")
_MOST_JOINTS = 20
_NEGATION = re.compile(r"\b(?:no|without|not)\b|n['’]t\b", re.IGNORECASE)


def with_task(
    words: str, quotations: Quotations, change: Callable[[Reference], Update | AddNote]
) -> Change:
    """Make a change of the task that the words name, or return what is to be said about them."""
    task = read_reference(words, quotations)
    return change(task) if isinstance(task, Reference) else task


def move(found: re.Match[str], quotations: Quotations) -> Change:
    """Move a task to a date.

    A date that is not known here goes to the tool when the task is named by its number: it says
    what is wrong with the date. With a name, what follows "to" may be a part of the name.
    """
    rest = found["rest"]
    if (change := _at_joint(rest, quotations)) is not None:
        # "Move house by friday" is a thing to do.
        sure = isinstance(change, Update) and change.task.unmistakable
        return change if sure or not _UNSURE.fullmatch(found[0]) else None
    odd = _ODD_DATE.fullmatch(rest)
    if odd is None or _NO_DATE.fullmatch(trimmed(odd["value"], " .!")):
        return None
    due = quotations.restore(trimmed(odd["value"], " .!"))
    return with_task(odd["ref"], quotations, lambda task: Update(task, due=due))


def move_if_sure(found: re.Match[str], quotations: Quotations) -> Change:
    """Move a task by a verb that has other uses: "make dinner on friday" moves nothing."""
    change = _at_joint(found["rest"], quotations)
    if not isinstance(change, Update):
        return None
    return change if change.task.unmistakable or _SURE.fullmatch(found[0]) else None


def due_as_said(found: re.Match[str], quotations: Quotations) -> Change:
    """Set the due time that the pattern has found, if it is one."""
    due = trimmed(found["due"], " .!")
    if not is_due(due):
        return None
    return with_task(found["ref"], quotations, lambda task: Update(task, due=bare_due(due)))


def is_said_due(found: re.Match[str], quotations: Quotations) -> Change:
    """Read "3 is due friday", but not "3 is not due friday"."""
    return None if _NEGATION.search(found[0]) else due_as_said(found, quotations)


def no_due(found: re.Match[str], quotations: Quotations) -> Change:
    """Take the due time away."""
    return with_task(found["ref"], quotations, lambda task: Update(task, due=""))


def no_due_as_said(found: re.Match[str], quotations: Quotations) -> Change:
    """Read "2 has no due date" and "2 doesn't have a due date", but not "2 has a due date"."""
    return no_due(found, quotations) if _NEGATION.search(found[0]) else None


def until_when(found: re.Match[str], quotations: Quotations) -> Change:
    """Ask for a date that can be understood."""
    return Talk(Topic.UNTIL_WHEN)


def _at_joint(rest: str, quotations: Quotations) -> Change:
    """Divide "the dentist to next tuesday" at the first place that only a date follows."""
    for joint in list(_JOINT.finditer(rest))[:_MOST_JOINTS]:
        # "in 2 weeks" needs its first word, "to friday" must lose it.
        for due in (trimmed(rest[joint.start() + 1 :], " .!"), trimmed(rest[joint.end() :], " .!")):
            if is_due(due):
                return _moved(rest[: joint.start()], due, quotations)
    for adverb in list(_ADVERB.finditer(rest))[:_MOST_JOINTS]:
        due = trimmed(rest[adverb.end() :], " .!")
        if is_due(due):
            return _moved(rest[: adverb.start()], due, quotations)
    return None


def _moved(words: str, due: str, quotations: Quotations) -> Change:
    if (found := _DIRECTION.fullmatch(words)) is not None:
        words = found["words"]
    return with_task(words, quotations, lambda task: Update(task, due=bare_due(due)))
