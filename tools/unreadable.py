"""Requests that can't be read: whoever made one waits, and MCP's session answers nothing."""

import json

from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from .texts import is_storable

UNREADABLE = (
    "The request can't be read, so nothing was done. Is there half of an emoji in it, an escape "
    "such as \\ud83d by itself? Make the call again without."
)
NO_REQUEST = "This is no request, so nothing was done: it needs a `jsonrpc` of 2.0 and a `method`."


def refusal(error: Exception) -> JSONRPCError | None:
    """The answer to a line that was no message; none if it doesn't say to what request.

    Args:
        error: what reading the line came to.
    """
    line = error.errors()[0]["input"] if isinstance(error, ValidationError) else None
    try:
        # Python's own reader takes half characters.
        asked = json.loads(line) if isinstance(line, str) else line
    except (ValueError, RecursionError):
        return None
    id_ = asked.get("id") if isinstance(asked, dict) else None
    if not isinstance(id_, int | str) or isinstance(id_, bool) or not is_storable(str(id_)):
        return None
    code, why = (
        (PARSE_ERROR, UNREADABLE) if isinstance(line, str) else (INVALID_REQUEST, NO_REQUEST)
    )
    return JSONRPCError(jsonrpc="2.0", id=id_, error=ErrorData(code=code, message=why))
