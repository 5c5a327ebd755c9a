"""What to do next: which tools to call, or what to answer.

The model keeps nothing between its calls. Each time it reads the user's last message again, goes
through the same steps, and finds in the messages which of them have been done. So the plan survives
a restart, a fork and a replay.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .answers import (
    ABILITIES,
    INTRODUCTION,
    NO_TOOLS,
    WHICH_ONE,
    WIDER,
    answer_not_understood,
    answer_outcome,
    answer_talk,
    is_missing,
    name_task,
)
from .intents import (
    Add,
    AddNote,
    Complete,
    Delete,
    Intent,
    Look,
    NotUnderstood,
    Reference,
    Reopen,
    Show,
    Talk,
    Topic,
    Undo,
    Update,
)
from .parsing import number_alone, understand
from .results import Item, Outcome, message_text, number_spoken_of, rounds_of_calls

ADD, FIND, GET, UPDATE = "add_tasks", "find_tasks", "get_tasks", "update_tasks"
COMPLETE, REOPEN, RESCHEDULE = "complete_tasks", "reopen_tasks", "reschedule_tasks"
DELETE, UNDO = "delete_tasks", "undo_changes"
# Calls of these tools in one step become a single call for all the tasks.
_TOGETHER = frozenset((ADD, COMPLETE, REOPEN, DELETE))
# The tools whose items name the task that is to be changed.
_ABOUT_TASKS = _TOGETHER - {ADD} | {GET, UPDATE, RESCHEDULE}
#: What takes a value away, to the tools.
NONE = "none"


@dataclass(frozen=True)
class Call:
    """A tool to be called."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the model answers: calls, or a text when there are none."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True)
class _Lookup:
    """The look at a task that comes before a note, so that the notes there are not lost."""

    note: AddNote


_Step = Intent | Call | _Lookup
_ENDINGS = (Complete, Reopen, Delete)


def reply(messages: Sequence[BaseMessage], tools: Set[str]) -> Reply:
    """Return what comes next in a conversation.

    Args:
        messages: The conversation; its last human message is what is answered.
        tools: The names of the tools that may be called.
    """
    asked = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not asked:
        return Reply(_introduced(messages, ABILITIES))
    before = messages[asked[-2] if len(asked) > 1 else 0 : asked[-1]]
    walk = _Walk(tools, rounds_of_calls(before), rounds_of_calls(messages[asked[-1] :]))
    text = message_text(messages[asked[-1]])
    again = _chosen(number_alone(text), before)
    for batch in _batches(understand(text) if again is None else [again]):
        calls = walk.go(batch)
        if calls:
            return Reply(calls=calls)
    return Reply(_introduced(messages, walk.answer()))


@dataclass
class _Walk:
    """One way through the plan, as far as the messages show that it has been done."""

    tools: Set[str]
    #: The rounds of calls that are behind: those of the message before, then this one's.
    past: list[list[Outcome]]
    #: The rounds of calls since the user's message that no step has claimed yet.
    ahead: list[list[Outcome]]
    said: list[str] = field(default_factory=list)
    #: What the look at the task of a note has shown.
    looked: Outcome | None = None
    puzzled: bool = False

    def go(self, batch: list[_Step]) -> list[Call]:
        """Return the calls of these steps, or none if they have been made or there are none."""
        called = [call for step in batch if (call := self._call(step)) is not None]
        calls = _together(called)
        if not calls:
            return []
        # A round that this plan did not ask for, of another model perhaps, is reported as well.
        while self.ahead and [done.tool for done in self.ahead[0]] != [c.tool for c in calls]:
            self._report(self.ahead.pop(0))
        if not self.ahead:
            return calls
        outcomes = self.ahead.pop(0)
        if isinstance(batch[0], _Lookup):
            [self.looked] = outcomes
            return []
        self._report(outcomes)
        if any(isinstance(step, Show) and step.wider for step in batch) and outcomes[-1].tasks:
            self.said.append(WIDER)
        return []

    def answer(self) -> str:
        """Return all that is to be said, after the last step."""
        while self.ahead:
            self._report(self.ahead.pop(0))
        if self.puzzled:
            self.said.append(ABILITIES)
        return "\n\n".join(_joined(self.said))

    def _report(self, outcomes: list[Outcome]) -> None:
        self.past.append(outcomes)
        self.said.extend(answer_outcome(outcome) for outcome in outcomes)

    def _call(self, step: _Step) -> Call | None:
        """Return the call that a step needs; say what there is to say when it needs none."""
        call: Call | str
        match step:
            case NotUnderstood():
                self.puzzled = True
                call = answer_not_understood(step)
            case Talk():
                call = answer_talk(step)
            case Add():
                call = Call(ADD, {"tasks": [_new_task(step)]})
            case Show():
                call = Call(FIND, _conditions(step))
            case Undo():
                call = Call(UNDO, {})
            case _Lookup(note=AddNote(task=task)) | Look(task=task):
                call = self._about(task, lambda named: Call(GET, {"tasks": [named]}))
            case AddNote():
                if self.looked is None:
                    return None
                call = _noted(step, self.looked)
                self.looked = None
            case Update(task=task):
                call = self._about(task, lambda named: _updated(step, named))
            case Complete(task=task):
                call = self._about(task, lambda named: Call(COMPLETE, {"tasks": [named]}))
            case Reopen(task=task):
                call = self._about(task, lambda named: Call(REOPEN, {"tasks": [named]}))
            case Delete(task=task):
                call = self._about(task, lambda named: Call(DELETE, {"tasks": [named]}))
            case Call():
                call = step
        if isinstance(call, Call) and call.tool not in self.tools:
            call = NO_TOOLS if not self.tools else f"I have no tool {call.tool} here."
        if isinstance(call, str):
            self.said.append(call)
            return None
        return call

    def _about(self, task: Reference, make: Callable[[str], Call]) -> Call | str:
        """Make the call about a task, or ask which one when a pronoun stands for none."""
        named = number_spoken_of(self.past) if task.kind == "pronoun" else task.words
        return answer_talk(Talk(Topic.WHICH)) if named is None else make(named)


def _new_task(step: Add) -> dict[str, Any]:
    """Return the item that adds a task."""
    values = {
        "title": step.title,
        "notes": step.notes,
        "priority": step.priority,
        "labels": list(step.labels) or None,
        "due": step.due,
        "repeats": step.repeats,
    }
    return {name: value for name, value in values.items() if value is not None}


def _conditions(step: Show) -> dict[str, Any]:
    """Return the arguments that find the tasks."""
    values = {
        "state": step.state,
        "text": step.text,
        "labels": list(step.labels),
        "priority": step.priority,
        "due": step.due,
    }
    return {name: value for name, value in values.items() if value}


def _updated(step: Update, task: str) -> Call:
    """Return the call that makes a change; an empty text takes the value away."""
    if step.due is not None:
        return Call(RESCHEDULE, {"tasks": [{"task": task, "due": step.due or NONE}]})
    values = {"title": step.title, "notes": step.notes, "priority": step.priority}
    changes = {name: value or NONE for name, value in values.items() if value is not None}
    return Call(UPDATE, {"tasks": [{"task": task, **changes}]})


def _noted(step: AddNote, looked: Outcome) -> Call | str:
    """Add a note behind those that the task has, since the tool replaces them."""
    item = looked.items[0] if looked.items else None
    if item is None or (item.failed and not item.candidates and not is_missing(item)):
        return answer_outcome(looked)
    if item.candidates:
        names = ", ".join(name_task(task) for task in item.candidates)
        return f"Several tasks match, so the note was not added: {names}. Please say the number."
    if item.task is None:
        return (
            f'I found no task "{step.task.words}" on the list, so the note was not added. '
            '"Set the notes of 3 to …" writes notes by number, in place of those there.'
        )
    notes = [str(item.task.get("notes") or ""), step.note]
    joined = "\n".join(note for note in notes if note)
    return Call(UPDATE, {"tasks": [{"task": str(item.task["number"]), "notes": joined}]})


def _together(calls: list[Call]) -> list[Call]:
    """Put the tasks of calls of one tool into a single call, where that tool takes several."""
    tools = {call.tool for call in calls}
    if len(calls) < 2 or len(tools) > 1 or not tools <= _TOGETHER:
        return calls
    return [Call(calls[0].tool, {"tasks": [task for c in calls for task in c.arguments["tasks"]]})]


def _chosen(number: str | None, before: Sequence[BaseMessage]) -> Call | Talk | None:
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


def _batches(intents: Iterable[Intent | Call]) -> list[list[_Step]]:
    """Put steps together whose order does not matter.

    Additions are independent of each other, and so are endings of different tasks: which tasks
    are meant is found out before the first is ended. Everything else goes one by one: a name can
    mean another task once a task has changed.
    """
    batches: list[list[_Step]] = []
    for intent in intents:
        if isinstance(intent, AddNote):
            batches += [[_Lookup(intent)], [intent]]
        elif batches and _independent(batches[-1], intent):
            if intent not in batches[-1] or isinstance(intent, Add):
                batches[-1].append(intent)
        else:
            batches.append([intent])
    return batches


def _independent(batch: list[_Step], intent: Intent | Call) -> bool:
    first = batch[0]
    if type(first) is not type(intent):
        return False
    if isinstance(intent, _ENDINGS) and isinstance(first, _ENDINGS):
        return "pronoun" not in (intent.task.kind, first.task.kind)
    return isinstance(intent, Add | Show)


def _joined(said: list[str]) -> list[str]:
    """Put short sentences under each other as one paragraph; a list stands by itself."""
    paragraphs: list[str] = []
    # The same thing is not said twice: several commands may fail for one reason.
    for text in dict.fromkeys(said):
        if paragraphs and "\n- " not in text and "\n- " not in paragraphs[-1]:
            paragraphs[-1] += f"\n{text}"
        else:
            paragraphs.append(text)
    return paragraphs


def _introduced(messages: Sequence[BaseMessage], text: str) -> str:
    """Begin the first answer of a conversation with what this model is."""
    answered = any(
        isinstance(message, AIMessage) and not message.tool_calls for message in messages
    )
    return text if answered else f"{INTRODUCTION}\n\n{text}"
