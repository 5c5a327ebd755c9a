"""Access tokens: what a program shows over HTTP to act as a user.

A token is 256 random bits, so a fast digest of it is all that has to be kept: nobody can find the
token that belongs to one. It is looked up by that digest, which tells a guesser nothing by how long
it takes.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from psycopg.errors import UndefinedTable
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from .connections import Connections, Pool
from .conversations import explained
from .errors import StorageError, TablesMissingError
from .models import User, timestamp_column

#: What a token begins with, so that people and programs that look for leaked secrets know it.
PREFIX = "tagt_"
NAME_MAX = 100
LOCALE_MAX = 50
SUBJECT_MAX = 500
#: Most days that a token may be good for, unless it is good until it is revoked.
DAYS_MAX = 3650


SELECT_BEARER = """
    SELECT t.id AS token_id, u.subject, t.time_zone, t.locale,
           t.last_used_at IS NULL OR t.last_used_at <= now() - interval '1 hour' AS first_this_hour
    FROM access_tokens t JOIN users u ON u.id = t.user_id
    WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
"""
NOTE_USE = "UPDATE access_tokens SET last_used_at = date_trunc('hour', now()) WHERE id = %s"


class TokenError(StorageError):
    """A token can't be made like that, or there is none of that id."""


class AccessToken(SQLModel, table=True):
    """What is kept of a token, which does not include the token."""

    __tablename__ = "access_tokens"
    __table_args__ = (
        UniqueConstraint("digest", name="uq_access_tokens_digest"),
        CheckConstraint("length(digest) = 32", name="ck_access_tokens_digest_sha256"),
        CheckConstraint("length(btrim(name)) > 0", name="ck_access_tokens_name_not_blank"),
        Index("ix_access_tokens_user_id", "user_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    #: sha256 of the token, 32 bytes.
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    #: What its owner knows it by: the program or the machine that has it.
    name: str = Field(sa_column=Column(String(NAME_MAX), nullable=False))
    #: The zone and the locale that dates are understood in where a call names none.
    time_zone: str | None = Field(default=None, sa_column=Column(Text))
    locale: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime | None = Field(default=None, sa_column=timestamp_column())
    #: The hour in which it was last used, so that using it writes once an hour.
    last_used_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who shows a token that is good."""

    #: The id of the token.
    token_id: UUID
    #: The user it acts as.
    subject: str
    time_zone: str | None
    locale: str | None


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """A token, as its owner sees it in a list."""

    id: UUID
    user: str
    name: str
    time_zone: str | None
    locale: str | None
    created_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    #: Whether it can be used: neither revoked nor expired.
    good: bool


async def create_token(
    session: AsyncSession,
    subject: str,
    *,
    name: str,
    days: int | None = None,
    time_zone: str | None = None,
    locale: str | None = None,
) -> tuple[str, TokenSummary]:
    """A new token for a user, who is made if need be. It is not to be had a second time.

    Args:
        session: of a transaction that the caller commits.
        subject: the name that authentication gives the user.
        name: what its owner will know it by.
        days: how long it is good for; none for until it is revoked.
        time_zone: an IANA name, for calls that name no zone; not looked at here.
        locale: such as "de-AT", for calls that name none; not looked at here.

    Raises:
        TokenError: user, name or locale is blank, too long or not storable, or days are too many.
        TablesMissingError: the database has not been migrated.
    """
    name = name.strip()
    _check("user", subject, SUBJECT_MAX)
    _check("name", name, NAME_MAX)
    if locale is not None:
        _check("locale", locale, LOCALE_MAX)
    if days is not None and not 0 < days <= DAYS_MAX:
        raise TokenError(
            f"a token can't be good for {days:,} days: give 1 to {DAYS_MAX:,}, or leave the number "
            "out for one that is good until it is revoked."
        )
    token = PREFIX + secrets.token_urlsafe(32)
    with explained():
        new_user = insert(User).values(id=uuid4(), subject=subject)
        await session.exec(new_user.on_conflict_do_nothing(index_elements=["subject"]))
        # So that the user isn't deleted before the token refers to them.
        user_id: UUID = (
            await session.exec(
                select(User.id).where(col(User.subject) == subject).with_for_update(key_share=True)
            )
        ).one()
        expires_at = None if days is None else await _in_days(session, days)
        row = AccessToken(
            user_id=user_id,
            digest=_digest(token),
            name=name,
            time_zone=time_zone,
            locale=locale,
            expires_at=expires_at,
        )
        session.add(row)
        await session.flush()
    (made,) = await list_tokens(session, token_id=row.id)
    return token, made


async def find_bearer(pool: Pool, token: str) -> Bearer | None:
    """Who shows a token; none if it was never made, is revoked, or has expired.

    It is asked before every call, so it is one statement, without SQLAlchemy. The first time in an
    hour, the hour is noted.

    Raises:
        DatabaseFailedError: the database did not answer.
        TablesMissingError: it has not been migrated.
    """
    connections = Connections(pool)

    async def look_up() -> Bearer | None:
        async with connections.cursor() as cur:
            await cur.execute(SELECT_BEARER, (_digest(token),))
            row = await cur.fetchone()
            if row is None:
                return None
            if row.pop("first_this_hour"):
                await cur.execute(NOTE_USE, (row["token_id"],))
            return Bearer(**row)

    try:
        return await connections.retried(look_up)
    except UndefinedTable as error:
        raise TablesMissingError(
            "the database has no table of tokens. Run `task-agent migrate`."
        ) from error


async def list_tokens(
    session: AsyncSession, *, user: str | None = None, token_id: UUID | None = None
) -> Sequence[TokenSummary]:
    """All tokens, or a user's, or the one of an id; the newest first.

    Raises:
        TablesMissingError: the database has not been migrated.
    """
    query = (
        select(AccessToken, User.subject, _GOOD)
        .join(User, col(User.id) == col(AccessToken.user_id))
        .order_by(col(AccessToken.created_at).desc(), col(AccessToken.id))
        # What the session holds of a row may be older than the row.
        .execution_options(populate_existing=True)
    )
    if user is not None:
        query = query.where(col(User.subject) == user)
    if token_id is not None:
        query = query.where(col(AccessToken.id) == token_id)
    with explained():
        rows = (await session.exec(query)).all()
    return [_summary(*row) for row in rows]


async def revoke_token(session: AsyncSession, token_id: str) -> TokenSummary:
    """Make a token useless, from the next request on. Doing it again changes nothing.

    Args:
        session: of a transaction that the caller commits.
        token_id: as `list_tokens` tells it.

    Raises:
        TokenError: there is no such token.
        TablesMissingError: the database has not been migrated.
    """
    unknown = TokenError(
        f"there is no token with the id {token_id!r}. `task-agent token list` shows the ids."
    )
    try:
        wanted = UUID(token_id)
    except ValueError as error:
        raise unknown from error
    with explained():
        await session.exec(
            update(AccessToken)
            .where(col(AccessToken.id) == wanted, col(AccessToken.revoked_at).is_(None))
            .values(revoked_at=func.clock_timestamp())
        )
    found = await list_tokens(session, token_id=wanted)
    if not found:
        raise unknown
    return found[0]


_GOOD = col(AccessToken.revoked_at).is_(None) & (
    col(AccessToken.expires_at).is_(None) | (col(AccessToken.expires_at) > func.now())
)


def _summary(token: AccessToken, user: str, good: bool) -> TokenSummary:
    return TokenSummary(
        id=token.id,
        user=user,
        name=token.name,
        time_zone=token.time_zone,
        locale=token.locale,
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        good=good,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


async def _in_days(session: AsyncSession, days: int) -> datetime:
    # By the clock that will be asked whether it has expired.
    now: datetime = (await session.exec(select(func.now()))).one()
    return now + timedelta(days=days)


def _check(what: str, value: str, most: int) -> None:
    storable = "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    if not value.strip() or len(value) > most or not storable:
        raise TokenError(
            f"the {what} {value[:most]!r} can't be used: it has to be text of 1 to {most} "
            "characters that is not blank."
        )


__all__ = [
    "AccessToken",
    "Bearer",
    "TokenError",
    "TokenSummary",
    "create_token",
    "find_bearer",
    "list_tokens",
    "revoke_token",
]
