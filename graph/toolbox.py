"""Where the agent gets its tools from."""

from collections.abc import Sequence
from typing import Protocol

from langchain_core.tools import BaseTool


class Toolbox(Protocol):
    """Where the agent gets its tools from."""

    async def tools(self) -> Sequence[BaseTool]:
        """The tools, always in the same order."""
        ...
