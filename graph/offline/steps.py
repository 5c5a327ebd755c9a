"""The steps of the plan: what is done at once, and what one after the other."""

from collections.abc import Iterable
from dataclasses import dataclass

from .calls import ADD, COMPLETE, DELETE, REOPEN, Call
from .intents import Add, AddNote, Complete, Delete, Intent, Reopen, Show

# Calls of these tools in one step become a single call for all the tasks.
_TOGETHER = frozenset((ADD, COMPLETE, REOPEN, DELETE))


@dataclass(frozen=True)
class Lookup:
    """The look at a task that comes before a note, so that the notes there are not lost."""

    note: AddNote


Step = Intent | Call | Lookup
_ENDINGS = (Complete, Reopen, Delete)


def batches_of(intents: Iterable[Intent | Call]) -> list[list[Step]]:
    """Put steps together whose order does not matter.

    Additions are independent of each other, and so are endings of different tasks: which tasks
    are meant is found out before the first is ended. Everything else goes one by one: a name can
    mean another task once a task has changed.
    """
    batches: list[list[Step]] = []
    for intent in intents:
        if isinstance(intent, AddNote):
            batches += [[Lookup(intent)], [intent]]
        elif batches and _independent(batches[-1], intent):
            if intent not in batches[-1] or isinstance(intent, Add):
                batches[-1].append(intent)
        else:
            batches.append([intent])
    return batches


def _independent(batch: list[Step], intent: Intent | Call) -> bool:
    first = batch[0]
    if type(first) is not type(intent):
        return False
    if isinstance(intent, _ENDINGS) and isinstance(first, _ENDINGS):
        return "pronoun" not in (intent.task.kind, first.task.kind)
    return isinstance(intent, Add | Show)


def together(calls: list[Call]) -> list[Call]:
    """Put the tasks of calls of one tool into a single call, where that tool takes several."""
    tools = {call.tool for call in calls}
    if len(calls) < 2 or len(tools) > 1 or not tools <= _TOGETHER:
        return calls
    return [Call(calls[0].tool, {"tasks": [task for c in calls for task in c.arguments["tasks"]]})]
