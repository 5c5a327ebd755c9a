"""What all readers of a sentence share: patterns, white space, quotation marks, politeness."""

import re
from dataclasses import dataclass

# A quotation is replaced by one character between two NULs while its sentence is read, so that no
# pattern looks into it. Messages with a NUL are refused before, so nothing else looks like it.
_MARK = "\x00"
_FIRST_CODE = 0xE000

# Each alternative runs from one mark to the next of its kind, never over the end of a line. An
# apostrophe opens a quotation only in front of a word and closes it only after one.
_QUOTATION = re.compile(
    r"""
    "[^"\n]+" | “[^”\n]+” | „[^“”\n]+[“”] | «[^»\n]+» | `[^`\n]+`
    | (?<![\w'’])'(?=[^\s'])(?:[^'\n]|'(?=\w)){1,300}(?<=\S)'(?!\w)
    | (?<![\w'’])‘(?=\S)(?:[^’\n]|’(?=\w)){1,300}(?<=\S)’(?!\w)
    """,
    re.VERBOSE,
)
QUOTED = _MARK + "[^" + _MARK + "]" + _MARK

# Marks of writing direction and width, which some keyboards put around a text.
_INVISIBLE = (
    "\ufeff\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

#: What people call one task, and their list.
TASK = r"(?:tasks?|to-? ?dos?|items?|reminders?|entry|entries)"
MY_LIST = r"(?:my|the|our) (?:whole |entire )?(?:(?:to-? ?do|task|tasks) ?)?(?:list|tasks|to-?dos)"

_LEAD = re.compile(
    r"(?:(?:please|pls|kindly|ok(?:ay)?|so|now|hey|hi|hello|well|also|just|alright|great|yes|yeah|oh"
    r"|perfect|cool|thanks|thank you|and|then|next|finally)(?: there)?\b[,.!:]* "
    r"|go ahead and |let['’]s |i(?:['’]d| would) like (?:you )?to |i want (?:you )?to )",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"(?:(?:can|could) (?:you|u) (?:please |pls |kindly )?|(?:would|will) you (?:please|kindly) )",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"(?:[,.!;–—-] ?(?:many )?(?:thanks|thank you|thx|ty|cheers)(?: (?:a lot|so much|very much))?"
    r"|(?<!\bsay)(?<!\bsaying)(?<!\bto),? (?:please|pls))[\s.!?,]*$",
    re.IGNORECASE,
)


# "15.3." is a date with its second stop, "3.12" may be a version or a time of day.
_DAY_AND_MONTH = re.compile(r"(?<![\d.])\d{1,2}\.\d{1,2}$")


def pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern for one whole sentence.

    Letters match in either case, and an apostrophe matches the typographic one too.
    """
    return re.compile(text.replace("'", "['’]"), re.IGNORECASE)


def squeeze(text: str) -> str:
    """Return the text with single spaces, without invisible marks at its ends."""
    return " ".join(text.split()).strip(_INVISIBLE + " ")


def trimmed(text: str, marks: str) -> str:
    """Return the text without these marks around it; the stop behind a date in figures stays."""
    begun = text.lstrip(marks)
    bare = begun.rstrip(marks)
    stop = begun.startswith(".", len(bare)) and _DAY_AND_MONTH.search(bare) is not None
    return f"{bare}." if stop else bare


@dataclass(frozen=True)
class Quotations:
    """The quotations taken out of a message."""

    kept: tuple[str, ...] = ()

    def restore(self, text: str) -> str:
        """Put the quotations back into a text; one that is the whole text loses its marks."""
        if len(text) == 3 and text[0] == text[2] == _MARK:
            return squeeze(self._at(text[1])[1:-1])
        return re.sub(QUOTED, lambda found: self._at(found[0][1]), text)

    def _at(self, code: str) -> str:
        return self.kept[ord(code) - _FIRST_CODE]


def take_quotations(text: str) -> tuple[str, Quotations]:
    """Return the text with a placeholder for each quotation, and the quotations."""
    kept: list[str] = []

    def take(found: re.Match[str]) -> str:
        if not found[0][1:-1].strip():
            return found[0]
        kept.append(found[0])
        return f"{_MARK}{chr(_FIRST_CODE + len(kept) - 1)}{_MARK}"

    return _QUOTATION.sub(take, text), Quotations(tuple(kept))


def without_courtesy(text: str) -> tuple[str, bool]:
    """Return the sentence without its polite words, and whether it asks for a favour.

    A favour ("can you delete 3?") is a command although it ends in a question mark.
    """
    favour = False
    for _ in range(6):
        found = _LEAD.match(text)
        if found is None and (found := _REQUEST.match(text)) is not None:
            favour = True
        if found is None or found.end() == len(text):
            break
        text = text[found.end() :]
    return without_thanks(text), favour


def without_thanks(text: str) -> str:
    """Return the sentence without "please" or ", thanks" at its end."""
    return _THANKS.sub("", text)
