"""Any sequence of changes: undone as a whole, done again, and each once."""

import asyncio
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.database import connect
from tests.tools.support import Person, person, rows

LONG = bool(os.environ.get("TASK_AGENT_LONG_TESTS"))
EXAMPLES = settings(
    max_examples=200 if LONG else 15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

STATE = (
    "SELECT (SELECT jsonb_agg(to_jsonb(t) - 'updated_at' ORDER BY id) FROM tasks t) AS tasks,"
    " (SELECT jsonb_agg(l ORDER BY id) FROM task_lists l) AS lists"
)

references = st.one_of(
    st.integers(min_value=1, max_value=12), st.sampled_from(["milk", "plants", "report", "x"])
)
titles = st.sampled_from(["Buy milk", "Water plants", "Report", "Call Ann"])
dues = st.sampled_from(["tomorrow at 9", "friday", "2026-12-24 18:00", "soonish"])
rules = st.sampled_from(["every tuesday", "every 3 days after completion", "every month"])
lists = st.sampled_from(["Work", "Home", "Inbox"])
places = st.sampled_from(["top", "bottom", "before 1", "after 2"])
labels = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)


def item(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=1, max_size=4)


new = item(
    {"title": titles},
    {
        "due": dues,
        "repeats": rules,
        "starts": st.just("tomorrow"),
        "list": lists,
        "parent": references,
        "labels": labels,
        "priority": st.sampled_from(["low", "urgent"]),
    },
)
changed = item(
    {"task": references},
    {
        "title": titles,
        "notes": st.sampled_from(["n", "none"]),
        "labels": labels,
        "list": lists,
        "parent": st.one_of(references, st.just("none")),
        "repeats": st.one_of(rules, st.just("none")),
        "place": places,
        "archived": st.booleans(),
    },
)
list_changes = item({}, {"name": lists, "list": lists, "archived": st.booleans()})
calls = st.one_of(
    st.tuples(st.just("add_tasks"), st.fixed_dictionaries({"tasks": some(new)})),
    st.tuples(st.just("update_tasks"), st.fixed_dictionaries({"tasks": some(changed)})),
    st.tuples(
        st.just("complete_tasks"),
        st.fixed_dictionaries({"tasks": some(references), "with_subtasks": st.booleans()}),
    ),
    st.tuples(
        st.just("reschedule_tasks"),
        st.fixed_dictionaries({"tasks": some(item({"task": references, "due": dues}, {}))}),
    ),
    st.tuples(
        st.sampled_from(["reopen_tasks", "delete_tasks"]),
        st.fixed_dictionaries({"tasks": some(references)}),
    ),
    st.tuples(st.just("save_lists"), st.fixed_dictionaries({"lists": some(list_changes)})),
    st.tuples(st.just("delete_lists"), st.fixed_dictionaries({"lists": some(lists)})),
)
sequences = st.lists(calls, min_size=1, max_size=6)


def forget(database_url: str) -> None:
    rows(database_url, "DELETE FROM users RETURNING id")


async def make(ann: Person, sequence: list[tuple[str, dict[str, Any]]]) -> None:
    for tool, arguments in sequence:
        result = await ann.ask(tool, **arguments)
        assert result.structuredContent is not None, result.content
        check(result.structuredContent, result.isError)


def check(answer: dict[str, Any], is_error: bool) -> None:
    """What holds of every answer of a call that changes something."""
    results = answer["results"]
    assert [found["item"] for found in results] == list(range(1, len(results) + 1))
    statuses = [found["status"] for found in results]
    assert answer["changed"] == statuses.count("done")
    assert answer["failed"] == statuses.count("failed")
    assert is_error == (statuses.count("failed") == len(results))
    for found in results:
        assert ("error" in found) == (found["status"] == "failed")
        if found["status"] != "failed":
            assert "task" in found or "list" in found


@EXAMPLES
@given(before=sequences, turn=sequences)
def test_a_turn_undone_leaves_every_row_as_it_was_and_done_again_as_it_had_become(
    database_url: str,
    before: list[tuple[str, dict[str, Any]]],
    turn: list[tuple[str, dict[str, Any]]],
) -> None:
    async def run() -> None:
        async with connect(database_url) as database, person(database) as ann:
            await make(ann.turn(), before)
            old = rows(database_url, STATE)
            await make(ann.turn(), turn)
            new = rows(database_url, STATE)
            if old == new:
                return
            for state in (old, new, old):
                answer = await ann.turn().answer("undo_changes")
                assert answer["failed"] == 0
                assert rows(database_url, STATE) == state

    forget(database_url)
    asyncio.run(run())


@EXAMPLES
@given(before=sequences, batch=calls)
def test_a_batch_does_what_its_items_do_that_can_be_done(
    database_url: str,
    before: list[tuple[str, dict[str, Any]]],
    batch: tuple[str, dict[str, Any]],
) -> None:
    """The items that failed might as well not have been there."""

    async def run() -> None:
        tool, arguments = batch
        argument = "lists" if "lists" in arguments else "tasks"
        async with connect(database_url) as database, person(database) as ann:
            await make(ann.turn(), before)
            whole = (await ann.call("whole").ask(tool, **arguments)).structuredContent
            assert whole is not None
            done = rows(database_url, COMPARABLE)
            if whole["changed"]:
                await ann.answer("undo_changes", turn="whole")
            good = [
                item
                for item, result in zip(arguments[argument], whole["results"], strict=True)
                if result["status"] != "failed"
            ]
            if good:
                # What an item says that failed must not make a difference to the others.
                numbers = {
                    result["task"]["number"] for result in whole["results"] if "task" in result
                }
                await ann.ask(tool, **{**arguments, argument: good})
                assert len(rows(database_url, COMPARABLE)) == len(done)
                assert titles_of(rows(database_url, COMPARABLE)) == titles_of(done), numbers

    forget(database_url)
    asyncio.run(run())


COMPARABLE = (
    "SELECT title, notes, priority::text, labels, due_at, due_is_day, starts_on, recurrence,"
    " completed_at, archived_at, (SELECT name FROM task_lists l WHERE l.id = t.list_id) AS list,"
    " (SELECT title FROM tasks p WHERE p.id = t.parent_id) AS parent FROM tasks t"
)


def titles_of(found: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in found)
