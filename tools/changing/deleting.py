"""Deleting tasks."""

from ..models import Task
from ..shapes.views import ItemResult
from ..snapshots import snapshot
from .call import Call


async def delete_task(call: Call, task: Task, _: object = None) -> ItemResult:
    """Delete a task, open or completed, and its subtasks. Their numbers are not given again."""
    shown = await call.view(task)
    below = await call.seeing.subtasks(task)
    # What is a part of another goes before it.
    for one in [*reversed(below), task]:
        await call.record("deleted", one, before=snapshot(one))
        await call.session.delete(one)
        await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action="deleted",
        task=shown,
        note=f"Its subtasks, {len(below)}, were deleted too." if below else None,
    )
