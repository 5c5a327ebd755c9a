"""What to do next: which tools to call, or what to answer.

The model keeps nothing between its calls. Each time it reads the user's last message again, goes
through the same steps, and finds in the messages which of them have been done. So the plan survives
a restart, a fork and a replay.
"""

from collections.abc import Iterable, Sequence, Set
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
    name_task,
)
from .intents import (
    Add,
    AddNote,
    Complete,
    Delete,
    Intent,
    NotUnderstood,
    Reference,
    Show,
    Talk,
    Topic,
    Update,
)
from .parsing import number_alone, understand
from .results import Outcome, message_text, number_spoken_of, rounds_of_calls

ADD, LIST, UPDATE = "add_task", "list_tasks", "update_task"
COMPLETE, DELETE = "complete_task", "delete_task"


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
    """The look at the list that comes before a note, so that the notes there are not lost."""

    note: AddNote


_Step = Intent | Call | _Lookup


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
    puzzled: bool = False

    def go(self, batch: list[_Step]) -> list[Call]:
        """Return the calls of these steps, or none if they have been made or there are none."""
        calls: list[Call] = []
        for step in batch:
            if (call := self._call(step)) is not None:
                calls.append(call)
        if not calls:
            return []
        # A round that this plan did not ask for, of another model perhaps, is reported as well.
        while self.ahead and [done.tool for done in self.ahead[0]] != [c.tool for c in calls]:
            self._report(self.ahead.pop(0))
        if not self.ahead:
            return calls
        outcomes = self.ahead.pop(0)
        if isinstance(batch[0], _Lookup):
            self.past.append(outcomes)
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
                call = Call(ADD, _given(step.title, step.due, step.priority, step.notes))
            case Show(state=state, text=text):
                call = Call(LIST, {"state": state, **({"text": text} if text else {})})
            case _Lookup(note=AddNote(task=task)):
                named = {"text": task.words} if task.kind == "name" else {}
                call = Call(LIST, {"state": "all", **named})
            case AddNote():
                call = self._noted(step)
            case Update() | Complete() | Delete():
                call = self._change(step)
            case Call():
                call = step
        if isinstance(call, Call) and call.tool not in self.tools:
            call = NO_TOOLS if not self.tools else f"I have no tool {call.tool} here."
        if isinstance(call, str):
            self.said.append(call)
            return None
        return call

    def _named(self, task: Reference) -> str | None:
        """Return the tool's argument for a task; none for a pronoun that stands for none."""
        return number_spoken_of(self.past) if task.kind == "pronoun" else task.words

    def _change(self, step: Update | Complete | Delete) -> Call | str:
        task = self._named(step.task)
        if task is None:
            return answer_talk(Talk(Topic.WHICH))
        if isinstance(step, Update):
            changes = _given(step.title, step.due, step.priority, step.notes)
            return Call(UPDATE, {"task": task, **changes})
        return Call(COMPLETE if isinstance(step, Complete) else DELETE, {"task": task})

    def _noted(self, step: AddNote) -> Call | str:
        """Add a note behind the notes that the list shows, since the tool replaces them."""
        found = self.past[-1][0] if self.past and self.past[-1] else None
        if found is None or found.tool != LIST:
            return NO_TOOLS
        if found.tasks is None:
            return answer_outcome(found)
        if step.task.kind == "pronoun":
            wanted = number_spoken_of(self.past[:-1])
            if wanted is None:
                return answer_talk(Talk(Topic.WHICH))
            tasks = _matching(found.tasks, Reference(wanted, "number"))
        else:
            tasks = _matching(found.tasks, step.task)
        if not tasks:
            return (
                f'I found no task "{step.task.words}" on the list, so the note was not added. '
                '"Set the notes of 3 to …" writes notes by number, in place of those there.'
            )
        if len(tasks) > 1:
            names = ", ".join(name_task(task) for task in tasks)
            return (
                f"Several tasks match, so the note was not added: {names}. Please say the number."
            )
        notes = [str(tasks[0].get("notes") or ""), step.note]
        joined = "\n".join(note for note in notes if note)
        return Call(UPDATE, {"task": str(tasks[0]["number"]), "notes": joined})


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
    failed = [each for outcomes in rounds_of_calls(before) for each in outcomes]
    failed = [each for each in failed if each.several_meant]
    if len(failed) > 1:
        return Talk(Topic.WHICH)
    return Call(failed[0].tool, {**failed[0].arguments, "task": number}) if failed else None


def _batches(intents: Iterable[Intent | Call]) -> list[list[_Step]]:
    """Put steps together whose order does not matter; the tools run them side by side.

    Additions are independent of each other, and so are endings of different numbers. Everything
    else goes one by one: a name can mean another task once a task has changed.
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
    if isinstance(intent, Complete | Delete) and isinstance(first, Complete | Delete):
        return intent.task.kind == first.task.kind == "number"
    return isinstance(intent, Add | Show)


def _given(
    title: str | None, due: str | None, priority: str | None, notes: str | None
) -> dict[str, Any]:
    """Return the arguments that have a value; an empty string is one."""
    values = {"title": title, "notes": notes, "priority": priority, "due": due}
    return {name: value for name, value in values.items() if value is not None}


def _matching(tasks: list[dict[str, Any]], wanted: Reference) -> list[dict[str, Any]]:
    """Return the tasks that a reference names, the open ones first, as the tools do."""
    if wanted.kind == "number":
        return [task for task in tasks if str(task["number"]) == wanted.words]
    words = _words(wanted.words)
    named = [
        task
        for task in tasks
        if all(any(own.startswith(word) for own in _words(task["title"])) for word in words)
    ]
    still_open = [task for task in named if not task.get("completed")]
    return still_open or named


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in text.casefold()).split()


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
