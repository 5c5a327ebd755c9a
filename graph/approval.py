"""A person's approval, between the model's tool calls and the tools.

Where calls of a step need one, all calls of that step wait, those that don't need it too, as with
LangChain's middleware: they are carried out in the order in which the model made them, and the
person decides before anything has been done. They are asked about together, in one interrupt.

An answer counts once, for the question that it answers (see `answer_to`), and in one run:

- What was approved may be carried out by the run in which it was approved, and by no other: going
  back to a checkpoint between approval and tools carries nothing out again (see `CallNode`).
- An answer that can't be used is a step of its own, and leads to the same question with the reason.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, Send

from .asking import answer_to, this_run
from .context import Context
from .decisions import (
    Decision,
    UnusableAnswerError,
    decided_call,
    question_about,
    read_decisions,
)
from .origin import turn_of
from .settings import AgentSettings
from .state import ApprovalRequest, State, ToolRequest, tool_request
from .toolbox import Toolbox, by_name, server_of

AnyCall = TypeVar("AnyCall", ToolCall, InvalidToolCall)

NODE = "approval"


class Gate(Protocol):
    """Says which calls need a person's approval."""

    def asks(self, call: ToolCall, tool: BaseTool, context: Context | None) -> bool:
        """Whether a call of this tool waits for a decision, in a run of this context."""
        ...


class ConfiguredGate:
    """What the run's context says, else the settings; with what the tools say of themselves."""

    def __init__(self, settings: AgentSettings) -> None:
        self._default = settings.approval
        self._listed = settings.tools_to_approve

    def asks(self, call: ToolCall, tool: BaseTool, context: Context | None) -> bool:
        mode = (context.approval if context else None) or self._default
        if mode == "off":
            return False
        hints = tool.metadata or {}
        destroys, reads = hints.get("destructiveHint"), hints.get("readOnlyHint")
        # A tool that says nothing of itself may change anything.
        changes = mode == "writes" and reads is not True
        return tool.name in self._listed or destroys is True or changes


class Consent:
    """Which of the model's calls a person is asked about."""

    def __init__(self, toolbox: Toolbox, gate: Gate) -> None:
        self._toolbox = toolbox
        self._gate = gate

    async def needed(self, calls: Sequence[ToolCall], context: Context | None) -> list[str]:
        """The ids of the calls that have to be approved. Who calls no tool there is, needs none."""
        if not calls:
            return []
        tools = by_name(await self._toolbox.tools())
        return [
            str(call["id"])
            for call in calls
            if (tool := tools.get(call["name"])) and self._gate.asks(call, tool, context)
        ]


class Router:
    """Where the calls of the model's message go: to a person first, or each to its tool."""

    def __init__(self, consent: Consent, toolbox: Toolbox, life: str) -> None:
        self._consent = consent
        self._toolbox = toolbox
        self._life = life

    async def __call__(self, state: State) -> list[Send] | Literal["__end__"]:
        """Each call goes to a tool node of its own, so that one is never run again for another."""
        messages = state["messages"]
        # Somebody may have removed them all.
        last = messages[-1] if messages else None
        if not isinstance(last, AIMessage):
            return "__end__"
        turn = turn_of(messages)
        calls = _told_apart(last.tool_calls)
        tools = by_name(await self._toolbox.tools()) if calls else {}
        requests = [_meant(tool_request(call, message=last.id, turn=turn), tools) for call in calls]
        requests += [
            tool_request(
                {**call, "args": {}},
                problem=call["error"] or "The call was not readable",
                message=last.id,
                turn=turn,
            )
            for call in _told_apart(last.invalid_tool_calls)
        ]
        # There is no runtime where the state is edited: then the settings decide.
        runtime: Runtime[Context] | None = get_runtime(Context)
        asked = await self._consent.needed(calls, runtime.context if runtime else None)
        if asked:
            return [Send(NODE, ApprovalRequest(calls=requests, asked=asked, problem=None))]
        return [Send("tools", {**request, "sent_in": self._life}) for request in requests] or (
            "__end__"
        )


class ApprovalNode:
    """Asks the person, and sends the calls on with what was decided."""

    def __init__(self, toolbox: Toolbox, life: str) -> None:
        self._toolbox = toolbox
        self._life = life

    async def __call__(
        self, state: ApprovalRequest, *, runtime: Runtime[Context]
    ) -> Command[Literal["approval", "tools"]]:
        """Interrupt the run until there is an answer; then carry it out."""
        asked = [
            request["tool_call"]
            for request in state["calls"]
            if request["tool_call"]["id"] in state["asked"] and not request["problem"]
        ]
        # Before the answer is taken: what is taken in an attempt that fails is taken for good.
        tools = by_name(await self._toolbox.tools())
        run_id = this_run()
        try:
            answer = await answer_to(question_about(asked, state["problem"]), runtime)
            decisions = read_decisions(answer, asked, tools)
        except UnusableAnswerError as error:
            again = ApprovalRequest(calls=state["calls"], asked=state["asked"], problem=str(error))
            return Command(goto=[Send(NODE, again)])
        decided = {
            str(call["id"]): decision for call, decision in zip(asked, decisions, strict=True)
        }
        return Command(
            update={"decisions": decided},
            goto=[
                Send("tools", {**_decided(request, decided, run_id, tools), "sent_in": self._life})
                for request in state["calls"]
            ],
        )


def _told_apart(calls: Sequence[AnyCall]) -> list[AnyCall]:
    """The calls that have an id of their own: no other could be decided or answered by itself.

    The model's all have one; a message that somebody else has written may hold others, which are
    then not made.
    """
    first = {call["id"]: call for call in reversed(calls) if call["id"]}
    return [call for call in calls if first.get(call["id"]) is call]


def _meant(request: ToolRequest, tools: Mapping[str, BaseTool]) -> ToolRequest:
    """The request with the server of the tool that its name stands for now."""
    tool = tools.get(request["tool_call"]["name"])
    return request if tool is None else {**request, "server": server_of(tool)}


def _decided(
    request: ToolRequest,
    decisions: Mapping[str, Decision],
    run_id: str | None,
    tools: Mapping[str, BaseTool],
) -> ToolRequest:
    decision = decisions.get(str(request["tool_call"]["id"]))
    if decision is None:
        return request
    call = decided_call(request["tool_call"], decision)
    decided: ToolRequest = {
        **request,
        "tool_call": call,
        "decision": decision,
        "decided_in": run_id,
    }
    # What it was edited into, the person named now.
    return _meant(decided, tools) if decision["type"] == "edit" else decided
