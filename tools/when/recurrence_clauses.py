"""What a phrase about repetition says beside the days: from when, until when, how often."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from .calendar_words import AMOUNT, number
from .dates import Due

_COMPLETION = re.compile(
    r" ?\b(?:after|from|since|upon|following) (?:its |the )?(?:last )?completion$|"
    r" ?\bafter (?:(?:it|this|i|being|having)(?:'s|'ve)? ?)?(?:is |was |have |been )?"
    r"(?:done|completed?|completing|finish(?:ed|ing)?)(?: (?:it|this))?$"
)
_TIMES = re.compile(
    rf" ?\b(?:for )?(?:a total of )?(?P<count>{AMOUNT})"
    r" (?:times?|occurrences?|repetitions?)\b(?! (?:a|per|every|each) )"
)
_CLAUSE = re.compile(
    r"(?: |^)(?P<which>until|till|til|through|ending|starting|beginning)(?: (?:on|from|at))? "
)


@dataclass(frozen=True, slots=True)
class Clauses:
    """A phrase taken apart."""

    #: On which days and at which times, in lower case, "and" between the items of a list.
    repeats: str
    #: The RRULE, where there is one in place of words.
    rule: str | None
    from_completion: bool
    count: int | None
    starting: Due | None
    #: The last day on which it repeats.
    until: date | None


def take_apart(text: str, read_day: Callable[[str], Due]) -> Clauses:
    """The parts of a phrase; `read_day` reads the days in it.

    Raises:
        ValueError: a time is named where a day alone is needed.
        DueNotUnderstoodError: `read_day` did.
    """
    phrase = " ".join(re.sub(r"[,&]|\bas well as\b", " and ", text.casefold()).split())
    phrase = re.sub(r"\band(?: and)+\b", "and", phrase).rstrip(" .!")
    phrase = re.sub(r"^(?:it |this )?(?:repeat|recur|happen)(?:s|ing)? ", "", phrase)
    phrase, completion = _COMPLETION.subn("", phrase)
    if "freq=" in phrase:
        rule = _COMPLETION.sub("", text.strip().casefold()).removeprefix("by the rule ")
        return Clauses("", rule.upper(), bool(completion), None, None, None)
    count = None
    if found := _TIMES.search(phrase):
        count = number(found["count"])
        phrase = phrase[: found.start()] + phrase[found.end() :]
    days: dict[str, Due] = {}
    clauses = list(_CLAUSE.finditer(phrase))
    for clause, end in zip(
        clauses, [*(other.start() for other in clauses[1:]), len(phrase)], strict=False
    ):
        which = clause["which"]
        due = read_day(phrase[clause.end() : end].removesuffix(" and"))
        if not due.names_day or due.names_time:
            raise ValueError(f'after "{which}" give a day alone, and the time before it')
        days["starting" if which in ("starting", "beginning") else "until"] = due
    if clauses:
        phrase = phrase[: clauses[0].start()]
    phrase = phrase.removesuffix(" and")
    if completion:
        phrase = re.sub(r"^(?=\d)|^an? ", "every ", phrase)
    until = days.get("until")
    return Clauses(
        phrase,
        None,
        bool(completion),
        count,
        days.get("starting"),
        until.moment.date() if until else None,
    )
