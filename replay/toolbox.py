"""The real tools, in the order in which they were called, each in the world that it found."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool, StructuredTool

from storage.database import Database
from tools.client import TaskTools

from .others import Answers, RecordedTool
from .recording import Change, Title
from .world import make_changes, move_last_changes, put_title


class ReplayTools:
    """The tools of one replay. `begin` is called before each turn.

    Args:
        tools: the task tools.
        database: what they work on.
        others: tools that answer from the recording.
    """

    def __init__(
        self, tools: TaskTools, database: Database, others: Sequence[RecordedTool] = ()
    ) -> None:
        self._tools = tools
        self._database = database
        self._others = others
        self._found: dict[str, list[Change | Title]] = {}
        self._copied_from: Mapping[str, str] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._earlier: dict[str, str] = {}

    async def begin(
        self,
        messages: Iterable[BaseMessage],
        made: Mapping[str, str],
        order: Sequence[str],
        found: Iterable[Change | Title],
        answers: Answers | None = None,
        copied_from: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a turn.

        Args:
            messages: the turn's messages and those before it; they say which calls are of one step.
            made: the calls that the turn makes, by their ids, with the names of their tools.
            order: the ids of calls of one step in the order in which they are to take effect; the
                others do so in the order in which they were written.
            found: what is put there before which call.
            answers: what the other tools answer.
            copied_from: the threads that calls were made in, by their ids, where the conversation
                is a copy.
        """
        known = {tool.name for tool in await self._tools.tools()}
        # Nobody may wait for a call that comes to no tool.
        self._done = {call_id: asyncio.Event() for call_id, tool in made.items() if tool in known}
        self._earlier = {}
        place = {call_id: position for position, call_id in enumerate(order)}
        for message in messages:
            if isinstance(message, AIMessage):
                step = [str(call["id"]) for call in message.tool_calls if call["id"] in self._done]
                step.sort(key=lambda call_id: place.get(call_id, -1))
                self._earlier |= dict(zip(step[1:], step, strict=False))
        self._found = {}
        for one in found:
            self._found.setdefault(one.before, []).append(one)
        self._copied_from = copied_from or {}
        for tool in self._others:
            tool.answers = answers or {}

    async def tools(self) -> list[BaseTool]:
        """The task tools, of which each waits for its place in the order, and the others."""
        return [*(self._in_order(tool) for tool in await self._tools.tools()), *self._others]

    def _in_order(self, tool: BaseTool) -> BaseTool:
        if not isinstance(tool, StructuredTool) or tool.coroutine is None:
            raise TypeError(f"the tool {tool.name!r} is a {type(tool).__name__} that can't wait")
        call = tool.coroutine

        # The signature stays: ToolNode looks at it to see what to hand in.
        @wraps(call)
        async def in_order(*args: Any, **kwargs: Any) -> Any:
            call_id = kwargs["runtime"].tool_call_id
            if (earlier := self._earlier.get(call_id)) is not None:
                await self._done[earlier].wait()
            try:
                found = self._found.pop(call_id, [])
                for title in found:
                    if isinstance(title, Title):
                        await put_title(self._database, title)
                if changes := [change for change in found if isinstance(change, Change)]:
                    await make_changes(self._database, changes)
                answer = await call(*args, **kwargs)
                if (thread := self._copied_from.get(call_id)) is not None:
                    await move_last_changes(self._database, thread)
                return answer
            finally:
                if call_id in self._done:
                    self._done[call_id].set()

        return tool.model_copy(update={"coroutine": in_order})
