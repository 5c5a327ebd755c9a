"""Arrays as parameters of statements, which a step has a score of.

psycopg finds out what is in a list, item by item, and makes a dumper for it: several microseconds
for each list, whose type the statement says anyway.
"""

from collections.abc import Iterable
from itertools import chain
from struct import pack
from typing import Any
from uuid import UUID
from weakref import WeakSet

from psycopg import AsyncConnection, adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.json import Jsonb, JsonbBinaryDumper

_NULL = b"\xff\xff\xff\xff"

_BYTES, _INT, _JSONB, _TEXT, _UUID = (
    adapters.types[name].oid for name in ("bytea", "int4", "jsonb", "text", "uuid")
)

#: The connections that do. To look here is quicker than to register.
_TAKERS: WeakSet[AsyncConnection[Any]] = WeakSet()

_dump_jsonb = JsonbBinaryDumper(Jsonb).dump


class Array:
    """An array of one dimension, for a place of a statement that says its type: `%s::text[]`."""

    __slots__ = ("items", "oid")

    def __init__(self, oid: int, items: list[Any]) -> None:
        #: Of the items' type.
        self.oid = oid
        #: Each in Postgres's binary form or, in an array of texts, as a text; None is NULL.
        self.items = items


def bytes_array(items: Iterable[bytes | None]) -> Array:
    """For a place of type `bytea[]`."""
    return Array(_BYTES, list(items))


def int_array(items: Iterable[int]) -> Array:
    """For a place of type `int[]`."""
    return Array(_INT, [pack("!i", item) for item in items])


def jsonb_array(items: Iterable[Any]) -> Array:
    """For a place of type `jsonb[]`; None is NULL."""
    return Array(_JSONB, [None if item is None else _dump_jsonb(Jsonb(item)) for item in items])


def text_array(items: Iterable[str | None]) -> Array:
    """For a place of type `text[]`."""
    return Array(_TEXT, list(items))


def uuid_array(items: Iterable[UUID | None]) -> Array:
    """For a place of type `uuid[]`."""
    return Array(_UUID, [None if item is None else item.bytes for item in items])


def take_arrays(connection: AsyncConnection[Any]) -> None:
    """Let statements on this connection have such parameters."""
    if connection not in _TAKERS:
        connection.adapters.register_dumper(Array, _ArrayDumper)
        _TAKERS.add(connection)


class _ArrayDumper(Dumper):
    """Postgres's binary form of an array, which `array_recv` reads in its arrayfuncs.c."""

    format = Format.BINARY

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        encoding = self.connection.info.encoding if self.connection else "utf-8"
        # As psycopg does for a server that takes texts as the bytes that they are.
        self._encoding = "utf-8" if encoding == "ascii" else encoding

    def dump(self, obj: Array) -> Buffer:
        items = obj.items
        if not items:
            return pack("!iiI", 0, 0, obj.oid)
        if obj.oid == _TEXT:
            encoding = self._encoding
            items = [None if item is None else item.encode(encoding) for item in items]
        header = pack("!iiIii", 1, None in items, obj.oid, len(items), 1)
        pieces = ((_NULL,) if i is None else (len(i).to_bytes(4, "big"), i) for i in items)
        return b"".join(chain((header,), *pieces))
