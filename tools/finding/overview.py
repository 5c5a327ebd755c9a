"""What there is to do, at a glance."""

from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..models import COMPLETED, DUE, RANK, Task, TaskPriority
from ..shapes.views import Counts, Overview, TaskView
from .looking import EVERY, OPEN, Wanted, counted_up, fitting
from .orders import ORDERS, Sort, rank_of
from .seeing import Seeing
from .showing import shown, task_views
from .users import find_user

#: Tasks of each kind that are shown.
SHOWN_MAX = 10

_MOMENT = DateTime(timezone=True)


async def get_overview(session: AsyncSession, caller: Caller) -> Overview:
    """What is overdue, due today and next, with counts. Days are those of the user's zone."""
    now = caller.now.astimezone(caller.zone)
    midnights = [
        datetime.combine(now.date() + timedelta(days=days), time(), caller.zone)
        for days in (0, 1, 8)
    ]
    today, tomorrow, week = midnights
    due: ColumnElement[datetime] = literal_column(DUE, _MOMENT)
    completed: ColumnElement[datetime] = literal_column(COMPLETED, _MOMENT)
    never: ColumnElement[datetime] = literal_column("'infinity'::timestamptz", _MOMENT)
    overdue = due < now
    later_today = (due >= now) & (due < tomorrow)
    after_today = (due >= tomorrow) & (due < never)
    # In the words of Counts, each with the order in which it is a range.
    kinds: dict[str, tuple[Sort, tuple[int, ...], list[ColumnElement[bool]]]] = {
        "open": ("place", OPEN, []),
        "overdue": ("due", OPEN, [overdue]),
        "today": ("due", OPEN, [later_today]),
        "next_7_days": ("due", OPEN, [due >= tomorrow, due < week]),
        "without_due": ("due", OPEN, [due == never]),
        "urgent": ("priority", OPEN, [literal_column(RANK) == rank_of(TaskPriority.URGENT)]),
        "completed_today": ("completed", EVERY, [completed >= today, completed < tomorrow]),
    }
    user_id = await find_user(session, caller.subject)
    if user_id is None:
        return _overview(now, caller, dict.fromkeys(kinds, 0), [[], [], []])
    counted = [
        counted_up(fitting(Wanted(user_id, states)) + conditions, ORDERS[sort]).label(name)
        for name, (sort, states, conditions) in kinds.items()
    ]
    statement: Any = select_columns(*counted)
    counts = (await session.exec(statement)).one()._asdict()
    seeing = Seeing(session, user_id, caller.zone)
    order = ORDERS["due"]
    shown_tasks = []
    for condition in (overdue, later_today, after_today):
        tasks = await session.exec(
            select(Task)
            .where(*fitting(Wanted(user_id, OPEN)), condition)
            .order_by(*order.clauses([key.expression for key in order.keys]))
            .limit(SHOWN_MAX)
        )
        shown_tasks.append(await task_views(seeing, tasks.all()))
    return _overview(now, caller, counts, shown_tasks)


def _overview(
    now: datetime, caller: Caller, counts: dict[str, int], tasks: list[list[TaskView]]
) -> Overview:
    overdue, today, after_today = tasks
    return Overview(
        now=shown(now, caller.zone) or "",
        counts=Counts(**counts),
        overdue=overdue,
        today=today,
        next=after_today,
    )
