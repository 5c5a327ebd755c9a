"""The two nodes: the agent asks the model, the tool node makes one call."""

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from langgraph.types import Send
from typing_extensions import TypedDict

from .answers import read_answer, with_new_call_ids
from .clock import Clock, stopped_at
from .context import Context, zone_of
from .errors import NoMessageError
from .model import ModelSource, model_errors
from .prompts import system_prompt
from .settings import AgentSettings
from .state import State, ToolRequest, tool_request
from .tool_nodes import ToolNodes

#: Where the audit record of a tool call finds the time of the call.
EXECUTED_AT = "executed_at"
#: The zone that a tool call's dates were understood in: it is stored nowhere else, and a replay
#: needs it.
TIME_ZONE = "time_zone"
#: What the ids of the agent's own words begin with, those that no model was asked for. The rest is
#: the id of the message they answer, so that a replay gives them the same.
NOTICE = "notice-"

EMPTY_MESSAGE = "Your message was empty, so there is nothing for me to do. Tell me what you need."
OUT_OF_STEPS = (
    "I stopped here because this took more steps than one turn may have. What was done so far is "
    "in the conversation above; say “go on” if I should continue."
)


class Toolbox(Protocol):
    """Where the agent gets its tools from."""

    async def tools(self) -> Sequence[BaseTool]:
        """The tools, always in the same order."""
        ...


class Update(TypedDict):
    """What a node adds to the conversation."""

    messages: list[BaseMessage]


class AgentNode:
    """Asks the model what to say or do next."""

    def __init__(
        self, models: ModelSource, toolbox: Toolbox, clock: Clock, settings: AgentSettings
    ) -> None:
        self._models = models
        self._toolbox = toolbox
        self._clock = clock
        self._settings = settings

    async def __call__(self, state: State, *, runtime: Runtime[Context]) -> Update:
        """Add the model's next message."""
        messages = state["messages"]
        if not messages:
            raise NoMessageError
        if _is_empty(messages[-1]):
            return {"messages": [_notice(EMPTY_MESSAGE, messages[-1])]}
        # This step, the tools' and the one that answers them: a call needs three.
        if state["remaining_steps"] < 3:
            return {"messages": [_notice(OUT_OF_STEPS, messages[-1])]}
        context = runtime.context
        zone = zone_of(context, self._settings)
        model = await self._models.get(context.model if context else None)
        bound = model.bind_tools(await self._toolbox.tools())
        prompt = [system_prompt(self._clock.now(), zone), *messages]
        with model_errors(getattr(model, "model_name", model._llm_type)):
            answer = await read_answer(bound.astream(prompt))
        return {"messages": [with_new_call_ids(answer, messages)]}


class CallNode:
    """Makes one tool call and answers with its result, whatever becomes of it."""

    def __init__(self, toolbox: Toolbox, clock: Clock, settings: AgentSettings) -> None:
        self._toolbox = toolbox
        self._clock = clock
        self._settings = settings
        self._timeout = settings.tool_timeout
        self._tool_nodes = ToolNodes(_tell_model)

    async def __call__(self, state: ToolRequest, *, runtime: Runtime[Context]) -> Update:
        """Add the tool's answer, or what the model has to know about why there is none."""
        call = state["tool_call"]
        moment = self._clock.now(call["id"])
        if problem := state["problem"]:
            answer = ToolMessage(
                f"{problem}. Nothing was done. Make the call again with complete arguments.",
                tool_call_id=call["id"],
                status="error",
            )
        else:
            with stopped_at(moment):
                answer = await self._run(call)
        return {
            "messages": [
                answer.model_copy(
                    update={
                        "name": call["name"],
                        # The same call has the same answer: one made again takes its place.
                        "id": f"result-{call['id']}",
                        "additional_kwargs": {
                            EXECUTED_AT: moment.isoformat(),
                            TIME_ZONE: zone_of(runtime.context, self._settings),
                        },
                    }
                )
            ]
        }

    async def _run(self, call: ToolCall) -> ToolMessage:
        node = self._tool_nodes.of(await self._toolbox.tools())
        try:
            async with asyncio.timeout(self._timeout):
                result = await node.ainvoke([call])
        except TimeoutError:
            return ToolMessage(
                f"The tool {call['name']!r} did not answer within {self._timeout:g} seconds. "
                "It is not known whether the change was made: list the tasks before you go on.",
                tool_call_id=call["id"],
                status="error",
            )
        answer = result["messages"][0]
        if not isinstance(answer, ToolMessage):
            raise TypeError(f"the tool {call['name']!r} answered with a {type(answer).__name__}")
        return answer


def route(state: State) -> list[Send] | Literal["__end__"]:
    """Each call goes to a tool node of its own, so that one is never run again for another."""
    last = state["messages"][-1]
    if not isinstance(last, AIMessage):
        return "__end__"
    requests = [tool_request(call) for call in last.tool_calls]
    requests += [
        tool_request({**call, "args": {}}, problem=call["error"] or "The call was not readable")
        for call in last.invalid_tool_calls
    ]
    return [Send("tools", request) for request in requests] or "__end__"


def _notice(words: str, answered: BaseMessage) -> AIMessage:
    return AIMessage(words, id=f"{NOTICE}{answered.id}")


def _is_empty(message: BaseMessage) -> bool:
    return (
        isinstance(message, HumanMessage)
        and not str(message.text).strip()
        # An image without words is not empty.
        and not (isinstance(message.content, list) and message.content)
    )


def _tell_model(error: Exception) -> str:
    return (
        f"The tool failed: {type(error).__name__}: {error}. It is not known whether the change "
        "was made: list the tasks before you go on."
    )
