"""Making, renaming, putting away and deleting lists."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func
from sqlmodel import col, select

from ..errors import InvalidValueError
from ..finding.showing import list_view
from ..models import Task, TaskList
from ..shapes.arguments import ListChange
from ..shapes.views import Action, ItemResult
from ..snapshots import snapshot
from ..texts import checked_name, quoted
from .call import Call

INBOX_STAYS = "The Inbox holds the tasks without a list; it can't be renamed, put away or deleted."


async def save_list(call: Call, item: ListChange) -> ItemResult:
    """Make a list, or rename one, put it away or take it back, with the tasks in it.

    Raises:
        TaskError: there is no such list, the name can't be used, or nothing is to be changed.
    """
    if item.list is None:
        if item.name is None:
            raise InvalidValueError("Give the name of the list to make, or the list to change.")
        name = checked_name(item.name)
        found = await _of_name(call, name)
        if found is None:
            return await _make(call, name, item)
        if item.archived is None:
            return await _unchanged(call, found, "There is a list of that name already.")
    else:
        found = await call.seeing.find_list(item.list)
        if found is None:
            raise InvalidValueError(INBOX_STAYS)
        if item.name is None and item.archived is None:
            raise InvalidValueError("Say what to change of the list: its name, or archived.")
    return await _change(call, found, item)


async def delete_list(call: Call, name: str) -> ItemResult:
    """Delete a list; the tasks that are in it go to the Inbox.

    Raises:
        TaskError: there is no such list, or it is the Inbox.
    """
    found = await call.seeing.find_list(name, by_words=False)
    if found is None:
        raise InvalidValueError(INBOX_STAYS)
    shown = await list_view(call.seeing, found)
    tasks = await _tasks(call, found)
    bottom = select(func.max(col(Task.place))).where(
        col(Task.user_id) == call.user_id,
        col(Task.list_id).is_(None),
        col(Task.parent_id).is_(None),
    )
    place: Decimal | None = (await call.session.exec(bottom)).one()
    if any(task.parent_id for task in tasks):
        await call.let_trees_move()
    for task in tasks:
        before = snapshot(task)
        task.list_id = None
        if task.parent_id is None:
            place = Decimal(0) if place is None else place.to_integral_value() + 1
            task.place = place
        await call.record("updated", task, before=before)
    await call.session.flush()
    await call.record("deleted", found, before=snapshot(found))
    await call.session.delete(found)
    await call.session.flush()
    call.seeing.forget()
    return ItemResult(
        item=call.item,
        status="done",
        action="deleted",
        list=shown,
        note=_moved(tasks) if tasks else None,
    )


def _moved(tasks: Sequence[Task]) -> str:
    away = sum(task.archived_at is not None for task in tasks)
    still = f" Archived, and still so, among them: {away}." if away else ""
    return f"Tasks that went to the Inbox: {len(tasks)}.{still}"


async def _make(call: Call, name: str, item: ListChange) -> ItemResult:
    places = [found.place for found in (await call.seeing.lists()).values()]
    made = TaskList(
        user_id=call.user_id,
        name=name,
        place=max(places, default=Decimal(0)).to_integral_value() + 1,
        archived_at=call.caller.now if item.archived else None,
        created_at=call.caller.now,
    )
    call.session.add(made)
    await call.record("added", made, before=None)
    return await _done(call, "added", made)


async def _change(call: Call, found: TaskList, item: ListChange) -> ItemResult:
    before = snapshot(found)
    action: Action = "renamed"
    if item.name is not None:
        name = checked_name(item.name)
        taken = await _of_name(call, name)
        if taken is not None and taken.id != found.id:
            raise InvalidValueError(
                f"There is a list {quoted(taken.name)} already. Choose another name."
            )
        found.name = name
    note = None
    if item.archived is not None and item.archived != (found.archived_at is not None):
        action = "archived" if item.archived else "unarchived"
        old, found.archived_at = found.archived_at, call.caller.now if item.archived else None
        moved = await _put_away(call, await _tasks(call, found), old, found.archived_at)
        note = f"Tasks that went with it: {moved}." if moved else None
    if snapshot(found) == before:
        return await _unchanged(call, found, "The list was like that already.")
    await call.record(action, found, before=before)
    return await _done(call, action, found, note)


async def _put_away(
    call: Call, tasks: Sequence[Task], old: datetime | None, new: datetime | None
) -> int:
    """Put tasks away with their list, or take those back that were put away with it."""
    moved = 0
    for task in tasks:
        if task.archived_at == old:
            before = snapshot(task)
            task.archived_at = new
            await call.record("unarchived" if new is None else "archived", task, before=before)
            moved += 1
    return moved


async def _of_name(call: Call, name: str) -> TaskList | None:
    for found in (await call.seeing.lists()).values():
        if found.name.casefold() == name.casefold():
            return found
    return None


async def _tasks(call: Call, found: TaskList) -> list[Task]:
    rows = await call.session.exec(
        select(Task)
        .where(col(Task.user_id) == call.user_id, col(Task.list_id) == found.id)
        .order_by(col(Task.place), col(Task.number))
    )
    return list(rows.all())


async def _done(call: Call, action: Action, found: TaskList, note: str | None = None) -> ItemResult:
    await call.session.flush()
    call.seeing.forget()
    view = await list_view(call.seeing, found)
    return ItemResult(item=call.item, status="done", action=action, list=view, note=note)


async def _unchanged(call: Call, found: TaskList, note: str) -> ItemResult:
    view = await list_view(call.seeing, found)
    return ItemResult(item=call.item, status="unchanged", list=view, note=note)
