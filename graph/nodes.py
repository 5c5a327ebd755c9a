"""The nodes that speak: the agent asks the model, the tool node answers one call."""

from datetime import datetime
from functools import partial
from typing import Any, NotRequired

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from .answers import read_answer, with_new_call_ids
from .approval import Consent, Gate
from .asking import this_run
from .calls import NOT_DECIDED, ToolCalls, of_another_server, rejected, unmade, unreadable
from .clock import Clock, stopped_at
from .context import Context, Whereabouts, whereabouts_of
from .data import DECISION, NO_TOOL, shown_to_model
from .decisions import Decision, decided_call
from .errors import NoMessageError
from .history import OpenCall, mended, update_to
from .model import ModelSource, model_errors
from .origin import CallOrigin
from .prompts import system_prompt
from .settings import AgentSettings
from .state import State, ToolRequest
from .toolbox import Toolbox, by_name, server_of

#: Where the audit record of a tool call finds the time of the call.
EXECUTED_AT = "executed_at"
#: The zone and the locale that a tool call's dates were understood in: they are stored nowhere
#: else, and a replay needs them.
TIME_ZONE = "time_zone"
LOCALE = "locale"
#: What the ids of the agent's own words begin with, those that no model was asked for. The rest is
#: the id of the message they answer, so that a replay gives them the same.
NOTICE = "notice-"

EMPTY_MESSAGE = "Your message was empty, so there is nothing for me to do. Tell me what you need."
OUT_OF_STEPS = (
    "I stopped here because this took more steps than one turn may have. What was done so far is "
    "in the conversation above; say “go on” if I should continue."
)


class Update(TypedDict):
    """What a node adds to the conversation."""

    messages: list[BaseMessage]


class AgentUpdate(Update):
    """What the agent's node adds."""

    #: The ids of the calls that the person is going to be asked about.
    asked: NotRequired[list[str]]


class AgentNode:
    """Asks the model what to say or do next."""

    def __init__(
        self,
        models: ModelSource,
        toolbox: Toolbox,
        calls: ToolCalls,
        consent: Consent,
        clock: Clock,
        settings: AgentSettings,
    ) -> None:
        self._models = models
        self._toolbox = toolbox
        self._calls = calls
        self._consent = consent
        self._clock = clock
        self._settings = settings

    async def __call__(self, state: State, *, runtime: Runtime[Context]) -> AgentUpdate:
        """Add the model's next message, and before it the answers that earlier calls lack."""
        before = state["messages"]
        if not before:
            raise NoMessageError
        if _is_empty(before[-1]):
            return {"messages": [_notice(EMPTY_MESSAGE, before[-1])]}
        # This step, the tools' and the one that answers them: a call needs three.
        if state["remaining_steps"] < 3:
            return {"messages": [_notice(OUT_OF_STEPS, before[-1])]}
        context = runtime.context
        whereabouts = whereabouts_of(context, self._settings)
        model = await self._models.get(context.model if context else None)
        bound = model.bind_tools(await self._toolbox.tools())
        messages = await mended(before, partial(self._answer, state, whereabouts)) or before
        instructions = system_prompt(self._clock.now(), whereabouts.zone, whereabouts.locale)
        prompt = [instructions, *shown_to_model(messages)]
        with model_errors(getattr(model, "model_name", model._llm_type)):
            answer = await read_answer(bound.astream(prompt))
        answer = with_new_call_ids(answer, messages)
        update: AgentUpdate = {"messages": update_to(before, [*messages, answer])}
        if asked := await self._consent.needed(answer.tool_calls, context):
            update["asked"] = asked
        return update

    async def _answer(
        self, state: State, whereabouts: Whereabouts, open_call: OpenCall
    ) -> ToolMessage:
        """What became of a call that has no answer."""
        call = open_call.call
        decisions = state.get("decisions", {})
        decision = decisions.get(str(call["id"]))
        # All calls of a step wait when one of them does.
        undecided = open_call.step.intersection(state.get("asked", ())) - decisions.keys()
        moment = self._clock.now(call["id"])
        if open_call.problem:
            answer = unreadable(call, open_call.problem)
        elif undecided:
            answer = unmade(call, NOT_DECIDED)
        elif decision is not None and decision["type"] == "reject":
            answer = rejected(call, decision)
        else:
            call = decided_call(call, decision)
            origin = CallOrigin(message=open_call.message, turn=open_call.turn)
            with stopped_at(moment):
                answer = await self._calls.look_up(call, origin, nameless=open_call.nameless)
        return _result(answer, call, moment, whereabouts, decision)


class CallNode:
    """Answers one tool call: makes it, or says why it is not made."""

    def __init__(
        self,
        calls: ToolCalls,
        toolbox: Toolbox,
        gate: Gate,
        clock: Clock,
        settings: AgentSettings,
        life: str,
    ) -> None:
        self._calls = calls
        self._toolbox = toolbox
        self._gate = gate
        self._clock = clock
        self._settings = settings
        self._life = life

    async def __call__(self, state: ToolRequest, *, runtime: Runtime[Context]) -> Update:
        """Add the tool's answer, or what the model has to know about why there is none."""
        call, decision = state["tool_call"], state.get("decision")
        moment = self._clock.now(call["id"])
        origin = CallOrigin(message=state.get("message"), turn=state.get("turn"))
        if problem := state["problem"]:
            answer = unreadable(call, problem)
        elif decision is not None and decision["type"] == "reject":
            answer = rejected(call, decision)
        else:
            with stopped_at(moment):
                answer = await self._made(state, origin, runtime.context)
        whereabouts = whereabouts_of(runtime.context, self._settings)
        return {"messages": [_result(answer, call, moment, whereabouts, decision)]}

    async def _made(
        self, request: ToolRequest, origin: CallOrigin, context: Context | None
    ) -> ToolMessage:
        call = request["tool_call"]
        # Once for all: a tool that comes while the call is looked at was not looked at.
        tools = await self._toolbox.tools()
        tool = by_name(tools).get(call["name"])
        if tool is not None and "server" in request and request["server"] != server_of(tool):
            return of_another_server(call, request["server"], server_of(tool))
        if self._may_be_made(request, tool, context):
            return await self._calls.make(call, origin, tools)
        return await self._calls.look_up(call, origin)

    def _may_be_made(
        self, request: ToolRequest, tool: BaseTool | None, context: Context | None
    ) -> bool:
        """Whether the call was approved in this run or needs no approval, and can't have been made.

        What an agent has sent that has ended since, it may have made, too; that does no harm where
        the tool knows the call again, or a second one changes nothing.

        A run that goes back to before this step, or goes on from there, finds the requests that
        were written then. An approval among them has been used, and a run that was asked for with
        approval on does not make calls that were sent here with approval off.
        """
        if (
            tool is not None
            and request.get("sent_in", self._life) != self._life
            and not self._calls.may_be_repeated(tool)
        ):
            return False
        if "decision" in request:
            return request.get("decided_in") == this_run()
        return tool is None or not self._gate.asks(request["tool_call"], tool, context)


def _result(
    answer: ToolMessage,
    call: ToolCall,
    moment: datetime,
    whereabouts: Whereabouts,
    decision: Decision | None,
) -> ToolMessage:
    """The answer as it stands in the conversation."""
    more: dict[str, Any] = {EXECUTED_AT: moment.isoformat(), TIME_ZONE: whereabouts.zone}
    if whereabouts.locale is not None:
        more[LOCALE] = whereabouts.locale
    if answer.additional_kwargs.get(NO_TOOL):
        more[NO_TOOL] = True
    if decision is not None:
        more[DECISION] = decision
    return answer.model_copy(
        update={
            "name": call["name"],
            # The same call has the same answer: one made again takes its place.
            "id": f"result-{call['id']}",
            "additional_kwargs": more,
        }
    )


def _notice(words: str, answered: BaseMessage) -> AIMessage:
    return AIMessage(words, id=f"{NOTICE}{answered.id}")


def _is_empty(message: BaseMessage) -> bool:
    return (
        isinstance(message, HumanMessage)
        and not str(message.text).strip()
        # An image without words is not empty.
        and not (isinstance(message.content, list) and message.content)
    )
