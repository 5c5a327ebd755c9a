"""In which order the offline model calls tools, and how one result leads to the next call."""

import pytest
from langchain_core.messages import BaseMessage, ToolCall, ToolMessage

from tests.graph.offline_support import change, listing, result, task, turn


def names(rounds: list[list[tuple[str, dict[str, object]]]]) -> list[list[str]]:
    return [[name for name, _ in calls] for calls in rounds]


def adds(call: ToolCall) -> ToolMessage:
    """Tools on a list that holds one task."""
    if call["name"] == "list_tasks":
        return result(call, listing(task(5, "Milk", notes="two bottles")))
    action = {"add_task": "added", "complete_task": "completed", "delete_task": "deleted"}
    return result(call, change(action.get(call["name"], "updated"), task(5, "Milk")))


def test_additions_are_called_side_by_side() -> None:
    rounds, _ = turn([], "add milk and add bread\nadd eggs", adds)
    assert names(rounds) == [["add_task"] * 3]


def test_endings_of_different_numbers_are_called_side_by_side() -> None:
    assert names(turn([], "complete 1, 2 and 3", adds)[0]) == [["complete_task"] * 3]


def test_tasks_that_are_named_by_words_are_ended_one_by_one() -> None:
    rounds, _ = turn([], "delete the milk one and the bread one", adds)
    assert names(rounds) == [["delete_task"], ["delete_task"]]


def test_the_list_is_asked_for_only_after_the_addition_before_it() -> None:
    rounds, answer = turn([], "add milk, then what's on my list?", adds)
    assert names(rounds) == [["add_task"], ["list_tasks"]]
    assert answer.index("Added #5") < answer.index("- #5 Milk")


def test_a_step_that_failed_does_not_stop_the_next() -> None:
    def fails_to_add(call: ToolCall) -> ToolMessage:
        failed = call["name"] == "add_task"
        return result(call, "Too long." if failed else listing(), failed=failed)

    rounds, answer = turn([], "add milk, then what's on my list?", fails_to_add)
    assert names(rounds) == [["add_task"], ["list_tasks"]]
    assert "Too long." in answer
    assert "no open tasks" in answer


def test_it_is_the_task_of_the_step_before() -> None:
    rounds, _ = turn([], "add milk and make it high priority", adds)
    assert rounds[1] == [("update_task", {"task": "5", "priority": "high"})]


def test_it_is_the_task_of_the_message_before() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "add milk", adds)
    assert turn(messages, "move it to friday", adds)[0] == [
        [("update_task", {"task": "5", "due": "friday"})]
    ]
    assert turn(messages, "it's done", adds)[0] == [[("complete_task", {"task": "5"})]]


def test_it_is_the_only_task_of_the_list_before() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "find milk", adds)
    assert turn(messages, "delete it", adds)[0] == [[("delete_task", {"task": "5"})]]


def test_it_is_no_task_after_several_or_a_deleted_one_or_a_failed_call_or_other_talk() -> None:
    def several(call: ToolCall) -> ToolMessage:
        return result(call, listing(task(1, "Milk"), task(2, "Bread")))

    def fails(call: ToolCall) -> ToolMessage:
        return result(call, "No.", failed=True)

    for text, answer in (("list", several), ("delete 5", adds), ("add milk", fails), ("hi", adds)):
        messages: list[BaseMessage] = []
        turn(messages, "add milk", adds)
        turn(messages, text, answer)
        rounds, said = turn(messages, "delete it", adds)
        assert rounds == [], text
        assert "Which task" in said


def test_it_is_no_task_when_the_addition_failed() -> None:
    rounds, answer = turn(
        [], "add milk and make it urgent", lambda call: result(call, "No.", failed=True)
    )
    assert names(rounds) == [["add_task"]]
    assert "Which task" in answer


def test_a_note_is_added_behind_the_notes_that_are_there() -> None:
    rounds, answer = turn([], "add a note to 5: the blue ones", adds)
    assert rounds == [
        [("list_tasks", {"state": "all"})],
        [("update_task", {"task": "5", "notes": "two bottles\nthe blue ones"})],
    ]
    assert "You have" not in answer


def test_a_note_finds_its_task_by_name_or_by_it() -> None:
    messages: list[BaseMessage] = []
    noted = [("update_task", {"task": "5", "notes": "two bottles\nblue"})]
    assert turn(messages, "add a note to the milk: blue", adds)[0] == [
        [("list_tasks", {"state": "all", "text": "milk"})],
        noted,
    ]
    assert turn(messages, "add a note to it: blue", adds)[0][-1] == noted


def test_a_note_for_no_task_or_for_several_is_not_written() -> None:
    def two(call: ToolCall) -> ToolMessage:
        return result(call, listing(task(1, "Buy milk"), task(2, "Sell milk")))

    rounds, answer = turn([], "add a note to the milk: blue", two)
    assert names(rounds) == [["list_tasks"]]
    assert '#1 "Buy milk", #2 "Sell milk"' in answer
    rounds, answer = turn([], "add a note to 9: blue", two)
    assert names(rounds) == [["list_tasks"]]
    assert "not added" in answer


def test_a_note_is_not_written_when_the_list_could_not_be_read() -> None:
    rounds, answer = turn(
        [], "add a note to 5: blue", lambda call: result(call, "No database.", failed=True)
    )
    assert names(rounds) == [["list_tasks"]]
    assert "No database." in answer


def unsure(call: ToolCall) -> ToolMessage:
    """Tools that know two tasks of every name, and one of every number."""
    if call["args"]["task"].isdecimal():
        return adds(call)
    error = '"milk" may mean 2 tasks: #1 "Buy milk", #2 "Sell milk". Nothing was changed. '
    return result(call, error + "Ask the user which one is meant.", failed=True)


@pytest.mark.parametrize("text", ["2", "#2", "number 2", " 2. "])
def test_a_number_alone_repeats_the_call_whose_task_was_asked_for(text: str) -> None:
    messages: list[BaseMessage] = []
    _, answer = turn(messages, "move the milk one to friday", unsure)
    assert answer.endswith("Which one? Give its number.")
    rounds, answer = turn(messages, text, unsure)
    assert rounds == [[("update_task", {"task": "2", "due": "friday"})]]
    assert answer.startswith('Updated #5 "Milk"')
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
    turn(messages, "delete 3", lambda call: result(call, "No database.", failed=True))
    assert turn(messages, "2", unsure)[0] == []
    assert turn([], "2", unsure)[0] == []


def test_a_number_that_may_be_for_either_of_two_calls_repeats_none() -> None:
    messages: list[BaseMessage] = []
    turn(messages, "delete the milk one and the bread one", unsure)
    rounds, answer = turn(messages, "2", unsure)
    assert rounds == []
    assert "Which task" in answer
