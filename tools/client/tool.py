"""A server's tools as LangChain tools: what the adapters make of them, without what that costs."""

from typing import Any

from langchain_core.tools import BaseTool, StructuredTool


class McpTool(StructuredTool):
    """A tool whose function is called as it is.

    At every call the parent class looks through its own annotations and the function's, which are
    text that has to be evaluated, for parameters that a function of the adapters never has. That
    took longer than all of the MCP session.
    """

    @classmethod
    def of(cls, made: BaseTool) -> "McpTool":
        """The same tool as the adapters made it.

        Raises:
            TypeError: it is none that is called by a coroutine function.
        """
        if not isinstance(made, StructuredTool) or made.coroutine is None:
            raise TypeError(
                f"the tool {made.name!r} is a {type(made).__name__} without a coroutine"
            )
        return cls(**{name: getattr(made, name) for name in type(made).model_fields})

    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        if self.coroutine is None:
            raise TypeError(f"the tool {self.name!r} has no coroutine")
        return await self.coroutine(*args, **kwargs)
