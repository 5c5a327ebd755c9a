"""The tool calls of a run that came to their tools, and what was answered. Pure: no I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage

from graph.data import DECISION, NO_TOOL
from graph.decisions import decided_call
from graph.nodes import EXECUTED_AT

from .history import Episode
from .ledger import Call


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that was made."""

    id: str
    #: What was called, and with what: as the person decided, where they were asked.
    tool: str
    arguments: dict[str, Any]
    at: datetime
    #: The id of the model's message; calls of one step are made at once.
    step: str
    answer: ToolMessage

    def to_ledger(self, thread_id: str) -> Call:
        """The call as the ledger of the tasks knows it."""
        artifact = self.answer.artifact
        return Call(
            thread_id=thread_id,
            id=self.id,
            tool=self.tool,
            arguments=self.arguments,
            at=self.at,
            result=artifact.get("structured_content") if isinstance(artifact, dict) else None,
            step=self.step,
        )


def made_calls(episode: Episode) -> list[MadeCall]:
    """The calls that a run made, in the order of their results."""
    asked = {
        call["id"]: (call, message.id or "")
        for message in [*episode.before, *(episode.input or []), *episode.new]
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }
    made = []
    for message in episode.new:
        if not isinstance(message, ToolMessage) or message.tool_call_id not in asked:
            continue
        if (at := executed_at(message)) is None or message.additional_kwargs.get(NO_TOOL):
            continue
        call, step = asked[message.tool_call_id]
        call = decided_call(call, message.additional_kwargs.get(DECISION))
        made.append(
            MadeCall(
                id=message.tool_call_id,
                tool=call["name"],
                arguments=call["args"],
                at=at,
                step=step,
                answer=message,
            )
        )
    return made


def executed_at(message: ToolMessage) -> datetime | None:
    """When the call was made that the message answers; none where it doesn't tell."""
    text = message.additional_kwargs.get(EXECUTED_AT)
    return datetime.fromisoformat(text) if isinstance(text, str) else None
