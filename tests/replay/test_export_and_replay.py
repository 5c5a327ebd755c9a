"""Whatever happened on a thread, its recording runs again to the same messages and rows."""

from datetime import timedelta

import pytest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from graph.clock import call_time
from graph.errors import NoMessageError
from graph.nodes import EMPTY_MESSAGE, OUT_OF_STEPS
from replay.errors import ThreadNotFoundError
from replay.export import export_thread
from replay.toolbox import ReplayTools
from storage.database import Database
from tests.replay.support import NOON, Replays, Talk, TickingClock, adds, calls, says
from tools.client import TaskTools


async def test_turns_with_and_without_tools(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Buy milk", due="tomorrow at 9", priority="high"), says("Done"))
    await talk.say("Thanks", says("You are welcome"))
    await talk.say("List", calls(("find_tasks", {})), says("#1 Buy milk"))

    recording = await replays()

    assert recording.title == "Add milk"
    assert [turn.kind for turn in recording.turns] == ["run"] * 3
    assert [len(turn.messages) for turn in recording.turns] == [3, 1, 3]
    assert len(recording.rows) == 10
    assert "2026-11-24T09:00:00+01:00" in recording.turns[0].messages[1]["content"]


async def test_the_zone_of_each_run_is_kept(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Call", due="today at 9"), says("Done"), zone="Asia/Tokyo")
    await talk.say("Add", adds("Run", due="today at 9"), says("Done"), zone="America/New_York")
    await talk.say("Add", adds("Walk", due="today at 9"), says("Done"), zone=None)

    recording = await replays()

    zones = [turn.time_zone for turn in recording.turns]
    assert zones[:2] == ["Asia/Tokyo", "America/New_York"]
    assert zones[2] is not None


async def test_the_locale_of_each_run_is_kept(
    talk: Talk, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    for locale in ("de-AT", "en-US", None):
        await talk.say("Add", adds("Call", due="3/4"), says("Done"), locale=locale)
    monkeypatch.setenv("TASK_AGENT_LOCALE", "de-AT")

    recording = await replays()

    assert [turn.locale for turn in recording.turns] == ["de-AT", "en-US", None]
    found = [str(turn.messages[1]["content"]) for turn in recording.turns]
    assert "2027-04-03" in found[0]
    assert "2027-03-04" in found[1]
    assert "3 April or 4 March" in found[2]


async def test_calls_made_at_once(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Milk", "Bread", "Eggs"), says("Done"))
    await talk.say(
        "Go",
        calls(
            ("complete_tasks", {"tasks": ["1"]}),
            ("find_tasks", {"state": "all"}),
            ("delete_tasks", {"tasks": ["bread"]}),
            ("reschedule_tasks", {"tasks": [{"task": "3", "due": "friday"}]}),
            ("add_tasks", {"tasks": [{"title": "Butter"}]}),
        ),
        says("Done"),
    )
    await talk.say("List", calls(("find_tasks", {"state": "all"})), says("There"))

    await replays()


async def test_calls_made_at_once_take_effect_in_the_order_in_which_they_did(
    database: Database, replays: Replays
) -> None:
    tools = TaskTools(lambda: database, clock=call_time)
    reversing = ReplayTools(tools, database)
    talk = Talk(database, reversing, TickingClock())
    request = adds("Milk", "Bread", "Eggs")
    ids = [str(call["id"]) for call in request.tool_calls]
    await reversing.begin([request], dict.fromkeys(ids, "add_tasks"), ids[::-1], [])
    messages = await talk.say("Add", request, says("Done"))
    await tools.aclose()
    assert '"number":3' in str(messages[2].text)

    recording = await replays()

    assert recording.turns[0].order == ids[::-1]


async def test_the_zone_that_only_the_metadata_tells_is_kept(talk: Talk, replays: Replays) -> None:
    # As the server does it: what a run's context holds is metadata of its checkpoints.
    metadata = {"time_zone": "Asia/Tokyo", "locale": "ja-JP"}
    await talk.say("Hello", says("Hello"), config={"metadata": metadata})

    recording = await replays()

    assert recording.turns[0].time_zone == "Asia/Tokyo"
    assert recording.turns[0].locale == "ja-JP"


async def test_calls_that_fail(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Call the dentist", "Pay the dentist"), says("Done"))
    await talk.say("Done", calls(("complete_tasks", {"tasks": ["dentist"]})), says("Which one?"))
    await talk.say(
        "No",
        calls(
            ("delete_tasks", {"tasks": ["unicorn"]}),
            ("no_such_tool", {}),
            ("add_tasks", {"taks": 1}),
        ),
        says("It didn't work"),
    )

    recording = await replays()

    statuses = [
        row.tool_calls[0]["status"]
        for row in recording.rows
        if row.role == "tool" and row.tool_calls
    ]
    assert statuses == ["success", "success", "error", "error", "error", "error"]


async def test_arguments_that_are_not_json(talk: Talk, replays: Replays) -> None:
    broken = AIMessage(
        "",
        id="broken",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "add_tasks",
                "args": '{"tasks": [{"title": "Buy milk and',
                "id": "call_broken",
                "error": None,
            }
        ],
    )
    await talk.say("Add", broken, adds("Buy milk and bread"), says("Done"))

    recording = await replays()

    assert recording.turns[0].messages[0]["invalid_tool_calls"][0]["id"] == "call_broken"


async def test_a_fork_from_an_old_checkpoint(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    await talk.say("Add bread", adds("Bread"), says("Added bread"))
    old = await talk.checkpoint("Added milk")
    await talk.say("Add eggs", adds("Eggs"), says("Added eggs"), at=old)
    await talk.say("List", calls(("find_tasks", {})), says("Three"))

    recording = await replays()

    assert recording.turns[2].start is not None
    assert recording.turns[2].start.turn == 1
    assert recording.turns[3].start is None
    assert "Added bread" in [row.content for row in recording.rows]


async def test_an_answer_made_again(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    asked = (await talk.checkpoints())[1]
    assert asked.next == ("agent",)
    again = str(asked.config["configurable"]["checkpoint_id"])
    await talk.say(None, adds("Oat milk"), says("Added oat milk"), at=again)

    recording = await replays()

    assert recording.turns[1].input is None
    assert recording.turns[1].start is not None


async def test_a_call_made_again_from_before_it_is_answered_from_the_ledger(
    talk: Talk, replays: Replays
) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    before_the_call = (await talk.checkpoints())[2]
    assert before_the_call.next == ("tools",)
    again = str(before_the_call.config["configurable"]["checkpoint_id"])
    await talk.say(None, says("Added again"), at=again)
    messages = await talk.say("List", calls(("find_tasks", {})), says("One"))
    assert '"total":1' in str(messages[-2].text)

    await replays()


async def test_edits_of_the_state(talk: Talk, replays: Replays) -> None:
    await talk.say([HumanMessage("Add milk", id="first")], adds("Milk"), says("Added milk"))
    await talk.edit(HumanMessage("Add oat milk", id="first"), as_node="__start__")
    await talk.say(None, adds("Oat milk"), says("Added"))
    await talk.edit(HumanMessage("Thanks", id="thanks"), AIMessage("Oh", id="oh"), as_node="agent")
    await talk.edit(RemoveMessage(id="oh"), RemoveMessage(id="thanks"), as_node="agent")
    await talk.edit(calls(("find_tasks", {})), as_node="agent")
    await talk.say(None, says("There"))
    await talk.edit(
        RemoveMessage(id=REMOVE_ALL_MESSAGES), HumanMessage("Anew", id="anew"), as_node="agent"
    )

    recording = await replays()

    kinds = [turn.kind for turn in recording.turns]
    assert kinds == ["run", "update", "run", "update", "update", "update", "run", "update"]
    assert recording.turns[2].start is None


async def test_an_edit_of_an_old_checkpoint(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    await talk.say("Add bread", adds("Bread"), says("Added bread"))
    old = await talk.checkpoint("Added milk")
    await talk.edit(AIMessage("Well, added", id="well"), as_node="agent", at=old)
    await talk.say("List", calls(("find_tasks", {})), says("Two"))

    await replays()


async def test_a_result_written_by_hand(talk: Talk, replays: Replays) -> None:
    request = calls(("find_tasks", {}))
    await talk.edit(HumanMessage("List", id="h"), request, as_node="agent")
    call_id = request.tool_calls[0]["id"]
    await talk.edit(ToolMessage("Nothing", tool_call_id=call_id, id="t"), as_node="tools")
    await talk.say(None, says("You have nothing to do"))

    recording = await replays()

    [row] = [row for row in recording.rows if row.role == "tool"]
    assert row.tool_calls is not None
    assert row.tool_calls[0]["timestamp"] is None


async def test_a_cleared_and_a_copied_checkpoint(talk: Talk, replays: Replays) -> None:
    await talk.edit(HumanMessage("List", id="h"), calls(("find_tasks", {})), as_node="agent")
    config = {"configurable": {"thread_id": "thread"}}
    await talk.graph.aupdate_state(config, None, as_node="__end__")
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    await talk.graph.aupdate_state(config, None, as_node="__copy__")
    await talk.say("Thanks", says("Welcome"))

    recording = await replays()

    assert [turn.as_node for turn in recording.turns if turn.kind == "update"] == [
        "agent",
        "__end__",
        "__copy__",
    ]


async def test_a_run_that_broke_off_at_the_model(talk: Talk, replays: Replays) -> None:
    with pytest.raises(ZeroDivisionError):
        await talk.say("Add milk", adds("Milk"), ZeroDivisionError())
    await talk.say("And bread", adds("Bread"), says("Added both"))
    with pytest.raises(ZeroDivisionError):
        await talk.say("Thanks", ZeroDivisionError())

    recording = await replays()

    assert [turn.unfinished for turn in recording.turns] == [True, False, True]


async def test_a_run_that_broke_off_and_was_gone_on_with(talk: Talk, replays: Replays) -> None:
    with pytest.raises(ZeroDivisionError):
        await talk.say("Add milk", adds("Milk"), ZeroDivisionError())
    await talk.say(None, says("Added milk"))

    recording = await replays()

    assert [turn.unfinished for turn in recording.turns] == [False]


async def test_a_run_that_broke_off_before_its_tools(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), interrupt_before=["tools"])
    await talk.say("Never mind, add bread", adds("Bread"), says("Added bread"))

    recording = await replays()

    assert recording.turns[0].unfinished
    assert [row.content for row in recording.rows][:2] == ["Add milk", ""]


async def test_a_run_without_a_message(talk: Talk, replays: Replays) -> None:
    with pytest.raises(NoMessageError):
        await talk.say([])
    await talk.say("Hello", says("Hello"))

    await replays()


async def test_what_the_agent_says_of_itself(talk: Talk, replays: Replays) -> None:
    assert (await talk.say("  "))[-1].content == EMPTY_MESSAGE
    await talk.say("Hello", says("Hello"))
    messages = await talk.say("Add", adds("Milk"), adds("Bread"), config={"recursion_limit": 6})
    assert messages[-1].content == OUT_OF_STEPS
    await talk.say("Go on", says("Done"))
    messages = await talk.say("Add", adds("Eggs"), config={"recursion_limit": 5})
    assert messages[-1].content == OUT_OF_STEPS

    await replays()


async def test_a_thread_with_one_checkpoint_for_each_run(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"), durability="exit")
    await talk.say("Add bread", adds("Bread"), says("Added bread"), durability="exit")
    old = await talk.checkpoint("Added milk")
    await talk.say("Add eggs", adds("Eggs"), says("Added eggs"), durability="exit", at=old)
    assert len(await talk.checkpoints()) == 3

    recording = await replays()

    assert [len(turn.input or []) for turn in recording.turns] == [1, 1, 1]


async def test_messages_that_a_client_sends_in_its_own_way(talk: Talk, replays: Replays) -> None:
    blocks = HumanMessage([{"type": "text", "text": "Add milk"}, "please"])
    await talk.say([SystemMessage("Be short."), blocks], adds("Milk"), says("Done"))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    await talk.say([HumanMessage([picture], name="Anna")], says("A picture"))
    raw = HumanMessage("NUL \x00 and 🥛", additional_kwargs={"raw": b"\xff"})
    await talk.say([raw], says("Odd \x00"))

    recording = await replays()

    sent = [turn.input[0] for turn in recording.turns if turn.input]
    assert ["payload" in form for form in sent] == [False, False, True]


async def test_numbers_continue_after_tasks_of_earlier_conversations(
    talk: Talk, replays: Replays
) -> None:
    await talk.say("Add", adds("Milk", "Bread", "Eggs"), says("Done"), thread="earlier")
    await talk.say(
        "Go",
        calls(("complete_tasks", {"tasks": ["1"]}), ("delete_tasks", {"tasks": ["3"]})),
        says("Done"),
        thread="earlier",
    )
    await talk.say("Add", adds("Butter"), says("Done"))
    messages = await talk.say("List", calls(("find_tasks", {"state": "all"})), says("Three"))
    assert '"total":3' in str(messages[-2].text)

    recording = await replays()

    elsewhere = recording.turns[0].elsewhere
    assert [(change.number, change.row is None) for change in elsewhere] == [
        (2, False),
        (1, False),
        (3, True),
    ]


async def test_lists_and_subtasks_of_earlier_conversations_are_there(
    talk: Talk, replays: Replays
) -> None:
    await talk.say(
        "Set up",
        calls(("save_lists", {"lists": ["Home", "Old"]})),
        adds("Paint the room", list="Home"),
        adds("Buy paint", parent="1"),
        calls(("save_lists", {"lists": [{"list": "Home", "name": "House"}]})),
        calls(("delete_lists", {"lists": ["Old"]})),
        calls(
            ("update_tasks", {"tasks": [{"task": "1", "labels": ["diy"], "priority": "urgent"}]})
        ),
        says("Done"),
        thread="earlier",
    )
    messages = await talk.say("List", calls(("find_tasks", {"list": "House"})), says("Two"))
    assert '"total":2' in str(messages[-2].text)
    await talk.say("Go", calls(("complete_tasks", {"tasks": ["1"]})), says("Is open: 2"))
    await talk.say("Lists?", calls(("find_lists", {})), says("Inbox and House"))

    recording = await replays()

    assert [len(turn.elsewhere) for turn in recording.turns] == [3, 0, 0]


async def test_what_a_conversation_made_is_found_by_the_changes_of_another(
    talk: Talk, replays: Replays
) -> None:
    await talk.say("A list", calls(("save_lists", {"lists": ["Home"]})), says("Done"))
    await talk.say("Add", adds("Paint the room", list="Home"), says("Done"))
    await talk.say("Part", adds("Buy paint", parent="1"), says("Done"), thread="other")
    house = {"list": "Home", "name": "House"}
    await talk.say(
        "Rename", calls(("save_lists", {"lists": [house]})), says("Done"), thread="other"
    )
    messages = await talk.say("List", calls(("find_tasks", {"list": "House"})), says("Two"))
    assert '"parent":1' in str(messages[-2].text)

    await replays()


async def test_what_repeats_comes_back_and_a_turn_is_undone(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Water plants", repeats="every monday at 9"), says("Done"))
    await talk.say("Done", calls(("complete_tasks", {"tasks": ["plants"]})), says("Next monday"))
    await talk.say("Undo", calls(("undo_changes", {})), says("Undone"))
    messages = await talk.say("List", calls(("find_tasks", {})), says("One"))
    assert '"total":1' in str(messages[-2].text)
    await talk.say("Undo that", calls(("undo_changes", {})), says("Done again"))
    messages = await talk.say("What?", calls(("find_activity", {"task": "1"})), says("This"))
    assert '"action":"restored"' in str(messages[-2].text)

    await replays()


async def test_an_undo_that_another_conversation_is_in_the_way_of(
    talk: Talk, replays: Replays
) -> None:
    await talk.say("Add", adds("Milk", "Bread"), says("Done"))
    rename = ("update_tasks", {"tasks": [{"task": "1", "title": "Oat milk"}]})
    await talk.say("Rename", calls(rename), says("Done"), thread="other")
    await talk.say("Done", calls(("complete_tasks", {"tasks": ["1"]})), says("Ok"), thread="other")
    messages = await talk.say("Undo", calls(("undo_changes", {})), says("Was changed"))
    assert "updated, completed" in str(messages[-2].text)

    recording = await replays()

    assert [change.action for change in recording.turns[1].elsewhere] == ["updated", "completed"]


async def test_one_of_several_tasks_fails(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Call the dentist", "Pay the dentist"), says("Done"))
    messages = await talk.say(
        "Go", calls(("complete_tasks", {"tasks": ["dentist", "1", "unicorn"]})), says("One")
    )
    assert '"changed":1,"failed":2' in str(messages[-2].text)

    await replays()


async def test_changes_of_another_conversation_in_between(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", adds("Milk"), says("Done"))
    await talk.say("Add", adds("Bread"), says("Done"), thread="other")
    await talk.say("List", calls(("find_tasks", {})), says("Two"))
    await talk.say(
        "Done", calls(("complete_tasks", {"tasks": ["1"]})), says("Done"), thread="other"
    )
    await talk.say("Done", calls(("complete_tasks", {"tasks": ["1"]})), says("Was done"))
    await talk.say("Add", adds("Later"), says("Done"), thread="other")

    recording = await replays()

    assert [len(turn.elsewhere) for turn in recording.turns] == [0, 1, 1]
    assert "Later" not in recording.to_json()


async def test_a_change_whose_result_was_lost_is_not_made_twice(
    talk: Talk, database: Database, replays: Replays
) -> None:
    request = adds("Milk")
    await talk.say("Add milk", request, interrupt_before=["tools"])
    async with database.pool.connection() as connection:
        await connection.execute(
            "CREATE TABLE lost AS SELECT * FROM checkpoints WHERE thread_id = 'thread'"
        )
        await connection.execute(
            "CREATE TABLE lost_writes AS SELECT * FROM checkpoint_writes WHERE thread_id = 'thread'"
        )
    await talk.say(None, says("Added"), interrupt_before=None)
    # As if the process had died after the tool's commit and before the checkpoint's.
    async with database.pool.connection() as connection:
        await connection.execute(
            "DELETE FROM checkpoints WHERE checkpoint_id NOT IN (SELECT checkpoint_id FROM lost)"
        )
        await connection.execute("DELETE FROM checkpoint_writes")
        await connection.execute("INSERT INTO checkpoint_writes SELECT * FROM lost_writes")
    messages = await talk.say(None, calls(("find_tasks", {})), says("One task"))
    assert '"total":1' in str(messages[-2].text)

    recording = await replays()

    [change] = recording.turns[0].elsewhere
    assert change.key is not None
    assert change.at < NOON + timedelta(seconds=10)
    assert not recording.turns[0].unfinished


async def test_a_thread_whose_older_checkpoints_were_pruned(
    talk: Talk, database: Database, replays: Replays
) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    await talk.say("Add bread", adds("Bread"), says("Added bread"))
    latest = (await talk.checkpoints())[-1].config["configurable"]["checkpoint_id"]
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM checkpoints WHERE checkpoint_id <> %s", (latest,))
    await talk.say("List", calls(("find_tasks", {})), says("Two"))

    recording = await replays()

    assert [turn.kind for turn in recording.turns] == ["update", "run"]


async def test_a_run_that_was_rolled_back_leaves_its_changes_but_not_its_rows(
    talk: Talk, database: Database, replays: Replays
) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    kept = [state.config["configurable"]["checkpoint_id"] for state in await talk.checkpoints()]
    await talk.say("Add bread", adds("Bread"), says("Added bread"))
    async with database.pool.connection() as connection:
        await connection.execute("DELETE FROM checkpoints WHERE checkpoint_id <> ALL(%s)", (kept,))
    await talk.say("List", calls(("find_tasks", {})), says("Two"))

    recording = await replays()

    assert "Added bread" not in [row.content for row in recording.rows]
    assert [change.number for change in recording.turns[1].elsewhere] == [2]


async def test_a_copied_thread(talk: Talk, replays: Replays) -> None:
    await talk.say("Add milk", adds("Milk"), says("Added milk"))
    await talk.copy("thread", to="copy")
    await talk.say("List", calls(("find_tasks", {})), says("One"), thread="copy")

    recording = await replays("copy")

    assert [turn.elsewhere for turn in recording.turns] == [[], []]


async def test_an_unknown_thread_is_an_error(database: Database) -> None:
    with pytest.raises(ThreadNotFoundError):
        await export_thread(database, "no-such-thread")
