"""What a task is found by: its words, also their insides, its symbols and its labels.

An index can tell what begins with some letters, but not what holds them. So a task's row has the
pieces that its words end with, each cut after a few letters: "milk" has "milk" and "ilk". Whatever
stands in a word is where one of its pieces begins. What is found by pieces is compared with the
text itself, since only their first letters are kept.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from uuid import UUID

from .models import OWNER_MARK, Task
from .texts import search_form, searched

#: Characters of a piece. Of the longest text that a task may have, in any script, the pieces are
#: less than the 1 MB that Postgres's `tsvector` may hold.
PIECE_MAX = 8
#: Bytes from which on a word may be a part of another one: three Latin letters, or one Chinese
#: character. Shorter ones are found as words of their own.
PART_MIN = 3

_WORD = re.compile(r"[^\W_]+")
#: What would end a piece, or mean something else to a `tsvector`.
_SPECIAL = re.compile(r"[\s'\\:]")


def all_words(text: str) -> list[str]:
    """The words of a text in their search form, in their order."""
    return _WORD.findall(search_form(text))


def make_findable(task: Task) -> None:
    """Note what the task is found by; to be called after each change to its words or labels."""
    task.searched = searched(task.title, task.notes)
    task.pieces = pieces_of(task.searched, task.labels)


def pieces_of(text: str, labels: Iterable[str]) -> str:
    """The pieces, with a blank between any two, of a text in its search form."""
    found: dict[str, None] = {}
    for word in dict.fromkeys(_WORD.findall(text)):
        found[word[:PIECE_MAX]] = None
        for start in range(1, len(word)):
            piece = word[start : start + PIECE_MAX]
            if is_part(piece):
                found[piece] = None
    found |= dict.fromkeys(_symbols(text))
    found |= dict.fromkeys(_label(label) for label in labels)
    return " ".join(found)


def is_part(word: str) -> bool:
    """Whether a word may also stand within a longer one."""
    return len(word.encode()) >= PART_MIN


def query_of(
    user_id: UUID, *, words: Sequence[str] = (), symbols: str = "", labels: Sequence[str] = ()
) -> str | None:
    """What the index is asked for, as the text of a `tsquery`; none if it can't tell anything.

    Every task that has all of these is among its hits, and perhaps others.
    """
    pieces = [(word[:PIECE_MAX], ":*" if is_part(word) else "") for word in words]
    pieces += [(sign, "") for sign in _symbols(symbols)]
    pieces += [(_label(label), "") for label in labels]
    mark = str(user_id)[-OWNER_MARK:]
    return " & ".join(f"'{mark}{piece}'{kind}" for piece, kind in dict.fromkeys(pieces)) or None


def _symbols(text: str) -> list[str]:
    """The symbols of a text, such as emoji; no punctuation."""
    signs = (sign for sign in text if not sign.isascii())
    return [sign for sign in signs if unicodedata.category(sign).startswith("S")]


def _label(label: str) -> str:
    return "#" + _SPECIAL.sub("_", label)
