"""Sentences that change a task: its due time, title, priority or notes."""

import re
from collections.abc import Callable

from .details import PRIORITY, to_priority
from .dues import bare_due, is_due
from .intents import AddNote, Priority, Reference, Talk, Topic, Update
from .moving import (
    Change,
    due_as_said,
    is_said_due,
    move,
    move_if_sure,
    no_due,
    no_due_as_said,
    until_when,
    with_task,
)
from .references import read_reference
from .wording import QUOTED, Quotations, pattern, trimmed

_Reader = Callable[[re.Match[str], Quotations], Change]
_Entry = tuple[re.Pattern[str], _Reader]

# What is said about nobody's task: "what is urgent", "if 3 is due".
_NO_SUBJECT = re.compile(
    r"(?:i|we|you|he|she|they|what|which|who|nothing|everything|how|when|why|where|is|are|if"
    r"|should|there|don['’]?t|do|does|did)\b",
    re.IGNORECASE,
)
_PRIORITY_ONLY = pattern(rf"(?:an? )?{PRIORITY}")
_DIVIDER = re.compile(r" (?:to|as|into)(?:: ?| )|: ", re.IGNORECASE)


def read_special_change(text: str, quotations: Quotations) -> Change:
    """Read a change that another command's words could be taken for: "add a note to 3: …"."""
    return _first(_SPECIAL, text, quotations)


def read_change(text: str, quotations: Quotations) -> Change:
    """Read a command that changes one task; none when the sentence is not surely one."""
    return _first(_HEADED, text, quotations)


def read_subject_change(text: str, quotations: Quotations) -> Change:
    """Read a statement about a task that changes it: "2 has no due date", "3 is urgent"."""
    return _first(_SUBJECT, text.rstrip(" .!"), quotations) if not _NO_SUBJECT.match(text) else None


def _first(table: tuple[_Entry, ...], text: str, quotations: Quotations) -> Change:
    text = text.strip(" ,;")
    for head, reader in table:
        found = head.fullmatch(text)
        if found is not None and (change := reader(found, quotations)) is not None:
            return change
    return None


def _set_priority(found: re.Match[str], quotations: Quotations) -> Change:
    level = to_priority(found["level"])
    return with_task(found["ref"], quotations, lambda task: Update(task, priority=level))


def _priority(level: Priority) -> _Reader:
    def set_priority(found: re.Match[str], quotations: Quotations) -> Change:
        return with_task(found["ref"], quotations, lambda task: Update(task, priority=level))

    return set_priority


def _add_note(found: re.Match[str], quotations: Quotations) -> Change:
    note = quotations.restore(found["note"].strip())
    return with_task(found["ref"], quotations, lambda task: AddNote(task, note))


def _no_note_said(found: re.Match[str], quotations: Quotations) -> Change:
    task = read_reference(found["ref"], quotations)
    sure = isinstance(task, Reference) and task.unmistakable
    return Talk(Topic.WHAT_NOTE) if sure else None


def _set_notes(found: re.Match[str], quotations: Quotations) -> Change:
    notes = quotations.restore(found["note"].strip())
    return with_task(found["ref"], quotations, lambda task: Update(task, notes=notes))


def _no_notes(found: re.Match[str], quotations: Quotations) -> Change:
    return with_task(found["ref"], quotations, lambda task: Update(task, notes=""))


def _set_title(found: re.Match[str], quotations: Quotations) -> Change:
    task = read_reference(found["ref"], quotations)
    if not isinstance(task, Reference):
        return task
    return _titled(task, found["title"], quotations)


def _rename(found: re.Match[str], quotations: Quotations) -> Change:
    """Give a new title. Where several "to" could divide the words, nothing is done."""
    dividers = list(_DIVIDER.finditer(found["rest"]))
    if not dividers:
        return None
    task = read_reference(found["rest"][: dividers[0].start()], quotations)
    if not isinstance(task, Reference):
        return task
    if len(dividers) > 1 and not task.unmistakable:
        return None
    return _titled(task, found["rest"][dividers[0].end() :], quotations)


def _change_to(found: re.Match[str], quotations: Quotations) -> Change:
    """Read "change 2 to …": a date, a priority, or for a task's number a title."""
    task = read_reference(found["ref"], quotations)
    if not isinstance(task, Reference):
        return task
    value = trimmed(found["value"], " .!")
    if is_due(value):
        return Update(task, due=bare_due(value))
    if _PRIORITY_ONLY.fullmatch(value):
        return Update(task, priority=to_priority(value))
    if not task.unmistakable or value.lower() in _NO_TITLE:
        return None
    return _titled(task, found["value"], quotations)


def _titled(task: Reference, title: str, quotations: Quotations) -> Change:
    title = quotations.restore(title.strip(" .")).strip()
    return Update(task, title=title) if title else None


# "Change 2 to done" is for the reader of endings.
_NO_TITLE = frozenset(["done", "complete", "completed", "finished", "closed", "open"])

_DUE = r"(?:due[- ]?(?:date|time|day)|deadline|due|date|time)"
_OF = r"(?:of|for|on|from|to)"
_TITLE = r"(?:title|name|text|wording)"
_EDIT = r"(?:change|set|edit|update)"
_TAKE = r"(?:remove|delete|clear|drop|unset|erase|cancel)"
_NOTES = r"(?:notes?|comments?|remarks?)"
_WRITE = r"(?:add|attach|put|append|write|leave|make)"
_RAISE = r"(?:raise|increase|bump(?: up)?|up)"
_LOWER = r"(?:lower|decrease|reduce)"
_POSTPONE = (
    r"(?:reschedule|postpone|defer|delay|snooze|put off|push back|push out|push off|bring forward)"
)


def _table(*entries: tuple[str, _Reader]) -> tuple[_Entry, ...]:
    return tuple((pattern(text), reader) for text, reader in entries)


# In each table the order matters: what is more special stands first.
_SPECIAL = _table(
    (
        rf"{_WRITE} (?:an? |another |the |this )?(?:new )?{_NOTES} {_OF} (?P<ref>.+?)"
        rf"(?:: ?| saying:? | that says:? |, | - )(?P<note>.+)",
        _add_note,
    ),
    (rf"{_WRITE} (?:an? |the )?note (?P<note>{QUOTED}) {_OF} (?P<ref>.+)", _add_note),
    (rf"{_WRITE} (?:an? |the )?note {_OF} (?P<ref>#?\d+|{QUOTED}) (?P<note>.+)", _add_note),
    (rf"{_WRITE} (?:an? |the )?note {_OF} (?P<ref>.+)", _no_note_said),
    (rf"add (?P<note>{QUOTED}) to (?:the )?{_NOTES} (?:of|for) (?P<ref>.+)", _add_note),
    (rf"{_NOTES} (?:for|on|to(?! self)) (?P<ref>.+?)(?:: ?| - )(?P<note>.+)", _add_note),
    (
        rf"(?:{_EDIT}|replace) (?:the )?{_NOTES} (?:of|for|on) (?P<ref>.+?) (?:to|with):? "
        rf"(?P<note>.+)",
        _set_notes,
    ),
    (rf"(?:{_EDIT}|replace) (?P<ref>.+?)'s? {_NOTES} (?:to|with):? (?P<note>.+)", _set_notes),
    (rf"{_TAKE} (?:the |all |all the |any )?{_NOTES} (?:of|from|on|for) (?P<ref>.+)", _no_notes),
    (rf"{_TAKE} (?P<ref>.+?)'s {_NOTES}", _no_notes),
    (rf"{_TAKE} (?:the |its |any )?{_DUE} (?:of|from|on|for) (?P<ref>.+)", no_due),
    (rf"{_TAKE} (?P<ref>.+?)'s {_DUE}", no_due),
    (rf"take (?:the )?{_DUE} off (?:of )?(?P<ref>.+)", no_due),
    (rf"no {_DUE} (?:for|on) (?P<ref>.+)", no_due),
    (
        r"(?:set|make|give|leave) (?P<ref>.+?) (?:to )?(?:have |with )?(?:no|without an?) "
        r"(?:due date|deadline)",
        no_due,
    ),
    (
        r"(?:add|give|assign) (?:an? )?(?P<level>(?:high|low|normal|top)[- ]priority) (?:to|for) "
        r"(?P<ref>.+)",
        _set_priority,
    ),
    (
        rf"(?:add|set) (?:an? |the )?{_DUE} (?:of |for |on )?(?P<due>.+?) (?:to|for|on) "
        rf"(?P<ref>.+)",
        due_as_said,
    ),
    (rf"add (?:an? |the )?{_DUE} to (?P<ref>.+?)(?::| of| on)? (?P<due>.+)", due_as_said),
)

_HEADED = _table(
    (r"(?:rename|retitle|reword|rephrase) (?P<rest>.+)", _rename),
    (rf"{_EDIT} (?:the )?{_TITLE} (?:of|for) (?P<rest>.+)", _rename),
    (rf"{_EDIT} (?P<ref>.+?)'s {_TITLE} to:? (?P<title>.+)", _set_title),
    (rf"call (?P<ref>.+?) (?P<title>{QUOTED})", _set_title),
    (
        rf"{_TAKE} (?:the )?(?:{PRIORITY}|priority) (?:of|from|on|for) (?P<ref>.+)",
        _priority("normal"),
    ),
    (
        rf"(?:{_EDIT}|{_RAISE}|{_LOWER}|make|drop|switch) (?:the )?prio(?:rity)? {_OF} "
        rf"(?P<ref>.+?) (?:up |down )?(?:to|as|be|=):? (?P<level>{PRIORITY})",
        _set_priority,
    ),
    (
        rf"(?:{_EDIT}|{_RAISE}|{_LOWER}|make) (?P<ref>.+?)'s prio(?:rity)? (?:to |be )?"
        rf"(?P<level>{PRIORITY})",
        _set_priority,
    ),
    (rf"{_RAISE} (?:the )?prio(?:rity)? (?:of|for|on) (?P<ref>.+)", _priority("high")),
    (r"prioriti[sz]e (?P<ref>.+)", _priority("high")),
    (rf"{_LOWER} (?:the )?prio(?:rity)? (?:of|for|on) (?P<ref>.+)", _priority("low")),
    (r"de-?prioriti[sz]e (?P<ref>.+)", _priority("low")),
    (
        rf"(?:make|mark|flag|turn|bump|give|switch|move|{_EDIT})(?: up)? (?P<ref>.+?) "
        rf"(?:to be |to |as |into |with )?(?:an? )?(?P<level>{PRIORITY})(?: task| one)?",
        _set_priority,
    ),
    (
        rf"(?:move|make|push|shift|put|{_EDIT})(?: back)? (?:the |a )?{_DUE} (?:of|for|on) "
        rf"(?P<rest>.+)",
        move,
    ),
    (
        rf"(?:move|make|push|shift|{_EDIT}) (?P<ref>.+?)'s {_DUE} (?:to|on|for|as|be):? "
        rf"(?P<due>.+)",
        due_as_said,
    ),
    (rf"give (?P<ref>.+?) (?:an? |the )?{_DUE} (?:of |on |for )?(?P<due>.+)", due_as_said),
    (rf"(?:the )?{_DUE} (?:of|for) (?P<ref>.+?)(?: is(?: now)?|:) (?P<due>.+)", due_as_said),
    (rf"(?:{_POSTPONE}|move|push|shift) (?P<rest>.+)", move),
    (rf"(?:schedule|put|make|bring|{_EDIT}) (?P<rest>.+)", move_if_sure),
    (
        rf"(?:{_POSTPONE} .+|(?:move|push|shift) (?:task )?#?\d+"
        rf"|(?:move|{_EDIT}) (?:the |a )?{_DUE} (?:of|for) .+)",
        until_when,
    ),
    (r"(?:change|update|edit|switch|set) (?P<ref>.+?) (?:to|into):? (?P<value>.+)", _change_to),
    (r"(?:change|update|edit) (?P<ref>(?:task )?#?\d+): ?(?P<value>.+)", _change_to),
)

_SUBJECT = _table(
    (
        rf"(?P<ref>.+?) (?:has|needs|should have|doesn't have|does not have|doesn't need|without"
        rf"|with) (?:no |an? |any )?{_DUE}(?: any ?more| now)?",
        no_due_as_said,
    ),
    (r"(?P<ref>(?:task |number )?#?\d+),? (?:due|to|by|until):? (?P<due>.+)", is_said_due),
    (
        r"(?P<ref>.+?)(?: is| isn't| becomes|'s)(?: now| not)? due (?:to |only )?(?P<due>.+)",
        is_said_due,
    ),
    (
        rf"(?P<ref>.+?)(?: is| has|'s| should be| should have| became| becomes)(?: now| really)? "
        rf"(?:an? )?(?P<level>{PRIORITY})(?: task| now)?",
        _set_priority,
    ),
)
