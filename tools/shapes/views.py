"""What the tools answer: the structured output that models and programs read.

What a task hasn't got is left out of an answer, not null: a model reads, and pays for, all of it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Priority = Literal["low", "normal", "high", "urgent"]
State = Literal["open", "completed", "archived", "all"]
Status = Literal["done", "unchanged", "failed"]
Action = Literal[
    "added",
    "updated",
    "completed",
    "reopened",
    "rescheduled",
    "archived",
    "unarchived",
    "deleted",
    "restored",
    "renamed",
]
INBOX = "Inbox"


class Answer(BaseModel):
    """The whole answer of a tool."""

    def structured(self) -> dict[str, Any]:
        """As JSON, without what there isn't."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def is_error(self) -> bool:
        """Whether nothing of what was asked for was done."""
        return False


class TaskView(BaseModel):
    """A task. Times are ISO 8601, in the user's time zone."""

    number: Annotated[int, Field(description="What the task is referred to by.")]
    title: str
    notes: str | None = None
    priority: Priority
    labels: list[str] | None = None
    due: Annotated[
        str | None, Field(description="When it has to be done; a date alone means all day.")
    ] = None
    starts: Annotated[str | None, Field(description="Not to be begun before that day.")] = None
    repeats: Annotated[str | None, Field(description="How it repeats once it is done.")] = None
    list: Annotated[str, Field(description="The name of its list.")]
    parent: Annotated[
        int | None, Field(description="The number of the task that it is a part of.")
    ] = None
    open_subtasks: Annotated[int | None, Field(description="How many are still open.")] = None
    completed: Annotated[str | None, Field(description="When it was done.")] = None
    archived: Annotated[str | None, Field(description="When it was put away.")] = None
    created: str


class ListView(BaseModel):
    """A list of tasks."""

    name: str
    open: Annotated[int, Field(description="How many of its tasks are open; 1000: or more.")]
    archived: Annotated[str | None, Field(description="When it was put away.")] = None


class TaskName(BaseModel):
    """A task, to be told from others."""

    number: int
    title: str
    completed: bool


#: Outside of the class, where a field is called `list`.
Names = list[TaskName]


class ItemResult(BaseModel):
    """What became of one of the items that a call named."""

    item: Annotated[int, Field(description="Which one: 1 is the first.")]
    status: Status
    action: Annotated[Action | None, Field(description="What was done.")] = None
    task: Annotated[
        TaskView | None, Field(description="As it is now; one deleted, as it was before.")
    ] = None
    list: ListView | None = None
    note: Annotated[str | None, Field(description="What the user should be told besides.")] = None
    next: Annotated[
        TaskView | None, Field(description="The next occurrence of a task that repeats.")
    ] = None
    open_subtasks: Annotated[
        Names | None, Field(description="Parts of a completed task that are still open.")
    ] = None
    error: Annotated[str | None, Field(description="Why it wasn't done, and what to do next.")] = (
        None
    )
    candidates: Annotated[
        Names | None, Field(description="The tasks that may be meant; ask the user which.")
    ] = None


class Changes(Answer):
    """What became of each item of a call. One that failed did not keep others from being done."""

    results: list[ItemResult]
    changed: Annotated[int, Field(description="How many items were done.")]
    failed: Annotated[int, Field(description="How many were not; nothing was changed for them.")]

    @property
    def is_error(self) -> bool:
        return self.failed == len(self.results) > 0

    @classmethod
    def of(cls, results: list[ItemResult]) -> "Changes":
        """The answer with these results."""
        return cls(
            results=results,
            changed=sum(result.status == "done" for result in results),
            failed=sum(result.status == "failed" for result in results),
        )


class NotExecuted(Answer):
    """The answer to whoever asks after a call that was never carried out."""

    executed: Literal[False] = False

    @property
    def is_error(self) -> bool:
        return True


class TaskPage(Answer):
    """Tasks that were looked for, a page of them."""

    tasks: list[TaskView]
    total: Annotated[int, Field(description="How many there are on all pages; 1000: or more.")]
    next_cursor: Annotated[
        str | None, Field(description="Give it as `cursor` for the next page.")
    ] = None
    note: Annotated[str | None, Field(description="How the question was understood.")] = None


class FoundTasks(Answer):
    """The tasks that were named, with their open subtasks."""

    results: list[ItemResult]
    failed: Annotated[int, Field(description="How many could not be found.")]

    @property
    def is_error(self) -> bool:
        return self.failed == len(self.results) > 0


class ListPage(Answer):
    """The user's lists."""

    lists: list[ListView]


class FieldChange(BaseModel):
    """What a change made of one thing that a task or a list says."""

    field: str
    before: str | None = None
    after: str | None = None


class Event(BaseModel):
    """A change to a task or a list, as the ledger keeps it."""

    at: str
    action: Action
    tool: Annotated[str | None, Field(description="The tool that made it.")] = None
    task: Annotated[int | None, Field(description="The task's number.")] = None
    title: Annotated[str, Field(description="The task's title, or the list's name, after it.")]
    changes: list[FieldChange] | None = None
    turn: Annotated[str, Field(description="What undo_changes takes back as a whole.")]
    thread: Annotated[str | None, Field(description="The conversation it was made in.")] = None
    conversation: Annotated[str | None, Field(description="The title of that.")] = None
    here: Annotated[bool | None, Field(description="true: it was made in this conversation.")] = (
        None
    )
    undoes: Annotated[str | None, Field(description="The turn that it took back.")] = None


class Activity(Answer):
    """Changes, the latest first."""

    events: list[Event]
    next_cursor: Annotated[
        str | None, Field(description="Give it as `cursor` for the next page.")
    ] = None


class Counts(BaseModel):
    """How many tasks there are; 1000: or more."""

    open: int
    overdue: int
    today: Annotated[int, Field(description="Due later today.")]
    next_7_days: Annotated[int, Field(description="Due in the 7 days after today.")]
    without_due: int
    urgent: Annotated[int, Field(description="Open, of urgent priority.")]
    completed_today: int


class Overview(Answer):
    """What there is to do. Of each kind only the first few tasks are shown."""

    now: Annotated[str, Field(description="The present time of the user.")]
    counts: Counts
    overdue: list[TaskView]
    today: list[TaskView]
    next: Annotated[list[TaskView], Field(description="Those due after today.")]
