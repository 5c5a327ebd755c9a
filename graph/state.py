"""What a thread of the task agent holds between steps."""

from typing import Annotated, Any

from langchain_core.messages import AnyMessage, ToolCall
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from pydantic import Field
from typing_extensions import TypedDict


class Conversation(TypedDict):
    """What goes in and out: the conversation."""

    messages: Annotated[
        list[AnyMessage],
        Field(description="The conversation, oldest message first."),
        # Last, where LangGraph looks for the reducer.
        add_messages,
    ]


class State(Conversation):
    """The conversation, and how many steps the run has left."""

    remaining_steps: RemainingSteps


class ToolRequest(TypedDict):
    """One call for the tool node, which runs once per call."""

    tool_call: ToolCall
    #: Why the call can't be made, when its arguments were not readable; what to tell the model.
    problem: str | None


def tool_request(call: Any, problem: str | None = None) -> ToolRequest:
    """A request for the tool node from what the model's message holds."""
    return ToolRequest(
        tool_call=ToolCall(
            type="tool_call", name=call["name"] or "", args=call["args"], id=call["id"]
        ),
        problem=problem,
    )
