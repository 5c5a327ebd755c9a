"""What a conversation was shown of the user's other conversations is there in its replay, too."""

import re

import pytest

from storage.database import Database
from tests.replay.support import Replays, Talk, adds, calls, says


async def asked(talk: Talk) -> str:
    """What the ledger shows in the thread that is replayed."""
    messages = await talk.say("What was changed?", calls(("find_activity", {})), says("This."))
    return str(messages[-2].text)


async def test_the_titles_of_other_conversations_are_shown(talk: Talk, replays: Replays) -> None:
    await talk.say("Add stamps", adds("Stamps"), says("Done"), thread="other")
    await talk.say("Add milk", adds("Milk"), says("Done"))
    await talk.say("Thanks", calls(("delete_tasks", {"tasks": ["1"]})), says("Ok"), thread="third")
    shown = await asked(talk)
    assert all(f'"conversation":"{title}"' in shown for title in ("Add stamps", "Thanks"))

    recording = await replays()

    assert [(title.thread, title.title) for title in recording.turns[1].titles] == [
        ("third", "Thanks"),
        ("other", "Add stamps"),
    ]


async def test_a_conversation_that_was_deleted_in_the_meantime_has_no_title_any_more(
    talk: Talk, database: Database, replays: Replays
) -> None:
    await talk.say("Add stamps", adds("Stamps"), says("Done"), thread="other")
    assert "Add stamps" in await asked(talk)
    await talk.graph.checkpointer.adelete_thread("other")
    assert "Add stamps" not in await asked(talk)

    recording = await replays()

    assert [len(turn.titles) for turn in recording.turns] == [1, 1]


async def test_a_title_is_recorded_when_it_is_shown_first(talk: Talk, replays: Replays) -> None:
    await talk.say("Add stamps", adds("Stamps"), says("Done"), thread="other")
    for _ in range(3):
        await asked(talk)

    recording = await replays()

    assert [len(turn.titles) for turn in recording.turns] == [1, 0, 0]


async def test_a_page_of_the_ledger_begins_where_the_one_before_it_ended(
    talk: Talk, replays: Replays
) -> None:
    for number in range(3):
        await talk.say(f"Add {number}", adds(str(number)), says("Done"), thread=f"other {number}")
    messages = await talk.say("Last?", calls(("find_activity", {"limit": 1})), says("This."))
    (cursor,) = re.findall(r'"next_cursor":"(.+?)"', str(messages[-2].text))
    page = ("find_activity", {"limit": 1, "cursor": cursor})
    messages = await talk.say("And before?", calls(page), says("That."))
    assert "Add 1" in str(messages[-2].text)

    await replays()


async def test_what_a_list_was_called_elsewhere_is_shown_as_it_was(
    talk: Talk, replays: Replays
) -> None:
    await talk.say(
        "Lists", calls(("save_lists", {"lists": ["Home", "Work"]})), says("Done"), thread="other"
    )
    await talk.say("Add", adds("Bed", list="Home"), says("Done"), thread="other")
    part = {"title": "Sheets", "parent": "1"}
    await talk.say("And", calls(("add_tasks", {"tasks": [part]})), says("Done"), thread="other")
    moved = {"task": "1", "list": "Work"}
    await talk.say("Move", calls(("update_tasks", {"tasks": [moved]})), says("Ok"), thread="other")
    rename = {"list": "Work", "name": "Job"}
    await talk.say("Name", calls(("save_lists", {"lists": [rename]})), says("Ok"), thread="other")
    await talk.say("Undo", calls(("undo_changes", {})), says("Ok"), thread="other")
    await talk.say("Gone", calls(("delete_tasks", {"tasks": ["2"]})), says("Ok"), thread="other")
    shown = await asked(talk)
    assert '"field":"list"' in shown
    assert '"undoes":' in shown

    await replays()


async def test_a_change_whose_answer_was_thrown_away_is_of_no_known_tool(
    talk: Talk, database: Database, replays: Replays
) -> None:
    await talk.say("Add stamps", adds("Stamps"), says("Done"), thread="other")
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM task_calls")
    assert '"tool":' not in await asked(talk)

    await replays()


async def test_a_copy_knows_what_was_done_before_it_was_made(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk", "Bread"), says("Added both"))
    await talk.copy("thread", "copy")
    await talk.say("Undo", calls(("undo_changes", {})), says("Nothing to undo"), thread="copy")
    await talk.say("Done", calls(("complete_tasks", {"tasks": ["1"]})), says("Ok"), thread="copy")
    activity = calls(("find_activity", {}))
    messages = await talk.say("What?", activity, says("This."), thread="copy")
    shown = str(messages[-2].text)
    assert [shown.count(thread) for thread in ('"thread":"thread"', '"thread":"copy"')] == [2, 1]

    recording = await replays("copy")

    assert set(recording.turns[0].copied_from.values()) == {"thread"}


@pytest.mark.parametrize("turn", [False, True])
async def test_the_activity_of_a_task_or_a_turn_of_another_conversation(
    talk: Talk, replays: Replays, turn: bool
) -> None:
    messages = await talk.say("Add stamps", adds("Stamps"), says("Done"), thread="other")
    await talk.say("Add milk", adds("Milk"), says("Done"))
    of = {"turn": messages[0].id} if turn else {"task": "stamps"}
    messages = await talk.say("What?", calls(("find_activity", of)), says("That."))
    assert '"conversation":"Add stamps"' in str(messages[-2].text)

    await replays()
