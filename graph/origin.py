"""What a tool call stems from, for whoever makes it: which answer of the model, in which turn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage


@dataclass(frozen=True, slots=True)
class CallOrigin:
    """Where a call comes from."""

    #: The id of the model's message that holds the call.
    message: str | None = None
    #: The id of the person's message that the turn began with: what a turn changed is undone
    #: together.
    turn: str | None = None
    #: Whether nothing may be carried out any more: the call is only asked what became of it.
    recorded_only: bool = False


_origin: ContextVar[CallOrigin | None] = ContextVar("call_origin", default=None)


@contextmanager
def calling_from(origin: CallOrigin) -> Iterator[None]:
    """Within the block `call_origin()` is this one."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def call_origin() -> CallOrigin:
    """The origin of the call that is being made; an empty one outside of any."""
    return _origin.get() or CallOrigin()


def turn_of(messages: Sequence[BaseMessage]) -> str | None:
    """The id of the last thing that the person said; none where they have said nothing."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return message.id
    return None
