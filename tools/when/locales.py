"""What dateparser knows of a locale: the order of figures in a date, and the names of its days.

The order comes from the locale's region: 3/4 is April in Vienna and March in New York. Names are
put into English, which phrases are read in; whoever speaks to the task server mostly does so too.
"""

import re
from functools import lru_cache
from typing import Any

from dateparser.languages.loader import default_loader  # type: ignore[import-untyped]

from .calendar_words import MONTHS, WEEKDAYS

#: Longer ones are no locales.
_LOCALE_MAX = 35
_NAMES = (*WEEKDAYS, *MONTHS)
#: Names of moments in dateparser's tables, as this package says them.
_RELATIVE = {
    "0 day ago": "today",
    "1 day ago": "yesterday",
    "in 1 day": "tomorrow",
    "in 2 day": "day after tomorrow",
    **{f"0 {unit} ago": f"this {unit}" for unit in ("week", "month", "year")},
    **{f"in 1 {unit}": f"next {unit}" for unit in ("week", "month", "year")},
    **{f"1 {unit} ago": f"last {unit}" for unit in ("week", "month", "year")},
}
_SPANS = {
    f"in \\1 {unit}": rf"in \1 {unit}s"
    for unit in ("minute", "hour", "day", "week", "month", "year")
}
#: What stands before a time of day, and after it; dateparser's tables don't tell these apart from
#: other words that mean nothing.
_AT = {"de": "um", "fr": "à", "es": "a las?", "it": "alle", "nl": "om", "pt": "às?"}
_AT |= {"sv": r"kl\.?", "da": r"kl\.?", "nb": r"kl\.?", "fi": "klo"}
_OCLOCK = {"de": "uhr", "nl": "uur", "fr": "heures?|h", "pt": "horas?"}
_ON = {"de": "am|den|der|bis", "fr": "le", "es": "el", "it": "il", "nl": "op", "pt": "em"}


def date_order(locale: str | None) -> str | None:
    """ "DMY", "MDY" or "YMD": how dates are written in a locale such as "de-AT".

    None where there is no locale, where it isn't known, or where it is English without a region.
    """
    info = _info(locale)
    if not info or info["name"] == "en":
        return None
    order = info.get("date_order")
    return order if order in ("DMY", "MDY", "YMD") else None


def in_english(phrase: str, locale: str | None) -> str:
    """A phrase in lower case with the locale's names of days and months put into English.

    Other words stay as they are.
    """
    for pattern, english in _translations(locale):
        phrase = pattern.sub(english, phrase)
    return phrase


def _info(locale: str | None) -> dict[str, Any]:
    if not locale or len(locale) > _LOCALE_MAX:
        return {}
    return _known(locale.split(".")[0].replace("_", "-"))


# Bounded: a client may name any locale.
@lru_cache(maxsize=64)
def _known(name: str) -> dict[str, Any]:
    """dateparser's table of a locale, of its language if it doesn't know the region."""
    language, _, region = name.partition("-")
    language = language.lower()
    candidates = [f"{language}-{region.upper() if len(region) < 4 else region}"] if region else []
    # Other languages are written in one order, or their unknown regions in the usual one.
    if not (region and language == "en"):
        candidates.append(language)
    for candidate in candidates:
        try:
            info: dict[str, Any] = default_loader.get_locale(candidate).info
        except ValueError:
            continue
        return info
    return {}


def _translations(locale: str | None) -> list[tuple[re.Pattern[str], str]]:
    info = _info(locale)
    name = str(info.get("name", "en"))
    return [] if name.split("-")[0] == "en" else _compiled(name)


@lru_cache(maxsize=64)
def _compiled(name: str) -> list[tuple[re.Pattern[str], str]]:
    info, language = _known(name), name.split("-")[0]
    words: dict[str, str] = {}
    for key, english in _RELATIVE.items():
        words |= {_plain(word): english for word in info.get("relative-type", {}).get(key, ())}
    spans: dict[str, str] = {}
    for key, english in _SPANS.items():
        for form in info.get("relative-type-regex", {}).get(key, ()):
            spans[_plain(form).replace(r"(\d++[.,]?\d*+)", r"(\d{1,4})")] = english
    for english in _NAMES:
        words |= {_plain(word): english for word in info.get(english, ())}
    found = [(_word(pattern), english) for pattern, english in spans.items()]
    if language == "fr":
        found.append((re.compile(r"(?<=\d) ?h ?(?=\d\d\b)"), ":"))
    if language in _OCLOCK:
        found.append((re.compile(rf"(?<=\d) ?(?:{_OCLOCK[language]})\b"), ""))
    if language in _AT:
        found.append((re.compile(rf"(?<!\w)(?:{_AT[language]}) (?=\d)"), "at "))
    found += [
        (_word(re.escape(word) + (r"\.?" if word[-1].isalpha() else "")), english)
        for word, english in sorted(words.items(), key=lambda item: -len(item[0]))
    ]
    if language in _ON:
        found.append((re.compile(rf"^(?:{_ON[language]}) "), ""))
    if language in ("es", "pt"):
        found.append((re.compile(r"(?<=\d) de (?=[a-z])"), " "))
        found.append((re.compile(r"(?<=[a-z]) de(?:l)? (?=\d{4}\b)"), " "))
    return found


def _plain(word: str) -> str:
    return " ".join(word.casefold().split())


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){pattern}(?!\w)")
