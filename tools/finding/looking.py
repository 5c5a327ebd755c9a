"""How a page of tasks is found among many.

If few tasks fit, all of them are found by whatever index tells them from others, and sorted. If
many do, a page of them is soon met going along the index of the order. Postgres does not decide
that alone, since it can only guess how many tasks have some words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from ..models import PIECES, STATE
from .orders import Order

#: As many tasks are counted at most; that there are many is all that more would say.
COUNT_MAX = 1000
#: As many tasks with some words or labels are found to be sorted. Of 100,000 more than one in 40
#: has them where that is not all, and so a page is near.
SORTED_MAX = 2500

#: Numbers of states, as `models.STATE` has them.
OPEN, COMPLETED, ARCHIVED, EVERY = (0,), (1,), (2,), (0, 1, 2)

TASKS: Table = SQLModel.metadata.tables["tasks"]

#: Makes a condition of what has the columns of tasks: the table, or what was found of it already.
Condition = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The tasks that are looked for."""

    user_id: UUID
    #: Numbers of states, as `models.STATE` has them.
    states: tuple[int, ...]
    #: All have to hold; for how many tasks they do, Postgres can tell.
    conditions: tuple[Condition, ...] = ()
    #: What has to hold of words and labels, and what their index is asked for first, if it can tell
    #: anything.
    said: tuple[Condition, ...] = ()
    pieces: str | None = None


def having(wanted: Wanted) -> FromClause:
    """The tasks that an index of words and labels tells of; all tasks where it isn't asked."""
    if wanted.pieces is None:
        return TASKS
    asked = literal_column(PIECES).op("@@")(cast(literal(wanted.pieces), TSQUERY))
    # OFFSET 0 keeps Postgres from going another way, and then computing the pieces of each row.
    return select(TASKS).where(asked).offset(_number(0)).subquery("hits")


def fitting(wanted: Wanted, source: FromClause) -> list[ColumnElement[bool]]:
    """All conditions of what is looked for."""
    state = literal_column(STATE, Integer())
    return [
        source.c.user_id == wanted.user_id,
        state.in_([literal_column(str(number)) for number in wanted.states]),
        *(condition(source.c) for condition in (*wanted.conditions, *wanted.said)),
    ]


def counted_up(conditions: Sequence[ColumnElement[bool]]) -> ScalarSelect[int]:
    """How many tasks there are for which these hold."""
    some = select(TASKS.c.id).where(*conditions).limit(_number(COUNT_MAX)).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


async def look(
    session: AsyncSession,
    wanted: Wanted,
    order: Order,
    *,
    start: Sequence[str] | None,
    limit: int,
) -> tuple[list[UUID], int]:
    """The ids of the tasks of a page, in their order, and how many there are on all pages."""
    source = having(wanted)
    most = SORTED_MAX if wanted.said else COUNT_MAX
    found = (
        select(source.c.id, *_labelled(order))
        .select_from(source)
        .where(*fitting(wanted, source))
        .limit(_number(most))
        .cte("found")
    )
    keys = _keys(found, order)
    page = select(found.c.id).order_by(*order.clauses(keys)).limit(_number(limit))
    if start is not None:
        page = page.where(order.after(keys, start))
    total = select(func.count()).select_from(found).scalar_subquery()
    statement: Any = select(total, func.array(page.scalar_subquery()))
    count, ids = (await session.exec(statement)).one()
    if count == most:
        ids = await _along(session, wanted, order, start=start, limit=limit)
    return list(ids), min(count, COUNT_MAX)


async def _along(
    session: AsyncSession,
    wanted: Wanted,
    order: Order,
    *,
    start: Sequence[str] | None,
    limit: int,
) -> list[UUID]:
    """The ids of a page, going along the index of the order, in each state by itself."""

    def of_state(number: int) -> Subquery:
        expressions = [key.expression for key in order.keys]
        walk: Select[Any] = (
            select(TASKS, *_labelled(order))
            .where(
                TASKS.c.user_id == wanted.user_id,
                literal_column(STATE) == _number(number),
                *(condition(TASKS.c) for condition in wanted.conditions),
            )
            .order_by(*order.clauses(expressions))
            .offset(_number(0))
        )
        if start is not None:
            walk = walk.where(order.after(expressions, start))
        walked = walk.subquery(f"walk_{number}")
        # Not sorted once more: then Postgres would not know that the first few are all it takes.
        return (
            select(walked.c.id, *_keys(walked, order))
            .where(*(condition(walked.c) for condition in wanted.said))
            .limit(_number(limit))
            .subquery(f"state_{number}")
        )

    states = [select(part) for part in map(of_state, wanted.states)]
    met = states[0].subquery("met") if len(states) == 1 else union_all(*states).subquery("met")
    page: Any = select(met.c.id).order_by(*order.clauses(_keys(met, order))).limit(_number(limit))
    return [id_ for (id_,) in (await session.exec(page)).all()]


def _labelled(order: Order) -> list[ColumnElement[Any]]:
    return [key.expression.label(f"key_{place}") for place, key in enumerate(order.keys)]


def _keys(source: FromClause, order: Order) -> list[ColumnElement[Any]]:
    return [source.c[f"key_{place}"] for place in range(len(order.keys))]


def _number(value: int) -> ColumnElement[int]:
    # Of a limit that is a parameter, Postgres expects a tenth of everything.
    return literal_column(str(value), Integer())
