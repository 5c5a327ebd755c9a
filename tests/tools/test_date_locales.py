"""Dates in the figures and names of the user's locale, and what is answered with a question."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from dateparser.data.languages_info import language_order  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.errors import DueNotUnderstoodError
from tools.when.dates import read_due
from tools.when.locales import date_order, in_english

VIENNA = ZoneInfo("Europe/Vienna")
#: A Wednesday.
NOW = datetime(2026, 11, 18, 10, 0, 30, tzinfo=VIENNA)


def understood(phrase: str, locale: str | None) -> str:
    due = read_due(phrase, now=NOW, zone=VIENNA, locale=locale)
    return due.moment.isoformat(" ", "minutes")[:16]


@pytest.mark.parametrize(
    ("locale", "order"),
    [
        ("de-AT", "DMY"),
        ("de_AT.UTF-8", "DMY"),
        ("de", "DMY"),
        ("de-XX", "DMY"),
        ("en-US", "MDY"),
        ("en-us", "MDY"),
        ("en-GB", "DMY"),
        ("en-PH", "MDY"),
        ("pt-BR", "DMY"),
        ("ja-JP", "YMD"),
        ("zh-Hans-CN", "YMD"),
        # English is written in both orders.
        ("en", None),
        ("en-XX", None),
        (None, None),
        ("", None),
        ("tlh", None),
        ("../../etc", None),
        ("de-" + "x" * 100, None),
        ("\x00\ud800", None),
    ],
)
def test_the_order_of_figures_is_that_of_the_locales_region(
    locale: str | None, order: str | None
) -> None:
    assert date_order(locale) == order


@pytest.mark.parametrize(
    ("locale", "phrase", "expected"),
    [
        ("de-AT", "15.3.", "2027-03-15 23:59"),
        ("de-AT", "15.3", "2027-03-15 23:59"),
        ("de-AT", "am 15.3.", "2027-03-15 23:59"),
        ("de-AT", "15. 3. 2027", "2027-03-15 23:59"),
        ("de-AT", "3.12.", "2026-12-03 23:59"),
        ("de-AT", "3.12.26", "2026-12-03 23:59"),
        ("de-AT", "15.3. um 9", "2027-03-15 09:00"),
        ("de-AT", "15.3. 14:30", "2027-03-15 14:30"),
        ("de-AT", "3/12", "2026-12-03 23:59"),
        ("de-AT", "03/12/2026", "2026-12-03 23:59"),
        ("en-US", "3/15", "2027-03-15 23:59"),
        ("en-US", "3/12", "2027-03-12 23:59"),
        ("en-US", "12/3", "2026-12-03 23:59"),
        ("en-US", "12/3/2026 at 9am", "2026-12-03 09:00"),
        ("en-US", "12/3/26", "2026-12-03 23:59"),
        ("en-GB", "15/3", "2027-03-15 23:59"),
        ("en-GB", "3/12", "2026-12-03 23:59"),
        ("en-GB", "3.12.", "2026-12-03 23:59"),
        ("ja-JP", "12/3", "2026-12-03 23:59"),
        ("ja-JP", "2026/12/3", "2026-12-03 23:59"),
        ("hu-HU", "2026. 12. 03.", "2026-12-03 23:59"),
        ("nl-NL", "15-3-2027", "2027-03-15 23:59"),
        # Without a locale: what can only be meant in one way, and points.
        (None, "15.3.", "2027-03-15 23:59"),
        (None, "3.12.", "2026-12-03 23:59"),
        (None, "15/3", "2027-03-15 23:59"),
        (None, "3/15", "2027-03-15 23:59"),
        (None, "12/12", "2026-12-12 23:59"),
        (None, "2026/12/3", "2026-12-03 23:59"),
        (None, "29.2.", "2028-02-29 23:59"),
        (None, "18.11.", "2026-11-18 23:59"),
    ],
)
def test_figures_are_read_in_the_order_of_the_locale(
    locale: str | None, phrase: str, expected: str
) -> None:
    assert understood(phrase, locale) == expected


@pytest.mark.parametrize(
    ("locale", "phrase", "question"),
    [
        (None, "3/12", "3 December or 12 March"),
        (None, "03/04/2026", "3 April or 4 March"),
        ("en", "03/04/2026", "3 April or 4 March"),
        ("xx-YY", "03/04/2026", "3 April or 4 March"),
        # Points aren't used there, so it comes from elsewhere.
        ("en-US", "3.12.", "3 December or 12 March"),
        ("ja-JP", "3/12/2027", "3 December or 12 March"),
        (None, "9.10", "a time or a date"),
        ("de-AT", "9.10", "a time or a date"),
        (None, "1-12", "a date or a span"),
        (None, "3/12/26", "which figures are the year"),
    ],
)
def test_figures_that_can_be_read_in_two_ways_are_asked_about(
    locale: str | None, phrase: str, question: str
) -> None:
    with pytest.raises(DueNotUnderstoodError, match=question):
        understood(phrase, locale)


@pytest.mark.parametrize(
    "phrase", ["31.2.", "0.0.", "32/1", "13/13/2026", "2026/13/1", "29.2.2027"]
)
def test_a_day_that_no_calendar_has_is_refused(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError):
        understood(phrase, "de-AT")


def test_figures_that_only_another_order_makes_a_date_are_noted() -> None:
    due = read_due("15/3", now=NOW, zone=VIENNA, locale="en-US")
    assert due.moment.date().isoformat() == "2027-03-15"
    assert "15 March" in due.notes[0]


@pytest.mark.parametrize(
    ("locale", "phrase", "expected"),
    [
        ("de-AT", "15. März", "2027-03-15 23:59"),
        ("de-AT", "am 5. Jänner", "2027-01-05 23:59"),
        ("de-DE", "3. Dez. 2026", "2026-12-03 23:59"),
        ("de-AT", "Freitag 14:30", "2026-11-20 14:30"),
        ("de-AT", "morgen um 9 Uhr", "2026-11-19 09:00"),
        ("de-AT", "übermorgen", "2026-11-20 23:59"),
        ("de-AT", "in 3 Wochen", "2026-12-09 23:59"),
        ("de-AT", "Mittwoch, 2. Dezember um 18 Uhr", "2026-12-02 18:00"),
        ("fr-FR", "15 mars", "2027-03-15 23:59"),
        ("fr-FR", "mardi", "2026-11-24 23:59"),
        ("fr-FR", "demain à 9h", "2026-11-19 09:00"),
        ("fr-FR", "vendredi à 14h30", "2026-11-20 14:30"),
        ("fr-FR", "dans 3 jours", "2026-11-21 23:59"),
        ("es-ES", "3 de diciembre", "2026-12-03 23:59"),
        ("es-MX", "el 3 de diciembre de 2027", "2027-12-03 23:59"),
        ("es-ES", "mañana a las 9", "2026-11-19 09:00"),
        ("it-IT", "domani alle 9", "2026-11-19 09:00"),
        ("pt-BR", "amanhã às 9", "2026-11-19 09:00"),
        ("pt-BR", "sexta-feira", "2026-11-20 23:59"),
        ("nl-NL", "morgen om 9 uur", "2026-11-19 09:00"),
        ("sv-SE", "i morgon kl 9", "2026-11-19 09:00"),
        ("pl-PL", "15 marca", "2027-03-15 23:59"),
        ("ru-RU", "15 марта", "2027-03-15 23:59"),
        ("ru-RU", "завтра", "2026-11-19 23:59"),
        ("ja-JP", "明日", "2026-11-19 23:59"),
        # English goes everywhere.
        ("de-AT", "next friday", "2026-11-27 23:59"),
        ("es-ES", "may 5", "2027-05-05 23:59"),
    ],
)
def test_days_and_months_have_the_names_of_the_locales_language(
    locale: str, phrase: str, expected: str
) -> None:
    assert understood(phrase, locale) == expected


def test_a_name_that_means_another_day_in_english_is_asked_about() -> None:
    # In Basaa "may" is November.
    with pytest.raises(DueNotUnderstoodError, match="2026-11-20 or 2027-05-20"):
        understood("may 20", "bas")


def test_the_same_word_is_another_day_in_another_language() -> None:
    assert understood("ma", "hu-HU") == "2026-11-18 23:59"
    assert understood("ma", "fi-FI") == "2026-11-23 23:59"


@pytest.mark.parametrize("language", language_order)
def test_every_language_of_dateparsers_leaves_iso_dates_alone(language: str) -> None:
    assert understood("2026-12-01 09:30", language) == "2026-12-01 09:30"


@pytest.mark.parametrize(
    "phrase", ["nächsten freitag", "bald", "freitag der 13", "mai", "um 25 uhr"]
)
def test_words_of_the_language_that_are_not_known_are_refused(phrase: str) -> None:
    with pytest.raises(DueNotUnderstoodError):
        understood(phrase, "de-AT")


def test_without_a_locale_other_languages_are_refused() -> None:
    with pytest.raises(DueNotUnderstoodError):
        understood("morgen", None)


@given(st.text(max_size=60), st.sampled_from(["de-AT", "en-US", "fr-FR", "ru", "ja-JP", "xx", ""]))
@settings(deadline=None)
def test_any_text_in_any_locale_is_understood_or_refused(text: str, locale: str) -> None:
    try:
        due = read_due(text, now=NOW, zone=VIENNA, locale=locale)
    except DueNotUnderstoodError:
        return
    assert due.moment.tzinfo is VIENNA


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_locale_is_known_or_ignored(locale: str) -> None:
    assert date_order(locale) in (None, "DMY", "MDY", "YMD")
    assert in_english("friday", locale)


@given(st.dates(date(2026, 11, 18), date(2999, 12, 31)))
@settings(deadline=None)
def test_a_date_in_full_is_the_same_day_in_every_way_of_writing_it(day: date) -> None:
    written = {
        f"{day.day}.{day.month}.{day.year}": "de-AT",
        f"{day.day}/{day.month}/{day.year}": "en-GB",
        f"{day.month}/{day.day}/{day.year}": "en-US",
        f"{day.year}/{day.month}/{day.day}": "ja-JP",
        f"{day.day:02}-{day.month:02}-{day.year}": "nl-NL",
        day.isoformat(): None,
        f"{day.day} {day:%B} {day.year}": None,
    }
    for phrase, locale in written.items():
        assert understood(phrase, locale)[:10] == day.isoformat(), (phrase, locale)
