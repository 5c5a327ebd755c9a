"""`task-agent token`: who may use `task-agent mcp --http`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..terminal import console, printable, show

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

token = typer.Typer(no_args_is_help=True, help="Tokens for `task-agent mcp --http`.")

T = TypeVar("T")


@token.command("create")
def create(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose tasks it opens.")],
    name: Annotated[
        str, typer.Option(help="What to know it by: the program or the machine that gets it.")
    ] = "token",
    days: Annotated[
        int | None, typer.Option(help="How long it is good for; else until it is revoked.")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="The zone of “tomorrow at 9” for it, such as Europe/Vienna."),
    ] = None,
    locale: Annotated[
        str | None, typer.Option(help="How dates are written for it, such as de-AT.")
    ] = None,
) -> None:
    """Make a token for a user and print it, this once: only a digest of it is kept."""
    from storage.errors import StorageError
    from storage.tokens import create_token
    from tools.context import known_locale
    from tools.errors import InvalidValueError
    from tools.zones import time_zone as known_zone

    if time_zone is not None:
        try:
            known_zone(time_zone)
        except InvalidValueError as error:
            raise StorageError(f"--time-zone: {error}") from error
    if locale is not None:
        try:
            locale = known_locale(locale)
        except InvalidValueError as error:
            raise StorageError(f"--locale: {error}") from error
    secret, made = _run(
        lambda session: create_token(
            session, user, name=name, days=days, time_zone=time_zone, locale=locale
        )
    )
    # Alone on standard output, so that a script can take it from there.
    typer.echo(secret)
    until = "until it is revoked" if made.expires_at is None else f"until {made.expires_at:%F}"
    console(error=True).print(
        printable(
            f"It opens the tasks of {made.user}, {until}, and is not shown again. "
            f"To revoke it: task-agent token revoke {made.id}"
        )
    )


@token.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Only those of this user.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the tokens there are, the newest first, without what makes them work."""
    from storage.tokens import list_tokens

    from ..views import to_json, tokens_table

    found = _run(lambda session: list_tokens(session, user=user))
    if as_json:
        typer.echo(to_json([asdict(one) for one in found]))
    elif found:
        show(tokens_table(found))
    else:
        console().print("There are no tokens; `task-agent token create USER` makes one.")


@token.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
) -> None:
    """Make a token useless, from the next request on."""
    from storage.tokens import revoke_token

    gone = _run(lambda session: revoke_token(session, token_id))
    console().print(printable(f"Revoked {gone.name!r} of {gone.user}, {gone.id}."), style="green")


def _run(work: "Callable[[AsyncSession], Awaitable[T]]") -> T:
    """The answer of one transaction on the configured database."""
    from psycopg import Error as DriverError
    from sqlalchemy.exc import SQLAlchemyError

    from storage.database import open_database
    from storage.errors import StorageError

    async def answer() -> T:
        async with open_database() as database, database.session() as session:
            done = await work(session)
            await session.commit()
            return done

    try:
        return asyncio.run(answer())
    except (SQLAlchemyError, DriverError) as error:
        raise StorageError(
            f"the database failed: {str(error).strip()}. It was one transaction: all of it was "
            "done, or nothing. Look with `task-agent token list`, and try again."
        ) from error
