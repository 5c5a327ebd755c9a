"""What a conversation found in the database that it did not do itself: put there for its replay."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.checkpointer import LOCAL_USER
from storage.database import Database
from storage.models import Conversation
from tools.changing import trees
from tools.changing.ledger import lock_user, next_position
from tools.models import Task, TaskCall, TaskEvent, TaskList
from tools.snapshots import LIST_COLUMNS, TASK_COLUMNS, list_from, snapshot, task_from

from .recording import Change, Title


async def make_changes(database: Database, changes: Iterable[Change]) -> None:
    """Put tasks, lists and the ledger into the state that they were in after some changes."""
    async with database.session() as session:
        user_id = await lock_user(session, LOCAL_USER)
        # A task was moved with its parts, each of which is a change by itself.
        await trees.check_later(session)
        rows = [await _make_change(session, user_id, change) for change in changes]
        tasks = [row for row in rows if row is not None]
        for task, depth in await trees.misplaced(session, user_id, tasks):
            task.depth = depth
        await session.commit()


async def _make_change(session: AsyncSession, user_id: UUID, change: Change) -> UUID | None:
    """Make a change, and an entry of it; returns the id of the row that was changed."""
    key = change.key or str(uuid4())
    # What a call answered may have been thrown away, and with it the name of its tool.
    if change.tool:
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
    if change.action is None:
        return None
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
    return row


async def put_title(database: Database, title: Title) -> None:
    """Make another conversation of the user be called like that."""
    async with database.session() as session:
        user_id = await lock_user(session, LOCAL_USER)
        row = {"user_id": user_id, "thread_id": title.thread, "title": title.title}
        await session.exec(
            insert(Conversation)
            .values(id=uuid4(), **row)
            .on_conflict_do_update(index_elements=["thread_id"], set_={"title": title.title})
        )
        await session.commit()


async def move_last_changes(database: Database, thread: str) -> None:
    """Say of the last call that changed something that it was made in another thread."""
    async with database.session() as session:
        user_id = await lock_user(session, LOCAL_USER)
        last = (
            select(TaskEvent.key)
            .where(col(TaskEvent.user_id) == user_id)
            .order_by(col(TaskEvent.position).desc())
            .limit(1)
            .scalar_subquery()
        )
        await session.exec(
            update(TaskEvent)
            .where(col(TaskEvent.user_id) == user_id, col(TaskEvent.key) == last)
            .values(thread_id=thread)
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
        if isinstance(row, Task) and row.parent_id is None:
            row.depth = 0
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
