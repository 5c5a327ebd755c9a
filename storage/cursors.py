"""Where a page ends, as a string to ask for the next one with.

A cursor says which item was the last, not how many came before it: nothing is shown twice or left
out because something was added meanwhile, and the thousandth page costs what the first one does.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from .errors import StorageError

#: What a list is a list of.
Kind = Literal["conversation", "message", "hit"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursorError(StorageError, ValueError):
    """A cursor that no list of that kind has given out."""


def cursor(kind: Kind, at: datetime, id_: UUID) -> str:
    """The place of an item in a list that goes by time and then by id."""
    microseconds = (at - _EPOCH) // _MICROSECOND
    raw = kind[0].encode() + microseconds.to_bytes(8, "big", signed=True) + id_.bytes
    return urlsafe_b64encode(raw).decode().rstrip("=")


def place(kind: Kind, text: str) -> tuple[datetime, UUID]:
    """Time and id of the item that `text` is the cursor of.

    Raises:
        InvalidCursorError: it is not one of a list of that kind.
    """
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"==")
        at = _EPOCH + int.from_bytes(raw[1:9], "big", signed=True) * _MICROSECOND
        id_ = UUID(bytes=raw[9:])
        # The decoder passes over whatever it doesn't know.
        if cursor(kind, at, id_) != text:
            raise ValueError("not what this was made of")
    except (ValueError, OverflowError) as error:
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        raise InvalidCursorError(
            f"{shown!r} is no cursor of a {kind}. Give the one that came with the last {kind} of "
            "the page before, or none to begin at the first page."
        ) from error
    return at, id_
