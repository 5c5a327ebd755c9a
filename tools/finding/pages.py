"""Cursors: where a page ended, in a form that only the same question gives a sense to."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from ..errors import InvalidValueError
from ..texts import is_storable, quoted

#: Characters of a cursor.
CURSOR_MAX = 2000


def write(place: Sequence[str], question: object) -> str:
    """The cursor for what comes after a place; `question` is told by its `repr()`."""
    return urlsafe_b64encode(json.dumps([_mark(question), *place]).encode()).decode().rstrip("=")


def read(cursor: str, question: object, *, length: int) -> list[str]:
    """The place that a cursor stands for, which has `length` parts.

    Raises:
        InvalidValueError: it is no cursor, or one of another question.
    """
    try:
        if len(cursor) > CURSOR_MAX:
            raise ValueError("too long")
        mark, *place = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if len(place) != length or not all(
            isinstance(part, str) and is_storable(part) for part in place
        ):
            raise ValueError("not a place")
    except (ValueError, TypeError) as error:
        raise InvalidValueError(
            f"The cursor {quoted(cursor)} is none that was given. Give `next_cursor` of the page "
            "before as it is, or leave it out for the first page."
        ) from error
    if mark != _mark(question):
        raise InvalidValueError(
            "The cursor belongs to a question with other arguments. Give the same arguments as for "
            "the page before, or leave the cursor out."
        )
    return [str(part) for part in place]


def _mark(question: object) -> str:
    return hashlib.sha256(repr(question).encode(errors="replace")).hexdigest()[:12]
