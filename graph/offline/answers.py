"""What the offline model says: about the tools' results, and where no tool was called.

Nothing here is made up: what is said of a task stands in a tool's result, and a result of unknown
shape is quoted. The text of a task is data; it is shown on one line and never read as a command.
"""

import re
from datetime import datetime
from typing import Any

from .intents import NotUnderstood, Talk, Topic
from .parsing import LONGEST_MESSAGE, MOST_COMMANDS
from .results import Outcome

INTRODUCTION = (
    "I am the offline model, which understands plain task commands only; with OPENAI_API_KEY set, "
    "a language model answers instead."
)
ABILITIES = """\
I keep your task list. You can write, for example:
- add buy milk tomorrow at 9, high priority
- remind me to call mum on friday at 5pm
- what's on my list?
- move 2 to friday
- done with the milk
- delete the dentist one"""
WIDER = "I can't narrow the list to a date or a priority, so this is all of it."
#: Asked where a tool found several tasks; a number alone is an answer to it.
WHICH_ONE = "Which one? Give its number."
NO_TOOLS = "No task tools are connected here, so I can't look at your list or change it."

_ANSWERS = {
    Topic.HELLO: f"Hello! {ABILITIES}",
    Topic.HELP: ABILITIES,
    Topic.THANKS: f"You're welcome. {ABILITIES}",
    Topic.STOP: "All right, I changed nothing.",
    Topic.UNDO: (
        "I can't undo a change yet, so nothing was changed. You can set a task right with, for "
        'example, "rename 2 to …" or "move 2 to friday", or add one again.'
    ),
    Topic.REOPEN: (
        "I can't open a completed task again, so nothing was changed. You can add it once more."
    ),
    Topic.EVERYTHING: (
        "I complete or delete only tasks that you name, by number or by words of the title, so "
        'nothing was changed. For example: "complete 1, 2 and 3", or "delete the dentist one".'
    ),
    Topic.WHICH: (
        'Which task do you mean? Please say its number, for example "done with 3", or words of its '
        'title. "What\'s on my list?" shows the numbers.'
    ),
    Topic.WHAT_TO_ADD: 'What should I add? For example: "add buy milk tomorrow at 9".',
    Topic.WHAT_NOTE: (
        'What should the note say? For example: "add a note to 3: bring the papers".'
    ),
    Topic.UNTIL_WHEN: (
        "I found no date in that, so nothing was changed. For example: "
        '"move 2 to next friday at 10", or "postpone the dentist to 2026-12-01".'
    ),
    Topic.TOO_LONG: (
        f"That message is too long for me: I read up to {LONGEST_MESSAGE:,} characters. I did "
        "nothing; please send it in parts."
    ),
    Topic.TOO_MANY: (
        f"That is too much at once: I take up to {MOST_COMMANDS} commands in a message. I did "
        "nothing; please send them in parts."
    ),
    Topic.UNSTORABLE: (
        "That message holds a character that can't be stored (NUL, or half of a surrogate pair), "
        "so I did nothing. Please send it without."
    ),
}
_DONE = {"added": "Added", "updated": "Updated", "completed": "Completed", "deleted": "Deleted"}
_EMPTY = {
    "open": "You have no open tasks.",
    "completed": "You have no completed tasks.",
    "all": "You have no tasks.",
}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What the tools tell a model to do next, at the end of an error. Titles stand in quotation marks
# there, so nothing of them is cut off.
_FOR_A_MODEL = re.compile(
    r'(?:(?:^|(?<=[.!?…]) )(?:Ask the user|Call list_tasks)|; list_tasks)\b[^"]*$'
)
_NOT_FOUND = re.compile(r'No task is meant by ".*?"; nothing was changed\.', re.DOTALL)

_LONGEST_QUOTE = 1000
_LONGEST_NOTE = 200


def answer_talk(talk: Talk) -> str:
    """Return the answer to words that call for no tool."""
    return _ANSWERS[talk.topic]


def answer_not_understood(intent: NotUnderstood) -> str:
    """Say what was not understood; what can be said instead is for `ABILITIES` to tell."""
    return f'I did not understand "{_line(intent.text, 100)}", so I did nothing about it.'


def answer_outcome(outcome: Outcome) -> str:
    """Say what came of a tool call."""
    if outcome.text is None:
        return f"The tool {outcome.tool} gave no answer, so I don't know whether it did anything."
    if outcome.failed:
        return _failure(outcome)
    if (tasks := outcome.tasks) is not None:
        return _list(outcome, tasks)
    if (task := outcome.task) is not None:
        return _change(outcome.data or {}, task)
    return f'The tool {outcome.tool} answered: "{_clip(outcome.text, _LONGEST_QUOTE)}"'


def name_task(task: dict[str, Any]) -> str:
    """Return a task's number and title: #1 "Buy milk"."""
    return f'#{task["number"]} "{_line(task["title"])}"'


def show_time(value: object) -> str:
    """Return an ISO 8601 time for people: "Mon 23 Nov 2026, 09:00"; another text as it is."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return _line(str(value))
    day = f"{_WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"
    return f"{day}, {at:%H:%M}"


def _failure(outcome: Outcome) -> str:
    error = outcome.error or ""
    said = _FOR_A_MODEL.sub("", error)
    if not said:
        return f"The tool {outcome.tool} failed and did not say why."
    if said != error and said[-1] not in ".!?…":
        said += "."
    if outcome.several_meant:
        return f"{_clip(said, _LONGEST_QUOTE)} {WHICH_ONE}"
    if (found := _NOT_FOUND.match(said)) is not None:
        name = _line(str(outcome.arguments.get("task", "")), 100)
        name = f"#{name}" if name.isdecimal() else f'"{name}"'
        rest = _clip(said[found.end() :], _LONGEST_QUOTE)
        return f"No task {name} is on the list, so nothing was changed.{rest}"
    return f"That did not work. {outcome.tool} says: {_clip(said, _LONGEST_QUOTE)}"


def _change(data: dict[str, Any], task: dict[str, Any]) -> str:
    action, note = data.get("action"), data.get("note")
    if action == "unchanged":
        # The tool's note says why; the task is named in case it does not.
        why = f" {_line(note)}" if isinstance(note, str) and note else ""
        return f"Nothing changed: {name_task(task)}.{why}"
    said = _DONE.get(str(action), f"{_line(str(action))}:")
    details = _details(task) if action in {"added", "updated"} else ""
    extra = f" {_line(note)}" if isinstance(note, str) and note else ""
    return f"{said} {name_task(task)}{details}.{extra}"


def _list(outcome: Outcome, tasks: list[dict[str, Any]]) -> str:
    state = str((outcome.data or {}).get("state") or outcome.arguments.get("state") or "open")
    text = outcome.arguments.get("text")
    kind = {"open": "open ", "completed": "completed "}.get(state, "")
    if not tasks:
        if text:
            return f'No {kind}task matches "{_line(str(text))}".'
        return _EMPTY.get(state, _EMPTY["all"])
    total = (outcome.data or {}).get("total")
    count = total if isinstance(total, int) and total >= len(tasks) else len(tasks)
    about = f' that match "{_line(str(text))}"' if text else ""
    noun = "task" if count == 1 else "tasks"
    if text and count == 1:
        about = about.replace("match", "matches")
    lines = [f"You have {count} {kind}{noun}{about}:"]
    lines += [f"- #{task['number']} {_line(task['title'])}{_details(task)}" for task in tasks]
    if count > len(tasks):
        lines.append(f"- … and {count - len(tasks)} more")
    return "\n".join(lines)


def _details(task: dict[str, Any]) -> str:
    """Return what is known of a task beside its title, each behind a comma."""
    details = ""
    if task.get("completed"):
        details += f", done {show_time(task['completed'])}"
    if task.get("due"):
        details += f", due {show_time(task['due'])}"
    if task.get("priority") in {"high", "low"}:
        details += f", {task['priority']} priority"
    if task.get("notes"):
        details += f', note: "{_line(str(task["notes"]), _LONGEST_NOTE)}"'
    return details


def _line(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Return a text on one line, so that no title can look like a line of the list."""
    return _clip(" ".join(text.split()), longest)


def _clip(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
