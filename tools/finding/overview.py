"""What there is to do, at a glance."""

from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..models import Task, TaskPriority
from ..shapes.views import Counts, Overview, TaskView
from .seeing import Seeing
from .showing import shown, task_views
from .users import find_user

#: Tasks of each kind that are shown.
SHOWN_MAX = 10


async def get_overview(session: AsyncSession, caller: Caller) -> Overview:
    """What is overdue, due today and next, with counts. Days are those of the user's zone."""
    now = caller.now.astimezone(caller.zone)
    midnights = [
        datetime.combine(now.date() + timedelta(days=days), time(), caller.zone)
        for days in (0, 1, 8)
    ]
    today, tomorrow, week = midnights
    user_id = await find_user(session, caller.subject)
    due, completed = col(Task.due_at), col(Task.completed_at)
    is_open = and_(completed.is_(None), col(Task.archived_at).is_(None))
    overdue = due < now
    later_today = and_(due >= now, due < tomorrow)
    after_today = due >= tomorrow
    # The order of the fields of Counts.
    kinds = {
        "open": is_open,
        "overdue": and_(is_open, overdue),
        "today": and_(is_open, later_today),
        "next_7_days": and_(is_open, after_today, due < week),
        "without_due": and_(is_open, due.is_(None)),
        "urgent": and_(is_open, col(Task.priority) == TaskPriority.URGENT),
        "completed_today": and_(completed >= today, completed < tomorrow),
    }
    if user_id is None:
        counts = dict.fromkeys(kinds, 0)
    else:
        columns = [func.count().filter(condition) for condition in kinds.values()]
        counted: Any = select_columns(*columns).where(col(Task.user_id) == user_id)
        counts = dict(zip(kinds, (await session.exec(counted)).one(), strict=True))

    async def first(condition: ColumnElement[bool]) -> list[TaskView]:
        if user_id is None:
            return []
        tasks = await session.exec(
            select(Task)
            .where(col(Task.user_id) == user_id, is_open, condition)
            .order_by(due, col(Task.number))
            .limit(SHOWN_MAX)
        )
        return await task_views(Seeing(session, user_id, caller.zone), tasks.all())

    return Overview(
        now=shown(now, caller.zone) or "",
        counts=Counts(**counts),
        overdue=await first(overdue),
        today=await first(later_today),
        next=await first(after_today),
    )
