"""What a turn came to, row by row: what an undo has to put back, read from the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from ..models import TaskEvent
from .call import Call

#: Turns without any effect that are passed over in search of one that has some.
PASSED_MAX = 20


@dataclass(frozen=True, slots=True)
class Reversal:
    """A row to be put back to what it was before a turn."""

    #: The number of a task, or the id of a list.
    target: int | UUID
    #: What it was; none where the turn made it.
    before: Mapping[str, Any] | None
    #: What the turn left of it; none where it was deleted.
    after: Mapping[str, Any] | None
    #: The position in the ledger after which nobody else may have changed it.
    position: int
    #: Whether somebody else changed it between two changes of the turn, and would lose that.
    interrupted: bool = False

    @property
    def kept(self) -> Mapping[str, Any]:
        return self.after or self.before or {}


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that is to be undone."""

    id: str
    thread: str | None
    #: What came of it, the last changed first.
    reversals: list[Reversal]


async def turn_to_undo(call: Call, turn: str | None) -> Turn | None:
    """The turn that is named, or the last one of the conversation that has had any effect.

    A turn that undoes several goes back in time: what it has undone itself is passed over.
    """
    events = select(TaskEvent).where(col(TaskEvent.user_id) == call.user_id)
    if turn is not None:
        events = events.where(col(TaskEvent.turn_id) == turn)
    else:
        if call.caller.thread is not None:
            events = events.where(col(TaskEvent.thread_id) == call.caller.thread)
        events = events.where(col(TaskEvent.turn_id).not_in(await _undone_in(call)))
    before: int | None = None
    for _ in range(PASSED_MAX):
        earlier = events if before is None else events.where(col(TaskEvent.position) < before)
        last = (
            await call.session.exec(earlier.order_by(col(TaskEvent.position).desc()).limit(1))
        ).first()
        if last is None:
            return None
        made = await _events(call, last.turn_id, last.thread_id)
        if found := reversals(made):
            return Turn(last.turn_id, last.thread_id, found)
        before = made[0].position
    return None


def reversals(events: Iterable[TaskEvent]) -> list[Reversal]:
    """What came of a turn's changes taken together, the last changed first."""
    found: dict[int | UUID, Reversal] = {}
    for event in events:
        target = event.task_number if event.list_id is None else event.list_id
        if target is None:
            continue
        earlier = found.pop(target, None)
        if earlier is None:
            found[target] = Reversal(target, event.before, event.after, event.position)
            continue
        interrupted = earlier.interrupted or earlier.after != event.before
        position = earlier.position if interrupted else event.position
        found[target] = Reversal(target, earlier.before, event.after, position, interrupted)
    return [one for one in reversed(found.values()) if one.before != one.after]


async def _undone_in(call: Call) -> list[str]:
    """The turn that the call is part of and those that it has undone, where it did only that."""
    if call.caller.turn is None:
        return []
    made = await _events(call, call.caller.turn, call.caller.thread)
    undone = {event.undoes for event in made}
    return [call.caller.turn, *(one for one in undone if one)] if None not in undone else []


async def _events(call: Call, turn: str, thread: str | None) -> list[TaskEvent]:
    # A copied thread has the same messages, and the changes of each are its own.
    events = await call.session.exec(
        select(TaskEvent)
        .where(
            col(TaskEvent.user_id) == call.user_id,
            col(TaskEvent.turn_id) == turn,
            col(TaskEvent.thread_id) == thread,
        )
        .order_by(col(TaskEvent.position))
    )
    return list(events.all())
