"""In which order the calls of one step took effect, told from the ledger and from what the calls
answered. Pure: no I/O.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .ledger import Call, Event

FIND = "find_tasks"
#: Arguments of find_tasks that don't narrow what it finds.
_NOT_NARROWING = frozenset(("state", "sort", "limit"))


def order_of(calls: Sequence[Call]) -> list[str]:
    """The calls of one step in the order in which they took effect, as far as it can be told."""
    left = list(calls)
    order: list[str] = []
    while left:
        free = [
            call
            for call in left
            if not any(_took_effect_before(other, call) for other in left if other is not call)
        ]
        first = (free or left)[0]
        left.remove(first)
        order.append(first.id)
    return order


def _took_effect_before(first: Call, second: Call) -> bool:
    """Whether the ledger or the results of two calls of one step show that one came first."""
    if first.events and second.events:
        return first.events[0].position < second.events[0].position
    if first.events and second.tool == FIND:
        return _shown(first, second) is True
    if second.events and first.tool == FIND:
        return _shown(second, first) is False
    return False


def _shown(change: Call, reading: Call) -> bool | None:
    """Whether a list of tasks shows what a call changed; none where it can't be told."""
    verdicts = [_shows(event, change, reading) for event in change.events]
    return next((verdict for verdict in verdicts if verdict is not None), None)


def _shows(event: Event, change: Call, reading: Call) -> bool | None:
    if reading.result is None or event.number is None:
        return None
    tasks = {task["number"]: task for task in reading.result["tasks"]}
    listed = tasks.get(event.number)
    if event.after is not None and listed is not None:
        seen = _view(change.result, event.number)
        return None if seen is None else bool(listed == seen)
    if listed is not None:
        return False  # It is deleted, and yet listed.
    if set(reading.arguments) - _NOT_NARROWING or reading.result["total"] > len(tasks):
        return None
    match event.action, reading.arguments.get("state", "open"):
        case ("added", "open" | "all") | ("completed", "completed") | ("reopened", "open"):
            return False
        case ("deleted" | "completed", "open") | ("deleted", "all") | ("reopened", "completed"):
            return True
        case _:
            return None


def _view(result: Mapping[str, Any] | None, number: int) -> Any:
    """The task of that number as the answer to a change shows it."""
    for item in (result or {}).get("results", ()):
        for name in ("task", "next"):
            if (item.get(name) or {}).get("number") == number:
                return item[name]
    return None
