"""How a page of tasks is found among many.

If few tasks fit, all of them are found by whatever index tells them from others, and sorted. If
many do, only as many are found as are counted, and a page of them may soon be met going along the
index of the order. Where it isn't, those that were counted tell how far it reaches at most; what
fits and isn't beyond that is what the index of words and that of the order have in common. Postgres
doesn't decide that alone, since it can only guess how many tasks have some words.
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
    Table,
    Text,
    cast,
    func,
    literal,
    literal_column,
    not_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY, array
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from ..models import PIECES, STATE
from .orders import Order

#: As many tasks are counted at most; that there are many is all that more would say.
COUNT_MAX = 1000
#: As many tasks are met along an order at first, and as many where those make it likely that a page
#: is among them.
NEAR, FAR = 200, 1200
#: The same where the latest come first. Those that are counted are the earliest, mostly, as they
#: lie in the table, and tell little of such a page. But the latest lie together, and are soon met.
NEAR_FALLING, FAR_FALLING = 600, 3000

#: Numbers of states, as `models.STATE` has them.
OPEN, COMPLETED, ARCHIVED, EVERY = (0,), (1,), (2,), (0, 1, 2)

TASKS: Table = SQLModel.metadata.tables["tasks"]

#: What `Wanted.said` may ask for. Each column more takes time to plan.
SAID_OF = (TASKS.c.searched, TASKS.c.pieces, TASKS.c.labels)

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


def fitting(wanted: Wanted) -> list[ColumnElement[bool]]:
    """All conditions of what is looked for."""
    state = literal_column(STATE, Integer())
    return [
        TASKS.c.user_id == wanted.user_id,
        state.in_([_number(number) for number in wanted.states]),
        *(condition(TASKS.c) for condition in (*wanted.conditions, *wanted.said)),
    ]


def having(pieces: str) -> FromClause:
    """The tasks that the index of words and labels tells of, by its query."""
    # OFFSET 0 keeps Postgres from going another way, and then computing the pieces of each row.
    return select(TASKS).where(_asked(pieces)).offset(_number(0)).subquery("hits")


def counted_up(conditions: Sequence[ColumnElement[bool]], order: Order) -> ScalarSelect[int]:
    """How many tasks there are for which these hold, going along an order.

    Else Postgres may list all of them, only to take the first few.
    """
    some = (
        select(TASKS.c.id)
        .where(*conditions)
        .order_by(*order.clauses([key.expression for key in order.keys]))
        .limit(_number(COUNT_MAX))
        .subquery()
    )
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
    found = _hits(wanted, order).limit(_number(COUNT_MAX)).cte("found")
    keys = _keys(found, order)
    page = _page(found, order, limit)
    ordered = select(*keys).order_by(*order.clauses(keys)).offset(_number(limit - 1))
    if start is not None:
        page, ordered = (part.where(order.after(keys, start)) for part in (page, ordered))
    last = _keys(ordered.limit(_number(1)).subquery("last"), order)
    statement: Any = select(
        select(func.count()).select_from(found).scalar_subquery(),
        func.array(page.scalar_subquery()),
        select(array([cast(key, Text) for key in last])).scalar_subquery(),
    )
    count, met, end = (await session.exec(statement)).one()
    if count < COUNT_MAX:
        return list(met), count
    near, far = (NEAR_FALLING, FAR_FALLING) if order.falling else (NEAR, FAR)
    for most in (near, far):
        met = await _along(session, wanted, order, start=start, limit=limit, most=most)
        if len(met) == limit:
            return met, count
        if 4 * len(met) * far < 5 * limit * most:
            break
    # Where nothing tells an end, or what stood before it was changed a moment ago, there is none.
    for until in (end, None) if end else (None,):
        met = await _between(session, wanted, order, start=start, end=until, limit=limit)
        if len(met) == limit:
            break
    return met, count


async def _along(
    session: AsyncSession,
    wanted: Wanted,
    order: Order,
    *,
    start: Sequence[str] | None,
    limit: int,
    most: int,
) -> list[UUID]:
    """The ids of a page, or of as many as there are among the first tasks along an index."""
    expressions = [key.expression for key in order.keys]

    def of_state(number: int) -> Select[Any]:
        walk = select(TASKS.c.id, *SAID_OF, *_labelled(order)).where(
            TASKS.c.user_id == wanted.user_id,
            literal_column(STATE) == _number(number),
            *(condition(TASKS.c) for condition in wanted.conditions),
        )
        if start is not None:
            walk = walk.where(order.after(expressions, start))
        # With a limit here, and of each state by itself, Postgres merges what the index has sorted.
        return walk.order_by(*order.clauses(expressions)).limit(_number(most))

    states = union_all(*map(of_state, wanted.states)).subquery("states")
    merged = select(states).order_by(*order.clauses(_keys(states, order))).limit(_number(most))
    walked = merged.subquery("walked")
    page: Any = _page(walked, order, limit).where(*(said(walked.c) for said in wanted.said))
    return [found.id for found in (await session.exec(page)).all()]


async def _between(
    session: AsyncSession,
    wanted: Wanted,
    order: Order,
    *,
    start: Sequence[str] | None,
    end: Sequence[str] | None,
    limit: int,
) -> list[UUID]:
    """The ids of a page, of all tasks that fit after one place and up to another."""
    expressions = [key.expression for key in order.keys]
    within = [] if start is None else [order.after(expressions, start)]
    within += [] if end is None else [not_(order.after(expressions, end))]
    page: Any = _page(_hits(wanted, order, *within).subquery("found"), order, limit)
    return [found.id for found in (await session.exec(page)).all()]


def _hits(wanted: Wanted, order: Order, *within: ColumnElement[bool]) -> Select[Any]:
    """The ids and keys of all tasks that fit, in no order."""
    if wanted.pieces is None:
        return select(TASKS.c.id, *_labelled(order)).where(*fitting(wanted), *within)
    if wanted.states == EVERY and not wanted.conditions and not within:
        # No other index has anything to add: one of all the user's tasks would be listed whole.
        told = [condition(TASKS.c) for condition in wanted.said]
    else:
        told = [*fitting(wanted), *within]
    hits = select(TASKS.c.id, TASKS.c.user_id, *_labelled(order))
    # OFFSET 0 as in `having`. What two indexes have in common, Postgres does find by both.
    found = hits.where(_asked(wanted.pieces), *told).offset(_number(0)).subquery("hits")
    return select(found.c.id, *_keys(found, order)).where(found.c.user_id == wanted.user_id)


def _asked(pieces: str) -> ColumnElement[bool]:
    return literal_column(PIECES).op("@@")(cast(literal(pieces), TSQUERY))


def _page(source: FromClause, order: Order, limit: int) -> Select[Any]:
    clauses = order.clauses(_keys(source, order))
    return select(source.c.id).order_by(*clauses).limit(_number(limit))


def _labelled(order: Order) -> list[ColumnElement[Any]]:
    return [key.expression.label(f"key_{place}") for place, key in enumerate(order.keys)]


def _keys(source: FromClause, order: Order) -> list[ColumnElement[Any]]:
    return [source.c[f"key_{place}"] for place in range(len(order.keys))]


def _number(value: int) -> ColumnElement[int]:
    # Of a limit that is a parameter, Postgres expects a tenth of everything.
    return literal_column(str(value), Integer())
