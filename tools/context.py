"""Who calls a tool, when, and for which call of the agent.

None of it is an argument of a tool: a model can't name a user. It comes in the request's `_meta`
from a client in the same process, from the environment of a server that one person started, or from
the token that a client over HTTP has shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import langcodes

from .errors import InvalidValueError
from .texts import is_storable, quoted
from .zones import zone_named

META_USER = "task-agent/user"
META_KEY = "task-agent/idempotency-key"
META_TIME_ZONE = "task-agent/time-zone"
META_NOW = "task-agent/now"
#: How the user writes dates: a BCP 47 name such as "de-AT".
META_LOCALE = "task-agent/locale"
#: The conversation, its message that holds the call, and the message of the person that it answers.
META_THREAD = "task-agent/thread"
META_MESSAGE = "task-agent/message"
META_TURN = "task-agent/turn"
#: True: carry nothing out, but say what the call with this key has answered.
META_RECORDED_ONLY = "task-agent/recorded-only"

#: Who everybody is where there is no authentication.
LOCAL_USER = "local"
#: Characters that a user's subject or an idempotency key may have.
ID_MAX = 500

#: Says what time it is; the answer has a zone.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in its conversation a call of the agent stands; none of it outside of one."""

    #: The id of the AI message that holds the call.
    message: str | None = None
    #: The id of the last human message: all changes of one turn are undone together.
    turn: str | None = None
    #: Whether the call is only asked after, and not made.
    recorded_only: bool = False


def nowhere() -> Origin:
    """The origin of calls that belong to no conversation."""
    return Origin()


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a tool runs, and at which moment."""

    #: The user, as authentication names them.
    subject: str
    #: The zone that dates are understood and shown in.
    zone: ZoneInfo
    #: What "tomorrow" is relative to, and what a task's creation and completion are stamped with.
    now: datetime
    #: Names one call of the agent, so that doing it again changes nothing; none without a name.
    key: str | None
    #: How the user writes dates; none for English.
    locale: str | None = None
    #: The conversation that the call is part of; see `META_THREAD` and what follows it.
    thread: str | None = None
    message: str | None = None
    turn: str | None = None
    #: Whether the call is only asked after, and not made.
    recorded_only: bool = False


#: Makes the caller out of a request's `_meta`.
Identify = Callable[[Mapping[str, Any]], Awaitable[Caller]]


def from_meta(clock: Clock = utc_now) -> Identify:
    """Trust `_meta`: for a client in the same process.

    `clock` says what time it is when `_meta` doesn't.
    """

    async def identify(meta: Mapping[str, Any]) -> Caller:
        subject = _identifier(meta, META_USER)
        if subject is None:
            raise InvalidValueError(
                f"The call does not say for whom it is: its _meta has no {META_USER!r}."
            )
        return Caller(
            subject=subject,
            zone=await zone_named(meta.get(META_TIME_ZONE) or "UTC"),
            now=_moment(meta[META_NOW]) if META_NOW in meta else clock(),
            **await _read_call(meta),
        )

    return identify


def always(
    subject: str, zone: ZoneInfo, *, locale: str | None = None, clock: Clock = utc_now
) -> Identify:
    """The same user whatever `_meta` says: for a client that may claim anything.

    What `_meta` says of the call is taken from it: its zone and locale, its idempotency key, its
    place in a conversation. That can do no harm to anybody else.

    Args:
        subject: the user.
        zone: for calls that name none.
        locale: for calls that name none; none for English.
        clock: says what time it is; `_meta` is not believed.
    """

    async def identify(meta: Mapping[str, Any]) -> Caller:
        named, call = meta.get(META_TIME_ZONE), await _read_call(meta)
        return Caller(
            subject=subject,
            zone=await zone_named(named) if named else zone,
            now=clock(),
            **call | {"locale": call["locale"] or locale},
        )

    return identify


# Bounded: a client may name any. It is asked at each call.
@lru_cache(maxsize=64)
def known_locale(name: str) -> str:
    """The usual form of a locale's BCP 47 name, such as "de-AT".

    Raises:
        InvalidValueError: it names no language.
    """
    if not langcodes.tag_is_valid(name):
        raise InvalidValueError(
            f'There is no locale {quoted(name)}; give a BCP 47 name such as "de-AT" or "en-US".'
        )
    return langcodes.standardize_tag(name)


async def _read_call(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What `_meta` says of the call, and not of the user."""
    locale = meta.get(META_LOCALE)
    if locale is None or (isinstance(locale, str) and locale in _LOCALES_READ):
        return _call(meta)
    # In a thread: for the first locale a file is read.
    call = await asyncio.to_thread(_call, meta)
    if len(_LOCALES_READ) < LOCALES_MAX:
        _LOCALES_READ.add(locale)
    return call


#: Locales that no file has to be read for any more, and how many are noted.
_LOCALES_READ: set[str] = set()
LOCALES_MAX = 1000


def _call(meta: Mapping[str, Any]) -> dict[str, Any]:
    locale = _identifier(meta, META_LOCALE)
    recorded_only = meta.get(META_RECORDED_ONLY, False)
    if not isinstance(recorded_only, bool):
        raise InvalidValueError(
            f"{META_RECORDED_ONLY!r} in _meta is {quoted(str(recorded_only))}; it has to be true "
            "or false."
        )
    return {
        "key": _identifier(meta, META_KEY),
        "locale": None if locale is None else known_locale(locale),
        "thread": _identifier(meta, META_THREAD),
        "message": _identifier(meta, META_MESSAGE),
        "turn": _identifier(meta, META_TURN),
        "recorded_only": recorded_only,
    }


def _identifier(meta: Mapping[str, Any], name: str) -> str | None:
    value = meta.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= ID_MAX or not is_storable(value):
        raise InvalidValueError(
            f"{name!r} in _meta is {quoted(str(value))}; it has to be text of 1 to {ID_MAX} "
            "characters."
        )
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(
            f"{META_NOW!r} in _meta is {quoted(str(value))}; it has to be an ISO 8601 time."
        ) from error
    if moment.tzinfo is None:
        raise InvalidValueError(f"{META_NOW!r} in _meta is {value}, which has no UTC offset.")
    return moment
