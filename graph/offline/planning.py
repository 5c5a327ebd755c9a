"""What to do next: which tools to call, or what to answer.

The model keeps nothing between its calls. Each time it reads the user's last message again, goes
through the same steps, and finds in the messages which of them have been done. So the plan survives
a restart, a fork and a replay.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .answers import (
    ABILITIES,
    INTRODUCTION,
    NO_TOOLS,
    WIDER,
    answer_not_understood,
    answer_outcome,
    answer_talk,
)
from .calls import (
    ADD,
    COMPLETE,
    DELETE,
    FIND,
    GET,
    REOPEN,
    UNDO,
    Call,
    conditions,
    new_task_item,
    noted,
    updated,
)
from .choosing import chosen
from .intents import (
    Add,
    AddNote,
    Complete,
    Delete,
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
from .results import Outcome, message_text, number_spoken_of, rounds_of_calls
from .steps import Lookup, Step, batches_of, together


@dataclass(frozen=True)
class Reply:
    """What the model answers: calls, or a text when there are none."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)


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
    again = chosen(number_alone(text), before)
    for batch in batches_of(understand(text) if again is None else [again]):
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

    def go(self, batch: list[Step]) -> list[Call]:
        """Return the calls of these steps, or none if they have been made or there are none."""
        called = [call for step in batch if (call := self._call(step)) is not None]
        calls = together(called)
        if not calls:
            return []
        # A round that this plan did not ask for, of another model perhaps, is reported as well.
        while self.ahead and [done.tool for done in self.ahead[0]] != [c.tool for c in calls]:
            self._report(self.ahead.pop(0))
        if not self.ahead:
            return calls
        outcomes = self.ahead.pop(0)
        if isinstance(batch[0], Lookup):
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

    def _call(self, step: Step) -> Call | None:
        """Return the call that a step needs; say what there is to say when it needs none."""
        call: Call | str
        match step:
            case NotUnderstood():
                self.puzzled = True
                call = answer_not_understood(step)
            case Talk():
                call = answer_talk(step)
            case Add():
                call = Call(ADD, {"tasks": [new_task_item(step)]})
            case Show():
                call = Call(FIND, conditions(step))
            case Undo():
                call = Call(UNDO, {})
            case Lookup(note=AddNote(task=task)) | Look(task=task):
                call = self._about(task, lambda named: Call(GET, {"tasks": [named]}))
            case AddNote():
                if self.looked is None:
                    return None
                call = noted(step, self.looked)
                self.looked = None
            case Update(task=task):
                call = self._about(task, lambda named: updated(step, named))
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
