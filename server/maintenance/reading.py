"""`conversations`, `messages` and `search`: what the rows say, a page at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import typer
from psycopg import Error as DriverError
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.conversations import (
    Entry,
    Summary,
    active_messages,
    all_messages,
    find_conversation,
    last_messages,
    recent_conversations,
)
from storage.database import open_database
from storage.errors import StorageError
from storage.search import Hit, active_hits, search_messages

from ..terminal import console, show, this_command
from ..views import conversations_table, hits_table, messages_table, to_json

T = TypeVar("T")


def conversations(*, limit: int, user: str | None, after: str | None, as_json: bool) -> None:
    """List the conversations changed last."""
    found = _read(
        lambda session: recent_conversations(session, limit=limit, user=user, after=after)
    )
    if as_json:
        typer.echo(to_json([_fields(summary) for summary in found]))
    elif found:
        show(conversations_table(found))
        if len(found) == limit:
            _tell_more("conversations", f"--after {found[-1].cursor}")
    elif after is None:
        console().print("There are no conversations yet; `task-agent chat` begins one.")
    else:
        console().print("There are no more conversations.")


def messages(
    conversation: str, *, whole_tree: bool, last: int | None, before: str | None, as_json: bool
) -> None:
    """Show a conversation: all of it, with the branches that were left or not, or a page."""
    paged = last is not None or before is not None
    limit = last or 50

    async def read(session: AsyncSession) -> list[tuple[Entry, int]]:
        found = await find_conversation(session, conversation)
        if paged:
            page = await last_messages(session, found.id, limit=limit, before=before)
            return [(entry, 0) for entry in page]
        return await (all_messages if whole_tree else active_messages)(session, found.id)

    found = _read(read)
    if as_json:
        typer.echo(to_json([_fields(entry) | {"depth": depth} for entry, depth in found]))
        return
    show(messages_table(found))
    if paged and len(found) == limit:
        _tell_more("messages", f"{conversation} --last {limit} --before {found[0][0].cursor}")


def search(words: str, *, user: str, limit: int, before: str | None, as_json: bool) -> None:
    """Show the messages in which a user's words occur."""

    async def read(session: AsyncSession) -> tuple[list[Hit], set[UUID]]:
        hits = await search_messages(session, user, words, limit=limit, before=before)
        return hits, await active_hits(session, hits)

    found, active = _read(read)
    if as_json:
        typer.echo(to_json([_fields(hit) | {"active": hit.id in active} for hit in found]))
    elif found:
        show(hits_table(found, active))
        if len(found) == limit:
            _tell_more("search", f"… --before {found[-1].cursor}")
    else:
        console().print("Nothing found." if before is None else "Nothing more was found.")


def _fields(item: Summary | Entry | Hit) -> dict[str, Any]:
    return {**asdict(item), "cursor": item.cursor}


def _tell_more(command: str, arguments: str) -> None:
    # Beside the rows, for whoever passes those on to another program.
    console(error=True).print(f"More: {this_command()} {command} {arguments}")


def _read(query: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """The answer of a query on the configured database."""

    async def answer() -> T:
        async with open_database() as database, database.session() as session:
            return await query(session)

    try:
        return asyncio.run(answer())
    except (SQLAlchemyError, DriverError) as error:
        raise StorageError(f"the database did not answer: {error}. Try again.") from error
