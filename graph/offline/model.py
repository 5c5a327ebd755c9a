"""The offline model as a LangChain chat model."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from .planning import Reply, reply

MODEL_NAME = "offline"

# A long list is streamed in larger pieces: each costs every listener a call.
_MOST_CHUNKS = 200
_ARGUMENT_PIECE = 24


class OfflineModel(BaseChatModel):
    """A chat model that needs no network and no key: it understands plain task commands.

    It is deterministic but for the ids of its tool calls, reads the whole conversation each time
    and keeps nothing itself. It calls only tools that are bound to it, answers from what they
    returned, and says in the first answer of a conversation what it is.
    """

    @property
    def _llm_type(self) -> str:
        return MODEL_NAME

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": MODEL_NAME}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with the tools that it may call.

        A `tool_choice` has no effect: what the user wrote decides which tool is called.
        """
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = _answer(messages, kwargs.get("tools"))
        message = AIMessage(
            content=answer.text,
            tool_calls=[
                {"name": call.tool, "args": call.arguments, "id": _call_id(), "type": "tool_call"}
                for call in answer.calls
            ],
            response_metadata=_metadata(answer),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # Reading is short work without I/O, so it needs no thread.
        return self._generate(messages, stop, None, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = _answer(messages, kwargs.get("tools"))
        for message in _chunks(answer):
            yield ChatGenerationChunk(message=message)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, stop, None, **kwargs):
            yield chunk


def _answer(messages: list[BaseMessage], tools: Sequence[dict[str, Any]] | None) -> Reply:
    names = {tool.get("function", {}).get("name", "") for tool in tools or ()}
    answer = reply(messages, names)
    # What a tool of somebody else's returned may hold what no database can store.
    return Reply(re.sub("[\x00\ud800-\udfff]", "\ufffd", answer.text), answer.calls)


def _call_id() -> str:
    return f"call_{uuid4().hex}"


def _metadata(answer: Reply) -> dict[str, Any]:
    return {
        "model_name": MODEL_NAME,
        "finish_reason": "tool_calls" if answer.calls else "stop",
    }


def _chunks(answer: Reply) -> Iterator[AIMessageChunk]:
    """Divide an answer into the pieces in which it is streamed."""
    words = re.findall(r"\s*\S+\s*", answer.text)
    size = -(-len(words) // _MOST_CHUNKS) or 1
    for start in range(0, len(words), size):
        yield AIMessageChunk(content="".join(words[start : start + size]))
    for index, call in enumerate(answer.calls):
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        name: str | None = call.tool
        identity: str | None = _call_id()
        for start in range(0, len(arguments), _ARGUMENT_PIECE):
            piece = arguments[start : start + _ARGUMENT_PIECE]
            chunk = tool_call_chunk(name=name, args=piece, id=identity, index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[chunk])
            # As providers do, only the first piece of a call names it.
            name = identity = None
    yield AIMessageChunk(content="", response_metadata=_metadata(answer), chunk_position="last")
