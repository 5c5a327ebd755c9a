"""Tools that note what they have done, and say of themselves what the task tools say."""

from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command

from graph.context import Context
from graph.decisions import Question
from tests.graph.support import Agent
from tests.storage.support import on


class Shed:
    """A toolbox. What its tools have done stands in `done`, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        #: What `look` finds.
        self.holds = "a ladder"

    async def tools(self) -> list[BaseTool]:
        return [
            self._tool(self.remove, destructiveHint=True, readOnlyHint=False),
            self._tool(self.put_in, destructiveHint=False, readOnlyHint=False),
            self._tool(self.look, destructiveHint=False, readOnlyHint=True),
            # Says nothing of itself, as many servers' tools do.
            StructuredTool.from_function(coroutine=self.shake),
        ]

    async def remove(self, thing: str) -> str:
        """Throw a thing away."""
        return self._do(f"removed {thing}")

    async def put_in(self, thing: str) -> str:
        """Put a thing in."""
        return self._do(f"put in {thing}")

    async def look(self) -> str:
        """See what there is."""
        return self.holds

    async def shake(self) -> str:
        """Shake it."""
        return self._do("shaken")

    def _do(self, what: str) -> str:
        self.done.append(what)
        return what

    def _tool(self, coroutine: Any, **hints: bool) -> BaseTool:
        return StructuredTool.from_function(coroutine=coroutine, metadata=hints)


APPROVE: dict[str, Any] = {"type": "approve"}
REJECT: dict[str, Any] = {"type": "reject"}


def edit(name: str, **arguments: Any) -> dict[str, Any]:
    """The decision to do something else instead."""
    return {"type": "edit", "edited_action": {"name": name, "args": arguments}}


async def decide(graph: Agent, *decisions: Any, **more: Any) -> list[BaseMessage]:
    """Answer the question that waits; what the conversation is after it."""
    return await resume(graph, {"decisions": list(decisions)}, **more)


async def resume(
    graph: Agent,
    answer: Any,
    thread_id: str = "t",
    context: Context | None = None,
    **configurable: Any,
) -> list[BaseMessage]:
    """Answer with anything at all."""
    config: RunnableConfig = {"configurable": {"thread_id": thread_id, **configurable}}
    result = await graph.ainvoke(Command(resume=answer), config, context=context)
    messages: list[BaseMessage] = result["messages"]
    return messages


async def question(graph: Agent, thread_id: str = "t") -> Question | None:
    """What the person is being asked."""
    state = await graph.aget_state(on(thread_id))
    assert len(state.interrupts) <= 1
    return state.interrupts[0].value if state.interrupts else None


async def asked(graph: Agent, thread_id: str = "t") -> list[str]:
    """The names of the tools whose calls wait for a decision."""
    waiting = await question(graph, thread_id)
    return [] if waiting is None else [action["name"] for action in waiting["action_requests"]]


def answered(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    """The calls that have an answer, and whether they failed."""
    return [
        (message.tool_call_id, message.status)
        for message in messages
        if isinstance(message, ToolMessage)
    ]
