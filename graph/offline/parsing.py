"""From the text of a message to what it means: commands, talk, and what was not understood."""

import re

from .details import new_task
from .intents import Add, Intent, Look, NotUnderstood, Show, Talk, Topic
from .splitting import read_line
from .wording import Quotations, pattern, squeeze, take_quotations

#: Longer messages are refused as a whole: a command cut off in the middle is not the user's.
LONGEST_MESSAGE = 4000
#: More commands in one message are refused as a whole.
MOST_COMMANDS = 20

# PostgreSQL can store neither a NUL nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BULLET = re.compile(r"^[ \t]*(?:[-*•–]|\(?\d{1,3}[.)])[ \t]+(?=\S)")
_BOX = re.compile(r"[ \t]*(?:[-*•–][ \t]+)?\[[ xX✓✔]?\]")
_LIST_HEAD = pattern(
    r"(?:please |can you |could you )?"
    r"(?:add|create|put|to-? ?do|remind me to|i need to|i have to|remind me"
    r"|don't let me forget(?: to)?|new tasks?|tasks?)"
    r"(?: (?:the following|these|this|some|a few|all of these|following|my|new|tasks|items|things"
    r"|to-?dos|list|for me|(?:to|on) (?:my|the) (?:(?:to-? ?do|task) ?)?list)){0,6} ?:"
)
_NUMBER = pattern(r"(?:number )?#?(?P<number>[0-9]{1,9})\.?")
_SMALL_TALK = frozenset({Topic.HELLO, Topic.THANKS, Topic.HELP})


def understand(message: str) -> list[Intent]:
    """Return what a message asks for, in its order, at least one intent.

    Never raises, whatever the text is. Nothing is changed or ended when a part of the message is
    not understood or calls it off ("delete 3. No, wait"); tasks are still added and shown.
    """
    if _UNSTORABLE.search(message):
        return [Talk(Topic.UNSTORABLE)]
    if len(message) > LONGEST_MESSAGE:
        return [Talk(Topic.TOO_LONG)]
    text, quotations = take_quotations(message)
    intents = _read_lines(text, quotations) or [Talk(Topic.HELP)]
    if len(intents) > MOST_COMMANDS:
        return [Talk(Topic.TOO_MANY)]
    if Talk(Topic.STOP) in intents:
        return [Talk(Topic.STOP)]
    harmless = Add | Show | Look | Talk | NotUnderstood
    if any(isinstance(intent, NotUnderstood) for intent in intents) and not all(
        isinstance(intent, harmless) for intent in intents
    ):
        return [NotUnderstood(squeeze(message))]
    return _without_small_talk(intents)


def number_alone(message: str) -> str | None:
    """Return the number that a message consists of ("2", "#2", "number 2"); none for another."""
    found = _NUMBER.fullmatch(squeeze(message)) if len(message) <= LONGEST_MESSAGE else None
    return None if found is None else found["number"]


def _read_lines(text: str, quotations: Quotations) -> list[Intent]:
    found: list[Intent] = []
    in_list = False
    items = 0
    for raw in text.splitlines():
        line = squeeze(raw)
        if not line:
            in_list = in_list and not items
        elif _LIST_HEAD.fullmatch(line):
            in_list, items = True, 0
        elif in_list and not _BOX.match(raw):
            items += 1
            found.append(new_task(squeeze(_BULLET.sub("", raw, count=1)), quotations))
        else:
            item = line if _BOX.match(raw) else squeeze(_BULLET.sub("", raw, count=1))
            found.extend(read_line(item, quotations))
    if in_list and not items and not found:
        found.append(Talk(Topic.WHAT_TO_ADD))
    return found


def _without_small_talk(intents: list[Intent]) -> list[Intent]:
    """Leave "hello" and "thanks" unanswered beside something else."""
    rest = [
        intent
        for intent in intents
        if not (isinstance(intent, Talk) and intent.topic in _SMALL_TALK)
    ]
    return rest or intents[:1]
