"""A model and a clock that do what a script says: for replays, and for tests of the graph.

The model is a whole LangChain chat model: it streams its answers in pieces, the arguments of tool
calls cut anywhere, as a provider does, so that what puts them together is tested too.
"""

import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolMessage
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from graph.context import Context

from .errors import CallNotRecordedError, PromptDiffersError, ScriptExhaustedError

#: Characters of a tool call's arguments in one streamed piece.
ARGUMENTS_PIECE = 12
#: Characters of a message that an error quotes.
WORDS_MAX = 1_000


@dataclass(frozen=True)
class Line:
    """One answer of a script."""

    #: What the model says; an exception is raised instead.
    answer: AIMessage | Exception
    #: The conversation that the model has to be shown for it; none: whatever it is shown.
    after: Sequence[BaseMessage] | None = None


@dataclass(frozen=True)
class Asked:
    """What the model was shown when it was asked for an answer."""

    prompt: list[BaseMessage]
    #: The names of the tools it was offered.
    tools: list[str]


class ScriptedModel(BaseChatModel):
    """A chat model that gives the answers of a script, one after the other.

    Args:
        script: the answers. An exception is raised when its turn comes; a `Line` also says which
            conversation the model has to be shown.
    """

    _script: deque[Line] = PrivateAttr()
    _asked: list[Asked] = PrivateAttr(default_factory=list)

    def __init__(self, script: Iterable[AIMessage | Exception | Line] = ()) -> None:
        super().__init__()
        self._script = deque(line if isinstance(line, Line) else Line(line) for line in script)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def asked(self) -> list[Asked]:
        """What the model was shown, at each time it was asked."""
        return self._asked

    @property
    def left(self) -> int:
        """How many answers have not been given yet."""
        return len(self._script)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools on offer. The script decides which are called, offered or not."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in pieces_of(self._next(messages, kwargs)):
            yield ChatGenerationChunk(message=piece)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # The inherited one goes to a thread, for no gain.
        return self._generate(messages, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in pieces_of(self._next(messages, kwargs)):
            yield ChatGenerationChunk(message=piece)

    def _next(self, prompt: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        tools = [tool["function"]["name"] for tool in kwargs.get("tools", [])]
        self._asked.append(Asked(list(prompt), tools))
        if not self._script:
            said = _words_of(prompt[-1]) if prompt else "nothing"
            raise ScriptExhaustedError(
                f"the scripted model was asked for answer {len(self._asked)}, after {said}, but "
                "its script ends before it. Add one, or look why the agent asks again."
            )
        line = self._script.popleft()
        if line.after is not None:
            _check_prompt(prompt, line.after)
        if isinstance(line.answer, Exception):
            raise line.answer
        # The graph may do with it what it likes; the script stays as it is.
        return line.answer.model_copy(deep=True)


class ScriptedModels:
    """A source of models that has only one, whatever name is asked for."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model

    async def get(self, name: str | None) -> BaseChatModel:
        """The model."""
        return self.model


class ScriptedClock:
    """A clock that stands still, but for the tool calls whose times it was told.

    Args:
        time: what it shows; may be changed.
        calls: when each tool call is made, by its id. Where this is given, no other call may be
            made; where not, every call is made at `time`.
    """

    def __init__(self, time: datetime, calls: Mapping[str, datetime] | None = None) -> None:
        self.time = time
        self.calls = calls

    def now(self, call_id: str | None = None) -> datetime:
        """The time, or the time of a call.

        Raises:
            CallNotRecordedError: the call is not one of those whose times are known.
        """
        if call_id is None or self.calls is None:
            return self.time
        if call_id not in self.calls:
            raise CallNotRecordedError(
                f"the tool call {call_id!r} is not in the script, so there is no time for it"
            )
        return self.calls[call_id]


class ScriptedGate:
    """Asks about the calls of a script, and about no others.

    Args:
        asked: their ids.
    """

    def __init__(self, asked: Iterable[str]) -> None:
        self._asked = frozenset(asked)

    def asks(self, call: ToolCall, tool: BaseTool, context: Context | None) -> bool:
        """Whether the call is one of them, whatever its tool and the run's context say."""
        return call["id"] in self._asked


def pieces_of(message: AIMessage) -> Iterator[AIMessageChunk]:
    """The message in the pieces that a provider would stream, the last one marked as the last.

    `graph.answers.read_answer` makes exactly the message of them.
    """
    calls = [
        (call["name"], json.dumps(call["args"], ensure_ascii=False), call["id"])
        for call in message.tool_calls
    ] + [(call["name"], call["args"], call["id"]) for call in message.invalid_tool_calls]
    if message.name or not isinstance(message.content, str):
        # Putting pieces together loses a name, and merges blocks; one piece keeps them.
        yield AIMessageChunk(
            **{
                **message.__dict__,
                "type": "AIMessageChunk",
                "tool_call_chunks": [
                    tool_call_chunk(name=name, args=arguments, id=call_id, index=index)
                    for index, (name, arguments, call_id) in enumerate(calls)
                ],
                "chunk_position": "last",
            }
        )
        return
    for words in re.findall(r"\s*\S+\s*|\s+", message.content):
        yield AIMessageChunk(content=words, id=message.id)
    for index, (name, arguments, call_id) in enumerate(calls):
        yield _call_piece(message, tool_call_chunk(name=name, args="", id=call_id, index=index))
        for start in range(0, len(arguments or ""), ARGUMENTS_PIECE):
            part = (arguments or "")[start : start + ARGUMENTS_PIECE]
            yield _call_piece(message, tool_call_chunk(args=part, index=index))
    yield AIMessageChunk(
        content="",
        id=message.id,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


def _call_piece(message: AIMessage, chunk: ToolCallChunk) -> AIMessageChunk:
    return AIMessageChunk(content="", id=message.id, tool_call_chunks=[chunk])


def _check_prompt(prompt: Sequence[BaseMessage], expected: Sequence[BaseMessage]) -> None:
    """Raise where the prompt is not the agent's instructions followed by that conversation.

    Messages are compared by what a model sees of them: LangChain rewrites some blocks (images, for
    one) on the way to a model.
    """
    instructions = 1 if prompt and prompt[0].type == "system" else 0
    # A conversation may itself begin with a system message.
    shown = prompt[instructions if len(prompt) > len(expected) else 0 :]
    for position, (found, wanted) in enumerate(zip_longest(shown, expected), start=1):
        if found is None or wanted is None or _seen_of(found) != _seen_of(wanted):
            raise PromptDiffersError(
                f"message {position} of the conversation that the model is shown is "
                f"{_words_of(found)}, where the script has {_words_of(wanted)}"
            )


def _seen_of(message: BaseMessage) -> dict[str, Any]:
    seen: dict[str, Any] = {"type": message.type, "id": message.id, "text": str(message.text)}
    if isinstance(message, AIMessage):
        seen["calls"] = [(call["id"], call["name"], call["args"]) for call in message.tool_calls]
        seen["invalid"] = [(call["id"], call["args"]) for call in message.invalid_tool_calls]
    if isinstance(message, ToolMessage):
        seen["answers"] = (message.tool_call_id, message.status)
    return seen


def _words_of(message: BaseMessage | None) -> str:
    if message is None:
        return "missing"
    words = json.dumps(_seen_of(message), ensure_ascii=False)
    return words if len(words) <= WORDS_MAX else words[:WORDS_MAX] + "…"
