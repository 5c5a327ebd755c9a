"""The tools for the agent: LangChain tools over MCP sessions that stay open.

- `toolbox`: what the agent gets: the task tools, and those of the servers that `mcp.json` names.
- `task_tools`: the task server in this process; says for whom a call is, and which call it is.
- `other`: any other server, with its time-outs, pauses and what may be done twice.
- `tool`: what they are to LangChain.
- `config`, `entries`: `mcp.json`, and the servers in it. `names`: no two tools have the same one.
  `offering`: no tool that a model can't be offered.
- `limits`: how much of another server's answer comes into the conversation.
- `held`: a session that stays open, and the task that owns it. `calls`: a call on one.
- `opening`: in process, over stdio, over HTTP. `guard`: no process outlives the agent. `answers`:
  an answer over HTTP that breaks off is noticed. `failures`: what went wrong, in words.
"""

from .config import configured_servers
from .limits import ResultLimits
from .task_tools import TaskTools, calls_are_recorded, idempotency_key
from .toolbox import AgentTools

__all__ = [
    "AgentTools",
    "ResultLimits",
    "TaskTools",
    "calls_are_recorded",
    "configured_servers",
    "idempotency_key",
]
