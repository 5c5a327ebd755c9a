"""One writing call: its items one by one, its events, and what it answers for ever after."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from psycopg.errors import DataError, IntegrityError
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..errors import AmbiguousTaskError, InvalidValueError, TaskError, TaskNotFoundError
from ..findable import make_findable
from ..finding.references import Prefer, in_words
from ..finding.seeing import Seeing
from ..finding.showing import task_views
from ..finding.tasks import failure
from ..models import Task, TaskCall, TaskEvent, TaskList
from ..shapes.arguments import BadItem, NewDue, TaskChange
from ..shapes.views import Action, Changes, ItemResult, NotExecuted, TaskView
from ..snapshots import snapshot
from . import ledger, trees

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """A call being carried out, the user's other changes being kept out until it is committed."""

    session: AsyncSession
    caller: Caller
    tool: str
    user_id: UUID
    key: str
    seeing: Seeing
    #: What was recorded when this very call was answered before.
    recorded: TaskCall | None
    #: The item that is being carried out, the first being 1.
    item: int = 1
    _number: int | None = None
    _position: int | None = None
    _trees_move: bool = False

    @classmethod
    async def begin(cls, session: AsyncSession, caller: Caller, tool: str) -> "Call":
        """Wait for the user's other changes, and see whether this one was made before."""
        user_id = await ledger.lock_user(session, caller.subject)
        recorded = None
        if caller.key is not None:
            recorded = await ledger.recorded_call(session, user_id, caller.key)
        return cls(
            session,
            caller,
            tool,
            user_id,
            caller.key or str(uuid4()),
            Seeing(session, user_id, caller.zone),
            recorded,
        )

    @property
    def turn(self) -> str:
        """What this call's changes are undone together with."""
        return self.caller.turn or self.key

    async def new_number(self) -> int:
        """The number of the user's next task."""
        if self._number is None:
            self._number = await ledger.next_number(self.session, self.user_id)
        number, self._number = self._number, self._number + 1
        return number

    async def record(
        self,
        action: Action,
        row: Task | TaskList,
        *,
        before: dict[str, Any] | None,
        undoes: str | None = None,
    ) -> None:
        """Write the event of a change. Without `before` the row is new; deleted, it has no after.

        The row itself is the caller's business, but for the time of the write, and for what the
        task is found by.
        """
        if isinstance(row, Task):
            row.updated_at = self.caller.now
            make_findable(row)
        if self._position is None:
            self._position = await ledger.next_position(self.session, self.user_id)
        self.session.add(
            TaskEvent(
                user_id=self.user_id,
                position=self._position,
                key=self.key,
                item=self.item,
                turn_id=self.turn,
                thread_id=self.caller.thread,
                message_id=self.caller.message,
                action=action,
                task_number=row.number if isinstance(row, Task) else None,
                list_id=None if isinstance(row, Task) else row.id,
                before=before,
                after=None if action == "deleted" else snapshot(row),
                undoes=undoes,
                created_at=self.caller.now,
            )
        )
        self._position += 1

    async def let_trees_move(self) -> None:
        """Let a task and its parts be moved one after the other, until the item is done.

        To be called before the first of them is changed.
        """
        if not self._trees_move:
            await trees.check_later(self.session)
            self._trees_move = True

    async def check_trees(self) -> None:
        """See that what was moved fits together.

        Raises:
            DBAPIError: it doesn't.
        """
        if self._trees_move:
            await self.session.flush()
            await trees.check_now(self.session)
            self._trees_move = False

    async def view(self, task: Task) -> TaskView:
        """The task as its owner sees it."""
        [seen] = await task_views(self.seeing, [task])
        return seen

    async def attempt(self, item: int, change: Callable[[], Awaitable[ItemResult]]) -> ItemResult:
        """Carry out one item, or nothing of it.

        What the database refuses of the values is this item's failure; anything else that it
        refuses is the whole call's.
        """
        self.item = item
        number, position = self._number, self._position
        try:
            async with self.session.begin_nested():
                result = await change()
                await self.check_trees()
                return result
        except TaskError as error:
            failed = failure(item, error)
        except DBAPIError as error:
            if not isinstance(error.orig, IntegrityError | DataError):
                raise
            failed = ItemResult(
                item=item,
                status="failed",
                error="The database refused it; nothing was changed for it. Check its values.",
            )
        self._number, self._position = number, position
        self._trees_move = False
        self.seeing.forget()
        return failed


async def once(
    session: AsyncSession,
    caller: Caller,
    tool: str,
    arguments: Mapping[str, Any],
    write: Callable[[Call], Awaitable[Changes]],
) -> Changes | NotExecuted:
    """Carry out a call, or answer what it answered before.

    A call that is only asked after, and was not carried out, never will be: it may still be on its
    way, and whoever asks tells somebody that it was not.

    Raises:
        InvalidValueError: it is asked after without a key, or the key is that of another call.
    """
    if caller.recorded_only and caller.key is None:
        raise InvalidValueError("A call can only be asked after by its idempotency key.")
    call = await Call.begin(session, caller, tool)
    digest = ledger.digest(tool, arguments)
    if call.recorded is not None:
        if call.recorded.digest not in (None, digest):
            raise InvalidValueError(
                f"The idempotency key of this call is that of another one, of {call.recorded.tool} "
                "with other arguments; nothing was changed. Make the call again with a key of its "
                "own."
            )
        return _answer(call.recorded.result)
    answer = NotExecuted() if caller.recorded_only else await write(call)
    session.add(
        TaskCall(
            user_id=call.user_id,
            key=call.key,
            tool=tool,
            digest=digest,
            result=answer.structured(),
            created_at=caller.now,
        )
    )
    return answer


async def each(
    call: Call, items: Sequence[T], change: Callable[[Call, T], Awaitable[ItemResult]]
) -> Changes:
    """Do `change` for each item, with a result for each: one that fails changes nothing."""
    results = []
    for number, item in enumerate(items, start=1):

        async def attempt(item: T = item) -> ItemResult:
            if isinstance(item, BadItem):
                raise InvalidValueError(item.error)
            return await change(call, item)

        results.append(await call.attempt(number, attempt))
    return Changes.of(results)


async def each_task(
    call: Call,
    items: Sequence[T],
    change: Callable[[Call, Task, T], Awaitable[ItemResult]],
    *,
    prefer: Prefer | None = "open",
) -> Changes:
    """Do `change` for the task of each item, all of which are found before the first is changed.

    Else "the call" would be clear as soon as one of two calls is deleted.
    """
    found = [await _found(call, item, prefer) for item in items]
    targets = list(zip(items, found, strict=True))

    async def change_target(call: Call, target: tuple[T, int | TaskError]) -> ItemResult:
        item, number = target
        if isinstance(number, TaskError):
            raise number
        return await change(call, await call.seeing.numbered(number), item)

    changes = await each(call, targets, change_target)
    if changes.changed:
        # Nobody is asked to choose among tasks as they were before.
        for result, (item, number) in zip(changes.results, targets, strict=True):
            if isinstance(number, AmbiguousTaskError | TaskNotFoundError):
                error = await call.seeing.told_anew(_reference(item), number)
                changes.results[result.item - 1] = failure(result.item, error)
    return changes


async def _found(call: Call, item: object, prefer: Prefer | None) -> int | TaskError:
    """The number of the task that an item names, or why there is none."""
    if isinstance(item, BadItem):
        return InvalidValueError(item.error)
    try:
        return (await call.seeing.find(_reference(item), prefer=prefer)).number
    except TaskError as error:
        return error


def _reference(item: Any) -> str:
    return in_words(item.task if isinstance(item, TaskChange | NewDue) else item)


def _answer(result: dict[str, Any]) -> Changes | NotExecuted:
    if result.get("executed") is False:
        return NotExecuted()
    return Changes.model_validate(result)
