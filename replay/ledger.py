"""The ledger of a user's tasks, `task_calls` and `task_events`, beside the calls of a conversation.
Pure: no I/O.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.client import idempotency_key


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `task_events`."""

    #: Where it stands among the user's events.
    position: int
    item: int
    action: str
    #: The task's number; none for a list.
    number: int | None
    #: The list's id; none for a task.
    list_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    turn: str
    thread: str | None = None
    message: str | None = None
    undoes: str | None = None

    @property
    def target(self) -> int | str | None:
        """The task or the list that was changed."""
        return self.list_id if self.number is None else self.number


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A call in the ledger: a row of `task_calls`, with its events in their order."""

    key: str
    tool: str
    at: datetime
    #: What was answered; none where answers of that age were thrown away.
    result: dict[str, Any] | None
    events: tuple[Event, ...]


@dataclass(slots=True, eq=False)
class Call:
    """A tool call that reached its tool, and what came of it."""

    thread_id: str
    id: str
    tool: str
    arguments: dict[str, Any]
    at: datetime
    #: The structured result; none where the tool refused.
    result: dict[str, Any] | None
    #: Names the step, by the model's message; calls of one step are made at once.
    step: str
    #: Its entry in the ledger, when it was made by this very call.
    entry: Entry | None = None

    @property
    def key(self) -> str | None:
        return idempotency_key(self.thread_id, self.id, self.tool, self.arguments, self.step)

    @property
    def events(self) -> Sequence[Event]:
        """The changes that this very call made."""
        return self.entry.events if self.entry else ()


def assign(calls: Iterable[Call], entries: Sequence[Entry]) -> list[Entry]:
    """Give each call its entry; returned are the entries that are left, which belong to no call."""
    left = list(entries)
    for call in calls:
        for entry in left:
            if _made_by(entry, call):
                call.entry = entry
                left.remove(entry)
                break
    return left


def _made_by(entry: Entry, call: Call) -> bool:
    # An entry of another moment was made when the call was made before, and its result was lost.
    if entry.at != call.at or entry.tool != call.tool:
        return False
    # A copied thread has another name, and so have its calls.
    return entry.key == call.key or (entry.result is not None and entry.result == call.result)
