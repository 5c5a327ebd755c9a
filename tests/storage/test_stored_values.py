"""Values that the serialiser stored are opened and closed again to the very same bytes."""

import dataclasses
import re
from collections import deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import uuid4

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel

from storage.stored_values import Extension, Form, UnopenableValueError, changed
from tests.storage.support import XorSerializer

SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)


class Mood(Enum):
    GOOD = "good"


class Note(BaseModel):
    text: str
    inner: "Note | None" = None


@dataclasses.dataclass
class Place:
    name: str
    notes: list[Note]


VALUES: list[Any] = [
    "text",
    ["é", "\x00", "日本", ""],
    {"a": [1, 2.5, None, True], 1: 2, (1, 2): 3, None: b"bytes"},
    {2**63, -(2**63), float("inf"), -0.0},
    [
        HumanMessage("hi", id="1"),
        ToolMessage("x", tool_call_id="c", artifact={"structured_content": {"a": [1]}}),
    ],
    AIMessage(
        [{"type": "text", "text": "hi"}],
        tool_calls=[{"name": "a", "args": {"x": 1.5}, "id": "c"}],
        invalid_tool_calls=[{"name": "b", "args": "{", "id": "d", "error": "e"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    ),
    AIMessageChunk(
        content="x", tool_call_chunks=[{"name": "a", "args": '{"x":1}', "id": "c", "index": 0}]
    ),
    Send("tools", {"calls": [{"name": "a", "args": {}, "id": "c"}]}),
    Command(update={"messages": [HumanMessage("hi")]}, goto=[Send("a", 1)]),
    Interrupt(value={"question": "sure?"}, id="i"),
    _DeltaSnapshot([HumanMessage("one"), HumanMessage("two"), HumanMessage("three")]),
    Place("here", [Note(text="a", inner=Note(text="b"))]),
    [uuid4(), Path("/a/b"), re.compile("a+", re.IGNORECASE), Decimal("1.50"), Mood.GOOD],
    [datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), timedelta(3, 4, 5), deque([1, 2])],
]


@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
@pytest.mark.parametrize("serde", [SERDE, XorSerializer()], ids=["plain", "encrypted"])
def test_what_is_opened_closes_to_the_same_bytes(value: Any, serde: Any) -> None:
    name, blob = serde.dumps_typed(value)
    form = Form(name, serde)
    opened = form.open(blob)
    assert changed(opened, lambda item: changed(item, lambda inner: inner)) is opened
    assert form.close(opened) == blob


def test_what_lies_inside_of_objects_and_lists_can_be_changed() -> None:
    def shout(value: Any) -> Any:
        return value.upper() if value == "secret" else changed(value, shout)

    value: Command[Any] = Command(
        update={"note": Note(text="secret"), "list": [("secret", 1)]},
        goto=[Send("secret", {"secret": deque(["secret"])})],
    )
    serde = JsonPlusSerializer(allowed_msgpack_modules=[Note])
    name, blob = serde.dumps_typed(value)
    form = Form(name, serde)
    again = serde.loads_typed((name, form.close(shout(form.open(blob)))))
    assert again == Command(
        update={"note": Note(text="SECRET"), "list": [["SECRET", 1]]},
        goto=[Send("SECRET", {"secret": deque(["SECRET"])})],
    )


def test_the_first_items_of_a_snapshot_are_no_names_of_a_class() -> None:
    name, blob = SERDE.dumps_typed(_DeltaSnapshot(["secret", "secret", "secret"]))
    form = Form(name, SERDE)
    opened = changed(form.open(blob), lambda item: ["x" for _ in item])
    assert SERDE.loads_typed((name, form.close(opened))) == _DeltaSnapshot(["x", "x", "x"])


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x01\x02", b"\xcd\x00\x01", b"\xc4\x01a"])
def test_an_extension_of_another_library_is_left_as_it_is(content: bytes) -> None:
    blob = ormsgpack.packb([ormsgpack.Ext(42, content)])
    form = Form("msgpack", SERDE)
    (opened,) = form.open(blob)
    assert isinstance(opened, Extension)
    assert form.close([opened]) == blob


def test_old_checkpoints_in_json_are_opened() -> None:
    form = Form("json", SERDE)
    assert form.open(b'{"a": ["\\u00e9"]}') == {"a": ["é"]}
    assert SERDE.loads_typed(("json", form.close({"a": ["é"]}))) == {"a": ["é"]}


@pytest.mark.parametrize("name", ["pickle", "bytes", "msgpack+aes"])
def test_what_cannot_be_looked_into_is_refused(name: str) -> None:
    with pytest.raises(UnopenableValueError, match=re.escape(name)):
        Form(name, SERDE).open(b"")
