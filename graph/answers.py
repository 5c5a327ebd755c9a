"""From a model's streamed answer to one message whose tool calls can be believed.

LangChain repairs the arguments of a tool call when a stream is cut off: `{"title": "Buy milk and`
becomes a valid-looking call for "Buy milk and". Here the pieces are put together as they came, and
a call whose arguments are not complete JSON is marked invalid, whatever the repair made of it.
"""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    InvalidToolCall,
    ToolCall,
    ToolCallChunk,
    message_chunk_to_message,
)

INCOMPLETE = "The arguments are not a complete JSON object"


async def read_answer(stream: AsyncIterator[BaseMessage]) -> AIMessage:
    """The whole answer of a streaming chat model.

    Calls that could be read are in `tool_calls`; the others, as they were written and with the
    reason, in `invalid_tool_calls`.
    """
    whole: AIMessage | None = None
    async for piece in stream:
        if not isinstance(piece, AIMessage):
            raise TypeError(f"a chat model streamed a {type(piece).__name__}")
        if isinstance(whole, AIMessageChunk) and isinstance(piece, AIMessageChunk):
            whole += piece
        else:
            whole = piece
    if whole is None:
        raise TimeoutError("the model's stream ended before it began")
    if not isinstance(whole, AIMessageChunk):
        return whole
    calls, invalid = _read_calls(whole.tool_call_chunks)
    message = cast(AIMessage, message_chunk_to_message(whole))
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": invalid})


def with_new_call_ids(answer: AIMessage, earlier: Iterable[BaseMessage]) -> AIMessage:
    """The answer, with an id of our own for each call that has none, or one that was seen before.

    Some servers number the calls of every answer from nought, others give them no ids. A tool's
    answer is found by the id of its call, and a change is made once for each id, so an id may not
    be used twice.
    """
    seen = {
        call["id"]
        for message in earlier
        if isinstance(message, AIMessage)
        for call in (*message.tool_calls, *message.invalid_tool_calls)
    }

    def unseen(call_id: str | None) -> str:
        if not call_id or call_id in seen:
            call_id = f"call_{uuid4().hex}"
        seen.add(call_id)
        return call_id

    calls = [ToolCall(**{**call, "id": unseen(call["id"])}) for call in answer.tool_calls]
    invalid = [
        InvalidToolCall(**{**call, "id": unseen(call["id"])}) for call in answer.invalid_tool_calls
    ]
    if calls == answer.tool_calls and invalid == answer.invalid_tool_calls:
        return answer
    return answer.model_copy(update={"tool_calls": calls, "invalid_tool_calls": invalid})


def _read_calls(
    chunks: list[ToolCallChunk],
) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for chunk in chunks:
        written = chunk["args"] or ""
        try:
            # A tool without parameters is often called with nothing at all.
            arguments: Any = json.loads(written) if written.strip() else {}
            if not isinstance(arguments, dict):
                raise ValueError("not an object")
        except ValueError:
            invalid.append(
                # The keys here and below stand in the order in which LangChain reads them back, so
                # that a message has the same bytes after it was loaded as before.
                InvalidToolCall(
                    type="invalid_tool_call",
                    id=chunk["id"],
                    name=chunk["name"],
                    args=written,
                    # Not Python's words, which differ from version to version.
                    error=INCOMPLETE,
                )
            )
        else:
            calls.append(
                ToolCall(name=chunk["name"] or "", args=arguments, id=chunk["id"], type="tool_call")
            )
    return calls, invalid
