"""Which rows answer which calls, when one of them is to be forgotten."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from storage.redacting_calls import CallTree


def tree(*rows: tuple[str, str | None, str, list[str] | None]) -> tuple[CallTree, dict[str, UUID]]:
    """A tree of rows, each with its name, its parent's name, its role and its calls."""
    ids = {name: uuid4() for name, *_ in rows}
    stored: dict[UUID, dict[str, Any]] = {
        ids[name]: {
            "id": ids[name],
            "parent_id": None if parent is None else ids[parent],
            "role": role,
            "calls": calls,
        }
        for name, parent, role, calls in rows
    }
    return CallTree(stored), ids


def test_an_answer_belongs_to_the_nearest_message_that_asks_for_its_call() -> None:
    calls, ids = tree(
        ("first", None, "assistant", ["c"]),
        ("answer", "first", "tool", ["c"]),
        ("again", "answer", "assistant", ["c", "d"]),
        ("d's answer", "again", "tool", ["d"]),
        ("c's answer", "d's answer", "tool", ["c"]),
        ("other branch", "first", "tool", ["c"]),
    )
    assert calls.asker(ids["c's answer"], "c") == ids["again"]
    assert {id_ for id_, *_ in calls.answers([ids["first"]])} == {
        ids["answer"],
        ids["other branch"],
    }


def test_calls_without_an_answer_are_counted() -> None:
    calls, ids = tree(
        ("asking", None, "assistant", ["c", "d"]),
        ("answer", "asking", "tool", ["d"]),
        ("stray", "answer", "tool", ["e"]),
        ("words", "stray", "user", None),
    )
    assert calls.unanswered([ids["asking"]]) == 1
    assert calls.unanswered([ids["answer"], ids["words"]]) == 0
    assert calls.asker(ids["stray"], "e") is None


@pytest.mark.timeout(10)
def test_parents_in_a_circle_have_no_end_and_are_left() -> None:
    calls, ids = tree(
        ("answer", "words", "tool", ["c"]),
        ("words", "reply", "user", None),
        ("reply", "words", "assistant", []),
    )
    assert calls.asker(ids["answer"], "c") is None
