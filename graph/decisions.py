"""What a person is asked before tools act, and what they may answer. Pure: no I/O.

The forms are those of LangChain's `HumanInTheLoopMiddleware`, which Studio, Agent Inbox and
agent-chat-ui show with buttons. One question is asked for all calls of a step that need one:

    {"action_requests": [{"name": …, "args": {…}, "description": …}, …],
     "review_configs": [{"action_name": …, "allowed_decisions": [...]}, …]}

and it is answered with a decision for each action, in their order:

    {"decisions": [{"type": "approve"},
                   {"type": "edit", "edited_action": {"name": …, "args": {…}}},
                   {"type": "reject", "message": "the reason, if any"}]}

Agent Inbox shows such a question and answers in a form of its own, which is read as well:

    [{"type": "accept"}], [{"type": "edit", "args": {"action": …, "args": {…}}}],
    [{"type": "response", "args": "the reason"}], [{"type": "ignore"}]
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from typing_extensions import TypedDict

#: What may be decided about a call.
DECISIONS: tuple[Literal["approve", "edit", "reject"], ...] = ("approve", "edit", "reject")
#: Characters of a wrong value that an error quotes.
QUOTED_MAX = 200
#: How JSON Schema calls what is not text.
KINDS: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "object": (dict,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class Action(TypedDict):
    """A tool and its arguments."""

    name: str
    args: dict[str, Any]


class ActionRequest(Action):
    """A call that waits for a decision."""

    #: For the person who decides.
    description: str


class ReviewConfig(TypedDict):
    """How an action may be decided."""

    action_name: str
    allowed_decisions: list[Literal["approve", "edit", "reject"]]


class Question(TypedDict):
    """What is asked: the actions, and in the same order how each may be decided."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]


class Decision(TypedDict):
    """What was decided about one call."""

    type: Literal["approve", "edit", "reject"]
    #: Of `edit`: what is to be done instead.
    edited_action: NotRequired[Action]
    #: Of `reject`: the person's reason.
    message: NotRequired[str]


class UnusableAnswerError(ValueError):
    """What came back is not a decision for each action; the text says why, for the person."""


def question_about(calls: Sequence[ToolCall], problem: str | None = None) -> Question:
    """The question whether these calls may be made.

    Args:
        calls: in the order in which the model made them.
        problem: what was wrong with the last answer, if there was one.
    """
    return {
        "action_requests": [
            {"name": call["name"], "args": call["args"], "description": _described(call, problem)}
            for call in calls
        ],
        "review_configs": [
            {"action_name": call["name"], "allowed_decisions": list(DECISIONS)} for call in calls
        ],
    }


def read_decisions(
    answer: object, calls: Sequence[ToolCall], tools: Mapping[str, BaseTool]
) -> list[Decision]:
    """The decisions of an answer, one for each call.

    Args:
        answer: whatever a client sent.
        calls: those that were asked about, in the question's order.
        tools: by name, what an edit may turn a call into.

    Raises:
        UnusableAnswerError: it doesn't say of each call what is to be done.
    """
    if (inbox := _from_inbox(answer)) is not None:
        answer = {"decisions": inbox}
    if not isinstance(answer, Mapping) or not isinstance(answer.get("decisions"), list):
        raise UnusableAnswerError(
            f'The answer is {_quoted(answer)}, but it has to be {{"decisions": […]}} with one '
            "decision for each action, in their order."
        )
    decisions = answer["decisions"]
    if len(decisions) != len(calls):
        raise UnusableAnswerError(
            f"The number of decisions is {len(decisions)}, but {len(calls)} are needed: one for "
            "each action, in their order."
        )
    return [_decision(number, given, tools) for number, given in enumerate(decisions, start=1)]


def decided_call(call: ToolCall, decision: Decision | None) -> ToolCall:
    """The call that is made after a decision: the same one, or what it was edited into."""
    if decision is None or decision["type"] != "edit":
        return call
    action = decision["edited_action"]
    return ToolCall(**{**call, "name": action["name"], "args": action["args"]})


def _from_inbox(answer: object) -> list[dict[str, Any]] | None:
    """The decisions in an answer of Agent Inbox; none if it is not one."""
    if not isinstance(answer, list):
        return None
    found: list[dict[str, Any]] = []
    for given in answer:
        match given:
            case {"type": "accept"}:
                found.append({"type": "approve"})
            case {"type": "edit", "args": {"action": name, "args": arguments}}:
                edited = {"name": name, "args": arguments}
                found.append({"type": "edit", "edited_action": edited})
            case {"type": "response", "args": reason}:
                found.append({"type": "reject", "message": reason})
            case {"type": "ignore"}:
                found.append({"type": "reject"})
            case _:
                return None
    return found or None


def _decision(number: int, given: object, tools: Mapping[str, BaseTool]) -> Decision:
    kind = given.get("type") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or kind not in DECISIONS:
        raise UnusableAnswerError(
            f'Decision {number} is {_quoted(given)}, but its "type" has to be one of '
            f"{', '.join(DECISIONS)}."
        )
    if kind == "edit":
        return {"type": "edit", "edited_action": _edited(number, given, tools)}
    if kind == "reject":
        reason = given.get("message")
        if reason is not None and not isinstance(reason, str):
            raise UnusableAnswerError(
                f'The "message" of decision {number} is {_quoted(reason)}, but a reason has to be '
                "text."
            )
        rejected: Decision = {"type": "reject"}
        return {**rejected, "message": reason} if reason and reason.strip() else rejected
    return {"type": "approve"}


def _edited(number: int, given: Mapping[Any, Any], tools: Mapping[str, BaseTool]) -> Action:
    action = given.get("edited_action")
    name = action.get("name") if isinstance(action, Mapping) else None
    arguments = action.get("args") if isinstance(action, Mapping) else None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise UnusableAnswerError(
            f'The "edited_action" of decision {number} is {_quoted(action)}, but it has to be '
            '{"name": …, "args": {…}}.'
        )
    if name not in tools:
        raise UnusableAnswerError(
            f"Decision {number} is for a tool {_quoted(name)}, which does not exist. There are: "
            f"{', '.join(tools)}."
        )
    described = convert_to_openai_tool(tools[name])["function"].get("parameters", {})
    for problem in _misfits(arguments, described):
        raise UnusableAnswerError(f"The arguments of decision {number} don't fit {name}: {problem}")
    known = described.get("properties", {})
    return {"name": name, "args": {key: _typed(arguments[key], known[key]) for key in arguments}}


def _typed(value: Any, schema: object) -> Any:
    """What somebody has typed into a text field for a list, a number and the like.

    That is how agent-chat-ui and Agent Inbox have arguments edited, and they send it as text.
    """
    kind = KINDS.get(str(schema.get("type"))) if isinstance(schema, Mapping) else None
    if kind is None or not isinstance(value, str):
        return value
    try:
        meant = json.loads(value)
    except (ValueError, RecursionError):
        return value
    # To Python true is a number.
    return meant if isinstance(meant, kind) and isinstance(meant, bool) <= (bool in kind) else value


def _misfits(arguments: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    """Which arguments are missing or unknown; what they hold is for the tool to judge."""
    known = described.get("properties", {})
    missing = [name for name in described.get("required", []) if name not in arguments]
    unknown = [name for name in arguments if name not in known]
    return [f"{_quoted(name)} is missing." for name in missing] + [
        f"there is no {_quoted(name)}, only {', '.join(known) or 'no argument at all'}."
        for name in unknown
    ]


def _described(call: ToolCall, problem: str | None) -> str:
    arguments = json.dumps(call["args"], ensure_ascii=False, default=str)
    asked = f"{call['name']} waits for your approval.\n\nArguments: {arguments}"
    return f"{problem} Nothing was done; please decide again.\n\n{asked}" if problem else asked


def _quoted(value: object) -> str:
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= QUOTED_MAX else f"{words[:QUOTED_MAX]}…"
