"""LangGraph's tool node, made once for the same tools: making it takes longer than many a call."""

from collections.abc import Callable, Sequence
from operator import is_

from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode


class ToolNodes:
    """Gives the tool node of a list of tools.

    Args:
        tell: Makes of a tool's error what the model is told.
    """

    def __init__(self, tell: Callable[[Exception], str]) -> None:
        self._tell = tell
        self._tools: list[BaseTool] = []
        self._node: ToolNode | None = None

    def of(self, tools: Sequence[BaseTool]) -> ToolNode:
        """The node for these very tools, in this order."""
        if (
            self._node is None
            or len(tools) != len(self._tools)
            or not all(map(is_, tools, self._tools))
        ):
            self._tools = list(tools)
            self._node = ToolNode(self._tools, handle_tool_errors=self._tell)
        return self._node
