"""Where the agent gets its tools from."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from langchain_core.tools import BaseTool

#: Where a tool's metadata has the name of its MCP server; the task tools have none.
SERVER = "mcp_server"


class Toolbox(Protocol):
    """Where the agent gets its tools from."""

    async def tools(self) -> Sequence[BaseTool]:
        """The tools, always in the same order."""
        ...


def by_name(tools: Iterable[BaseTool]) -> dict[str, BaseTool]:
    """The tools by their names, which are all different."""
    return {tool.name: tool for tool in tools}


def server_of(tool: BaseTool) -> str | None:
    """The name of the MCP server that the tool comes from; none for the agent's own."""
    server = (tool.metadata or {}).get(SERVER)
    return None if server is None else str(server)
