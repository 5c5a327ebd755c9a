"""What is worth a word of where an open task has got to: there, nobody may look for it."""

from ..models import Task
from ..texts import quoted
from .call import Call

AWAY = "It is archived; update_tasks takes it back."
PARENT_CLOSED = "Task {number}, of which it is a part, is {state}."
LIST_AWAY = "The list {name} is archived; save_lists takes it back."


async def told_of_closed(call: Call, task: Task) -> list[str]:
    """That an open task is a part of a closed one, or in a list that was put away."""
    if not task.is_open:
        return []
    told = []
    parent = await call.seeing.parent_of(task)
    if parent is not None and not parent.is_open:
        state = "completed" if parent.archived_at is None else "archived"
        told.append(PARENT_CLOSED.format(number=parent.number, state=state))
    if task.list_id is not None:
        found = (await call.seeing.lists()).get(task.list_id)
        if found is not None and found.archived_at is not None:
            told.append(LIST_AWAY.format(name=quoted(found.name)))
    return told
