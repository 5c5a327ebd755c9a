"""One call of a tool, and its answer whatever becomes of it."""

import asyncio
from collections.abc import Callable, Sequence

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.tools import BaseTool

from .data import NO_TOOL
from .decisions import Decision
from .origin import CallOrigin, calling_from
from .tool_nodes import ToolNodes
from .toolbox import Toolbox, by_name

#: Whether a tool can be asked what a call was answered when it was made, without making it.
Records = Callable[[BaseTool], bool]

UNKNOWN = (
    "This call has no answer: the turn broke off. It is not known whether {tool} carried it out. "
    "Find out, or ask the person, before you make it again."
)
ONLY_READS = (
    "This call has no answer: the turn broke off. {tool} only reads, so nothing was changed. Make "
    "the call again if its answer is needed."
)
NOT_DECIDED = (
    "Not executed: this call waited for the person's approval, and they said something else "
    "instead. Make it again only if they still want it."
)
ANOTHER_TOOL = (
    "Not executed: the tool that was called {tool} then was {then}, the one that is called so now "
    "is {now}. Make the call again if that is the one to use."
)
REJECTED = "The person rejected this call, so it was not executed. "
WITH_REASON = "Their reason: {reason}"
WITHOUT_REASON = "Don't make it again unless they ask for it."


class ToolCalls:
    """Makes calls, and finds out what became of earlier ones.

    Args:
        toolbox: has the tools.
        timeout: seconds that a call may take.
        records: which tools know what they were asked before. Only these are asked again: to any
            other, a question about a call would be the call.
    """

    def __init__(self, toolbox: Toolbox, *, timeout: float, records: Records) -> None:
        self._toolbox = toolbox
        self._timeout = timeout
        self._records = records
        self._tool_nodes = ToolNodes(_tell_model)

    async def make(
        self, call: ToolCall, origin: CallOrigin, tools: Sequence[BaseTool]
    ) -> ToolMessage:
        """Carry a call out, by one of these tools. A failure is an answer for the model."""
        node = self._tool_nodes.of(tools)
        try:
            with calling_from(origin):
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

    def may_be_repeated(self, tool: BaseTool) -> bool:
        """Whether it does no harm to make a call of the tool a second time."""
        hints = tool.metadata or {}
        reads_or_repeats = hints.get("readOnlyHint"), hints.get("idempotentHint")
        return self._records(tool) or True in reads_or_repeats

    async def look_up(
        self, call: ToolCall, origin: CallOrigin, *, nameless: bool = False
    ) -> ToolMessage:
        """What a call was answered if it was made, carrying nothing out.

        Where the tool can't tell, as with a call that had no id, that is the answer.
        """
        tools = await self._toolbox.tools()
        tool = by_name(tools).get(call["name"])
        if tool is not None and (tool.metadata or {}).get("readOnlyHint") is True:
            return unmade(call, ONLY_READS.format(tool=tool.name))
        if tool is not None and self._records(tool) and not nameless:
            asking = CallOrigin(message=origin.message, turn=origin.turn, recorded_only=True)
            return await self.make(call, asking, tools)
        return unmade(call, UNKNOWN.format(tool=call["name"] or "the tool"))


def unmade(call: ToolCall, words: str) -> ToolMessage:
    """The answer to a call that no tool was asked to carry out."""
    return ToolMessage(
        words,
        name=call["name"],
        tool_call_id=call["id"],
        status="error",
        additional_kwargs={NO_TOOL: True},
    )


def of_another_server(call: ToolCall, then: str | None, now: str | None) -> ToolMessage:
    """The answer to a call whose tool's name has been given to another tool since."""
    return unmade(call, ANOTHER_TOOL.format(tool=call["name"], then=_whose(then), now=_whose(now)))


def unreadable(call: ToolCall, problem: str) -> ToolMessage:
    """The answer to a call whose arguments nobody could read."""
    return ToolMessage(
        f"{problem}. Nothing was done. Make the call again with complete arguments.",
        tool_call_id=call["id"],
        status="error",
    )


def rejected(call: ToolCall, decision: Decision) -> ToolMessage:
    """The answer to a call that the person did not allow."""
    reason = decision.get("message")
    why = WITHOUT_REASON if reason is None else WITH_REASON.format(reason=reason)
    return unmade(call, REJECTED + why)


def _whose(server: str | None) -> str:
    return "the agent's own" if server is None else f"of the server {server!r}"


def _tell_model(error: Exception) -> str:
    return (
        f"The tool failed: {type(error).__name__}: {error}. It is not known whether the change "
        "was made: list the tasks before you go on."
    )
