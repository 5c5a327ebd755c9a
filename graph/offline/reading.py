"""What one sentence means."""

from dataclasses import replace

from .adding import read_addition
from .changing import read_change, read_special_change, read_subject_change
from .dues import leading_due
from .ending import read_ending, read_subject_ending
from .intents import Add, Intent, NotUnderstood, Talk, Topic
from .listing import read_question
from .talking import read_talk, read_undo
from .wording import Quotations, without_courtesy

#: Longer sentences can only be tasks to add: no title or reference is that long.
_LONGEST_COMMAND = 1000


def read_sentence(sentence: str, quotations: Quotations) -> list[Intent]:
    """Return what a sentence asks for: one intent, or one for each task it names."""
    text, favour = without_courtesy(sentence)
    if (undo := read_undo(text)) is not None:
        return [undo]
    if (talk := read_talk(sentence)) is not None:
        return [talk]
    if not text.strip(" .,;:!?"):
        return [Talk(Topic.HELP)]
    if (talk := read_talk(text)) is not None:
        return [talk]
    if (show := read_question(text, quotations)) is not None:
        return [show]
    if favour:
        text = text.rstrip("? ")
    if "?" in text[len(text.rstrip(" .!?")) :]:
        addition = read_addition(text, quotations, question=True)
        return [addition or NotUnderstood(quotations.restore(sentence))]
    return _command(text, quotations) or [NotUnderstood(quotations.restore(sentence))]


def _command(text: str, quotations: Quotations) -> list[Intent] | None:
    short = len(text) <= _LONGEST_COMMAND
    # What begins like an addition is one, whatever follows ("remind me that the rent is due
    # friday"), except for the few ways to add something to a task that exists.
    if short and (change := read_special_change(text, quotations)) is not None:
        return [change]
    if (addition := read_addition(text, quotations, question=False)) is not None:
        return [addition]
    if (addition := _later(text, quotations)) is not None:
        return [addition]
    if not short:
        return None
    if (change := read_change(text, quotations)) is not None:
        return [change]
    for read in (read_ending, read_subject_ending):
        ending = read(text, quotations)
        if ending is not None:
            return [ending] if isinstance(ending, Talk) else [*ending]
    change = read_subject_change(text, quotations)
    return None if change is None else [change]


def _later(text: str, quotations: Quotations) -> Add | None:
    """Read "tomorrow at 9 remind me to …"."""
    due, rest = leading_due(text)
    if due is None:
        return None
    addition = read_addition(without_courtesy(rest)[0], quotations, question=False)
    if isinstance(addition, Add) and addition.due is None:
        return replace(addition, due=due)
    return None
