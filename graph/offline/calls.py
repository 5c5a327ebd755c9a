"""The calls of tools that steps of the plan become."""

from dataclasses import dataclass
from typing import Any

from .answers import answer_outcome, is_missing, name_task
from .intents import Add, AddNote, Show, Update
from .results import Outcome

ADD, FIND, GET, UPDATE = "add_tasks", "find_tasks", "get_tasks", "update_tasks"
COMPLETE, REOPEN, RESCHEDULE = "complete_tasks", "reopen_tasks", "reschedule_tasks"
DELETE, UNDO = "delete_tasks", "undo_changes"
#: What takes a value away, to the tools.
NONE = "none"


@dataclass(frozen=True)
class Call:
    """A tool to be called."""

    tool: str
    arguments: dict[str, Any]


def new_task_item(step: Add) -> dict[str, Any]:
    """Return the item that adds a task."""
    values = {
        "title": step.title,
        "notes": step.notes,
        "priority": step.priority,
        "labels": list(step.labels) or None,
        "due": step.due,
        "repeats": step.repeats,
    }
    return {name: value for name, value in values.items() if value is not None}


def conditions(step: Show) -> dict[str, Any]:
    """Return the arguments that find the tasks."""
    values = {
        "state": step.state,
        "text": step.text,
        "labels": list(step.labels),
        "priority": step.priority,
        "due": step.due,
    }
    return {name: value for name, value in values.items() if value}


def updated(step: Update, task: str) -> Call:
    """Return the call that makes a change; an empty text takes the value away."""
    if step.due is not None:
        return Call(RESCHEDULE, {"tasks": [{"task": task, "due": step.due or NONE}]})
    values = {"title": step.title, "notes": step.notes, "priority": step.priority}
    changes = {name: value or NONE for name, value in values.items() if value is not None}
    return Call(UPDATE, {"tasks": [{"task": task, **changes}]})


def noted(step: AddNote, looked: Outcome) -> Call | str:
    """Add a note behind those that the task has, since the tool replaces them."""
    item = looked.items[0] if looked.items else None
    if item is None or (item.failed and not item.candidates and not is_missing(item)):
        return answer_outcome(looked)
    if item.candidates:
        names = ", ".join(name_task(task) for task in item.candidates)
        return f"Several tasks match, so the note was not added: {names}. Please say the number."
    if item.task is None:
        return (
            f'I found no task "{step.task.words}" on the list, so the note was not added. '
            '"Set the notes of 3 to …" writes notes by number, in place of those there.'
        )
    notes = [str(item.task.get("notes") or ""), step.note]
    joined = "\n".join(note for note in notes if note)
    return Call(UPDATE, {"tasks": [{"task": str(item.task["number"]), "notes": joined}]})
