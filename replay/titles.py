"""What the user's other conversations were called when a tool call showed their titles. Pure: no
I/O.

Stored is what they are called now; what they were called then, the answers of the tool tell.
"""

from collections.abc import Sequence

from .ledger import Call
from .recording import Title

SHOWS_TITLES = "find_activity"


def titles_elsewhere(calls: Sequence[Call]) -> dict[Call, list[Title]]:
    """The titles that have to be there before each call, where they are others than before.

    `calls` are those of a whole thread.
    """
    known: dict[str, str | None] = {}
    titles: dict[Call, list[Title]] = {}
    for call in sorted(calls, key=lambda call: call.at):
        titles[call] = []
        if call.tool != SHOWS_TITLES or call.result is None:
            continue
        for event in call.result["events"]:
            thread, title = event.get("thread"), event.get("conversation")
            if thread in (None, call.thread_id) or known.get(thread) == title:
                continue
            known[thread] = title
            titles[call].append(Title(before=call.id, thread=thread, title=title))
    return titles
