"""Who calls over HTTP: what MCP's own middleware needs to know a token, and its user afterwards.

The middleware asks for the token of every request anew, so one that is revoked is useless at once.
A call's user is that of the request it came in, also if a later version keeps sessions.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel.server import request_ctx
from starlette.authentication import AuthenticationError
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from storage.database import Database
from storage.tokens import find_bearer

from ..context import Caller, Clock, Identify, always, utc_now
from ..zones import zone_named

logger = logging.getLogger(__name__)

#: How OpenID Connect calls them among the claims of a token.
ZONE, LOCALE = "zoneinfo", "locale"


class TokensUnavailableError(AuthenticationError):
    """It can't be told whether a token is good, since the database does not answer."""


class Tokens:
    """Knows the tokens that are in the database: a `TokenVerifier`."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is; none if it is not good.

        Raises:
            TokensUnavailableError: the database did not answer.
        """
        try:
            bearer = await find_bearer(self._database().pool, token)
        except Exception as error:
            # "Not good" would make a client throw its token away.
            logger.exception("a token could not be looked up")
            raise TokensUnavailableError from error
        if bearer is None:
            return None
        return AccessToken(
            token=token,
            client_id=str(bearer.token_id),
            subject=bearer.subject,
            scopes=[],
            claims={ZONE: bearer.time_zone, LOCALE: bearer.locale},
        )


def unavailable(_: HTTPConnection, error: AuthenticationError) -> JSONResponse:
    """The answer when a token could not be looked up."""
    words = "The tasks can't be reached at the moment. Try again later."
    return JSONResponse(
        {"error": "temporarily_unavailable", "error_description": words},
        status_code=503,
        headers={"Retry-After": "5"},
    )


def from_token(zone: ZoneInfo, *, locale: str | None = None, clock: Clock = utc_now) -> Identify:
    """The user of the token that the request came with, whatever `_meta` says.

    Args:
        zone: for calls that name none, with a token that names none.
        locale: for such calls; none for English.
        clock: says what time it is.
    """

    async def identify(meta: Mapping[str, Any]) -> Caller:
        token = _shown_token()
        claims = token.claims or {}
        named = claims.get(ZONE)
        own = await zone_named(named) if named else zone
        caller = always(token.subject or "", own, locale=claims.get(LOCALE) or locale, clock=clock)
        return await caller(meta)

    return identify


def _shown_token() -> AccessToken:
    user = getattr(request_ctx.get().request, "user", None)
    if not isinstance(user, AuthenticatedUser) or not user.access_token.subject:
        raise PermissionError("the request came with no token")
    return user.access_token
