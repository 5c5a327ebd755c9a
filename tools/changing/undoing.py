"""Taking back what a turn changed: all of it, or nothing where it was changed again since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.errors import IntegrityError
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from ..finding.showing import list_view
from ..models import Task, TaskEvent, TaskList
from ..shapes.views import Action, Changes, ItemResult
from ..snapshots import LIST_COLUMNS, TASK_COLUMNS, list_from, snapshot, task_from
from ..texts import check_storable, quoted
from .call import Call

#: Turns without any effect that are passed over in search of one that has some.
PASSED_MAX = 20

NOTHING = (
    "There is nothing to undo: {where} has changed no task. find_activity shows the changes that "
    "were made elsewhere; give the turn of one to undo it."
)
DEPENDS = (
    "Something that was made since depends on what would be taken back; nothing was changed. "
    "find_activity shows what it was."
)


@dataclass(frozen=True, slots=True)
class Reversal:
    """A row to be put back to what it was before a turn."""

    #: The number of a task, or the id of a list.
    target: int | UUID
    #: What it was; none where the turn made it.
    before: Mapping[str, Any] | None
    #: What the turn left of it; none where it was deleted.
    after: Mapping[str, Any] | None

    @property
    def kept(self) -> Mapping[str, Any]:
        return self.after or self.before or {}


async def undo_changes(call: Call, turn: str | None) -> Changes:
    """Put every task and list back to what it was before a turn, the last one if none is named.

    What was changed again since is told, and then nothing is done. An undo is a change like any
    other: it can be undone.
    """
    if turn is not None:
        check_storable("turn", turn)
    found = await _turn_to_undo(call, turn)
    if found is None:
        where = "that turn" if turn else "this conversation" if call.caller.thread else "the user"
        return _refused([NOTHING.format(where=where)])
    turn, reversals, position = found
    rows = {reversal.target: await _row(call, reversal.target) for reversal in reversals}
    changed_since = [
        await _what_changed(call, reversal, position)
        for reversal in reversals
        if not _is(rows[reversal.target], reversal.after)
    ]
    changed_since += await _dependants(call, reversals)
    if changed_since:
        return _refused(changed_since)
    try:
        async with call.session.begin_nested():
            return await _put_back(call, turn, reversals, rows)
    except DBAPIError as error:
        if not isinstance(error.orig, IntegrityError):
            raise
        return _refused([DEPENDS])


async def _turn_to_undo(call: Call, turn: str | None) -> tuple[str, list[Reversal], int] | None:
    """The turn, what it changed, and where its last change stands in the ledger."""
    conditions = [col(TaskEvent.user_id) == call.user_id]
    if turn is not None:
        conditions.append(col(TaskEvent.turn_id) == turn)
    elif call.caller.thread is not None:
        conditions.append(col(TaskEvent.thread_id) == call.caller.thread)
    before: int | None = None
    for _ in range(PASSED_MAX):
        latest = select(TaskEvent).where(*conditions)
        if before is not None:
            latest = latest.where(col(TaskEvent.position) < before)
        last = (
            await call.session.exec(latest.order_by(col(TaskEvent.position).desc()).limit(1))
        ).first()
        if last is None:
            return None
        # A copied thread has the same messages, and the changes of each are its own.
        events = await call.session.exec(
            select(TaskEvent)
            .where(
                col(TaskEvent.user_id) == call.user_id,
                col(TaskEvent.turn_id) == last.turn_id,
                col(TaskEvent.thread_id) == last.thread_id,
            )
            .order_by(col(TaskEvent.position))
        )
        made = list(events.all())
        if reversals := _reversals(made):
            return last.turn_id, reversals, last.position
        before = made[0].position
    return None


def _reversals(events: Iterable[TaskEvent]) -> list[Reversal]:
    """What came of a turn's changes taken together, the last changed first."""
    found: dict[int | UUID, Reversal] = {}
    for event in events:
        target = event.task_number if event.list_id is None else event.list_id
        if target is None:
            continue
        earlier = found.pop(target, None)
        before = event.before if earlier is None else earlier.before
        found[target] = Reversal(target, before, event.after)
    return [one for one in reversed(found.values()) if one.before != one.after]


async def _put_back(
    call: Call,
    turn: str,
    reversals: Sequence[Reversal],
    rows: Mapping[int | UUID, Task | TaskList | None],
) -> Changes:
    results: dict[int | UUID, ItemResult] = {}
    places = {reversal.target: place for place, reversal in enumerate(reversals, start=1)}

    async def restore(reversal: Reversal, old: Mapping[str, Any]) -> None:
        call.item = places[reversal.target]
        row = rows[reversal.target]
        before = None if row is None else snapshot(row)
        kept = _object(reversal, old, call.user_id)
        if row is None:
            row = kept
            call.session.add(row)
        else:
            _copy(kept, row)
        await call.record("restored", row, before=before, undoes=turn)
        await call.session.flush()
        call.seeing.forget()
        results[reversal.target] = await _result(call, "restored", row)

    async def remove(reversal: Reversal) -> None:
        row = rows[reversal.target]
        if row is None:
            return
        call.item = places[reversal.target]
        results[reversal.target] = await _result(call, "deleted", row)
        await call.record("deleted", row, before=snapshot(row), undoes=turn)
        await call.session.delete(row)
        await call.session.flush()
        call.seeing.forget()

    lists = [one for one in reversals if isinstance(one.target, UUID)]
    tasks = [one for one in reversals if isinstance(one.target, int)]
    # Whatever is referred to is there before what refers to it, and goes after it.
    for one in lists:
        if one.before is not None:
            await restore(one, one.before)
    missing = [one.before for one in tasks if one.after is None and one.before is not None]
    by_id = {str(one.before["id"]): one for one in tasks if one.before is not None}
    for old in _parents_first(missing):
        await restore(by_id[str(old["id"])], old)
    for one in tasks:
        if one.before is not None and one.after is not None:
            await restore(one, one.before)
    made = {str(one.kept["id"]): one for one in tasks if one.before is None}
    for kept in reversed(_parents_first([one.kept for one in made.values()])):
        await remove(made[str(kept["id"])])
    for one in lists:
        if one.before is None:
            await remove(one)
    return Changes.of([results[one.target] for one in reversals if one.target in results])


def _parents_first(kept: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    waiting = {str(one["id"]): one for one in kept}
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        free = [one for one in waiting.values() if str(one.get("parent_id")) not in waiting]
        for one in free:
            ordered.append(waiting.pop(str(one["id"])))
    return ordered


def _object(reversal: Reversal, old: Mapping[str, Any], user_id: UUID) -> Task | TaskList:
    if isinstance(reversal.target, int):
        return task_from(old, user_id)
    return list_from(old, user_id)


def _copy(source: Task | TaskList, target: Task | TaskList) -> None:
    columns = (*TASK_COLUMNS, "searched") if isinstance(source, Task) else LIST_COLUMNS
    for name in columns:
        setattr(target, name, getattr(source, name))


async def _result(call: Call, action: Action, row: Task | TaskList) -> ItemResult:
    result = ItemResult(item=call.item, status="done", action=action)
    if isinstance(row, Task):
        result.task = await call.view(row)
    else:
        result.list = await list_view(call.seeing, row)
    return result


# What stands in the way


async def _row(call: Call, target: int | UUID) -> Task | TaskList | None:
    if isinstance(target, UUID):
        lists = select(TaskList).where(
            col(TaskList.user_id) == call.user_id, col(TaskList.id) == target
        )
        found: TaskList | None = (await call.session.exec(lists)).first()
        return found
    return await call.seeing.with_number(target)


def _is(row: Task | TaskList | None, kept: Mapping[str, Any] | None) -> bool:
    """Whether a row is still what was kept of it."""
    if row is None or kept is None:
        return row is None and kept is None
    now = snapshot(row)
    return all(now.get(name) == value for name, value in kept.items())


async def _what_changed(call: Call, reversal: Reversal, position: int) -> str:
    """What happened to a task or a list after the turn."""
    column = (
        col(TaskEvent.task_number) == reversal.target
        if isinstance(reversal.target, int)
        else col(TaskEvent.list_id) == reversal.target
    )
    events = await call.session.exec(
        select(TaskEvent.action)
        .where(col(TaskEvent.user_id) == call.user_id, col(TaskEvent.position) > position, column)
        .order_by(col(TaskEvent.position))
    )
    actions = ", ".join(dict.fromkeys(events.all())) or "changed"
    return f"{_called(reversal.target, reversal.kept)} was {actions} since."


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
        .limit(5)
    )
    return [
        f"Task {task.number} {quoted(task.title)} has come to belong to what would be taken back."
        for task in rows.all()
    ]


def _called(target: int | UUID, kept: Mapping[str, Any]) -> str:
    if isinstance(target, int):
        return f"Task {target} {quoted(str(kept.get('title', '')))}"
    return f"The list {quoted(str(kept.get('name', '')))}"


def _refused(reasons: Sequence[str]) -> Changes:
    return Changes.of(
        [
            ItemResult(item=item, status="failed", error=reason)
            for item, reason in enumerate(reasons, start=1)
        ]
    )
