from datetime import timedelta
from typing import Any

from replay.ledger import Call, Event, changes_elsewhere, order_of
from tests.replay.support import NOON


def task(number: int, title: str = "Milk", **more: Any) -> dict[str, Any]:
    return {"number": number, "title": title, **more}


def event(
    tool: str,
    number: int,
    *,
    second: int = 0,
    key: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Event:
    return Event(
        key=key,
        tool=tool,
        number=number,
        before=before,
        after=after,
        result={"task": after or before},
        at=NOON + timedelta(seconds=second),
    )


def call(
    name: str,
    tool: str,
    *,
    second: int = 0,
    result: dict[str, Any] | None = None,
    made: Event | None = None,
    **arguments: Any,
) -> Call:
    made_call = Call(
        thread_id="thread",
        id=name,
        tool=tool,
        arguments=arguments,
        at=NOON + timedelta(seconds=second),
        result=result,
        step="step",
    )
    made_call.event = made
    return made_call


def shows(*tasks: dict[str, Any], state: str = "open", total: int | None = None) -> dict[str, Any]:
    return {"tasks": list(tasks), "total": len(tasks) if total is None else total, "state": state}


def test_calls_that_tell_nothing_of_their_order_stay_as_they_were_written() -> None:
    assert order_of([call("a", "add_task"), call("b", "add_task")]) == ["a", "b"]


def test_added_tasks_took_effect_in_the_order_of_their_numbers() -> None:
    second = call("a", "add_task", made=event("add_task", 2, after=task(2)))
    first = call("b", "add_task", made=event("add_task", 1, after=task(1)))

    assert order_of([second, first]) == ["b", "a"]


def test_changes_of_one_task_took_effect_in_the_order_of_its_states() -> None:
    old, new, newest = task(1, "old"), task(1, "new"), task(1, "newest")
    later = call("a", "update_task", made=event("update_task", 1, before=new, after=newest))
    earlier = call("b", "update_task", made=event("update_task", 1, before=old, after=new))

    assert order_of([later, earlier]) == ["b", "a"]


def test_a_list_comes_after_the_changes_that_it_shows_and_before_the_others() -> None:
    milk = call("milk", "add_task", made=event("add_task", 1, after=task(1)))
    bread = call("bread", "add_task", made=event("add_task", 2, after=task(2, "Bread")))
    reading = call("list", "list_tasks", result=shows(task(1)))

    assert order_of([reading, milk, bread]) == ["milk", "list", "bread"]


def test_a_list_without_a_completed_or_deleted_task_comes_after_that() -> None:
    for tool, after in (("complete_task", task(1, completed="now")), ("delete_task", None)):
        change = call("change", tool, made=event(tool, 1, before=task(1), after=after))

        assert order_of([call("list", "list_tasks", result=shows()), change]) == ["change", "list"]
        assert order_of([change, call("list", "list_tasks", result=shows(task(1)))]) == [
            "list",
            "change",
        ]


def test_a_list_that_shows_a_part_tells_nothing_of_what_it_lacks() -> None:
    add = call("add", "add_task", made=event("add_task", 1, after=task(1)))

    filtered = call("list", "list_tasks", result=shows(), text="bread")
    cut = call("list", "list_tasks", result=shows(total=200))
    refused = call("list", "list_tasks")

    for reading in (filtered, cut, refused):
        assert order_of([add, reading]) == ["add", "list"]
        assert order_of([reading, add]) == ["list", "add"]


def test_what_a_conversation_did_itself_is_not_a_change_elsewhere() -> None:
    add = call("a", "add_task", second=1, title="Milk")
    own = event("add_task", 1, second=1, key=add.key, after=task(1))

    assert changes_elsewhere([add], [own]) == {add: []}
    assert add.event is own


def test_of_several_changes_to_a_task_only_the_last_is_kept() -> None:
    reading = call("list", "list_tasks", second=10)
    events = [
        event("add_task", 1, second=1, after=task(1, "a")),
        event("add_task", 2, second=2, after=task(2)),
        event("update_task", 1, second=3, before=task(1, "a"), after=task(1, "b")),
    ]

    changes = changes_elsewhere([reading], events)[reading]

    assert [(change.tool, change.number) for change in changes] == [
        ("add_task", 2),
        ("update_task", 1),
    ]


def test_of_deleted_tasks_only_the_greatest_number_is_kept() -> None:
    reading = call("list", "list_tasks", second=10)
    events = [
        moment
        for number in (1, 2, 3)
        for moment in (
            event("add_task", number, second=number, after=task(number)),
            event("delete_task", number, second=number + 3, before=task(number)),
        )
    ]

    changes = changes_elsewhere([reading], events)[reading]

    assert [(change.number, change.task) for change in changes] == [(3, None)]


def test_a_task_that_a_call_has_seen_is_deleted_when_it_was_deleted_elsewhere() -> None:
    first, second = call("a", "list_tasks", second=5), call("b", "list_tasks", second=10)
    events = [
        event("add_task", 1, second=1, after=task(1)),
        event("add_task", 2, second=2, after=task(2)),
        event("delete_task", 1, second=7, before=task(1)),
    ]

    changes = changes_elsewhere([first, second], events)

    assert [change.number for change in changes[first]] == [1, 2]
    assert [(change.number, change.task) for change in changes[second]] == [(1, None)]


def test_changes_after_the_last_call_are_left_out() -> None:
    reading = call("list", "list_tasks", second=1)

    assert changes_elsewhere([reading], [event("add_task", 1, second=2, after=task(1))]) == {
        reading: []
    }


def test_a_call_that_was_made_before_and_lost_its_result_keeps_its_key() -> None:
    add = call("a", "add_task", second=300, title="Milk")
    lost = event("add_task", 1, second=1, key=add.key, after=task(1))

    [change] = changes_elsewhere([add], [lost])[add]

    assert change.key == add.key
    assert change.result == {"task": task(1)}
    assert add.event is None


def test_keys_of_other_conversations_are_left_out() -> None:
    reading = call("list", "list_tasks", second=10)

    [change] = changes_elsewhere(
        [reading], [event("add_task", 1, second=1, key="secret", after=task(1))]
    )[reading]

    assert change.key is None
    assert change.result is None
