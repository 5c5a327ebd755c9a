"""No kind of difference between a recording and its replay goes unseen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replay.compare import Difference, compare, report
from replay.errors import InvalidRecordingError, PromptDiffersError
from replay.messages import read_messages
from replay.player import PlayedTurn, Replayed, replay
from replay.recording import Recording
from storage.database import Database

FOLDER = Path(__file__).parents[1] / "replays"


def recorded(name: str) -> Recording:
    return Recording.from_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def played_as_recorded(recording: Recording) -> Replayed:
    return Replayed(
        turns=[
            PlayedTurn(read_messages(turn.messages), turn.unfinished) for turn in recording.turns
        ],
        title=recording.title,
        leaf=recording.leaf,
        rows=[row.model_copy(deep=True) for row in recording.rows],
    )


def wheres(differences: list[Difference]) -> list[tuple[str, str]]:
    return [(difference.where, difference.what) for difference in differences]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_a_replay_that_is_as_recorded_has_no_difference(file: Path) -> None:
    recording = Recording.from_json(file.read_text(encoding="utf-8"))

    assert compare(recording, played_as_recorded(recording)) == []


def change_word(replayed: Replayed) -> None:
    replayed.turns[0].messages[2].content = "Added something else."


def change_arguments(replayed: Replayed) -> None:
    message: Any = replayed.turns[0].messages[0]
    message.tool_calls[0]["args"]["title"] = "buy oat milk"


def drop_message(replayed: Replayed) -> None:
    replayed.turns[0].messages.pop()


def add_message(replayed: Replayed) -> None:
    replayed.turns[0].messages.append(replayed.turns[0].messages[0])


def break_off(replayed: Replayed) -> None:
    [turn] = replayed.turns
    replayed.turns = [PlayedTurn(turn.messages, unfinished=True, error=PromptDiffersError("…"))]


def leave_unfinished(replayed: Replayed) -> None:
    [turn] = replayed.turns
    replayed.turns = [PlayedTurn(turn.messages, unfinished=True)]


def leave_out_turn(replayed: Replayed) -> None:
    replayed.turns.clear()


def change_title(replayed: Replayed) -> None:
    replayed.title = "Another title"


def change_leaf(replayed: Replayed) -> None:
    replayed.leaf = replayed.rows[0].digest


def change_role(replayed: Replayed) -> None:
    replayed.rows[1].role = "user"


def change_content(replayed: Replayed) -> None:
    replayed.rows[2].content = "{}"


def change_audit(replayed: Replayed) -> None:
    records = replayed.rows[2].tool_calls
    assert records is not None
    records[0]["timestamp"] = "2026-01-01T00:00:00+00:00"


def change_payload(replayed: Replayed) -> None:
    """Something that no column shows, in the first row: all digests are others."""
    for row in replayed.rows:
        row.digest = f"not {row.digest}"
        row.parent = row.parent and f"not {row.parent}"


def change_parent(replayed: Replayed) -> None:
    replayed.rows[3].parent = replayed.rows[0].digest


def drop_row(replayed: Replayed) -> None:
    replayed.rows.pop()


def add_row(replayed: Replayed) -> None:
    replayed.rows.append(replayed.rows[0].model_copy(update={"digest": "00"}))


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (change_word, "turn 1, message 3 (ai)", "content"),
        (change_arguments, "turn 1, message 1 (ai)", "tool_calls"),
        (drop_message, "turn 1, message 3 (ai)", "is missing"),
        (add_message, "turn 1, message 4 (ai)", "was not recorded"),
        (break_off, "turn 1", "broke off"),
        (leave_unfinished, "turn 1", "unfinished"),
        (leave_out_turn, "turn 1", "was not played"),
        (change_title, "the conversation", "title"),
        (change_leaf, "the conversation", "leaf"),
        (change_role, "row 2 (assistant)", "role"),
        (change_content, "row 3 (tool)", "content"),
        (change_audit, "row 3 (tool)", "tool_calls"),
        (change_payload, "row 1 (user)", "digest"),
        (change_parent, "row 4 (assistant)", "parent"),
        (drop_row, "row 4 (assistant)", "is missing"),
        (add_row, "a row (user)", "was not recorded"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_each_kind_of_difference_is_found_and_named(
    change: Callable[[Replayed], None], where: str, what: str
) -> None:
    recording = recorded("add_a_task")
    replayed = played_as_recorded(recording)

    change(replayed)

    assert wheres(compare(recording, replayed)) == [(where, what)]


def test_a_changed_row_is_reported_without_those_whose_digests_it_changes() -> None:
    recording = recorded("add_a_task")
    replayed = played_as_recorded(recording)
    change_payload(replayed)
    replayed.rows[0].content = "Add a task to buy bread"

    assert wheres(compare(recording, replayed)) == [("row 1 (user)", "content")]


def test_a_report_shows_what_was_expected_and_what_was_found() -> None:
    text = report([Difference("turn 1, message 2 (tool)", "status", "success", "error")])

    assert text == (
        "1 difference from the recording:\n"
        "turn 1, message 2 (tool): status\n"
        "    expected: success\n"
        "    found:    error"
    )


def test_a_long_value_is_cut_in_a_report() -> None:
    assert len(report([Difference("row 1", "content", "x" * 1_000_000, "y")])) < 10_000


def in_input(text: str) -> str:
    return text.replace(
        '"content": "Add a task to buy milk', '"content": "Add a job to buy milk', 1
    )


def in_answer(text: str) -> str:
    return text.replace("Added #1", "Put down #1", 1)


def in_arguments(text: str) -> str:
    return text.replace('"title": "buy milk"', '"title": "buy oat milk"', 1)


def in_result(text: str) -> str:
    return text.replace('\\"title\\":\\"buy milk\\"', '\\"title\\":\\"buy silk\\"', 1)


def in_time(text: str) -> str:
    return text.replace('"executed_at": "2026-11-23T12', '"executed_at": "2026-11-25T12', 1)


def in_zone(text: str) -> str:
    return text.replace("Europe/Vienna", "Asia/Tokyo")


def in_row(text: str) -> str:
    head, rows = text.split('"rows"')
    return head + '"rows"' + rows.replace("Added #1", "Put down #1")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (in_input, "row 1 (user)"),
        (in_answer, "row 4 (assistant)"),
        (in_arguments, "turn 1, message 2 (tool)"),
        (in_result, "turn 1, message 2 (tool)"),
        (in_time, "turn 1, message 2 (tool)"),
        (in_zone, "turn 1, message 2 (tool)"),
        (in_row, "row 4 (assistant)"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
async def test_a_changed_word_in_a_file_is_a_difference(
    change: Callable[[str], str], where: str, database: Database
) -> None:
    text = recorded("add_a_task").to_json()
    changed = change(text)
    assert changed != text
    recording = Recording.from_json(changed)

    differences = compare(recording, await replay(recording, database))

    assert where in [difference.where for difference in differences]


async def test_an_edit_that_cannot_be_made_is_a_difference(database: Database) -> None:
    text = recorded("edited_message").to_json()
    recording = Recording.from_json(text.replace('"as_node": "tools"', '"as_node": "nobody"'))

    differences = compare(recording, await replay(recording, database))

    assert ("turn 2", "broke off") in wheres(differences)
    assert ("turn 3", "was not played") in wheres(differences)


async def test_a_first_turn_that_cannot_be_played_is_a_difference(database: Database) -> None:
    recording = recorded("edited_message")
    edit = recording.turns[1].model_copy(update={"start": None, "as_node": "nobody"})

    differences = compare(
        recording, await replay(recording.model_copy(update={"turns": [edit]}), database)
    )

    assert ("row 1 (user)", "is missing") in wheres(differences)


async def test_an_unknown_place_to_start_from_is_an_error(database: Database) -> None:
    text = recorded("fork_from_an_old_checkpoint").to_json()
    recording = Recording.from_json(text.replace('"step": 3', '"step": 77'))

    with pytest.raises(InvalidRecordingError):
        await replay(recording, database)
