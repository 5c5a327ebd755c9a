"""What differs between a recording and what became of it: message for message, row for row."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from .messages import Form, write_messages
from .player import PlayedTurn, Replayed
from .recording import RecordedRow, Recording, Turn

#: Characters of a value that a difference shows.
SHOWN_MAX = 2_000
#: Stands for a message or a row that isn't there.
NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was recorded."""

    #: Such as "turn 2, message 3 (tool)".
    where: str
    #: The field or the aspect that differs.
    what: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.what}\n"
            f"    expected: {_shown(self.expected)}\n"
            f"    found:    {_shown(self.found)}"
        )


def compare(recording: Recording, replayed: Replayed) -> list[Difference]:
    """Every difference, in the order in which things happened.

    Keys of rows and times of writes are not compared. A row's digest covers all rows before it, so
    one changed message changes the digests of all that follow; only the first is a difference.
    """
    differences = [*_turns(recording.turns, replayed.turns)]
    if replayed.title != recording.title:
        differences.append(Difference("the conversation", "title", recording.title, replayed.title))
    differences += _rows(recording.rows, replayed.rows)
    if not differences and replayed.leaf != recording.leaf:
        differences.append(Difference("the conversation", "leaf", recording.leaf, replayed.leaf))
    return differences


def report(differences: Sequence[Difference]) -> str:
    """The differences as text for people."""
    number = len(differences)
    heading = f"{number} difference{'' if number == 1 else 's'} from the recording"
    return "\n".join([f"{heading}:", *(str(difference) for difference in differences)])


def _turns(recorded: Sequence[Turn], played: Sequence[PlayedTurn]) -> Iterator[Difference]:
    for number, (turn, outcome) in enumerate(zip_longest(recorded, played), start=1):
        where = f"turn {number}"
        if outcome is None:
            yield Difference(where, "was not played", turn.kind, NOTHING)
            continue
        found = write_messages(outcome.messages)
        for position, (expected, message) in enumerate(zip_longest(turn.messages, found), start=1):
            kind = (expected or message)["type"]
            yield from _forms(f"{where}, message {position} ({kind})", expected, message)
        if outcome.error is not None:
            error = outcome.error
            yield Difference(
                where, "broke off", "a run to its end", f"{type(error).__name__}: {error}"
            )
        elif turn.unfinished != outcome.unfinished:
            yield Difference(where, "unfinished", turn.unfinished, outcome.unfinished)


def _forms(where: str, expected: Form | None, found: Form | None) -> Iterator[Difference]:
    if expected is None or found is None:
        yield Difference(
            where,
            "is missing" if found is None else "was not recorded",
            expected or NOTHING,
            found or NOTHING,
        )
        return
    for name in expected | found:
        if expected.get(name) != found.get(name):
            yield Difference(where, name, expected.get(name, NOTHING), found.get(name, NOTHING))


def _rows(recorded: Sequence[RecordedRow], stored: Sequence[RecordedRow]) -> Iterator[Difference]:
    places = {row.digest: place for place, row in enumerate(recorded, start=1)}
    found = {row.digest: row for row in stored}
    # A row whose digest is another now is compared with the one written in its place.
    pairs = {row.digest: found[row.digest] for row in recorded if row.digest in found}
    changed = [row for row in recorded if row.digest not in found]
    unknown = [row for row in stored if row.digest not in places]
    pairs |= {row.digest: other for row, other in zip(changed, unknown, strict=False)}
    for row in recorded:
        where = f"row {places[row.digest]} ({row.role})"
        other = pairs.get(row.digest)
        if other is None:
            yield Difference(where, "is missing", row.content, NOTHING)
            continue
        yield from _row(where, row, other, pairs)
    for row in unknown[len(changed) :]:
        yield Difference(f"a row ({row.role})", "was not recorded", NOTHING, row.content)


def _row(
    where: str, row: RecordedRow, other: RecordedRow, pairs: dict[str, RecordedRow]
) -> Iterator[Difference]:
    same = True
    for name in ("role", "content", "tool_calls"):
        expected, found = getattr(row, name), getattr(other, name)
        if expected != found:
            same = False
            yield Difference(where, name, expected, found)
    parent = pairs.get(row.parent or "")
    if (parent.digest if parent else None) != other.parent:
        yield Difference(where, "parent", row.parent, other.parent)
    elif same and row.parent == other.parent and row.digest != other.digest:
        # The columns for people are equal, so it is something in the payload.
        yield Difference(where, "digest", row.digest, other.digest)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"
