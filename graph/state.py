"""What a thread of the task agent holds between steps."""

from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage, ToolCall
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from pydantic import Field
from typing_extensions import TypedDict

from .decisions import Decision


class Conversation(TypedDict):
    """What goes in and out: the conversation."""

    messages: Annotated[
        list[AnyMessage],
        Field(description="The conversation, oldest message first."),
        # Last, where LangGraph looks for the reducer.
        add_messages,
    ]


class State(Conversation):
    """The conversation, what was decided last, and how many steps the run has left."""

    #: The ids of the calls that the person was asked about last.
    asked: NotRequired[list[str]]
    #: What the person decided about calls of the last step that they were asked about, by the
    #: calls' ids. It stays until they are asked again.
    decisions: NotRequired[dict[str, Decision]]
    remaining_steps: RemainingSteps


class ToolRequest(TypedDict):
    """One call for the tool node, which runs once per call."""

    tool_call: ToolCall
    #: Why the call can't be made, when its arguments were not readable; what to tell the model.
    problem: str | None
    #: The ids of the model's message that holds the call, and of the person's that began the turn.
    message: NotRequired[str | None]
    turn: NotRequired[str | None]
    #: The MCP server whose tool was meant, none for the agent's own; not there if there was no such
    #: tool. Where a name is given to another server's tool, at a later start of the agent, a call
    #: that waited must not come to it.
    server: NotRequired[str | None]
    #: The life of the agent, from a start to the next, in which the call was sent to its tool.
    sent_in: NotRequired[str]
    #: What the person decided, if they were asked; an edited call is in `tool_call`.
    decision: NotRequired[Decision]
    #: The run in which they decided; none where runs have no names.
    decided_in: NotRequired[str | None]


class ApprovalRequest(TypedDict):
    """The calls of one step, of which some wait for the person's decision."""

    #: All of them, in the order in which the model made them.
    calls: list[ToolRequest]
    #: The ids of those that are asked about. They were chosen when the model made them: who
    #: answers in a run of another mode must not get past what was asked.
    asked: list[str]
    #: What was wrong with the last answer.
    problem: str | None


def tool_request(
    call: Any, problem: str | None = None, *, message: str | None = None, turn: str | None = None
) -> ToolRequest:
    """A request for the tool node from what the model's message holds."""
    return ToolRequest(
        tool_call=ToolCall(
            type="tool_call", name=call["name"] or "", args=call["args"], id=call["id"]
        ),
        problem=problem,
        message=message,
        turn=turn,
    )
