"""Taking back what a turn changed: all of it, or nothing where it was changed again since."""

from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import IntegrityError
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from ..errors import InvalidValueError
from ..finding.showing import list_view
from ..models import Task, TaskList
from ..shapes.views import Action, Changes, ItemResult
from ..snapshots import LIST_COLUMNS, TASK_COLUMNS, list_from, snapshot, task_from
from ..texts import check_storable
from .call import Call
from .hindrances import Rows, changed_since, torn
from .reversals import Reversal, Turn, turn_to_undo

NOTHING = (
    "There is nothing to undo: {where} has changed no task. find_activity shows the changes that "
    "were made elsewhere; give the turn of one to undo it."
)
DEPENDS = (
    "Something that was made since depends on what would be taken back; nothing was changed. "
    "find_activity shows what it was."
)


class _TornError(InvalidValueError):
    """What was put back doesn't go together with what others have made since."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


async def undo_changes(call: Call, named: str | None) -> Changes:
    """Put every task and list back to what it was before a turn, the last one if none is named.

    What was changed again since is told, and then nothing is done. An undo is a change like any
    other: it can be undone.
    """
    if named is not None:
        check_storable("turn", named)
    turn = await turn_to_undo(call, named)
    if turn is None:
        where = "that turn" if named else "this conversation" if call.caller.thread else "the user"
        return _refused([NOTHING.format(where=where)])
    rows = {reversal.target: await _row(call, reversal.target) for reversal in turn.reversals}
    if changed := await changed_since(call, turn, rows):
        return _refused(changed)
    try:
        async with call.session.begin_nested():
            return await _PuttingBack(call, turn, rows).carry_out()
    except _TornError as error:
        return _refused(error.reasons)
    except DBAPIError as error:
        if not isinstance(error.orig, IntegrityError):
            raise
        return _refused([DEPENDS])


class _PuttingBack:
    """A turn being undone, a row at a time."""

    def __init__(self, call: Call, turn: Turn, rows: Rows) -> None:
        self._call, self._turn, self._rows = call, turn, rows
        self._was = {target: None if row is None else snapshot(row) for target, row in rows.items()}
        self._items = {one.target: item for item, one in enumerate(turn.reversals, start=1)}
        self._restored: dict[int | UUID, Task | TaskList] = {}
        self._removed: dict[int | UUID, ItemResult] = {}

    async def carry_out(self) -> Changes:
        """
        Raises:
            _TornError: tasks would be torn apart, or be parts of themselves.
        """
        reversals = self._turn.reversals
        await self._call.let_trees_move()
        lists = [one for one in reversals if isinstance(one.target, UUID)]
        tasks = [one for one in reversals if isinstance(one.target, int)]
        # Whatever is referred to is there before what refers to it, and goes after it.
        await self._free_names(lists)
        for one in lists:
            if one.before is not None:
                await self._restore(one, list_from(one.before, self._call.user_id))
        missing = [one for one in tasks if one.after is None]
        for one in (*_parents_first(missing), *(one for one in tasks if one.after is not None)):
            if one.before is not None:
                await self._restore(one, task_from(one.before, self._call.user_id))
        for one in reversed(_parents_first([one for one in tasks if one.before is None])):
            await self._remove(one)
        for one in lists:
            if one.before is None:
                await self._remove(one)
        put_back = [row for row in self._restored.values() if isinstance(row, Task)]
        if reasons := await torn(self._call, put_back):
            raise _TornError(reasons)
        await self._call.check_trees()
        results = [await self._result(one) for one in reversals]
        return Changes.of([result for result in results if result])

    async def _free_names(self, lists: Sequence[Reversal]) -> None:
        """Let lists take each other's names."""
        for one in lists:
            row = self._rows[one.target]
            if isinstance(row, TaskList) and one.before and row.name != one.before.get("name"):
                row.name = str(row.id)
        await self._call.session.flush()

    async def _restore(self, reversal: Reversal, old: Task | TaskList) -> None:
        call, row = self._call, self._rows[reversal.target]
        if row is None:
            row = old
            call.session.add(row)
        else:
            _copy(old, row)
        await self._record("restored", reversal, row)
        await call.session.flush()
        call.seeing.forget()
        self._restored[reversal.target] = row

    async def _remove(self, reversal: Reversal) -> None:
        call, row = self._call, self._rows[reversal.target]
        if row is None:
            return
        # It can't be shown any more when it is gone.
        shown = await _shown(call, "deleted", self._items[reversal.target], row)
        self._removed[reversal.target] = shown
        await self._record("deleted", reversal, row)
        await call.session.delete(row)
        await call.session.flush()
        call.seeing.forget()

    async def _record(self, action: Action, reversal: Reversal, row: Task | TaskList) -> None:
        self._call.item = self._items[reversal.target]
        before = self._was[reversal.target]
        await self._call.record(action, row, before=before, undoes=self._turn.id)

    async def _result(self, reversal: Reversal) -> ItemResult | None:
        if (row := self._restored.get(reversal.target)) is not None:
            return await _shown(self._call, "restored", self._items[reversal.target], row)
        return self._removed.get(reversal.target)


def _parents_first(reversals: Sequence[Reversal]) -> list[Reversal]:
    waiting = {str(one.kept["id"]): one for one in reversals}
    ordered: list[Reversal] = []
    while waiting:
        free = [
            id_ for id_, one in waiting.items() if str(one.kept.get("parent_id")) not in waiting
        ]
        # None is free of a circle that somebody made by hand.
        ordered += [waiting.pop(id_) for id_ in free or list(waiting)]
    return ordered


def _copy(source: Task | TaskList, target: Task | TaskList) -> None:
    columns = (*TASK_COLUMNS, "searched") if isinstance(source, Task) else LIST_COLUMNS
    for name in columns:
        setattr(target, name, getattr(source, name))
    if isinstance(target, Task) and target.parent_id is None:
        target.depth = 0


async def _shown(call: Call, action: Action, item: int, row: Task | TaskList) -> ItemResult:
    result = ItemResult(item=item, status="done", action=action)
    if isinstance(row, Task):
        result.task = await call.view(row)
    else:
        result.list = await list_view(call.seeing, row)
    return result


async def _row(call: Call, target: int | UUID) -> Task | TaskList | None:
    if isinstance(target, UUID):
        lists = select(TaskList).where(
            col(TaskList.user_id) == call.user_id, col(TaskList.id) == target
        )
        found: TaskList | None = (await call.session.exec(lists)).first()
        return found
    return await call.seeing.with_number(target)


def _refused(reasons: Sequence[str]) -> Changes:
    return Changes.of(
        [
            ItemResult(item=item, status="failed", error=reason)
            for item, reason in enumerate(reasons, start=1)
        ]
    )
