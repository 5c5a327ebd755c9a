"""What can't be stored, refused before anything of it is written, in words that name it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from pydantic import BaseModel

from .errors import StorageError
from .transcript import storable

#: So deep into a value the part is looked for that can't be stored.
DEEPEST = 20


class UnstorableError(StorageError, ValueError):
    """A value that no form of storing it would give back.

    A ValueError too, because LangGraph's server passes the text of few errors on to clients.
    """


def storable_name(kind: str, name: str) -> str:
    """`name`, which Postgres has to find again just as it is.

    Args:
        kind: what it is the name of, for the error.

    Raises:
        UnstorableError: it holds NUL or half of a surrogate pair. A substitute would make it the
            name of something else.
    """
    if storable(name) != name:
        raise UnstorableError(
            f"the {kind} {name!r} can't be stored: it holds a NUL character or half of a surrogate "
            f"pair, which Postgres has no form for. Give the {kind} a name without."
        )
    return name


@contextmanager
def told(what: str, value: Any, serde: SerializerProtocol) -> Iterator[None]:
    """Say which part of `value` the serialiser has no form for, if it fails within the block.

    Raises:
        UnstorableError: it has failed.
    """
    try:
        yield
    except StorageError:
        raise
    except (TypeError, ValueError) as error:
        place, reason = _culprit(value, serde, error)
        raise UnstorableError(
            f"{what} can't be stored: {place + ': ' if place else ''}{reason}. Nothing of this "
            "step was written. Put text in its place, or leave it out, and run the step again."
        ) from error


def _culprit(value: Any, serde: SerializerProtocol, error: Exception) -> tuple[str, Exception]:
    """Where in `value` it is that the serialiser fails at, and what it says of that alone."""
    place = ""
    for _ in range(DEEPEST):
        for step, part in _parts(value):
            try:
                serde.dumps_typed(part)
            except (TypeError, ValueError) as its_own:
                value, error, place = part, its_own, place + step
                break
        else:
            break
    return place.removeprefix("."), error


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """How to get at what is in a value, and what that is."""
    if isinstance(value, BaseModel):
        for name, part in {**vars(value), **(value.model_extra or {})}.items():
            yield f".{name}", part
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{key!r}]", part
    elif isinstance(value, (list, tuple)):
        for position, part in enumerate(value):
            yield f"[{position}]", part
