"""Calls of tools that are not the task server's. A replay can't run the servers they belong to, so
it answers such calls from the recording.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import INVALID_TOOL_NAME_ERROR_TEMPLATE
from pydantic import Field

from graph.calls import ONLY_READS

from .history import Episode
from .made import MadeCall
from .recording import OtherTool, Recording

#: The recorded answers to calls, by the calls' ids, with the arguments that they were made with.
Answers = Mapping[str, tuple[dict[str, Any], ToolMessage]]


def is_other(call: MadeCall, names: Sequence[str]) -> bool:
    """Whether a call can't be made again with the task tools, which have these names.

    What the agent says of a tool that there isn't, it says again; unless there were others when it
    said so, for it names those that there are.
    """
    if call.tool in names:
        return False
    return call.answer.content != INVALID_TOOL_NAME_ERROR_TEMPLATE.format(
        requested_tool=call.tool, available_tools=", ".join(names)
    )


def other_tools(
    episodes: Iterable[Episode], calls: Iterable[Iterable[MadeCall]], names: Sequence[str]
) -> list[OtherTool]:
    """The tools that a replay must have beside the task tools: those of these calls, those that a
    person was asked about, and those that only read and are said to.
    """
    found = {call.tool: False for some in calls for call in some}
    for episode in episodes:
        asked = set(episode.asked)
        for message in episode.new:
            if isinstance(message, AIMessage):
                found |= {
                    call["name"]: False
                    for call in message.tool_calls
                    if call["id"] in asked and call["name"] not in found
                }
            elif message.content == ONLY_READS.format(tool=message.name):
                found[str(message.name)] = True
    return [
        OtherTool(name=name, only_reads=only_reads)
        for name, only_reads in sorted(found.items())
        if name not in names
    ]


class RecordedTool(BaseTool):
    """A tool that answers as it did when its calls were recorded."""

    description: str = "Answers from the recording."
    #: Those of the turn that is played.
    answers: Answers = Field(default_factory=dict)

    async def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ToolMessage:
        """The recorded answer to a call; an error where there is none to a call like that."""
        call_id, arguments = input["id"], input["args"]
        recorded, answer = self.answers.get(call_id, (None, None))
        if answer is not None and recorded == arguments:
            return answer
        had = "no call with this id" if recorded is None else f"one with {_shown(recorded)}"
        return ToolMessage(
            f"The recording has no answer to a call of {self.name} with {_shown(arguments)}, but "
            f"{had}.",
            tool_call_id=call_id,
            status="error",
        )

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"the tool {self.name!r} is called by its graph only")


def _shown(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def recorded_tools(recording: Recording) -> list[RecordedTool]:
    """The tools of a recording, without answers yet."""
    return [
        RecordedTool(
            name=tool.name,
            # A person's edit may name no argument that the tool doesn't have.
            args_schema={
                "type": "object",
                "properties": {name: {} for name in _arguments(recording, tool.name)},
            },
            metadata={"readOnlyHint": tool.only_reads},
        )
        for tool in recording.other_tools
    ]


def _arguments(recording: Recording, tool: str) -> list[str]:
    """The names of all arguments that the tool was called with, or was to be."""
    named: dict[str, Any] = {}
    for turn in recording.turns:
        for call in turn.others:
            if call.tool == tool:
                named |= call.arguments
        for decision in (one for answer in turn.answers for one in answer or ()):
            action = decision.get("edited_action")
            if action is not None and action["name"] == tool:
                named |= action["args"]
    return list(named)
