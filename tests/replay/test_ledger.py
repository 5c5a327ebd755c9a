from datetime import timedelta
from itertools import count
from typing import Any

from replay.elsewhere import changes_elsewhere
from replay.ledger import Call, Entry, Event
from replay.order import order_of
from tests.replay.support import NOON

ACTIONS = {
    "add_tasks": "added",
    "update_tasks": "updated",
    "complete_tasks": "completed",
    "delete_tasks": "deleted",
    "save_lists": "added",
    "delete_lists": "deleted",
}
_positions = count(1)


def task(number: int, title: str = "Milk", **more: Any) -> dict[str, Any]:
    return {"id": f"task-{number}", "number": number, "title": title, **more}


def event(
    action: str,
    number: int | None = None,
    *,
    list_id: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Event:
    return Event(
        position=next(_positions),
        item=1,
        action=action,
        number=number,
        list_id=list_id,
        before=before,
        after=after,
        turn="turn",
    )


def entry(
    tool: str,
    number: int | None = None,
    *,
    second: int = 0,
    key: str | None = None,
    list_id: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Entry:
    made = event(ACTIONS[tool], number, list_id=list_id, before=before, after=after)
    return answered(tool, made, second=second, key=key)


def answered(tool: str, *events: Event, second: int = 0, key: str | None = None) -> Entry:
    return Entry(
        key=key or f"key-{next(_positions)}",
        tool=tool,
        at=NOON + timedelta(seconds=second),
        result={"results": [{"task": event.after or event.before} for event in events]},
        events=events,
    )


def call(
    name: str,
    tool: str,
    *,
    second: int = 0,
    result: dict[str, Any] | None = None,
    made: Entry | None = None,
    **arguments: Any,
) -> Call:
    made_call = Call(
        thread_id="thread",
        id=name,
        tool=tool,
        arguments=arguments,
        at=NOON + timedelta(seconds=second),
        result=made.result if made else result,
        step="step",
    )
    made_call.entry = made
    return made_call


def shows(*tasks: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    return {"tasks": list(tasks), "total": len(tasks) if total is None else total}


def test_calls_that_tell_nothing_of_their_order_stay_as_they_were_written() -> None:
    assert order_of([call("a", "add_tasks"), call("b", "add_tasks")]) == ["a", "b"]


def test_changes_took_effect_in_the_order_of_the_ledger() -> None:
    first = call("b", "add_tasks", made=entry("add_tasks", 1, after=task(1)))
    second = call("a", "update_tasks", made=entry("update_tasks", 2, after=task(2)))

    assert order_of([second, first]) == ["b", "a"]


def test_a_list_comes_after_the_changes_that_it_shows_and_before_the_others() -> None:
    milk = call("milk", "add_tasks", made=entry("add_tasks", 1, after=task(1)))
    bread = call("bread", "add_tasks", made=entry("add_tasks", 2, after=task(2, "Bread")))
    reading = call("list", "find_tasks", result=shows(task(1)))

    assert order_of([reading, milk, bread]) == ["milk", "list", "bread"]


def test_a_list_without_a_completed_or_deleted_task_comes_after_that() -> None:
    for tool, after in (("complete_tasks", task(1, completed="now")), ("delete_tasks", None)):
        change = call("change", tool, made=entry(tool, 1, before=task(1), after=after))

        assert order_of([call("list", "find_tasks", result=shows()), change]) == ["change", "list"]
        assert order_of([change, call("list", "find_tasks", result=shows(task(1)))]) == [
            "list",
            "change",
        ]


def test_a_list_that_shows_a_part_tells_nothing_of_what_it_lacks() -> None:
    add = call("add", "add_tasks", made=entry("add_tasks", 1, after=task(1)))

    filtered = call("list", "find_tasks", result=shows(), text="bread")
    cut = call("list", "find_tasks", result=shows(total=200))
    refused = call("list", "find_tasks")

    for reading in (filtered, cut, refused):
        assert order_of([add, reading]) == ["add", "list"]
        assert order_of([reading, add]) == ["list", "add"]


def test_what_a_conversation_did_itself_is_not_a_change_elsewhere() -> None:
    add = call("a", "add_tasks", second=1, tasks=[{"title": "Milk"}])
    own = entry("add_tasks", 1, second=1, key=add.key, after=task(1))

    assert changes_elsewhere([add], [own]) == {add: []}
    assert add.entry is own


def test_all_changes_of_a_call_for_several_tasks_are_its_own() -> None:
    add = call("a", "add_tasks", second=1, tasks=["Milk", "Bread"])
    both = answered(
        *("add_tasks", event("added", 1, after=task(1)), event("added", 2, after=task(2))),
        second=1,
        key=add.key,
    )

    assert changes_elsewhere([add], [both]) == {add: []}
    assert [made.number for made in add.events] == [1, 2]


def test_of_several_changes_to_a_task_only_the_last_is_kept() -> None:
    reading = call("list", "find_tasks", second=10)
    entries = [
        entry("add_tasks", 1, second=1, after=task(1, "a")),
        entry("add_tasks", 2, second=2, after=task(2)),
        entry("update_tasks", 1, second=3, before=task(1, "a"), after=task(1, "b")),
    ]

    changes = changes_elsewhere([reading], entries)[reading]

    assert [(change.tool, change.number) for change in changes] == [
        ("add_tasks", 2),
        ("update_tasks", 1),
    ]


def test_of_deleted_tasks_only_the_greatest_number_is_kept() -> None:
    reading = call("list", "find_tasks", second=10)
    entries = [
        moment
        for number in (1, 2, 3)
        for moment in (
            entry("add_tasks", number, second=number, after=task(number)),
            entry("delete_tasks", number, second=number + 3, before=task(number)),
        )
    ]

    changes = changes_elsewhere([reading], entries)[reading]

    assert [(change.number, change.row) for change in changes] == [(3, None)]


def test_a_task_that_a_call_has_seen_is_deleted_when_it_was_deleted_elsewhere() -> None:
    first, second = call("a", "find_tasks", second=5), call("b", "find_tasks", second=10)
    entries = [
        entry("add_tasks", 1, second=1, after=task(1)),
        entry("add_tasks", 2, second=2, after=task(2)),
        entry("delete_tasks", 1, second=7, before=task(1)),
    ]

    changes = changes_elsewhere([first, second], entries)

    assert [change.number for change in changes[first]] == [1, 2]
    assert [(change.number, change.row) for change in changes[second]] == [(1, None)]


def test_a_list_is_there_before_its_tasks_and_a_task_before_its_parts() -> None:
    reading = call("list", "find_tasks", second=10)
    home = {"id": "home", "name": "Home"}
    entries = [
        entry("save_lists", list_id="home", second=1, after=home),
        entry("add_tasks", 1, second=2, after=task(1)),
        entry("add_tasks", 2, second=3, after=task(2, parent_id="task-1", list_id="home")),
        entry("update_tasks", 1, second=4, before=task(1), after=task(1, list_id="home")),
        entry("save_lists", list_id="home", second=5, before=home, after={**home, "name": "House"}),
    ]

    changes = changes_elsewhere([reading], entries)[reading]

    assert [(change.number, change.list, change.parent) for change in changes] == [
        (None, None, None),
        (1, "House", None),
        (2, "House", 1),
    ]


def test_a_call_that_reads_the_ledger_finds_all_of_it() -> None:
    undo = call("undo", "undo_changes", second=10)
    entries = [
        entry("add_tasks", 1, second=1, after=task(1, "a")),
        entry("update_tasks", 1, second=3, before=task(1, "a"), after=task(1, "b")),
    ]

    changes = changes_elsewhere([undo], entries)[undo]

    assert [(change.action, change.turn) for change in changes] == [
        ("added", "turn"),
        ("updated", "turn"),
    ]


def test_changes_after_the_last_call_are_left_out() -> None:
    reading = call("list", "find_tasks", second=1)

    assert changes_elsewhere([reading], [entry("add_tasks", 1, second=2, after=task(1))]) == {
        reading: []
    }


def test_a_call_that_was_made_before_and_lost_its_result_keeps_its_key() -> None:
    add = call("a", "add_tasks", second=300, tasks=["Milk"])
    lost = entry("add_tasks", 1, second=1, key=add.key, after=task(1))

    [change] = changes_elsewhere([add], [lost])[add]

    assert change.key == add.key
    assert change.result == lost.result
    assert add.entry is None


def test_a_call_that_changed_nothing_and_lost_its_result_keeps_its_answer() -> None:
    done = call("a", "complete_tasks", second=300, tasks=["milk"])
    lost = answered("complete_tasks", second=1, key=done.key)
    others = answered("complete_tasks", second=2)

    [change] = changes_elsewhere([done], [lost, others])[done]

    assert (change.key, change.result, change.action) == (done.key, lost.result, None)


def test_keys_of_other_conversations_are_left_out() -> None:
    reading = call("list", "find_tasks", second=10)

    [change] = changes_elsewhere(
        [reading], [entry("add_tasks", 1, second=1, key="secret", after=task(1))]
    )[reading]

    assert change.key is None
    assert change.result is None
    assert change.turn is None
