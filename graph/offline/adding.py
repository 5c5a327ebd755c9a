"""Sentences that add a task."""

import re

from .details import PRIORITY, leading_priority, new_task, to_priority
from .dues import leading_due
from .intents import Add, Priority, Talk, Topic
from .wording import MY_LIST, Quotations, pattern

_NOUN = r"(?:task|to-? ?do|item|reminder|entry)(?: item)?"

# "add a task …", "create an urgent reminder …", "new todo …": what follows starts with a due
# time, a word that joins ("to", "called"), or the title.
_NEW_TASK = pattern(
    rf"(?:(?:add|create|make|set(?: up)?|enter|record|log|note|start|give me) )?"
    rf"(?P<article>(?:an? |another |one more |the |this )?(?:new |extra )?)"
    rf"(?:(?P<priority>{PRIORITY}) )?(?P<noun>{_NOUN})"
    rf"(?: (?:to|on|in|onto) {MY_LIST})?(?P<colon> ?[:,–—-])?(?: (?P<rest>.+))?"
)
_ADD = pattern(rf"add(?: (?:to|on) {MY_LIST})?(?: ?[:,–—-])?(?: (?P<rest>.+))?")
_PUT = pattern(
    rf"(?:put|stick|throw|get|place|write) (?P<rest>.+? (?:on|onto|in|into|to|down on) {MY_LIST}.*)"
)
_ON_LIST = pattern(rf" (?:down )?(?:on|onto|in|into|to) {MY_LIST}")
_REMIND = pattern(
    r"(?:remind me|be reminded|give me a reminder)(?: again)?(?P<colon> ?[:,–—-])?"
    r"(?: (?P<rest>.+))?"
)
_REMEMBER = pattern(
    r"(?:(?:don't|do not|dont|never) (?:let me )?forget"
    r"|(?:i )?(?:mustn't|must not|can't|cannot) forget"
    r"|help me(?: to)? remember|remember|make sure (?:that )?i (?:don't forget|remember)"
    r"|note to self|memo)"
    r"(?P<colon> ?[:,–—-])?(?: (?P<rest>.+))?"
)
_MAKE_SURE = pattern(r"make sure (?:that )?(?:i|to) (?P<rest>.+)")
_WRITE_DOWN = pattern(r"(?:jot|write|note) down(?: ?[:,–—-])? (?P<rest>.+)")
_MUST = pattern(
    r"(?:(?:i|we) (?:really |still |also |absolutely )?(?:need to|have to|must|gotta|have got to)"
    r"|(?:i've|we've) (?:still )?got to|(?:i )?got to|need to|have to|must|gotta) (?P<rest>.+)"
)
_SCHEDULE = pattern(r"schedule (?:an? )(?P<rest>.+)")
_BOX = pattern(r"(?:[-*•] )?\[ ?\] ?(?P<rest>.+)")

_JOINED = pattern(
    r"(?:(?:for me )?to|called|named|titled|that says|saying|about|of|that i (?:need|have) to|that"
    r"|for)(?: ?:)? (?P<rest>.+)"
)
_JOINED_AFTER_DUE = pattern(
    r"(?:(?:for me )?to|called|named|titled|saying|about|that i (?:need|have) to|that) "
    r"(?P<rest>.+)"
)
# Ways to speak, not things to do.
_SPEECH = pattern(
    r"(?:go|leave|run|say|admit|ask|confess|tell you|be honest|know|think|see|say .+|admit .+"
    r"|confess .+"
    r"|tell you .+|ask you .+|know .+|be going|go now|have|be|think .+)"
)
# What is negated is no task: "I must not …".
_NEGATED = pattern(r"(?:not|never|no longer)\b.*")


def read_addition(text: str, quotations: Quotations, *, question: bool) -> Add | Talk | None:
    """Read a sentence that adds a task.

    Args:
        question: Whether the sentence ends in a question mark. "I have to …?" adds nothing then.
    """
    said, rest = leading_priority(text)
    found = _read(rest if said else text, quotations, said, question=question)
    if found is None and said and not question:
        return new_task(rest, quotations, priority=said)
    return found


def _read(
    text: str, quotations: Quotations, priority: Priority | None, *, question: bool
) -> Add | Talk | None:
    if (found := _PUT.fullmatch(text)) is not None:
        return new_task(_ON_LIST.sub("", found["rest"], count=1), quotations, priority=priority)
    if (found := _NEW_TASK.fullmatch(text)) is not None and _is_new_task(text, found):
        priority = to_priority(found["priority"]) if found["priority"] else priority
        return _title(found["rest"], quotations, priority, joined=not found["colon"])
    for head in (_REMIND, _REMEMBER):
        if (found := head.fullmatch(text)) is not None:
            return _title(found["rest"], quotations, priority, joined=not found["colon"])
    for head in (_ADD, _BOX):
        if (found := head.fullmatch(text)) is not None:
            return _title(found["rest"], quotations, priority, joined=False)
    if question:
        return None
    for head in (_MAKE_SURE, _WRITE_DOWN, _SCHEDULE):
        if (found := head.fullmatch(text)) is not None:
            return _title(found["rest"], quotations, priority, joined=head is _WRITE_DOWN)
    if (found := _MUST.fullmatch(text)) is not None:
        rest = found["rest"]
        if not _SPEECH.fullmatch(rest.rstrip(".!")) and not _NEGATED.fullmatch(rest):
            return new_task(rest, quotations, priority=priority)
    return None


def _is_new_task(text: str, found: re.Match[str]) -> bool:
    """Whether "task" stands for a new one: a bare "task" needs a colon, "task 3" is no new one."""
    if re.match(r"#?\d", found["rest"] or "") and not found["colon"]:
        return False
    verb_or_article = not text.lower().startswith(found["noun"].lower())
    if not verb_or_article:
        return bool(found["colon"]) or bool(re.match(r"TODO ", text)) or found["noun"] == "reminder"
    # "Make the task urgent" is about a task that exists, "add the task …" is not.
    return not re.match(r"(?!add|create)(?:\w+ )?(?:the|this) ", text, re.IGNORECASE)


def _title(
    rest: str | None, quotations: Quotations, priority: Priority | None, *, joined: bool
) -> Add | Talk:
    """Read a title that may follow a due time, a priority and a joining word.

    Args:
        joined: Whether a joining word ("to", "about") may stand in front of the title.
    """
    if rest is None:
        return Talk(Topic.WHAT_TO_ADD)
    said, rest = leading_priority(rest)
    priority = said or priority
    due, after = leading_due(rest)
    if due is not None:
        # Without a joint, "monday meeting" is a title.
        joint = _JOINED_AFTER_DUE.fullmatch(after)
        if joint is not None:
            return new_task(joint["rest"], quotations, due=due, priority=priority)
        if rest[: len(rest) - len(after)].rstrip().endswith((":", ",", "-", "–")):
            return new_task(after, quotations, due=due, priority=priority)
        if after[:2] in {"- ", "– "}:
            return new_task(after[2:], quotations, due=due, priority=priority)
    if joined and (found := _JOINED.fullmatch(rest)) is not None:
        rest = found["rest"]
    return new_task(rest, quotations, priority=priority)
