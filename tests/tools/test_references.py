"""Which task is meant."""

import pytest

from tools.errors import AmbiguousTaskError, InvalidValueError
from tools.finding.references import (
    LISTED_MAX,
    Candidate,
    check_reference,
    find,
    not_found,
)

TASKS = [
    Candidate(1, "Buy milk", completed=False),
    Candidate(2, "Call Ann", completed=False),
    Candidate(3, "Call Anna about the 2024 taxes", completed=False),
    Candidate(4, "Mum's birthday present", completed=False),
    Candidate(5, "Dentist appointment", completed=False),
    Candidate(6, "买牛奶", completed=False),
    Candidate(7, "Water plants", completed=True),
    Candidate(8, "Water plants", completed=False),
    Candidate(9, "Send the report", completed=True),
]


def number_of(reference: str, tasks: list[Candidate]) -> int | None:
    found = find(reference, tasks, prefer="open")
    return None if found is None else found.number


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("1", 1),
        ("#1", 1),
        (" # 1 ", 1),
        ("task 1", 1),
        ("Task #1", 1),
        ("the number 1", 1),
        ("no. 1", 1),
        ("1.", 1),
        ("milk", 1),
        ("the milk", 1),
        ("MILK", 1),
        ("the milk one", 1),
        ("my buy milk task", 1),
        ('"Buy milk"', 1),
        ("milk buy", 1),
        # The nearest title: a whole word before the beginning of one.
        ("ann", 2),
        ("call ann", 2),
        ("anna", 3),
        ("the taxes", 3),
        # There is no task 2024.
        ("2024", 3),
        ("mum's present", 4),
        ("mums present", 4),
        ("dentist", 5),
        ("the dentist one", 5),
        ("dent", 5),
        ("牛奶", 6),
        ("report", 9),
    ],
)
def test_a_number_or_words_of_the_title_mean_a_task(reference: str, number: int) -> None:
    assert number_of(reference, TASKS) == number


def test_an_open_task_is_preferred_where_asked_for() -> None:
    assert number_of("plants", TASKS) == 8
    closed = find("plants", TASKS, prefer="closed")
    assert closed is not None
    assert closed.number == 7
    with pytest.raises(AmbiguousTaskError):
        find("plants", TASKS, prefer=None)


def test_a_whole_title_is_preferred_to_a_longer_one() -> None:
    tasks = [Candidate(1, "Buy milk and bread", False), Candidate(2, "Buy milk", False)]
    assert number_of("buy milk", tasks) == 2


def test_words_that_say_nothing_mean_only_the_title_they_are() -> None:
    tasks = [Candidate(1, "The one", False), Candidate(2, "Find the one and only", False)]
    assert number_of("the one", tasks) == 1


def test_several_that_are_meant_alike_are_listed_and_none_is_chosen() -> None:
    with pytest.raises(AmbiguousTaskError) as error:
        find("call", TASKS, prefer="open")
    assert '#2 "Call Ann"' in str(error.value)
    assert "#3" in str(error.value)
    assert "#1" not in str(error.value)


@pytest.mark.parametrize(
    "reference", ["99", "zebra", "ilk", "the", "that one", "mi", "buy bread", "call 5", "🥛"]
)
def test_what_means_no_task_finds_none(reference: str) -> None:
    assert find(reference, TASKS[:3] + TASKS[8:], prefer="open") is None


def test_where_no_task_is_meant_the_open_ones_are_named() -> None:
    said = not_found("zebra", TASKS[:2])
    assert '"zebra"' in said
    assert '#1 "Buy milk", #2 "Call Ann"' in said
    assert "state completed" in not_found("zebra", [])


def test_many_tasks_are_counted_rather_than_listed() -> None:
    many = [Candidate(n, f"Errand {n}", False) for n in range(1, LISTED_MAX + 2)]
    said = not_found("zebra", many)
    assert "find_tasks" in said
    assert "Errand" not in said
    with pytest.raises(AmbiguousTaskError, match="and 1 more") as error:
        find("errand", many, prefer="open")
    assert len(error.value.candidates) == LISTED_MAX


@pytest.mark.parametrize("reference", ["", "  ", "x" * 501])
def test_a_reference_that_can_mean_nothing_is_refused(reference: str) -> None:
    with pytest.raises(InvalidValueError):
        check_reference(reference)


def test_a_symbol_means_the_title_that_holds_it() -> None:
    tasks = [Candidate(1, "🥛", False), Candidate(2, "🍞 bread", False)]
    assert number_of("🥛", tasks) == 1
    assert number_of("!!!", tasks) is None
