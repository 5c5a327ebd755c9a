"""The time at which the agent acts, in one place so that a replay can give it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says when something happens."""

    def now(self, call_id: str | None = None) -> datetime:
        """The time, with its zone. `call_id` names the tool call that is about to be made."""
        ...


class SystemClock:
    """The machine's clock, whatever the call."""

    def now(self, call_id: str | None = None) -> datetime:
        return datetime.now(UTC)


_call_time: ContextVar[datetime | None] = ContextVar("call_time", default=None)


@contextmanager
def stopped_at(moment: datetime) -> Iterator[None]:
    """Within the block `call_time()` is this moment: a tool call happens at one time only.

    The tool stamps what it writes, and the audit record of the call, with the same time.
    """
    token = _call_time.set(moment)
    try:
        yield
    finally:
        _call_time.reset(token)


def call_time() -> datetime:
    """The time of the tool call that is being made, or the machine's outside of one."""
    return _call_time.get() or datetime.now(UTC)
