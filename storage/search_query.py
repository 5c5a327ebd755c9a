"""What somebody searches for, and what tells soon whether a text holds it.

To take a text into words costs ten times as much as to look for some letters in it. So before it
comes to that, a text is asked for the letters of the words, in the order that a phrase has them,
and then for what may stand between those: each lets all hits through, and few others. Most of what
is left has the words between blanks, where nobody needs to ask Postgres what it takes for a word.
"""

import re
from dataclasses import dataclass

#: Bytes from which on the last word may be the beginning of one: three Latin letters, or one
#: Chinese character. What begins with less, in an index of everybody's words, is too much to list.
SHORTEST_BEGINNING = 3

_WORD = r"(?:[^'\\]|''|\\\\)*"

#: How Postgres writes a word in the text of a `tsquery`, and that one follows another.
_LEXEME = re.compile(rf"'({_WORD})'")
_FOLLOWED = re.compile(r"<(?:-|\d+)>")
_PIECE = re.compile(rf"(')({_WORD})'|([^']+)")

#: Between words that follow each other there are neither letters nor digits, except in what
#: Postgres passes over: tags, entities, and how an address begins.
_BETWEEN = "[^[:alnum:]]*"
_PASSED_OVER = "[<&]|://"

#: Letters between blanks are a word, unless they are in a tag.
_PLAIN = re.compile("[a-z]+")
_BLANK = "[ \n]"

#: How often a word may occur in a text for Postgres to note each place, and how many words there
#: may be: every one takes a byte, at least.
_TIMES, _WORDS = 255, 16_000


@dataclass(frozen=True, slots=True)
class Query:
    """A search as Postgres's `tsquery`, in the text form that it has there."""

    text: str
    #: What of it has to occur in a hit.
    positive: str

    @classmethod
    def of(cls, parsed: str, positive: str, typed: str) -> "Query":
        """The query that Postgres made of what was typed; `positive` is what its hits hold.

        The last word may be the beginning of one.
        """
        query = cls(parsed, positive)
        wanted = query.wanted
        begins = (
            bool(wanted)
            and positive == parsed
            and not query.has_alternatives
            and len(wanted[-1].encode()) >= SHORTEST_BEGINNING
            # What was typed last is a word, and just what the query ends with: neither the end of
            # a phrase in quotes nor one of the parts that an address has been taken into.
            and typed.split()[-1].lower().lstrip('"') == wanted[-1]
        )
        return cls(f"{parsed}:*", f"{positive}:*") if begins else query

    @property
    def wanted(self) -> list[str]:
        """What a hit holds each of, or where there is an `or` some of."""
        return [_unescaped(lexeme) for lexeme in _LEXEME.findall(self.positive)]

    @property
    def longest(self) -> int:
        """Characters of its longest word."""
        return max(map(len, _LEXEME.findall(self.text)), default=0)

    @property
    def has_alternatives(self) -> bool:
        return "|" in _LEXEME.sub("", self.positive)

    @property
    def has_phrase(self) -> bool:
        return _FOLLOWED.search(_LEXEME.sub("", self.text)) is not None

    def patterns(self) -> list[str]:
        """What the text of a hit is like, in lower case: each, or where there is an `or` some."""
        return [f"%{'%'.join(map(_pattern, words))}%" for words in self._telling()]

    def adjacent(self) -> list[str]:
        """Regular expressions that match the text of a hit in lower case."""
        telling = self._telling()
        phrases = [_BETWEEN.join(map(_expression, words)) for words in telling]
        if self.has_alternatives:
            return ["|".join((*phrases, _PASSED_OVER))]
        return [
            f"{phrase}|{_PASSED_OVER}"
            for phrase, words in zip(phrases, telling, strict=True)
            if len(words) > 1
        ]

    def plain(self) -> tuple[list[str], int]:
        """Regular expressions for a text in lower case, and how many bytes are too many for them.

        A shorter text without tags that they match is a hit.
        """
        told = self._telling()
        words = [word for phrase in told for word in phrase]
        if (
            self.positive != self.text
            or self.has_alternatives
            or self.text.endswith(":*")
            or not all(map(_PLAIN.fullmatch, words))
        ):
            return [], 0
        expressions = [f"(^|{_BLANK}){_BLANK.join(phrase)}({_BLANK}|$)" for phrase in told]
        return expressions, min(_WORDS, _TIMES * (1 + min(map(len, words))))

    def among(self, letter: str) -> str:
        """What the index is asked for, where this letter stands before all words."""
        # What doesn't hold all words of a phrase doesn't hold the phrase. The reverse is not true,
        # so nothing can be said of one that must not occur.
        query = self.positive if self.has_phrase else self.text
        return "".join(
            f"'{letter}{lexeme}'" if quoted else _FOLLOWED.sub("&", between)
            for quoted, lexeme, between in _PIECE.findall(query)
        )

    def _telling(self) -> list[list[str]]:
        """Words that follow each other in a hit: all of these, or where there is an `or` some.

        What tells most comes first, and is the only one that stands for an alternative.
        """
        alternatives: list[list[list[str]]] = [[[]]]
        for quoted, lexeme, between in _PIECE.findall(self.positive):
            if quoted:
                alternatives[-1][-1].append(_unescaped(lexeme))
            elif "|" in between:
                alternatives.append([[]])
            elif between != " <-> ":
                alternatives[-1].append([])
        told = [
            sorted(
                (part for words in phrases for part in _parts(words)),
                key=lambda words: (-len(words), -sum(map(len, words))),
            )
            for phrases in alternatives
        ]
        return told[0] if len(told) == 1 else [phrases[0] for phrases in told]


def _parts(words: list[str]) -> list[list[str]]:
    """Those of a phrase that can be told to follow each other."""
    # Others are made of several that stand at the same place of the text.
    if all(map(str.isalnum, words)):
        return [words] if words else []
    return [[word] for word in words]


def _unescaped(lexeme: str) -> str:
    return lexeme.replace("''", "'").replace("\\\\", "\\")


# Which of two sigmas is the lower case of the capital one depends on what follows, which in a text
# may be more than its word.


def _pattern(word: str) -> str:
    return re.sub("[σς]", "_", re.sub(r"([\\%_])", r"\\\1", word))


def _expression(word: str) -> str:
    return re.sub("[σς]", "[σς]", re.escape(word))
