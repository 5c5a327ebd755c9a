"""One tool call on a session, and its answer as the agent takes it."""

import json
from typing import Any

from langchain_core.messages import ToolMessage
from mcp import ClientSession
from mcp.types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ClientRequest,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    RequestParams,
    ResourceLink,
    TextContent,
    TextResourceContents,
)


async def call_tool(
    session: ClientSession,
    name: str,
    arguments: dict[str, Any],
    meta: dict[str, Any] | None = None,
) -> CallToolResult:
    """The answer, not compared with the tool's output schema as `session.call_tool` does.

    Which costs more than the call, and an answer that doesn't fit would look as if nothing had been
    done.
    """
    params = CallToolRequestParams(
        name=name,
        arguments=arguments,
        _meta=None if meta is None else RequestParams.Meta(**meta),
    )
    request = ClientRequest(CallToolRequest(params=params))
    return await session.send_request(request, CallToolResult)


def unsendable(arguments: dict[str, Any]) -> str | None:
    """Why no message can hold these arguments; none if one can.

    The SDK finds out in the task that writes for all, which ends the session and so the calls of
    others.
    """
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        reason = getattr(error, "reason", None)
        return str(error) if reason is None else f"half a character in a text ({reason})"
    return None


def message(result: CallToolResult, name: str, call_id: str) -> ToolMessage:
    """The answer as one text; the adapter would make blocks of it, each with a random id."""
    structured = result.structuredContent
    return ToolMessage(
        _content(result.content),
        name=name,
        tool_call_id=call_id,
        status="error" if result.isError else "success",
        artifact=None if structured is None else {"structured_content": structured},
    )


def _content(blocks: list[ContentBlock]) -> str | list[str | dict[str, Any]]:
    """One text if there is nothing but text, else a block each."""
    if not any(isinstance(block, ImageContent) for block in blocks):
        return "\n".join(text_of(block) for block in blocks)
    return [
        {"type": "image", "base64": block.data, "mime_type": block.mimeType}
        if isinstance(block, ImageContent)
        else {"type": "text", "text": text_of(block)}
        for block in blocks
    ]


def text_of(block: ContentBlock) -> str:
    """What a model can read of it. What it can't is named, so that it is not missed unseen."""
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, EmbeddedResource):
        if isinstance(block.resource, TextResourceContents):
            return block.resource.text
        return f"[a file that can't be shown here: {block.resource.uri}]"
    if isinstance(block, ResourceLink):
        return f"[{block.title or block.name}: {block.uri}]"
    return f"[{block.type} that can't be shown here: {block.mimeType}]"
