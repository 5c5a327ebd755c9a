"""Sentences that call for an answer, but for no tool."""

import re

from .intents import Talk, Topic, Undo
from .wording import pattern

_LONGEST = 120

_OK = r"(?:ok|okay|great|perfect|cool|nice|good|awesome|wonderful|alright|excellent|lovely|super)"
_DONE = r"(?:done|completed?|finished)"


def _any_of(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(pattern(text) for text in texts)


_TOPICS = (
    (
        Topic.STOP,
        _any_of(
            r"(?:(?:no|nope|stop|wait|hold on|actually|don't|do not|never ?mind|forget (?:it|that)"
            r"|cancel(?: that)?|abort|scratch that|not that)[,.! ]*){1,5}(?:do (?:it|that))?",
        ),
    ),
    (
        Topic.HELLO,
        _any_of(
            r"(?:hi|hey|hello|hiya|howdy|yo|hola|greetings|good (?:morning|afternoon|evening|day)"
            r"|morning|evening)(?:,? (?:there|again|everyone|agent|bot|assistant|friend|all|you))?"
            r"(?:[,.!]* (?:how are you|how's it going|what's up|are you there).{0,12})?",
            r"how are you(?: doing)?(?: today)?|how's it going|what's up|sup|are you there",
        ),
    ),
    (
        Topic.THANKS,
        _any_of(
            rf"(?:{_OK}[,.!]* )?(?:thanks|thank you|thx|ty|cheers|much appreciated|appreciated)"
            rf"(?: (?:a lot|so much|very much|again|you|there|for .{{1,40}}))?",
            rf"(?:{_OK}|yes|yep|yeah|sure|got it|fine|sounds good|well done|bye|goodbye|good night"
            rf"|see you(?: later)?)(?: (?:job|then|for now|one))?",
        ),
    ),
    (
        Topic.HELP,
        _any_of(
            r"help|help me|/help|\?+|h|man|usage|commands|menu|instructions|i need help|get help",
            r"what (?:can|do|could) (?:you|i) (?:do|say|write|type|ask|help)"
            r"(?: here| with this| for me| with| you)*",
            r"what (?:are you|are your commands|commands .{0,30})|who are you|what is this",
            r"how (?:do|can|does) (?:i|you|this|it) (?:use|work|start|help)(?: .{0,40})?",
            r"what (?:model|llm) (?:are you|is this)",
            r"are you (?:an? )?(?:ai|bot|human|robot|llm|gpt|chatgpt|real).{0,20}",
        ),
    ),
    (
        Topic.UNDO,
        _any_of(
            r"(?:undo|revert|roll ?back|take back|restore|undelete|bring back|redo)(?: .{0,80})?",
            r"(?:bring|take|get|put) (?:it|that|them|#?\d+|the .{1,40}) back",
            r"i didn't mean (?:to .{0,40}|that)|that was (?:a mistake|wrong)|oops.{0,20}",
        ),
    ),
    (
        Topic.REOPEN,
        _any_of(
            rf"(?!(?:remind|add|make|remember|i )).{{1,80}} (?:is not|isn't)(?: yet)? {_DONE}"
            rf"(?: yet| after all| any ?more)?",
        ),
    ),
)


# Only all of the last change can be taken back; with "undo 3" something else may be meant.
_LAST = (
    r"(?:it|that|this|them|(?:that|the|my|your) (?:last |latest )?(?:changes?|thing|one|step|action"
    r"|undo|message|turn)|the last|everything)"
)
_UNDO = _any_of(
    rf"(?:undo|revert|roll ?back|take back)(?: {_LAST})?(?: again)?",
    rf"(?:take|bring|get) (?:it|that|them|{_LAST}) back(?: again)?",
    r"bring back (?:it|that|them)|undelete (?:it|that|them)|restore (?:it|that|them)",
)


def read_undo(text: str) -> Undo | None:
    """Read the wish that what was changed last be taken back."""
    text = text.strip(" .!,;:")
    found = len(text) <= _LONGEST and any(words.fullmatch(text) for words in _UNDO)
    return Undo() if found else None


def read_talk(text: str) -> Talk | None:
    """Read a greeting, thanks, a call for help, or a wish that there is no tool for."""
    text = text.strip(" .!,;:")
    if text.endswith("?") and len(text) > 1:
        text = text.rstrip("? ") or "?"
    if len(text) > _LONGEST:
        return None
    for topic, patterns in _TOPICS:
        if any(words.fullmatch(text) for words in patterns):
            return Talk(topic)
    return None
