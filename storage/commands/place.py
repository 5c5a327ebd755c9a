"""Where commands do their work."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    # LangGraph takes a second to import, for which `--help` should not wait.
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from ..connections import Pool


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and how what is stored in it is read. A program's callback makes it `ctx.obj`."""

    #: Connects to the database for the length of the block.
    open_pool: "Callable[[], AbstractAsyncContextManager[Pool]]"
    #: As the checkpointer has it that stores there; none for its default.
    serde: "SerializerProtocol | None" = None


def place_of(ctx: typer.Context) -> Place:
    """Where the command that runs is to do its work."""
    place = ctx.find_object(Place)
    if place is None:
        raise TypeError("the program's callback has not made a Place its ctx.obj")
    return place
