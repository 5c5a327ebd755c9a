"""What keeps a turn from being undone: what was changed since, and what would be torn apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import aliased
from sqlmodel import col, not_, select

from ..models import DEPTH_MAX, Task, TaskEvent, TaskList
from ..snapshots import snapshot
from ..texts import quoted
from .call import Call
from .reversals import Reversal, Turn
from .trees import misplaced

#: Of what stands in the way, as much is told.
TOLD_MAX = 5

Rows = Mapping[int | UUID, Task | TaskList | None]


async def changed_since(call: Call, turn: Turn, rows: Rows) -> list[str]:
    """What others made of the turn's tasks and lists, or made depend on them, a sentence each."""
    changed = [
        await _what_changed(call, turn, reversal)
        for reversal in turn.reversals
        if reversal.interrupted or not _is(rows[reversal.target], reversal.after)
    ]
    return changed + await _dependants(call, turn.reversals)


async def torn(call: Call, restored: Iterable[Task]) -> list[str]:
    """What the tasks that were put back can't be within the tasks as they are now.

    Else they, and all that is below them, get to know how deep they are.
    """
    reasons = []
    restored = list(restored)
    ids = [task.id for task in restored]
    for task in restored:
        above, seen = await call.seeing.parent_of(task), {task.id}
        while above is not None and above.id not in seen:
            seen.add(above.id)
            above = await call.seeing.parent_of(above)
        parent = await call.seeing.parent_of(task)
        if above is not None and parent is not None:
            reasons.append(
                f"{_called(task)} would be a part of task {parent.number}, which has become a "
                "part of it."
            )
    parent_of = aliased(Task)
    apart: Any = (
        select(Task, parent_of.number)
        .join(parent_of, col(Task.parent_id) == parent_of.id)
        .where(
            col(Task.user_id) == call.user_id,
            col(Task.id).in_(ids) | col(Task.parent_id).in_(ids),
            col(Task.list_id).is_distinct_from(parent_of.list_id),
        )
        .order_by(col(Task.number))
        .limit(TOLD_MAX)
    )
    reasons += [
        f"{_called(task)} would be in another list than task {number}, of which it is a part."
        for task, number in (await call.session.exec(apart)).all()
    ]
    for task, depth in await misplaced(call.session, call.user_id, ids):
        if depth < DEPTH_MAX:
            task.depth = depth
        else:
            reasons.append(
                f"{_called(task)} would be {depth + 1} deep within others, {DEPTH_MAX} is the most."
            )
    return reasons[:TOLD_MAX]


def _is(row: Task | TaskList | None, kept: Mapping[str, Any] | None) -> bool:
    """Whether a row is still what was kept of it."""
    if row is None or kept is None:
        return row is None and kept is None
    now = snapshot(row)
    return all(now.get(name) == value for name, value in kept.items())


async def _what_changed(call: Call, turn: Turn, reversal: Reversal) -> str:
    """What others did to a task or a list."""
    column = (
        col(TaskEvent.task_number) == reversal.target
        if isinstance(reversal.target, int)
        else col(TaskEvent.list_id) == reversal.target
    )
    of_turn = (col(TaskEvent.turn_id) == turn.id) & col(TaskEvent.thread_id).is_not_distinct_from(
        turn.thread
    )
    events = await call.session.exec(
        select(TaskEvent.action)
        .where(
            col(TaskEvent.user_id) == call.user_id,
            col(TaskEvent.position) > reversal.position,
            column,
            not_(of_turn),
        )
        .order_by(col(TaskEvent.position))
    )
    actions = ", ".join(dict.fromkeys(events.all())) or "changed"
    return f"{_named(reversal)} was {actions} since."


async def _dependants(call: Call, reversals: Sequence[Reversal]) -> list[str]:
    """What has come to belong to a task or a list that would be gone, and stays."""
    going = [one for one in reversals if one.before is None and one.after is not None]
    if not going:
        return []
    ids = [UUID(str(one.kept["id"])) for one in going]
    touched = [one.target for one in reversals if isinstance(one.target, int)]
    rows = await call.session.exec(
        select(Task)
        .where(
            col(Task.user_id) == call.user_id,
            col(Task.parent_id).in_(ids) | col(Task.list_id).in_(ids),
            col(Task.number).not_in(touched),
        )
        .order_by(col(Task.number))
        .limit(TOLD_MAX)
    )
    return [
        f"{_called(task)} has come to belong to what would be taken back." for task in rows.all()
    ]


def _called(task: Task) -> str:
    return f"Task {task.number} {quoted(task.title)}"


def _named(reversal: Reversal) -> str:
    if isinstance(reversal.target, int):
        return f"Task {reversal.target} {quoted(str(reversal.kept.get('title', '')))}"
    return f"The list {quoted(str(reversal.kept.get('name', '')))}"
