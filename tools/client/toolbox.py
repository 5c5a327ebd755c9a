"""The tools that the agent has: the task tools, and those of other MCP servers."""

import asyncio
from collections.abc import Iterable

from langchain_core.tools import BaseTool

from .entries import ServerEntry
from .limits import ResultLimits
from .names import Names
from .other import OtherServer
from .task_tools import TaskTools

#: Where a tool's metadata has the name of its server.
SERVER = "mcp_server"


class AgentTools:
    """The task tools, then those of other servers in the order of the file, by name within each.

    A server that is down costs its tools, not the agent. Tools that it is known to have stay and
    answer with an error; those of a server that has never answered are there when it has.

    Args:
        task_tools: Come first, and keep their names.
        entries: The other servers.
        limits: How much is taken of one of their results.
    """

    def __init__(
        self,
        task_tools: TaskTools,
        entries: Iterable[ServerEntry] = (),
        limits: ResultLimits | None = None,
    ) -> None:
        self.task_tools = task_tools
        self.servers = [OtherServer(entry, limits) for entry in entries]
        self._names = Names()
        #: What was made of a server's tools, for as long as they are the same.
        self._named: dict[str, tuple[object, list[BaseTool]]] = {}

    async def tools(self) -> list[BaseTool]:
        """The tools, always in the same order. The first call opens the sessions.

        It waits a bounded time for servers that it is the first to ask for their tools.

        Raises:
            TaskToolsError: no session with the task server could be opened.
        """
        found = await self.task_tools.tools()
        if not self.servers:
            return found
        for tool in found:
            self._names.reserve(tool.name)
        await asyncio.gather(*(server.ready() for server in self.servers))
        for server in self.servers:
            found += self.tools_of(server)
        return found

    async def aclose(self) -> None:
        """Close all sessions, and so end the processes. The tools can be used again afterwards."""
        await asyncio.gather(
            self.task_tools.aclose(), *(server.aclose() for server in self.servers)
        )

    def tools_of(self, server: OtherServer) -> list[BaseTool]:
        """The tools that a server is known to have, under the names that the model sees."""
        name, tools = server.entry.name, server.tools
        if tools is None:
            return []
        made_of, named = self._named.get(name, (None, []))
        if made_of is not tools:
            named = [
                tool.model_copy(
                    update={
                        "name": self._names.of(name, tool.name),
                        "metadata": {**(tool.metadata or {}), SERVER: name},
                    }
                )
                for tool in tools
            ]
            self._named[name] = tools, named
        return named
