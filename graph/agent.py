"""Composition: the graph, put together from its parts. `langgraph.json` names `graph` in here."""

from typing import Any
from uuid import uuid4

from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, TimeoutPolicy

from tools.client import (
    AgentTools,
    ResultLimits,
    TaskTools,
    calls_are_recorded,
    configured_servers,
)
from tools.context import Origin

from .approval import NODE, ApprovalNode, ConfiguredGate, Consent, Gate, Router
from .calls import Records, ToolCalls
from .clock import Clock, SystemClock, call_time
from .context import Context, locale_of, zone_of
from .errors import ModelUnavailableError
from .model import ConfiguredModels, ModelSource
from .nodes import AgentNode, CallNode
from .origin import call_origin
from .settings import AgentSettings
from .state import ApprovalRequest, Conversation, State, ToolRequest
from .toolbox import Toolbox

NAME = "Task agent"

AGENT_TAKES = "Asks the model for the next step: words for the person, or tool calls."
APPROVAL_TAKES = "Asks the person whether tool calls may be made, and waits for their decisions."
TOOLS_TAKES = "Makes one tool call over MCP and hands its result to the agent."


def build_graph(
    *,
    toolbox: Toolbox,
    models: ModelSource | None = None,
    clock: Clock | None = None,
    settings: AgentSettings | None = None,
    gate: Gate | None = None,
    records: Records = calls_are_recorded,
) -> StateGraph[State, Context, Conversation, Conversation]:
    """The agent's graph, ready to be compiled; what is not given is what the server uses."""
    settings = settings or AgentSettings()
    clock = clock or SystemClock()
    gate = gate or ConfiguredGate(settings)
    consent = Consent(toolbox, gate)
    life = uuid4().hex
    calls = ToolCalls(toolbox, timeout=settings.tool_timeout, records=records)
    builder = StateGraph(
        State, context_schema=Context, input_schema=Conversation, output_schema=Conversation
    )
    builder.add_node(
        "agent",
        AgentNode(
            models or ConfiguredModels(settings), toolbox, calls, consent, clock, settings
        ).__call__,
        metadata={"description": AGENT_TAKES},
        retry_policy=RetryPolicy(max_attempts=3, retry_on=ModelUnavailableError),
        timeout=TimeoutPolicy(
            run_timeout=2 * settings.model_timeout, idle_timeout=settings.model_timeout
        ),
    )
    builder.add_node(
        NODE,
        ApprovalNode(toolbox, life).__call__,
        input_schema=ApprovalRequest,
        metadata={"description": APPROVAL_TAKES},
    )
    builder.add_node(
        "tools",
        CallNode(calls, toolbox, gate, clock, settings, life).__call__,
        input_schema=ToolRequest,
        metadata={"description": TOOLS_TAKES},
        # The node answers for itself when a tool is late; this is for when it can't.
        timeout=2 * settings.tool_timeout,
    )
    builder.add_edge(START, "agent")
    builder.add_conditional_edges(
        "agent", Router(consent, toolbox, life).__call__, [NODE, "tools", "__end__"]
    )
    builder.add_edge("tools", "agent")
    return builder


def task_origin() -> Origin:
    """Where the call that is being made comes from, in the words of the task tools."""
    origin = call_origin()
    return Origin(message=origin.message, turn=origin.turn, recorded_only=origin.recorded_only)


def task_tools(settings: AgentSettings) -> TaskTools:
    """The task tools of an agent with these settings."""
    return TaskTools(
        clock=call_time,
        time_zone=lambda: zone_of(None, settings),
        locale=lambda: locale_of(None, settings),
        origin=task_origin,
    )


def result_limits(settings: AgentSettings) -> ResultLimits:
    """How much is taken of one result of another server's tool."""
    return ResultLimits(settings.result_limit, int(settings.image_limit * 2**20))


def _served(settings: AgentSettings) -> Any:
    # Asking the machine for its zone blocks, which the server forbids to a running graph.
    zone_of(None, settings)
    compiled = build_graph(toolbox=agent_tools, settings=settings).compile(name=NAME)
    return compiled.with_config(recursion_limit=settings.step_limit)


#: Read once: to read the environment at every call takes as long as the call's MCP session.
_settings = AgentSettings()

#: The tools of this process; closed by the HTTP app when the server stops.
agent_tools = AgentTools(task_tools(_settings), configured_servers(), result_limits(_settings))

graph = _served(_settings)
