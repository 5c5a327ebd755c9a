"""Deep copies of messages, in a fraction of the time of `model_copy(deep=True)`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ormsgpack
from langchain_core.messages import BaseMessage

_ATOMIC = frozenset({str, int, float, bool, bytes, type(None)})
_OPTION = ormsgpack.OPT_NON_STR_KEYS

_set = object.__setattr__
_new: Callable[[type[BaseMessage]], BaseMessage] = object.__new__


@dataclass(frozen=True, slots=True)
class Copied:
    """What of a message has to be copied, found out once for many copies."""

    #: Fields that hold an empty dict or list, each with what makes another.
    empty: tuple[tuple[str, Callable[[], Any]], ...]
    #: The fields that plain data is in, as MessagePack: unpacking is the quickest way to copy.
    packed: bytes | None
    #: Fields with anything else in them.
    other: tuple[str, ...]


def what_to_copy(message: BaseMessage) -> Copied:
    """What `copy_message` needs to know of a message, which is not changed meanwhile."""
    empty: list[tuple[str, Callable[[], Any]]] = []
    plain: dict[str, Any] = {}
    other: list[str] = []
    for name, value in message.__dict__.items():
        if type(value) in (dict, list) and not value:
            empty.append((name, type(value)))
        elif type(value) not in _ATOMIC:
            if _comes_back(value):
                plain[name] = value
            else:
                other.append(name)
    packed = ormsgpack.packb(plain, option=_OPTION) if plain else None
    return Copied(tuple(empty), packed, tuple(other))


def copy_message(message: BaseMessage, copied: Copied) -> BaseMessage:
    """A message that is equal and shares nothing that can be changed."""
    twin = _new(type(message))
    fields = message.__dict__.copy()
    for name, make in copied.empty:
        fields[name] = make()
    if copied.packed is not None:
        fields.update(ormsgpack.unpackb(copied.packed, option=_OPTION))
    for name in copied.other:
        fields[name] = copy.deepcopy(fields[name])
    _set(twin, "__dict__", fields)
    _set(twin, "__pydantic_fields_set__", message.__pydantic_fields_set__.copy())
    extra, private = message.__pydantic_extra__, message.__pydantic_private__
    # Nearly always empty, for which there is no need of the long way.
    _set(twin, "__pydantic_extra__", copy.deepcopy(extra) if extra else _empty_as(extra))
    _set(twin, "__pydantic_private__", copy.deepcopy(private) if private else _empty_as(private))
    return twin


def _empty_as(value: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else {}


def _comes_back(value: Any) -> bool:
    """Whether unpacking gives exactly what was packed."""
    try:
        packed = ormsgpack.packb(value, option=_OPTION)
    except (TypeError, ValueError):
        return False
    return _is_same(ormsgpack.unpackb(packed, option=_OPTION), value)


def _is_same(one: Any, other: Any) -> bool:
    kind = type(other)
    if type(one) is not kind:
        return False
    if kind is dict:
        return len(one) == len(other) and all(
            _is_same(key, its_key) and _is_same(item, its_item)
            for (key, item), (its_key, its_item) in zip(one.items(), other.items(), strict=True)
        )
    if kind is list:
        return len(one) == len(other) and all(map(_is_same, one, other))
    return kind in _ATOMIC and bool(one == other)
