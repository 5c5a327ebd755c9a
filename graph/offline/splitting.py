"""Where one line holds several commands.

A separator divides only where what follows is a command by itself; otherwise "and" belongs to a
title. Behind a title of the user's own words it must be a command beyond doubt, since "clean the
house and delete the old photos" is one thing to do.
"""

import re

from .days_asked import read_days_alone
from .details import note_starts
from .intents import (
    Add,
    AddNote,
    Complete,
    Delete,
    Intent,
    Look,
    NotUnderstood,
    Reopen,
    Show,
    Talk,
    Update,
)
from .reading import read_sentence
from .wording import Quotations, pattern, without_courtesy

# A hard separator ends a sentence; a soft one may stand in a title as well.
_SEPARATOR = re.compile(
    r"(?P<hard>(?<=[.!?;…]) (?:and then |then |and |also )?)"
    r"|(?P<soft>,? and then |,? then |,? and also |,? and |,? also |, |,? & |,? plus )",
    re.IGNORECASE,
)
#: A line with more separators than this is prose or a list, not commands.
_MOST_SEPARATORS = 100
# "Add fix the roof. It's urgent": one command, whose details go on.
_IT_IS = re.compile(r"(?:it['’]?s|it is|this is) ", re.IGNORECASE)
_NEW_TASK = pattern(r"(?:add|create) (?:an?|another) (?:new )?(?:task|to-?do|reminder|item)\b.+")
_FOR_LATER = pattern(r"(?:remind me\b|don't let me forget\b|put .+ on (?:my|the) .*list\b).*")
_LIST_WORDS = pattern(r".*\b(?:my|list|tasks|to-?dos|what|what's|do i have|left)\b.*")


def read_line(line: str, quotations: Quotations) -> list[Intent]:
    """Return what one line of a message asks for, in its order."""
    found: list[Intent] = []
    parts = _divide(line, quotations)
    for part in parts:
        found.extend(read_sentence(part, quotations))
    # Not as a part of a line, where they say more of what stands before them.
    if len(parts) == 1 and isinstance(found[0], NotUnderstood):
        days = read_days_alone(line)
        return found if days is None else [days]
    return found


def _divide(line: str, quotations: Quotations) -> list[str]:
    parts: list[str] = []
    begin = end = 0
    separators = list(_SEPARATOR.finditer(line))[:_MOST_SEPARATORS]
    for index, separator in enumerate(separators):
        last = index + 1 == len(separators)
        piece_end = len(line) if last else separators[index + 1].start()
        piece = line[separator.end() : piece_end].strip(" ;")
        part = line[begin : separator.start()].strip(" ;")
        end = separator.end()
        if _stands_alone(part, piece, soft=bool(separator["soft"]), quotations=quotations):
            parts.append(part)
            begin = end
    return [*parts, line[begin:].strip(" ;")]


def _stands_alone(part: str, piece: str, *, soft: bool, quotations: Quotations) -> bool:
    """Whether a piece of a line begins a command of its own, after the part before it."""
    if not piece or note_starts(part):
        return False
    following = read_sentence(piece, quotations)
    if any(isinstance(intent, NotUnderstood) for intent in following):
        return False
    before = read_sentence(part, quotations)[-1]
    if isinstance(before, AddNote) or (isinstance(before, Add) and _IT_IS.match(piece)):
        return False
    if not soft:
        return True
    if isinstance(before, NotUnderstood) or all(isinstance(intent, Talk) for intent in following):
        return False
    if isinstance(before, Add) or (isinstance(before, Update) and before.title is not None):
        return all(_is_beyond_doubt(part, piece, intent) for intent in following)
    return True


def _is_beyond_doubt(part: str, piece: str, intent: Intent) -> bool:
    """Whether words behind a title are a command and not a part of the title."""
    part, piece = without_courtesy(part)[0], without_courtesy(piece)[0]
    match intent:
        case Add():
            same_verb = part.split(" ")[0].lower() == piece.split(" ")[0].lower()
            return same_verb or bool(_NEW_TASK.fullmatch(piece) or _FOR_LATER.fullmatch(piece))
        case Show() | Look():
            return " " in piece and _LIST_WORDS.fullmatch(piece) is not None
        case Update() | AddNote():
            return intent.task.unmistakable or intent.task.kind == "pronoun"
        case Complete() | Reopen() | Delete():
            return intent.task.unmistakable
        case _:
            return False
