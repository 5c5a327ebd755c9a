"""What a session failed of, which anyio wraps into groups of groups."""

from collections.abc import Iterator

import httpx
from mcp import McpError
from pydantic import ValidationError

from ..errors import ServerUnreachableError

#: What the world outside does: nothing that a traceback would help with.
OF_THE_WORLD = (OSError, httpx.HTTPError, McpError, ServerUnreachableError)


def explained(error: BaseException) -> str:
    """What went wrong first, in a line."""
    leaf = next(leaves(error), error)
    if isinstance(leaf, httpx.HTTPStatusError):
        status = leaf.response.status_code
        words = f"it answered with HTTP status {status} {leaf.response.reason_phrase}".strip()
        location = leaf.response.headers.get("location")
        return f"{words}: it is at {location} now" if location else words
    if isinstance(leaf, ValidationError):
        return f"what it sent is no {leaf.title}"
    words = " ".join(str(leaf).split())
    if isinstance(leaf, ServerUnreachableError):
        return words
    return f"{type(leaf).__name__}: {words}" if words else type(leaf).__name__


def is_of_the_world(error: BaseException) -> bool:
    """Whether it is nothing but networks, files and servers."""
    return all(isinstance(leaf, OF_THE_WORLD) for leaf in leaves(error))


def is_turned_away(error: BaseException) -> bool:
    """Whether it says that a request over HTTP was not carried out."""
    return all(
        isinstance(leaf, httpx.ConnectError | httpx.ConnectTimeout)
        or (isinstance(leaf, httpx.HTTPStatusError) and leaf.response.is_client_error)
        for leaf in leaves(error)
    )


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, and of the groups in it; of anything else, itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error
