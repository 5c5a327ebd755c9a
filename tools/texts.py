"""Text that people and models hand in: checked, trimmed, and quoted back in messages."""

from collections.abc import Sequence

from .errors import InvalidValueError
from .models import LABEL_MAX, LABELS_MAX, NAME_MAX, TITLE_MAX

#: Characters of a task's notes. Notes are read by a model whenever tasks are listed.
NOTES_MAX = 10_000
#: Characters of a value that a message quotes.
QUOTED_MAX = 80


def quoted(text: str) -> str:
    """`text` in quotes for a message: on one line, cut when long, and always encodable."""
    line = " ".join(text[: QUOTED_MAX * 4].split())
    if len(line) > QUOTED_MAX or len(text) > QUOTED_MAX * 4:
        line = line[: QUOTED_MAX - 1] + "…"
    return '"' + line.replace("\x00", "\ufffd").encode(errors="replace").decode() + '"'


def checked_title(title: str) -> str:
    """The title on one line, without space around it.

    Raises:
        InvalidValueError: it is blank or too long, or the database can't hold it.
    """
    check_storable("title", title)
    line = " ".join(title.split())
    if not _is_visible(line):
        raise InvalidValueError("The title is empty. Say in a few words what is to be done.")
    if len(line) > TITLE_MAX:
        raise InvalidValueError(
            f"The title has {len(line):,} characters, {TITLE_MAX} is the most. "
            "Give a short title and put the rest into notes."
        )
    return line


def checked_notes(notes: str) -> str | None:
    """The notes without space around them; none when there is nothing else.

    Raises:
        InvalidValueError: they are too long, or the database can't hold them.
    """
    check_storable("notes", notes)
    notes = notes.strip()
    if len(notes) > NOTES_MAX:
        raise InvalidValueError(
            f"The notes have {len(notes):,} characters, {NOTES_MAX:,} is the most. Shorten them."
        )
    return notes or None


def checked_name(name: str) -> str:
    """The name of a list on one line, without space around it.

    Raises:
        InvalidValueError: it is blank, too long or taken, or the database can't hold it.
    """
    check_storable("name", name)
    line = " ".join(name.split())
    if not _is_visible(line) or len(line) > NAME_MAX:
        raise InvalidValueError(
            f"The name of a list has 1 to {NAME_MAX} characters, {quoted(name)} hasn't."
        )
    if is_inbox(line):
        raise InvalidValueError(
            "The Inbox holds the tasks without a list; it can't be made, renamed or deleted. "
            "Choose another name."
        )
    return line


def is_inbox(name: str) -> bool:
    """Whether the Inbox is meant."""
    return " ".join(name.split()).casefold() in ("inbox", "the inbox")


def checked_label(label: str) -> str:
    """The label in lower case, without the sign that people put before it.

    Raises:
        InvalidValueError: it is blank or too long, or the database can't hold it.
    """
    check_storable("label", label)
    line = "-".join(label.strip().lstrip("#@").split()).casefold()
    if not line or len(line) > LABEL_MAX:
        raise InvalidValueError(f"A label has 1 to {LABEL_MAX} characters, {quoted(label)} hasn't.")
    return line


def checked_labels(labels: Sequence[str]) -> list[str]:
    """The labels, each once.

    Raises:
        InvalidValueError: there are too many, or one of them can't be a label.
    """
    found = list(dict.fromkeys(checked_label(label) for label in labels))
    if len(found) > LABELS_MAX:
        raise InvalidValueError(
            f"{len(found)} labels are too many, {LABELS_MAX} is the most. Leave some out."
        )
    return found


def searched(title: str, notes: str | None) -> str:
    """A task's title and notes as they are searched."""
    return search_form(f"{title}\n{notes or ''}")


def search_form(text: str) -> str:
    """Text as it is compared in a search: case folded, and without apostrophes."""
    return text.casefold().replace("'", "").replace("’", "")


def _is_visible(line: str) -> bool:
    """Whether anything of a line can be seen; a space of no width can't."""
    return any(char.isprintable() and char != " " for char in line)


def is_storable(text: str) -> bool:
    """Whether Postgres can hold it: no NUL, and no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def check_storable(name: str, text: str) -> None:
    """
    Raises:
        InvalidValueError: Postgres can't hold it, nor look for it.
    """
    if not is_storable(text):
        raise InvalidValueError(
            f"The {name} {quoted(text)} holds a NUL byte or half of a surrogate pair, which can't "
            "be stored. Send it again without that character."
        )
