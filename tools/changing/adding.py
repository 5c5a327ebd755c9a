"""Adding tasks."""

from uuid import UUID

from ..errors import InvalidValueError
from ..finding.references import in_words
from ..models import Task, TaskList, TaskPriority
from ..shapes.arguments import NewTask
from ..shapes.views import ItemResult
from ..texts import checked_labels, checked_notes, checked_title, quoted
from . import timing
from .call import Call
from .placing import at_bottom
from .surroundings import told_of_closed
from .trees import put_under


async def add_task(call: Call, item: NewTask) -> ItemResult:
    """Add a task with the user's next number, below the others of its list or parent.

    Raises:
        TaskError: a value can't be stored or understood; the list or the parent isn't there.
    """
    title = checked_title(item.title)
    notes = checked_notes(item.notes) if item.notes else None
    task = Task(
        user_id=call.user_id,
        number=await call.new_number(),
        title=title,
        notes=notes,
        priority=TaskPriority(item.priority),
        labels=checked_labels(item.labels or []),
        created_at=call.caller.now,
    )
    if item.list is not None:
        task.list_id = _id(await call.seeing.find_list(item.list))
    if item.parent is not None:
        parent = await call.seeing.find(in_words(item.parent))
        put_under(task, (), parent)
        if item.list is not None and task.list_id != parent.list_id:
            raise InvalidValueError(
                f"A subtask is in the list of its parent, and {quoted(item.list)} isn't that of "
                f"task {parent.number}. Leave out `list` or `parent`."
            )
        task.list_id = parent.list_id
    task.place = await at_bottom(call, task)
    told: list[str] = []
    due = None if item.due is None or timing.clears(item.due) else item.due
    if item.repeats is not None and not timing.clears(item.repeats):
        told += await timing.set_recurrence(call, task, item.repeats, due)
    elif due is not None:
        told += await timing.set_due(call, task, due)
    if item.starts is not None and not timing.clears(item.starts):
        told += await timing.set_start(call, task, item.starts)
    told += await told_of_closed(call, task)
    call.session.add(task)
    await call.record("added", task, before=None)
    await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action="added",
        task=await call.view(task),
        note=" ".join(told) or None,
    )


def _id(found: TaskList | None) -> UUID | None:
    return None if found is None else found.id
