"""Which task is meant by "3", "#3", "the milk" or "the dentist one". Pure: no I/O."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import AmbiguousTaskError, InvalidValueError
from ..findable import all_words
from ..texts import check_storable, quoted

#: How many tasks an error lists; a model that needs more of them calls find_tasks.
LISTED_MAX = 10
#: Characters of a reference; no title is longer.
REFERENCE_MAX = 500
#: Characters that the beginning of a word must have to mean it; "it" is not "Italian lesson".
BEGINNING_MIN = 3

#: Which tasks a reference means first; closed ones are completed or archived.
Prefer = Literal["open", "closed"]

_NUMBER = re.compile(r"(?:(?:the )?(?:task|number|no\.?|nr\.?|item) ?)?(?:# ?)?([0-9]{1,9})\.?")
#: Words that people put around what they mean, and that are no part of it.
_FILLERS = frozenset(
    (
        *("a", "an", "the", "my", "our", "your", "this", "that", "these", "those", "one", "ones"),
        *("task", "tasks", "todo", "item", "thing", "about", "with", "please"),
    )
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that may be meant."""

    number: int
    title: str
    completed: bool
    archived: bool = False
    deleted: bool = False

    @property
    def closed(self) -> bool:
        """Whether nobody has to do it any more."""
        return self.completed or self.archived

    def __str__(self) -> str:
        state = " (completed)" if self.completed else " (archived)" if self.archived else ""
        state = " (deleted by this call)" if self.deleted else state
        return f"#{self.number} {quoted(self.title)}{state}"


def check_reference(reference: str) -> None:
    """
    Raises:
        InvalidValueError: the reference is empty, longer than any title, or no text at all.
    """
    check_storable("reference", reference)
    if not reference.strip() or len(reference) > REFERENCE_MAX:
        raise InvalidValueError(
            f"{quoted(reference)} names no task. Give the task's number as find_tasks shows it, "
            "or words from its title."
        )


def find(reference: str, tasks: Sequence[Candidate], *, prefer: Prefer | None) -> Candidate | None:
    """The task that is meant; none if none is.

    A number means the task with that number. Words mean the task whose title has them, or words
    that begin with them; a title that is nearer to the reference is preferred, so that "Ann" is
    "Call Ann", though there is "Call Anna". Of the tasks that are preferred, the open or the
    closed, one is meant before any other.

    Raises:
        AmbiguousTaskError: several are meant alike.
    """
    number = number_in(reference)
    if number is not None:
        for task in tasks:
            if task.number == number:
                return task
    first = [task for task in tasks if prefer is None or task.closed == (prefer == "closed")]
    found = _matching(reference, first)
    if not found and prefer is not None:
        found = _matching(reference, [task for task in tasks if task not in first])
    if len(found) > 1:
        raise ambiguous(reference, found, len(found))
    return found[0] if found else None


def ambiguous(reference: str, tasks: Sequence[Candidate], count: int) -> AmbiguousTaskError:
    """The error about a reference that may mean `count` tasks, of which the first few are known.

    Of these, the ones that aren't there any more are told, but nobody has to choose among them.
    """
    first = tasks[:LISTED_MAX]
    return AmbiguousTaskError(
        f"{quoted(reference)} may mean {count} tasks: {_listed(first, count)}. "
        "Nothing was changed. Ask the user which one is meant, then give its number.",
        [task for task in first if not task.deleted],
        count,
    )


def number_in(reference: str) -> int | None:
    """The number that a reference consists of; none where it consists of words."""
    found = _NUMBER.fullmatch(" ".join(reference.casefold().split()))
    return int(found[1]) if found else None


def in_words(reference: str | int) -> str:
    """A reference as somebody would write it: a number as one that can be nothing else."""
    return reference if isinstance(reference, str) else f"#{reference}"


def words_in(text: str) -> list[str]:
    """The words of a text that say something, in lower case; all of them if none does."""
    words = all_words(text)
    return [word for word in words if word not in _FILLERS] or words


def _matching(reference: str, tasks: Iterable[Candidate]) -> list[Candidate]:
    """The tasks whose titles come nearest to the reference; none if no title is near."""
    everything = all_words(reference)
    wanted = [word for word in everything if word not in _FILLERS]
    tasks = list(tasks)
    tests: list[Callable[[str], bool]] = []
    if everything:
        tests.append(lambda title: all_words(title) == everything)
    if wanted:
        tests += [
            lambda title: words_in(title) == wanted,
            lambda title: set(wanted) <= set(all_words(title)),
            lambda title: all(_begins_a_word(start, title) for start in wanted),
        ]
    if not reference.isascii():
        # Some scripts put no space between words, and a symbol is no word.
        tests.append(lambda title: reference.strip().casefold() in title.casefold())
    for test in tests:
        if found := [task for task in tasks if test(task.title)]:
            return found
    return []


def _begins_a_word(start: str, title: str) -> bool:
    return any(
        word == start or (len(start) >= BEGINNING_MIN and word.startswith(start))
        for word in all_words(title)
    )


def _listed(tasks: Sequence[Candidate], count: int) -> str:
    more = count - LISTED_MAX
    return ", ".join(map(str, tasks[:LISTED_MAX])) + (f" and {more} more" if more > 0 else "")


def not_found(reference: str, still_open: Sequence[Candidate]) -> str:
    """What is said where no task is meant; more open tasks than are listed are not."""
    said = f"No task is meant by {quoted(reference)}; nothing was changed. "
    if not still_open:
        return said + "There are no open tasks; find_tasks with state completed shows the others."
    if len(still_open) > LISTED_MAX:
        return said + "Call find_tasks to see the open tasks."
    return said + f"The open tasks are {_listed(still_open, len(still_open))}."
