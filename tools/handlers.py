"""The tools as a model sees them: arguments in, structured output out.

Signatures become the schemas of the tools; nothing in them says who the user is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from mcp.server.fastmcp import Context
from pydantic import BeforeValidator, Field, StrictInt
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database

from . import tasks
from .context import Caller, Identify
from .dates import Due as NamedDue
from .dates import read_due
from .errors import OutcomeUnknownError
from .models import TaskPriority
from .schemas import Change, Priority, State, TaskList

#: What a model may write for "no notes" and "no due time".
CLEARING = frozenset({"", "none", "null"})


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


TaskReference = Annotated[
    str | StrictInt,
    Field(description='The task\'s number ("3"), or words from its title ("the milk").'),
]
Title = Annotated[str, Field(description="What is to be done, in a few words.")]
Notes = Annotated[str | None, Field(description="Anything else worth keeping.")]
Due = Annotated[
    str | None,
    Field(
        description=(
            'When it is due: the user\'s own words ("tomorrow at 9", "next friday", "in 3 weeks") '
            "or ISO 8601. A day without a time means its end."
        )
    ),
]
AnyPriority = Annotated[Priority, BeforeValidator(_lower)]
NewTitle = Annotated[str | None, Field(description="The new title, instead of the old.")]
NewNotes = Annotated[
    str | None, Field(description="The new notes, instead of the old; empty for none.")
]
NewDue = Annotated[
    str | None,
    Field(
        description=(
            "The new due time, as in add_task, but a day alone keeps the old time of day, a time "
            'alone the old day; "none" for none.'
        )
    ),
]
Text = Annotated[
    str | None, Field(description="Only tasks with these words in their title or notes.")
]
AnyState = Annotated[State, BeforeValidator(_lower)]
ToolContext = Context[Any, Any, Any]


class Handlers:
    """One method for each tool: who calls, what the words mean, one transaction."""

    def __init__(self, database: Callable[[], Database], identify: Identify) -> None:
        self._database = database
        self._identify = identify

    async def add_task(
        self,
        context: ToolContext,
        title: Title,
        notes: Notes = None,
        priority: AnyPriority = "normal",
        due: Due = None,
    ) -> Change:
        caller = await self._caller(context)
        named = await _due(due, caller)
        async with self._transaction() as session:
            return await tasks.add_task(
                session,
                caller,
                title=title,
                notes=notes,
                priority=TaskPriority(priority),
                due=None if named is None else named.moment,
            )

    async def list_tasks(
        self, context: ToolContext, state: AnyState = "open", text: Text = None
    ) -> TaskList:
        caller = await self._caller(context)
        async with self._database().session() as session:
            return await tasks.list_tasks(session, caller, state=state, text=text)

    async def update_task(
        self,
        context: ToolContext,
        task: TaskReference,
        title: NewTitle = None,
        notes: NewNotes = None,
        priority: AnyPriority | None = None,
        due: NewDue = None,
    ) -> Change:
        caller = await self._caller(context)
        new_due = tasks.KEEP if due is None else await _due(due, caller)
        if notes is not None and _lower(notes) in CLEARING:
            notes = ""
        async with self._transaction() as session:
            return await tasks.update_task(
                session,
                caller,
                str(task),
                title=tasks.KEEP if title is None else title,
                notes=tasks.KEEP if notes is None else notes,
                priority=tasks.KEEP if priority is None else TaskPriority(priority),
                due=new_due,
            )

    async def complete_task(self, context: ToolContext, task: TaskReference) -> Change:
        caller = await self._caller(context)
        async with self._transaction() as session:
            return await tasks.complete_task(session, caller, str(task))

    async def delete_task(self, context: ToolContext, task: TaskReference) -> Change:
        caller = await self._caller(context)
        async with self._transaction() as session:
            return await tasks.delete_task(session, caller, str(task))

    async def _caller(self, context: ToolContext) -> Caller:
        meta = context.request_context.meta
        # In a thread: the first use of a time zone reads a file.
        return await asyncio.to_thread(self._identify, (meta and meta.model_extra) or {})

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit what the block did, or nothing of it.

        Raises:
            OutcomeUnknownError: the commit was sent and no answer came.
        """
        async with self._database().session() as session:
            yield session
            # Whatever the database refuses, it refuses here, where nothing is stored yet.
            await session.flush()
            try:
                await session.commit()
            except Exception as error:
                raise OutcomeUnknownError("the commit of a task change failed") from error


async def _due(due: str | None, caller: Caller) -> NamedDue | None:
    if due is None or _lower(due) in CLEARING:
        return None
    # In a thread: dateparser loads its words, and takes its time, when it is first used.
    return await asyncio.to_thread(read_due, due, now=caller.now, zone=caller.zone)
