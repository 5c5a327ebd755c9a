"""The due times that the offline model passes on are ones that the tools understand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.graph.offline_support import calls_for
from tools.when.dates import read_due
from tools.when.ranges import read_range
from tools.when.recurrence import read_recurrence

# Early on a Wednesday, so that every time of the day and of the week is still to come.
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
DAYS = (
    *("today", "tomorrow", "tmrw", "the day after tomorrow", "friday", "Fri", "this friday"),
    *("next friday", "this coming friday", "next week", "next month", "this weekend", "tues"),
    *("friday next week", "the end of the month", "end of next week", "3 december", "Dec 3"),
    *("3rd of december", "december 3rd, 2026", "friday, 27 november", "friday the 27th"),
    *("2026-12-01", "1.12.2026", "12/24/2026"),
)
TIMES = (
    *("at 9", "at 9am", "at 9:30", "at 9.30", "5 pm", "at noon", "at 5 o'clock", "before 17:00"),
    *("around 10", ", 9am"),
)
OTHERS = (
    *("in 3 weeks", "in an hour", "in half an hour", "in a couple of days", "3 days from now"),
    *("in 2 hours and 30 minutes", "a week from today", "in a fortnight", "tonight"),
    *("tomorrow morning", "friday night at 8", "tomorrow at 9 in the morning", "this evening"),
    *("by sat", "on sunday at 10", "on the 3rd", "by 5pm", "before noon", "until monday"),
    *("due friday", "due in 3 days", "for tomorrow", "no later than friday", "at 9 tomorrow"),
    *("at 5pm on friday", "9am", "by eod", "by the end of the day", "2026-12-01T09:00+01:00"),
    *("on 15.3.", "by 3.12.", "on 15/3", "until 12/24", "on 15.3. at 9", "at 9 on 15.3."),
)
PHRASES = [*DAYS, *(f"{day} {time}".replace(" ,", ",") for day in DAYS for time in TIMES), *OTHERS]

AHEAD = ("in the next 7 days", "the next three weeks", "by friday", "before monday")
#: Forms that count only where nothing but days can be meant.
ASKED = (
    *("on 15.3", "by 3/4", "on monday 15.3.", "on 15. März", "by 15. märz 2027", "in march"),
    *("in december 2026", "this december", "next march", "after 15.3.", "since monday"),
    *("between 1.3. and 15.3", "from monday to wednesday", "today and tomorrow", "3/4 to 5/4"),
    *("from today until the end of the month", "at the end of the month", "the 3rd", "sat"),
    *("within the next two weeks", "in the next 3 months"),
)
REPETITIONS = (
    *("every monday", "every day", "every day at 9", "every other day", "every 2 weeks", "daily"),
    *("weekly", "monthly", "yearly", "annually", "every weekday", "every second tuesday"),
    *("every morning", "every evening", "each friday at 5pm", "every month on the 3rd"),
    *("every first of the month", "every year", "every mon and thu", "every weekend"),
    *("every monday, wednesday and friday at 9:30", "every 3 days after completion"),
    *("every last friday of the month", "every 15th", "every monday morning"),
    *("every other week on friday", "every two weeks at noon"),
)


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_due_time_is_taken_off_the_title_and_understood_by_the_tools(phrase: str) -> None:
    [(_, arguments)] = calls_for(f"remind me to buy milk {phrase}")
    [task] = arguments["tasks"]
    assert task["title"] == "buy milk"
    assert read_due(task["due"], now=NOW, zone=BERLIN).moment > NOW


@pytest.mark.parametrize("phrase", [*DAYS, *OTHERS])
def test_a_task_can_be_moved_to_each_due_time(phrase: str) -> None:
    bare = calls_for(f"add buy milk {phrase}")[0][1]["tasks"][0]["due"]
    assert calls_for(f"reschedule 2 to {bare}") == [
        ("reschedule_tasks", {"tasks": [{"task": "2", "due": bare}]})
    ]


@pytest.mark.parametrize("phrase", [*PHRASES, *AHEAD])
def test_a_question_for_a_due_time_asks_for_days_that_the_tools_understand(phrase: str) -> None:
    [(tool, arguments)] = calls_for(f"what do I have {phrase}?")
    assert tool == "find_tasks"
    days = read_range(arguments["due"], now=NOW, zone=BERLIN)
    assert days.end is None or days.end > NOW


@pytest.mark.parametrize("phrase", [*DAYS, *OTHERS, *AHEAD, *ASKED])
def test_a_question_for_what_is_due_asks_for_days_that_the_tools_understand(phrase: str) -> None:
    [(tool, arguments)] = calls_for(f"what is due {phrase.removeprefix('due ')}?")
    assert tool == "find_tasks"
    locale = "en-US" if "12/24" in phrase else "de-AT"
    days = read_range(arguments["due"], now=NOW, zone=BERLIN, locale=locale)
    assert days.end is None or days.end > NOW


@pytest.mark.parametrize("phrase", REPETITIONS)
def test_a_repetition_is_taken_off_the_title_and_understood_by_the_tools(phrase: str) -> None:
    [(_, arguments)] = calls_for(f"remind me to buy milk {phrase}")
    assert arguments["tasks"] == [{"title": "buy milk", "repeats": phrase}]
    assert read_recurrence(phrase, now=NOW, zone=BERLIN).first > NOW
