"""Doing a command's work on its database, and telling what went wrong there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import typer

from ..advice import ADVICE
from ..connections import Pool
from ..errors import StorageError, TablesMissingError
from .place import Place
from .terminal import console

T = TypeVar("T")

#: What shells report of a program that Ctrl-C ended.
INTERRUPTED = 130

#: What to do when the database fails a command that is one transaction.
ONE_TRANSACTION = "This is one transaction: all of it was done, or nothing. Run it again."


def run(
    place: Place,
    work: Callable[[Pool], Awaitable[T]],
    *,
    failed: str,
    stopped: Callable[[], str] | None = None,
) -> T:
    """What `work` returns on the place's database.

    Args:
        failed: what to do, and what has been done, when the database fails.
        stopped: what has been done when Ctrl-C ends it. Without it that is left to the caller.

    Raises:
        TablesMissingError: the database lacks tables or columns.
        StorageError: the database fails.
        typer.Exit: Ctrl-C ended it.
    """

    async def on_database() -> T:
        async with place.open_pool() as pool:
            return await work(pool)

    try:
        return asyncio.run(on_database())
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise TablesMissingError(
            "the database lacks a table or column that this code needs: "
            f"{error.diag.message_primary}. {ADVICE.make_tables}"
        ) from error
    except psycopg.Error as error:
        raise StorageError(f"the database failed: {str(error).strip()}. {failed}") from error
    except KeyboardInterrupt as error:
        if stopped is None:
            raise
        console(error=True).print(stopped())
        raise typer.Exit(INTERRUPTED) from error
