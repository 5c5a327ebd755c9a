"""What a row's columns for people and SQL have to hold, going by its payload."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage

from ..transcript import Row, executed_at, row_of

#: The time of a write, where it can't be known.
SOME_TIME = datetime.fromtimestamp(0, UTC)

Calls = list[dict[str, Any]] | None


def expected_row(
    before: Sequence[BaseMessage],
    message: BaseMessage,
    *,
    parent: bytes | None,
    payload_type: str,
    payload: bytes,
    stored_calls: Any = None,
    now: datetime = SOME_TIME,
) -> Row:
    """The row of a message after those `before` it.

    When a tool was called is not always in its message. Then the time in the stored record is
    taken, if there is one.
    """
    row = row_of(
        [*before, message],
        len(before),
        parent=parent,
        payload_type=payload_type,
        payload=payload,
        now=now,
    )
    if isinstance(message, ToolMessage) and not executed_at(message):
        timestamp = _timestamp(stored_calls)
        if timestamp is not None and row.tool_calls:
            row.tool_calls[0]["timestamp"] = timestamp
    return row


def differing_columns(expected: Row, role: str, content: str, tool_calls: Any) -> list[str]:
    """Names of the columns that do not hold what is expected.

    Of `tool_calls` only that it may not: JSON has several ways to write a number.
    """
    different = []
    if role != expected.role:
        different.append("role")
    if content != expected.content:
        different.append("content")
    if _canonical(tool_calls) != _canonical(expected.tool_calls):
        different.append("tool_calls")
    return different


def _timestamp(calls: Any) -> str | None:
    try:
        (record,) = calls
        datetime.fromisoformat(record["timestamp"])
    except (TypeError, ValueError, KeyError):
        return None
    timestamp: str = record["timestamp"]
    return timestamp


def _canonical(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)
