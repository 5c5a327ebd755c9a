"""The real tools, with the world around them as it was: what had changed, and who came first."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.checkpointer import LOCAL_USER
from storage.database import Database
from tools.changing.ledger import lock_user, next_position
from tools.client import TaskTools
from tools.models import Task, TaskCall, TaskEvent, TaskList
from tools.snapshots import LIST_COLUMNS, TASK_COLUMNS, list_from, snapshot, task_from

from .recording import Change


class ReplayTools:
    """The tools of one replay. `begin` is called before each turn."""

    def __init__(self, tools: TaskTools, database: Database) -> None:
        self._tools = tools
        self._database = database
        self._changes: dict[str, list[Change]] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._earlier: dict[str, str] = {}

    async def begin(
        self,
        messages: Iterable[BaseMessage],
        made: Mapping[str, str],
        order: Sequence[str],
        changes: Iterable[Change],
    ) -> None:
        """Prepare a turn.

        Args:
            messages: the turn's messages and those before it; they say which calls are of one step.
            made: the calls that the turn makes, by their ids, with the names of their tools.
            order: the ids of calls of one step in the order in which they are to take effect; the
                others do so in the order in which they were written.
            changes: what is changed before which call.
        """
        known = {tool.name for tool in await self._tools.tools()}
        # Nobody may wait for a call that comes to no tool.
        self._done = {call_id: asyncio.Event() for call_id, tool in made.items() if tool in known}
        self._earlier = {}
        place = {call_id: position for position, call_id in enumerate(order)}
        for message in messages:
            if isinstance(message, AIMessage):
                step = [str(call["id"]) for call in message.tool_calls if call["id"] in self._done]
                step.sort(key=lambda call_id: place.get(call_id, -1))
                self._earlier |= dict(zip(step[1:], step, strict=False))
        self._changes = {}
        for change in changes:
            self._changes.setdefault(change.before, []).append(change)

    async def tools(self) -> list[BaseTool]:
        """The task tools; each waits for its place in the order."""
        return [self._in_order(tool) for tool in await self._tools.tools()]

    def _in_order(self, tool: BaseTool) -> BaseTool:
        if not isinstance(tool, StructuredTool) or tool.coroutine is None:
            raise TypeError(f"the tool {tool.name!r} is a {type(tool).__name__} that can't wait")
        call = tool.coroutine

        # The signature stays: ToolNode looks at it to see what to hand in.
        @wraps(call)
        async def in_order(*args: Any, **kwargs: Any) -> Any:
            call_id = kwargs["runtime"].tool_call_id
            if (earlier := self._earlier.get(call_id)) is not None:
                await self._done[earlier].wait()
            try:
                for change in self._changes.pop(call_id, []):
                    await make_change(self._database, change)
                return await call(*args, **kwargs)
            finally:
                if call_id in self._done:
                    self._done[call_id].set()

        return tool.model_copy(update={"coroutine": in_order})


async def make_change(database: Database, change: Change) -> None:
    """Put a task or a list, and the ledger, into the state that they were in after a change."""
    async with database.session() as session:
        user_id = await lock_user(session, LOCAL_USER)
        key = change.key or str(uuid4())
        # A call may have made several changes, and is recorded once.
        await session.exec(
            insert(TaskCall)
            .values(
                user_id=user_id,
                key=key,
                tool=change.tool,
                result=change.result or {},
                created_at=change.at,
            )
            .on_conflict_do_nothing()
        )
        if change.action is not None:
            row, before, after = await _put_row(session, user_id, change)
            session.add(
                TaskEvent(
                    user_id=user_id,
                    position=await next_position(session, user_id),
                    key=key,
                    item=change.item,
                    turn_id=change.turn or key,
                    thread_id=change.thread,
                    message_id=change.message,
                    action=change.action,
                    task_number=change.number,
                    list_id=row if change.number is None else None,
                    # The ledger kept what was deleted; here nothing is known of it but its name.
                    before=before if before or after else {},
                    after=after,
                    undoes=change.undoes,
                    created_at=change.at,
                )
            )
        await session.commit()


_Kept = dict[str, Any] | None


async def _put_row(
    session: AsyncSession, user_id: UUID, change: Change
) -> tuple[UUID | None, _Kept, _Kept]:
    """Make a row what it was after a change; returns its id, and what it was before and after."""
    row: Task | TaskList | None
    if change.number is None:
        row = await _list(session, user_id, change.list)
    else:
        row = await _task(session, user_id, change.number)
    before = None if row is None else snapshot(row)
    if change.row is None:
        if row is not None:
            await session.delete(row)
            await session.flush()
        return None if row is None else row.id, before, None
    made: Task | TaskList
    if change.number is None:
        made, columns = list_from(change.row, user_id), LIST_COLUMNS
    else:
        # Of what it refers to, the ids may be others than they were.
        found = await _list(session, user_id, change.list)
        parent = await _task(session, user_id, change.parent)
        made, columns = task_from(change.row, user_id), (*TASK_COLUMNS, "searched", "updated_at")
        made.list_id = None if found is None else found.id
        made.parent_id = None if parent is None else parent.id
        made.updated_at = change.at
    if row is None:
        session.add(row := made)
    else:
        # Changed in place: others may refer to it.
        for name in columns:
            if name != "id":
                setattr(row, name, getattr(made, name))
    await session.flush()
    return row.id, before, snapshot(row)


async def _task(session: AsyncSession, user_id: UUID, number: int | None) -> Task | None:
    tasks = select(Task).where(col(Task.user_id) == user_id, col(Task.number) == number)
    found: Task | None = (await session.exec(tasks)).first()
    return found


async def _list(session: AsyncSession, user_id: UUID, name: str | None) -> TaskList | None:
    lists = select(TaskList).where(col(TaskList.user_id) == user_id, col(TaskList.name) == name)
    found: TaskList | None = None if name is None else (await session.exec(lists)).first()
    return found
