"""Sentences that end a task, done or deleted, or that open it again."""

import re

from .dues import split_due
from .intents import Complete, Delete, Reference, Reopen, Talk, Topic
from .references import read_references
from .wording import MY_LIST, QUOTED, Quotations, pattern

Ending = list[Complete] | list[Delete] | list[Reopen] | Talk | None

_DONE = (
    r"(?:done|complete|completed|finished|checked off|ticked off|crossed off|checked|ticked|closed)"
)
_HAVE = (
    r"(?:(?:i|we) have |(?:i|we)'ve |(?:i|we) |i'm |ive |im |i am |we're |we are )?"
    r"(?:just |already |finally |now |all )?"
)
_LIST = rf"(?:(?: from| of| on)? {MY_LIST})?"


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(text) for text in texts)


_COMPLETE = _patterns(
    rf"{_HAVE}(?:done|finished|through) with (?P<ref>.+)",
    rf"{_HAVE}(?:finished|completed|ticked off|checked off|crossed off|closed)(?: with| doing)? "
    rf"(?P<ref>.+)",
    rf"{_HAVE}(?:ticked|checked|crossed) (?P<ref>.+?) off{_LIST}",
    r"(?:i|we) (?:just |already |finally )?did (?P<ref>.+)",
    r"(?:i've|we've|i have|we have|ive) (?:just |already |finally )?(?:done|did) (?P<ref>.+)",
    r"complete:? (?P<ref>.+)",
    r"(?:check|tick|cross|mark) off (?P<ref>.+)",
    rf"(?:check|tick|cross|mark) (?P<ref>.+?) off{_LIST}",
    rf"(?:mark|set|flag|move|change|update) (?P<ref>.+?) (?:as |to |to be |as being )?{_DONE}",
    rf"(?:mark|set|flag) (?:as )?{_DONE}:? (?P<ref>.+)",
    rf"{_DONE}: ?(?P<ref>.+)",
    r"(?:[-*•] )?\[[xX✓✔]\] ?(?P<ref>.+)",
    r"[✓✔✅☑]\ufe0f? ?(?P<ref>.+)",
    r"(?P<ref>.+?):? ?[✓✔✅☑]\ufe0f?",
)
# These verbs mean something else with most words: "finish the report" is a thing to do.
_COMPLETE_IF_SURE = _patterns(
    r"finish(?: off)? (?P<ref>.+)",
    rf"{_DONE},? (?P<ref>.+)",
    rf"(?P<ref>.+?)[:,]? {_DONE}",
    r"(?:check|tick|close|close out|did|resolve) (?P<ref>.+)",
)
_IS_DONE = _patterns(
    rf"(?P<ref>.+?)(?: is| are| was| has been|'s| got)(?: now| already| all| finally)? {_DONE}"
    rf"(?: now| already)?",
)
_REOPEN = _patterns(
    r"(?:re-?open|un-?complete|uncheck|untick|unmark|reactivate|unfinish) (?P<ref>.+)",
    rf"(?:mark|set) (?P<ref>.+?) (?:as |to )?(?:not |un-?){_DONE}(?: yet| again)?",
    r"(?:mark|set) (?P<ref>.+?) (?:as|to) (?:open|incomplete|not open)(?: again)?",
)
_DELETE = _patterns(
    r"(?:delete|remove|erase):? (?P<ref>.+)",
    r"(?:get rid of|forget about) (?P<ref>.+)",
    rf"(?:take|strike|get|wipe) (?P<ref>.+?) off (?:of )?{MY_LIST}",
)
_DELETE_IF_SURE = _patterns(
    r"(?:cancel|drop|scrap|discard|trash|kill|forget|clear|bin|dump|ditch|throw (?:out|away)|del"
    r"|rm) (?P<ref>.+)",
    r"(?:throw|take) (?P<ref>.+?) (?:out|away)",
)
_EVERYTHING = pattern(
    rf"(?:(?:clear|wipe|empty)(?: out)? {MY_LIST}|start (?:over|afresh)"
    rf"|i(?:'ve| have)? (?:did|done|finished) (?:it all|everything|all of (?:it|them)))"
)
_BARE = pattern(
    r"(?:(?:i'm |i am |im |all )?(?:done|finished)|complete|delete|remove|erase|check off"
    r"|mark as done|finish)"
)
_ADVERB = re.compile(
    r",? (?:just now|already|now|today|yesterday|this (?:morning|afternoon|evening)|last night"
    r"|earlier|finally|too|as well)$",
    re.IGNORECASE,
)
# Even with a verb that has other uses, "cancel all my tasks" deserves an answer.
_EVERY = re.compile(r"(?:everything|every|all|both|my|the)\b", re.IGNORECASE)
# "I am not done with …", "nothing is done", "what is done": no task is named.
_NO_TASK = re.compile(
    r"(?:i|i['’]m|we|you|he|she|they|what|what['’]s|which|who|nothing|nobody|how|when|why|is|are"
    r"|not|never|there|if|should|don['’]?t|do|does|did)\b|.*\b(?:not|never)$",
    re.IGNORECASE,
)


def read_ending(text: str, quotations: Quotations) -> Ending:
    """Read a command that completes, reopens or deletes tasks.

    Returns none unless the sentence is surely such a command: as a whole, without "if", "not" or
    "maybe", and for verbs that have other uses ("cancel", "drop", "finish") only with a reference
    that can't be anything but a task.
    """
    text = text.strip(" .,;:!")
    if _EVERYTHING.fullmatch(text):
        return Talk(Topic.EVERYTHING)
    if _BARE.fullmatch(text):
        return Talk(Topic.WHICH)
    targets = _first(_REOPEN, text, quotations, must_be_sure=False, done=True)
    if targets is not None:
        return targets if isinstance(targets, Talk) else [Reopen(task) for task in targets]
    for heads, sure in ((_DELETE, False), (_DELETE_IF_SURE, True)):
        targets = _first(heads, text, quotations, must_be_sure=sure, done=False)
        if targets is not None:
            return targets if isinstance(targets, Talk) else [Delete(task) for task in targets]
    for heads, sure in ((_COMPLETE, False), (_COMPLETE_IF_SURE, True)):
        targets = _first(heads, text, quotations, must_be_sure=sure, done=True)
        if targets is not None:
            return targets if isinstance(targets, Talk) else [Complete(task) for task in targets]
    return None


def read_subject_ending(text: str, quotations: Quotations) -> Ending:
    """Read a statement that a task is done: "the milk is done"."""
    targets = _first(_IS_DONE, text.strip(" .,;:!"), quotations, must_be_sure=False, done=True)
    return [Complete(task) for task in targets] if isinstance(targets, list) else targets


def _first(
    heads: tuple[re.Pattern[str], ...],
    text: str,
    quotations: Quotations,
    *,
    must_be_sure: bool,
    done: bool,
) -> list[Reference] | Talk | None:
    """Read the tasks behind the first head that the sentence has and that names any.

    Args:
        must_be_sure: Whether only a reference counts that can't be anything but a task.
        done: Whether the tasks are done, rather than to be deleted.
    """
    for head in heads:
        found = head.fullmatch(text)
        if found is None:
            continue
        words = _ADVERB.sub("", found["ref"]) if done else found["ref"]
        # "Complete the form by friday" is a thing to do.
        if done and split_due(words)[1] is not None:
            continue
        if _NO_TASK.match(words) and re.fullmatch(QUOTED, words) is None:
            continue
        targets = read_references(words, quotations, each=done)
        if (
            isinstance(targets, list)
            and must_be_sure
            and not all(target.unmistakable for target in targets)
        ):
            continue
        if isinstance(targets, Talk) and must_be_sure and not _EVERY.match(words):
            continue
        if targets is not None:
            return targets
    return None
