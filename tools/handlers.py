"""The tools as a model sees them: arguments in, structured output out.

Signatures become the schemas of the tools; nothing in them says who the user is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import BeforeValidator, Field, StrictInt
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database

from .changing.adding import add_task
from .changing.call import Call, each, each_task, once
from .changing.completing import complete_task, reopen_task
from .changing.deleting import delete_task
from .changing.lists import delete_list, save_list
from .changing.rescheduling import reschedule_task
from .changing.undoing import undo_changes
from .changing.updating import update_task
from .collisions import attempts, rolled_back_for_another
from .context import Caller, Identify
from .errors import NotExecutedError, OutcomeUnknownError
from .finding.activity import find_activity
from .finding.lists import find_lists
from .finding.orders import Sort
from .finding.overview import get_overview
from .finding.references import in_words
from .finding.tasks import Query, find_tasks, get_tasks
from .models import Task
from .shapes.arguments import (
    AnyPriority,
    AnyState,
    Labels,
    ListChanges,
    ListNames,
    NewDues,
    NewTasks,
    References,
    TaskChanges,
)
from .shapes.views import (
    Activity,
    Changes,
    FoundTasks,
    ItemResult,
    ListPage,
    NotExecuted,
    Overview,
    TaskPage,
)

#: Tasks in one answer. A model reads all of it, and pays for it, at every later step.
LIMIT_MAX = 100
LIMIT = 50

ToolContext = Context[Any, Any, Any]
Text = Annotated[str, Field(description="Words in the title or the notes, or parts of words.")]
SomeLabels = Annotated[Labels, Field(description="All of these.")]
DueRange = Annotated[
    str,
    Field(
        description=(
            '"today", "overdue", "this week", "next 7 days", "2026-12-01/2026-12-31"; "none" for '
            "tasks without a due time."
        )
    ),
]
DueFrom = Annotated[str, Field(description="Due at that time or later, in words or ISO.")]
DueUntil = Annotated[str, Field(description="Due before the end of that, in words or ISO.")]
InList = Annotated[str, Field(description='A list\'s name; "Inbox" for tasks without one.')]
PartOf = Annotated[str | StrictInt, Field(description="The task whose direct subtasks are wanted.")]
AnySort = Annotated[
    Sort,
    BeforeValidator(lambda value: str(value).strip().lower()),
    Field(description="place: list by list, as the user has put them in order."),
]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[str, Field(description="`next_cursor` of the page before.")]
OfTask = Annotated[
    str | StrictInt, Field(description="Changes of that task; one deleted, by its number.")
]
Turn = Annotated[str, Field(description="The `turn` of an event that find_activity shows.")]
WithSubtasks = Annotated[bool, Field(description="Complete its open subtasks, too.")]


class Handlers:
    """One method for each tool, in the order in which they are offered."""

    def __init__(self, database: Callable[[], Database], identify: Identify) -> None:
        self._database = database
        self._identify = identify

    async def add_tasks(self, context: ToolContext, tasks: NewTasks) -> Changes:
        return await self._write(
            context, "add_tasks", {"tasks": tasks}, lambda call: each(call, tasks, add_task)
        )

    async def find_tasks(
        self,
        context: ToolContext,
        text: Text | None = None,
        labels: SomeLabels | None = None,
        priority: AnyPriority | None = None,
        state: AnyState = "open",
        due: DueRange | None = None,
        due_from: DueFrom | None = None,
        due_until: DueUntil | None = None,
        list: InList | None = None,
        parent: PartOf | None = None,
        sort: AnySort = "due",
        limit: Limit = LIMIT,
        cursor: Cursor | None = None,
    ) -> TaskPage:
        query = Query(
            text=text,
            labels=tuple(labels or ()),
            priority=priority,
            state=state,
            due=due,
            due_from=due_from,
            due_until=due_until,
            list=list,
            parent=None if parent is None else in_words(parent),
            sort=sort,
        )
        async with self._reading(context, "find_tasks") as (session, caller):
            return await find_tasks(session, caller, query, limit=limit, cursor=cursor)

    async def get_tasks(self, context: ToolContext, tasks: References) -> FoundTasks:
        async with self._reading(context, "get_tasks") as (session, caller):
            return await get_tasks(session, caller, tasks)

    async def update_tasks(self, context: ToolContext, tasks: TaskChanges) -> Changes:
        return await self._write(
            context,
            "update_tasks",
            {"tasks": tasks},
            lambda call: each_task(call, tasks, update_task),
        )

    async def complete_tasks(
        self, context: ToolContext, tasks: References, with_subtasks: WithSubtasks = False
    ) -> Changes:
        async def complete(call: Call, task: Task, _: object) -> ItemResult:
            return await complete_task(call, task, with_subtasks=with_subtasks)

        return await self._write(
            context,
            "complete_tasks",
            {"tasks": tasks, "with_subtasks": with_subtasks},
            lambda call: each_task(call, tasks, complete),
        )

    async def reopen_tasks(self, context: ToolContext, tasks: References) -> Changes:
        return await self._write(
            context,
            "reopen_tasks",
            {"tasks": tasks},
            lambda call: each_task(call, tasks, reopen_task, prefer="closed"),
        )

    async def reschedule_tasks(self, context: ToolContext, tasks: NewDues) -> Changes:
        return await self._write(
            context,
            "reschedule_tasks",
            {"tasks": tasks},
            lambda call: each_task(call, tasks, reschedule_task),
        )

    async def delete_tasks(self, context: ToolContext, tasks: References) -> Changes:
        return await self._write(
            context,
            "delete_tasks",
            {"tasks": tasks},
            lambda call: each_task(call, tasks, delete_task, prefer=None),
        )

    async def undo_changes(self, context: ToolContext, turn: Turn | None = None) -> Changes:
        return await self._write(
            context, "undo_changes", {"turn": turn}, lambda call: undo_changes(call, turn)
        )

    async def find_activity(
        self,
        context: ToolContext,
        task: OfTask | None = None,
        turn: Turn | None = None,
        cursor: Cursor | None = None,
        limit: Limit = LIMIT,
    ) -> Activity:
        of_task = None if task is None else in_words(task)
        async with self._reading(context, "find_activity") as (session, caller):
            return await find_activity(
                session, caller, task=of_task, turn=turn, limit=limit, cursor=cursor
            )

    async def find_lists(self, context: ToolContext) -> ListPage:
        async with self._reading(context, "find_lists") as (session, caller):
            return await find_lists(session, caller)

    async def save_lists(self, context: ToolContext, lists: ListChanges) -> Changes:
        return await self._write(
            context, "save_lists", {"lists": lists}, lambda call: each(call, lists, save_list)
        )

    async def delete_lists(self, context: ToolContext, lists: ListNames) -> Changes:
        return await self._write(
            context, "delete_lists", {"lists": lists}, lambda call: each(call, lists, delete_list)
        )

    async def get_overview(self, context: ToolContext) -> Overview:
        async with self._reading(context, "get_overview") as (session, caller):
            return await get_overview(session, caller)

    async def _write(
        self,
        context: ToolContext,
        tool: str,
        arguments: dict[str, Any],
        write: Callable[[Call], Awaitable[Changes]],
    ) -> Changes:
        """Carry out a call in one transaction, once for all time.

        Raises:
            NotExecutedError: it is only asked after, and was not carried out.
            OutcomeUnknownError: the commit was sent and no answer came.
        """
        caller = await self._caller(context)
        async for attempt in attempts():
            with attempt:
                async with self._transaction() as session:
                    answer = await once(session, caller, tool, arguments, write)
        if isinstance(answer, NotExecuted):
            raise NotExecutedError(tool)
        return answer

    @asynccontextmanager
    async def _reading(
        self, context: ToolContext, tool: str
    ) -> AsyncIterator[tuple[AsyncSession, Caller]]:
        """
        Raises:
            NotExecutedError: the call is only asked after; of what only reads, nothing is recorded.
        """
        caller = await self._caller(context)
        if caller.recorded_only:
            raise NotExecutedError(tool)
        async with self._database().session() as session:
            yield session, caller

    async def _caller(self, context: ToolContext) -> Caller:
        meta = context.request_context.meta
        return await self._identify((meta and meta.model_extra) or {})

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit what the block did, or nothing of it."""
        async with self._database().session() as session:
            yield session
            # Whatever the database refuses, it refuses here, where nothing is stored yet.
            await session.flush()
            try:
                await session.commit()
            except Exception as error:
                if rolled_back_for_another(error):
                    raise
                raise OutcomeUnknownError("the commit of a task change failed") from error
