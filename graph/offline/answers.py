"""What the offline model says: about the tools' results, and where no tool was called.

Nothing here is made up: what is said of a task stands in a tool's result, and a result of unknown
shape is quoted. The text of a task is data; it is shown on one line and never read as a command.
"""

import re
from datetime import datetime
from typing import Any

from ..calls import REJECTED
from .intents import NotUnderstood, Talk, Topic
from .parsing import LONGEST_MESSAGE, MOST_COMMANDS
from .results import Item, Outcome, named_tasks

INTRODUCTION = (
    "I am the offline model, which understands plain task commands only; with OPENAI_API_KEY set, "
    "a language model answers instead."
)
ABILITIES = """\
I keep your task list. You can write, for example:
- add buy milk tomorrow at 9, high priority
- add water the plants every monday #home
- remind me to call mum on friday at 5pm
- what's on my list? what's overdue?
- move 2 to friday
- done with the milk
- delete the dentist one
- undo that"""
WIDER = "I can't narrow the list to when tasks were done, so this is all of it."
#: Asked where a tool found several tasks; a number alone is an answer to it.
WHICH_ONE = "Which one? Give its number."
NO_TOOLS = "No task tools are connected here, so I can't look at your list or change it."

_ANSWERS = {
    Topic.HELLO: f"Hello! {ABILITIES}",
    Topic.HELP: ABILITIES,
    Topic.THANKS: f"You're welcome. {ABILITIES}",
    Topic.STOP: "All right, I changed nothing.",
    Topic.UNDO: (
        'To take back all that your last message changed, say "undo that". I changed nothing now.'
    ),
    Topic.REOPEN: (
        'To open a completed task again, say "reopen 3", or "reopen the milk". I changed nothing '
        "now."
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
#: What a tool did is said in its own word, with the details of the task as it is now for these.
_DETAILED = frozenset(("added", "updated", "rescheduled", "reopened", "restored", "unarchived"))
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What the tools tell a model to do next, at the end of an error. Titles stand in quotation marks
# there, so nothing of them is cut off.
_FOR_A_MODEL = re.compile(
    r"(?:(?:^|(?<=[.!?…]) )(?:Ask the user|Call find_tasks|find_activity shows|Put it right)"
    r'|; find_tasks)\b[^"]*$'
)
_NOT_FOUND = re.compile(r'No task is meant by ".*?"; nothing was changed\.', re.DOTALL)

_DAY_ALONE = re.compile(r"\d{4}-\d\d-\d\d")

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
    if outcome.unmade and outcome.text.startswith(REJECTED):
        return "You did not allow that, so nothing was changed."
    if (items := outcome.items) is not None:
        said = [_item(outcome, item) for item in items]
        if outcome.tool == "undo_changes" and not outcome.failed:
            said.insert(0, "Undone:")
        return "\n".join(dict.fromkeys(said))
    if outcome.failed:
        return _failure(outcome.tool, outcome.error or "")
    if (tasks := outcome.tasks) is not None:
        return _list(outcome, tasks)
    return f'The tool {outcome.tool} answered: "{_clip(outcome.text, _LONGEST_QUOTE)}"'


def is_missing(item: Item) -> bool:
    """Whether an item failed since there is no such task."""
    return _NOT_FOUND.match(str(item.result.get("error"))) is not None


def name_task(task: dict[str, Any]) -> str:
    """Return a task's number and title: #1 "Buy milk"."""
    return f'#{task["number"]} "{_line(task["title"])}"'


def show_time(value: object) -> str:
    """Return an ISO 8601 time for people: "Mon 23 Nov 2026, 09:00"; another text as it is."""
    text = str(value)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _line(text)
    day = f"{_WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"
    return day if _DAY_ALONE.fullmatch(text) else f"{day}, {at:%H:%M}"


def _failure(tool: str, error: str, reference: str = "") -> str:
    said = _FOR_A_MODEL.sub("", error)
    if not said:
        return f"The tool {tool} failed and did not say why."
    if said != error and said[-1] not in ".!?…":
        said += "."
    if (found := _NOT_FOUND.match(said)) is not None:
        name = _line(reference, 100)
        name = f"#{name}" if name.isdecimal() else f'"{name}"'
        rest = _clip(said[found.end() :], _LONGEST_QUOTE)
        return f"No task {name} is on the list, so nothing was changed.{rest}"
    return f"That did not work. {tool} says: {_clip(said, _LONGEST_QUOTE)}"


def _item(outcome: Outcome, item: Item) -> str:
    """Say what became of one thing that a call asked for."""
    result = item.result
    if item.failed:
        error = str(result["error"])
        if item.candidates:
            return f"{_clip(_FOR_A_MODEL.sub('', error), _LONGEST_QUOTE)} {WHICH_ONE}"
        return _failure(outcome.tool, error, item.reference)
    note = f" {_line(str(result['note']))}" if result.get("note") else ""
    name = _subject(item)
    if result["status"] == "unchanged":
        # The tool's note says why; the task is named in case it does not.
        return f"Nothing changed: {name}.{note}"
    action = str(result.get("action") or "")
    details = ""
    if item.task is not None and (action in _DETAILED or not action):
        details = _details(item.task)
    said = f"{_line(action.capitalize())} {name}" if action else name
    if action == "rescheduled" and item.task is not None and not item.task.get("due"):
        details = f", no longer due{details}"
    return f"{said}{details}.{note}{_related(result)}"


def _subject(item: Item) -> str:
    """Name what an item was about: a task or a list."""
    if item.task is not None:
        return name_task(item.task)
    found = item.result.get("list")
    name = found.get("name") if isinstance(found, dict) else None
    return f'the list "{_line(name)}"' if isinstance(name, str) else "it"


def _related(result: dict[str, Any]) -> str:
    """Return what is said of other tasks: the next occurrence, and subtasks that are open."""
    said = ""
    for following in named_tasks([result.get("next")]):
        said += f" The next one is {name_task(following)}{_details(following)}."
    if parts := named_tasks(result.get("open_subtasks")):
        said += f" Still open: {', '.join(map(name_task, parts))}."
    return said


def _list(outcome: Outcome, tasks: list[dict[str, Any]]) -> str:
    data = outcome.data or {}
    note = f"\n{_line(str(data['note']))}" if data.get("note") else ""
    if not tasks:
        return f"{_nothing_found(outcome.arguments)}{note}"
    total = data.get("total")
    count = total if isinstance(total, int) and total >= len(tasks) else len(tasks)
    lines = [f"You have {count} {_what_is_listed(outcome.arguments, count)}:"]
    lines += [f"- #{task['number']} {_line(task['title'])}{_details(task)}" for task in tasks]
    if count > len(tasks):
        lines.append(f"- … and {count - len(tasks)} more")
    return "\n".join(lines) + note


def _nothing_found(arguments: dict[str, Any]) -> str:
    conditions = {name for name, value in arguments.items() if value} - {"state"}
    if conditions == {"text"}:
        kind = _what_is_listed({"state": arguments.get("state")}, 1)
        return f'No {kind} matches "{_line(str(arguments["text"]))}".'
    return f"You have no {_what_is_listed(arguments, 0)}."


def _what_is_listed(arguments: dict[str, Any], count: int) -> str:
    """Say which tasks were looked for: 'open urgent tasks due today that match "milk"'."""
    state, due = str(arguments.get("state") or "open"), str(arguments.get("due") or "")
    said = [state] if state in {"open", "completed", "archived"} else []
    if due == "overdue":
        # What is done is not overdue any more.
        said = [due] if state == "open" else [*said, due]
    if priority := arguments.get("priority"):
        said.append("urgent" if priority == "urgent" else f"{_line(str(priority))}-priority")
    said.append("task" if count == 1 else "tasks")
    if due and due != "overdue":
        said.append(f"due {_line(due)}")
    if labels := arguments.get("labels"):
        names = labels if isinstance(labels, list) else [labels]
        said += [f"#{_line(str(name))}" for name in names]
    if text := arguments.get("text"):
        said.append(f'that {"matches" if count == 1 else "match"} "{_line(str(text))}"')
    return " ".join(said)


def _details(task: dict[str, Any]) -> str:
    """Return what is known of a task beside its title, each behind a comma."""
    details = ""
    if task.get("completed"):
        details += f", done {show_time(task['completed'])}"
    if task.get("due"):
        details += f", due {show_time(task['due'])}"
    if task.get("repeats"):
        details += f", repeats {_line(str(task['repeats']))}"
    if task.get("starts"):
        details += f", not before {show_time(task['starts'])}"
    if task.get("priority") in {"urgent", "high", "low"}:
        details += f", {task['priority']} priority"
    if task.get("list") not in {None, "Inbox"}:
        details += f', in "{_line(str(task["list"]))}"'
    if task.get("parent"):
        details += f", part of #{_line(str(task['parent']))}"
    if isinstance(labels := task.get("labels"), list) and labels:
        details += ", " + " ".join(f"#{_line(str(label))}" for label in labels)
    if task.get("notes"):
        details += f', note: "{_line(str(task["notes"]), _LONGEST_NOTE)}"'
    return details


def _line(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Return a text on one line, so that no title can look like a line of the list."""
    return _clip(" ".join(text.split()), longest)


def _clip(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
