"""In which order the offline model calls tools, and how one result leads to the next call."""

import pytest
from langchain_core.messages import BaseMessage, ToolCall, ToolMessage

from tests.graph.offline_support import (
    change,
    failed,
    found,
    listing,
    result,
    results,
    task,
    turn,
)


def names(rounds: list[list[tuple[str, dict[str, object]]]]) -> list[list[str]]:
    return [[name for name, _ in calls] for calls in rounds]


def adds(call: ToolCall) -> ToolMessage:
    """Tools on a list that holds one task."""
    if call["name"] == "find_tasks":
        return result(call, listing(task(5, "Milk", notes="two bottles")))
    if call["name"] == "get_tasks":
        return result(call, found(task(5, "Milk", notes="two bottles")))
    action = {
        "add_tasks": "added",
        "complete_tasks": "completed",
        "delete_tasks": "deleted",
        "reschedule_tasks": "rescheduled",
    }
    return result(call, change(action.get(call["name"], "updated"), task(5, "Milk")))


def test_additions_are_one_call() -> None:
    rounds, _ = turn([], "add milk and add bread\nadd milk", adds)
    assert rounds == [
        [("add_tasks", {"tasks": [{"title": "milk"}, {"title": "bread"}, {"title": "milk"}]})]
    ]


def test_endings_of_one_kind_are_one_call_by_number_or_by_name() -> None:
    rounds, _ = turn([], "complete 1, 2 and 3", adds)
    assert rounds == [[("complete_tasks", {"tasks": ["1", "2", "3"]})]]
    rounds, _ = turn([], "delete the milk one and the bread one", adds)
    assert rounds == [[("delete_tasks", {"tasks": ["milk", "bread"]})]]


def test_endings_of_different_kinds_are_called_one_by_one() -> None:
    assert names(turn([], "complete 3 and delete 4", adds)[0]) == [
        ["complete_tasks"],
        ["delete_tasks"],
    ]


def test_the_list_is_asked_for_only_after_the_addition_before_it() -> None:
    rounds, answer = turn([], "add milk, then what's on my list?", adds)
    assert names(rounds) == [["add_tasks"], ["find_tasks"]]
    assert answer.index("Added #5") < answer.index("- #5 Milk")


def test_a_step_that_failed_does_not_stop_the_next() -> None:
    def fails_to_add(call: ToolCall) -> ToolMessage:
        adding = call["name"] == "add_tasks"
        return result(call, "Too long." if adding else listing(), error=adding)

    rounds, answer = turn([], "add milk, then what's on my list?", fails_to_add)
    assert names(rounds) == [["add_tasks"], ["find_tasks"]]
    assert "Too long." in answer
    assert "no open tasks" in answer


def test_it_is_the_task_of_the_step_before() -> None:
    rounds, _ = turn([], "add milk and make it high priority", adds)
    assert rounds[1] == [("update_tasks", {"tasks": [{"task": "5", "priority": "high"}]})]


def test_it_is_the_task_of_the_message_before() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "add milk", adds)
    assert turn(messages, "move it to friday", adds)[0] == [
        [("reschedule_tasks", {"tasks": [{"task": "5", "due": "friday"}]})]
    ]
    assert turn(messages, "it's done", adds)[0] == [[("complete_tasks", {"tasks": ["5"]})]]


def test_it_is_the_only_task_of_the_list_before() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "find milk", adds)
    assert turn(messages, "delete it", adds)[0] == [[("delete_tasks", {"tasks": ["5"]})]]


def test_it_is_no_task_after_several_or_a_deleted_one_or_a_failed_call_or_other_talk() -> None:
    def several(call: ToolCall) -> ToolMessage:
        return result(call, listing(task(1, "Milk"), task(2, "Bread")))

    def fails(call: ToolCall) -> ToolMessage:
        return result(call, "No.", error=True)

    for text, answer in (("list", several), ("delete 5", adds), ("add milk", fails), ("hi", adds)):
        messages: list[BaseMessage] = []
        turn(messages, "add milk", adds)
        turn(messages, text, answer)
        rounds, said = turn(messages, "delete it", adds)
        assert rounds == [], text
        assert "Which task" in said


def test_it_is_no_task_when_the_addition_failed() -> None:
    rounds, answer = turn(
        [], "add milk and make it urgent", lambda call: result(call, "No.", error=True)
    )
    assert names(rounds) == [["add_tasks"]]
    assert "Which task" in answer


def test_a_note_is_added_behind_the_notes_that_are_there() -> None:
    rounds, answer = turn([], "add a note to 5: the blue ones", adds)
    assert rounds == [
        [("get_tasks", {"tasks": ["5"]})],
        [("update_tasks", {"tasks": [{"task": "5", "notes": "two bottles\nthe blue ones"}]})],
    ]
    assert "You have" not in answer


def test_a_note_finds_its_task_by_name_or_by_it() -> None:
    messages: list[BaseMessage] = []
    noted = [("update_tasks", {"tasks": [{"task": "5", "notes": "two bottles\nblue"}]})]
    assert turn(messages, "add a note to the milk: blue", adds)[0] == [
        [("get_tasks", {"tasks": ["milk"]})],
        noted,
    ]
    assert turn(messages, "add a note to it: blue", adds)[0][-1] == noted


def test_a_note_for_no_task_or_for_several_is_not_written() -> None:
    def two(call: ToolCall) -> ToolMessage:
        if call["args"] == {"tasks": ["milk"]}:
            return unsure(call)
        none = failed('No task is meant by "9"; nothing was changed. There are no open tasks.')
        return result(call, results(none), error=True)

    rounds, answer = turn([], "add a note to the milk: blue", two)
    assert names(rounds) == [["get_tasks"]]
    assert '#1 "Buy milk", #2 "Sell milk"' in answer
    rounds, answer = turn([], "add a note to 9: blue", two)
    assert names(rounds) == [["get_tasks"]]
    assert "not added" in answer


def test_a_note_to_it_is_not_written_when_it_is_no_task() -> None:
    rounds, answer = turn([], "add a note to it: blue", adds)
    assert rounds == []
    assert "Which task" in answer


def test_a_note_is_not_written_when_the_task_could_not_be_read() -> None:
    rounds, answer = turn(
        [], "add a note to 5: blue", lambda call: result(call, "No database.", error=True)
    )
    assert names(rounds) == [["get_tasks"]]
    assert "No database." in answer


def unsure(call: ToolCall) -> ToolMessage:
    """Tools that know two tasks of every name, and one of every number."""
    [asked] = call["args"]["tasks"]
    words = asked if isinstance(asked, str) else asked["task"]
    if words.isdecimal():
        return adds(call)
    error = '"milk" may mean 2 tasks: #1 "Buy milk", #2 "Sell milk". Nothing was changed. '
    several = failed(
        f"{error}Ask the user which one is meant.", task(1, "Buy milk"), task(2, "Sell milk")
    )
    return result(call, results(several), error=True)


def unsure_of_all(call: ToolCall) -> ToolMessage:
    """Tools that know two tasks of every name, for each of the tasks that are named."""
    several = [task(1, "Buy milk"), task(2, "Sell milk")]
    items = [failed("It may mean 2 tasks.", *several) for _ in call["args"]["tasks"]]
    return result(call, results(*items), error=True)


@pytest.mark.parametrize("text", ["2", "#2", "number 2", " 2. "])
def test_a_number_alone_repeats_the_call_whose_task_was_asked_for(text: str) -> None:
    messages: list[BaseMessage] = []
    _, answer = turn(messages, "move the milk one to friday", unsure)
    assert answer.endswith("Which one? Give its number.")
    rounds, answer = turn(messages, text, unsure)
    assert rounds == [[("reschedule_tasks", {"tasks": [{"task": "2", "due": "friday"}]})]]
    assert answer.startswith('Rescheduled #5 "Milk"')
    assert turn(messages, text, unsure)[0] == []


@pytest.mark.parametrize("text", ["two", "2 please do", "2 3", "the milk", "yes", "", "-2", "2?"])
def test_only_a_number_alone_repeats_a_call(text: str) -> None:
    messages: list[BaseMessage] = []
    turn(messages, "delete the milk one", unsure)
    assert turn(messages, text, unsure)[0] == []


def test_a_number_repeats_no_call_later_or_after_another_error() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "delete the milk one", unsure)
    turn(messages, "hello", unsure)
    assert turn(messages, "2", unsure)[0] == []
    turn(messages, "delete 3", lambda call: result(call, "No database.", error=True))
    assert turn(messages, "2", unsure)[0] == []
    assert turn([], "2", unsure)[0] == []


def test_a_number_that_may_be_for_either_of_two_calls_repeats_none() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "delete the milk one and the bread one", unsure_of_all)
    rounds, answer = turn(messages, "2", unsure)
    assert rounds == []
    assert "Which task" in answer


def test_a_number_repeats_only_what_was_asked_of_a_call_for_several_tasks() -> None:
    def one_done(call: ToolCall) -> ToolMessage:
        if len(call["args"]["tasks"]) == 1:
            return adds(call)
        several = failed("It may mean 2 tasks.", task(1, "Buy milk"), task(2, "Sell milk"))
        done = {"status": "done", "action": "completed", "task": task(3, "Bread")}
        return result(call, results(done, several))

    messages: list[BaseMessage] = []
    _, answer = turn(messages, "done with the bread and the milk", one_done)
    assert 'Completed #3 "Bread".' in answer
    assert answer.endswith("Which one? Give its number.")
    assert turn(messages, "2", one_done)[0] == [[("complete_tasks", {"tasks": ["2"]})]]
