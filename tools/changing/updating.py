"""Changing what tasks say, where they are, and whether they are put away."""

from collections.abc import Sequence

from ..errors import InvalidValueError
from ..finding.references import in_words
from ..models import Task, TaskPriority
from ..shapes.arguments import TaskChange
from ..shapes.views import Action, ItemResult
from ..snapshots import snapshot
from ..texts import checked_label, checked_labels, checked_notes, checked_title
from . import timing
from .call import Call
from .placing import at_bottom, move
from .surroundings import told_of_closed
from .trees import at_depth, put_under

#: Columns that make a task appear somewhere, or let it be seen there again.
SURROUNDED_BY = ("list_id", "parent_id", "archived_at")


async def update_task(call: Call, task: Task, item: TaskChange) -> ItemResult:
    """Change what is given of a task; the rest stays as it is.

    Subtasks go with it to another list, and are put away and taken back with it.

    Raises:
        TaskError: nothing is given, a value can't be stored or understood, or there is no such
            list, parent or place.
    """
    if item.model_fields_set <= {"task"}:
        raise InvalidValueError(
            "Say what to change: title, notes, priority, labels, list, parent, repeats, place or "
            "archived. For the due time call reschedule_tasks."
        )
    before = snapshot(task)
    told: list[str] = []
    _say(task, item)
    if item.repeats is not None:
        if timing.clears(item.repeats):
            timing.clear_recurrence(task)
        else:
            told += await timing.set_recurrence(call, task, item.repeats, None)
            timing.check_start(call, task)
    left = None if item.list is None else await call.seeing.parent_of(task)
    below = await _move(call, task, item)
    old = task.archived_at
    if item.archived is not None and item.archived != (old is not None):
        below = await call.seeing.subtasks(task)
        # Those that were put away by themselves stay where they are.
        told += _with_parts([part for part in below if part.archived_at == old])
        task.archived_at = call.caller.now if item.archived else None
    after = snapshot(task)
    if after == before:
        return ItemResult(
            item=call.item,
            status="unchanged",
            task=await call.view(task),
            note="The task was like that already.",
        )
    if item.parent is None and left is not None and task.parent_id is None:
        told.append(f"It is no part of task {left.number} any more, which is in another list.")
    if any(after[name] != before[name] for name in SURROUNDED_BY):
        told += await told_of_closed(call, task)
    action = _action(before["archived_at"], after["archived_at"])
    await call.record(action, task, before=before)
    for part in below:
        part_before = snapshot(part)
        part.list_id = task.list_id
        if part.archived_at == old:
            part.archived_at = task.archived_at
        if (part_after := snapshot(part)) != part_before:
            part_action = _action(part_before["archived_at"], part_after["archived_at"])
            await call.record(part_action, part, before=part_before)
    await call.session.flush()
    return ItemResult(
        item=call.item,
        status="done",
        action=action,
        task=await call.view(task),
        note=" ".join(told) or None,
    )


def _say(task: Task, item: TaskChange) -> None:
    """Change the words of a task."""
    if item.title is not None:
        task.title = checked_title(item.title)
    if item.notes is not None:
        task.notes = None if timing.clears(item.notes) else checked_notes(item.notes)
    if item.priority is not None:
        task.priority = TaskPriority(item.priority)
    if item.labels is not None:
        task.labels = changed_labels(task.labels, item.labels)


def changed_labels(old: Sequence[str], said: Sequence[str]) -> list[str]:
    """The labels that are meant: those said, or with "+x" and "-x" the old ones, changed.

    Raises:
        InvalidValueError: some are to be changed and others to be set, or one can't be a label.
    """
    said = [label.strip() for label in said if not timing.clears(label)]
    signs = {label[:1] for label in said}
    if not signs & {"+", "-"}:
        return checked_labels(said)
    if not signs <= {"+", "-"}:
        raise InvalidValueError(
            'Give either all labels from now on, or only changes of them such as "+home", "-work".'
        )
    away = {checked_label(label[1:]) for label in said if label[0] == "-"}
    more = [label[1:] for label in said if label[0] == "+"]
    return checked_labels([*(label for label in old if label not in away), *more])


async def _move(call: Call, task: Task, item: TaskChange) -> list[Task]:
    """Put a task elsewhere; what goes with it."""
    old = (task.list_id, task.parent_id)
    parts: list[Task] = []
    with call.session.no_autoflush:
        if item.list is not None or item.parent is not None:
            parts = await call.seeing.subtasks(task)
        if parts:
            await call.let_trees_move()
        if item.list is not None:
            found = await call.seeing.find_list(item.list)
            task.list_id = None if found is None else found.id
            if task.list_id != old[0]:
                # A part that goes to another list leaves what it was a part of.
                task.parent_id = None
                at_depth(task, parts, 0)
        if item.parent is not None:
            if isinstance(item.parent, str) and timing.clears(item.parent):
                task.parent_id = None
                at_depth(task, parts, 0)
            else:
                parent = await call.seeing.find(in_words(item.parent))
                put_under(task, parts, parent)
                if item.list is not None and task.list_id != parent.list_id:
                    raise InvalidValueError(
                        f"Task {parent.number} is in another list, and a subtask is in the list "
                        "of its parent. Leave out `list` or `parent`."
                    )
                task.list_id = parent.list_id
        if (task.list_id, task.parent_id) != old:
            task.place = await at_bottom(call, task)
        if item.place is not None:
            await move(call, task, item.place)
        return parts if task.list_id != old[0] else []


def _with_parts(below: Sequence[Task]) -> list[str]:
    return [f"Its subtasks, {len(below)}, went with it."] if below else []


def _action(was: str | None, now: str | None) -> Action:
    if was == now:
        return "updated"
    return "unarchived" if now is None else "archived"
