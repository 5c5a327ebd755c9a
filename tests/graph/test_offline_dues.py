"""The due times that the offline model passes on are ones that the tools understand."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.graph.offline_support import calls_for
from tools.dates import parse_due

# Early on a Wednesday, so that every time of the day and of the week is still to come.
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
)
PHRASES = [*DAYS, *(f"{day} {time}".replace(" ,", ",") for day in DAYS for time in TIMES), *OTHERS]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_due_time_is_taken_off_the_title_and_understood_by_the_tools(phrase: str) -> None:
    [(_, arguments)] = calls_for(f"remind me to buy milk {phrase}")
    assert arguments["title"] == "buy milk"
    assert parse_due(arguments["due"], now=NOW, zone=ZoneInfo("Europe/Berlin")) > NOW


@pytest.mark.parametrize("phrase", [*DAYS, *OTHERS])
def test_a_task_can_be_moved_to_each_due_time(phrase: str) -> None:
    bare = calls_for(f"add buy milk {phrase}")[0][1]["due"]
    assert calls_for(f"reschedule 2 to {bare}") == [("update_task", {"task": "2", "due": bare})]
