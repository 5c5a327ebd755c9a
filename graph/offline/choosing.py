"""The answer to the question which task is meant: a number by itself."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from .answers import WHICH_ONE
from .calls import COMPLETE, DELETE, GET, REOPEN, RESCHEDULE, UPDATE, Call
from .intents import Talk, Topic
from .results import Item, Outcome, message_text, rounds_of_calls

# The tools whose items name the task that is to be changed.
_ABOUT_TASKS = frozenset((COMPLETE, REOPEN, DELETE, GET, UPDATE, RESCHEDULE))


def chosen(number: str | None, before: Sequence[BaseMessage]) -> Call | Talk | None:
    """Return the call that failed since several tasks may be meant, with the number for its task.

    Only right after the question which one. Where it was asked of several calls, a number does not
    say for which of them it is.

    Args:
        before: The messages since the user's one before, without the one that is answered.
    """
    if number is None or not before:
        return None
    last = before[-1]
    if not isinstance(last, AIMessage) or WHICH_ONE not in message_text(last):
        return None
    asked = [
        (outcome, item)
        for outcomes in rounds_of_calls(before)
        for outcome in outcomes
        for item in outcome.items or ()
        if item.candidates and outcome.tool in _ABOUT_TASKS
    ]
    if len(asked) > 1:
        return Talk(Topic.WHICH)
    return _with_number(*asked[0], number) if asked else None


def _with_number(outcome: Outcome, item: Item, number: str) -> Call:
    """Return the call for that one item, about the task with the number."""
    again = {**item.asked, "task": number} if isinstance(item.asked, dict) else number
    return Call(outcome.tool, {**outcome.arguments, "tasks": [again]})
