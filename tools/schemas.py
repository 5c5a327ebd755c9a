"""What the tools answer: the structured output that models and programs read."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from .models import Task

Priority = Literal["low", "normal", "high"]
State = Literal["open", "completed", "all"]
Action = Literal["added", "updated", "completed", "deleted", "unchanged"]


class TaskView(BaseModel):
    """A task. Times are ISO 8601, in the user's time zone."""

    number: Annotated[int, Field(description="What the task is referred to by.")]
    title: str
    notes: str | None
    priority: Priority
    due: Annotated[str | None, Field(description="When it has to be done.")]
    completed: Annotated[str | None, Field(description="When it was done; null while it is open.")]
    created: str


class Change(BaseModel):
    """A task as a change left it, or as it was before it was deleted."""

    action: Annotated[Action, Field(description='What was done; "unchanged": nothing.')]
    task: TaskView
    note: Annotated[str | None, Field(description="What the user should be told besides.")] = None


class TaskList(BaseModel):
    """Tasks in the order of their due times, those without one last."""

    tasks: list[TaskView]
    total: Annotated[int, Field(description="How many there are; more than `tasks` if cut.")]
    state: State


def view(task: Task, zone: ZoneInfo) -> TaskView:
    """The task as its owner sees it."""

    def shown(moment: datetime | None) -> str | None:
        return None if moment is None else moment.astimezone(zone).isoformat(timespec="seconds")

    return TaskView(
        number=task.number,
        title=task.title,
        notes=task.notes,
        priority=task.priority.value,
        due=shown(task.due_at),
        completed=shown(task.completed_at),
        created=shown(task.created_at) or "",
    )
