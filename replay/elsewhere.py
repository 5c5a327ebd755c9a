"""Which changes of a user's tasks a conversation found made, told from the ledger. Pure: no I/O.

A tool's result depends on the tasks and lists that were there. Those that the conversation's own
calls made are there again when the calls are made again; all others have to be put there first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .ledger import Call, Entry, Event, assign
from .recording import Change

#: Tools whose answers depend on every change there was, and not only on what came of them.
READ_LEDGER = frozenset(("undo_changes", "find_activity"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A change that a call found made; without an event, a call that changed nothing."""

    entry: Entry
    event: Event | None

    @property
    def target(self) -> int | str | None:
        return None if self.event is None else self.event.target


class _Names:
    """What the rows that ids stand for are called: ids are others each time a row is made."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        events = [event for entry in entries for event in entry.events]
        rows = [(event.number, event.after or event.before or {}) for event in events]
        self.numbers = {row["id"]: number for number, row in rows if number and "id" in row}
        #: The names of the lists that there are, after the changes so far.
        self.lists: dict[str, str] = {}

    def follow(self, event: Event) -> None:
        """Take in that a change has been made."""
        if event.list_id is not None and event.after is not None:
            self.lists[event.list_id] = event.after["name"]


def changes_elsewhere(calls: Sequence[Call], entries: Sequence[Entry]) -> dict[Call, list[Change]]:
    """The changes that have to be made before each call, the oldest first.

    `calls` are those of a whole thread in the order in which they were made; each is given the
    entry that it made. Of several changes to one task or list before a call only the last is kept,
    and of what was deleted only the number that the next one depends on; unless a call of the
    thread reads the ledger itself, which then has to be whole.
    """
    elsewhere = assign(calls, entries)
    named = _Names(entries)
    keys = {call.key for call in calls} - {None}
    whole = any(call.tool in READ_LEDGER for call in calls)
    changes: dict[Call, list[Change]] = {}
    waiting = sorted(elsewhere, key=_began)
    seen: set[int | str] = set()
    for call in sorted(calls, key=lambda call: call.at):
        found = [
            one
            for entry in waiting
            if entry.at < call.at
            for one in _found(entry, entry.key in keys)
        ]
        waiting = [entry for entry in waiting if entry.at >= call.at]
        made = found if whole else _condensed(found, keys, seen)
        seen |= {one.target for one in made if one.target is not None}
        changes[call] = [
            _change(call, one, named, own=one.entry.key in keys, whole=whole) for one in made
        ]
        for event in call.events:
            named.follow(event)
        seen |= {event.target for event in call.events if event.target is not None}
    return changes


def _began(entry: Entry) -> tuple[datetime, int]:
    return entry.at, entry.events[0].position if entry.events else 0


def _found(entry: Entry, own: bool) -> list[_Found]:
    """What has to be known of an entry; of others' calls that changed nothing, nothing."""
    if own and not entry.events:
        return [_Found(entry, None)]
    return [_Found(entry, event) for event in entry.events]


def _condensed(
    found: Sequence[_Found], keys: set[str | None], seen: set[int | str]
) -> list[_Found]:
    last = {one.target: one for one in found}
    numbers = [number for number in (*seen, *last) if isinstance(number, int)]
    highest = max(numbers, default=0)
    kept = [
        one
        for one in found
        if one.entry.key in keys
        or (
            one is last[one.target]
            # What was there before has to go; of what wasn't, the number may matter.
            and (
                (one.event is not None and one.event.after is not None)
                or one.target in seen
                or one.target == highest
            )
        )
    ]
    return _possible(kept, keys)


def _possible(kept: Sequence[_Found], keys: set[str | None]) -> list[_Found]:
    """In an order in which they can be made: lists before their tasks, parents before their parts,
    and deleted the other way round."""
    if any(one.entry.key in keys for one in kept):
        return list(kept)
    rows = {
        str(one.event.after["id"]): one
        for one in kept
        if one.event is not None and one.event.after is not None and "id" in one.event.after
    }
    gone = [one for one in kept if one.event is not None and one.event.after is None]
    left = [one for one in kept if one not in gone]
    ordered: list[_Found] = []
    while left:
        waiting = {key for key, one in rows.items() if one in left}
        free = [one for one in left if not _needs(one) & waiting] or left[:1]
        ordered += free
        left = [one for one in left if one not in free]
    tasks = [one for one in gone if isinstance(one.target, int)]
    return [*ordered, *tasks, *(one for one in gone if one not in tasks)]


def _needs(one: _Found) -> set[str]:
    """The ids of the rows that have to be there before this one."""
    after: Mapping[str, Any] = (one.event and one.event.after) or {}
    return {str(after[name]) for name in ("list_id", "parent_id") if after.get(name)}


def _change(call: Call, found: _Found, named: _Names, *, own: bool, whole: bool) -> Change:
    entry, event = found.entry, found.event
    change = Change(
        before=call.id,
        at=entry.at,
        tool=entry.tool,
        # Another conversation's keys and answers are of no use here.
        key=entry.key if own else None,
        result=entry.result if own else None,
    )
    if event is None:
        return change
    change.action, change.item = event.action, event.item
    change.number, change.row = event.number, event.after
    after = event.after or {}
    change.list = named.lists.get(event.list_id or after.get("list_id") or "")
    change.parent = named.numbers.get(after.get("parent_id"))
    named.follow(event)
    if own or whole:
        change.turn, change.thread = event.turn, event.thread
        change.message, change.undoes = event.message, event.undoes
    return change
