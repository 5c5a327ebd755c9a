"""What tools of other MCP servers answered is taken from the recording: they can't be run again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Command

from graph.agent import task_origin
from graph.clock import call_time
from replay.compare import compare
from replay.export import export_thread
from replay.player import Replayed, replay
from replay.recording import Recording
from storage.database import Database
from tests.replay.support import Replays, Talk, TickingClock, adds, calls, says, talking
from tests.tools.others import calls as calls_made
from tests.tools.others import stdio_entry, write_config
from tools.client import TaskTools
from tools.client.config import read_config


@pytest.fixture
async def talk(database: Database, tmp_path: Path) -> AsyncIterator[Talk]:
    """Somebody whose agent has the tools of another server, too: a process."""
    entries = read_config(write_config(tmp_path, other=stdio_entry(tmp_path)))
    async with talking(database, entries) as talk:
        yield talk


async def test_it_is_answered_from_the_recording_and_our_own_tools_are_run(
    talk: Talk, tmp_path: Path, replays: Replays
) -> None:
    request = calls(
        ("look", {"text": "here"}),
        ("add_tasks", {"tasks": [{"title": "Milk"}]}),
        ("other_find_tasks", {}),
        ("find_tasks", {}),
        ("fail", {}),
    )
    messages = await talk.say("Look around and add milk", request, says("Done"))
    assert "look here, said" in str(messages[2].text)
    assert "no tasks here" in str(messages[4].text)
    assert "it is Monday" in str(messages[6].text)
    await talk.say("Again", calls(("put", {"text": "it there"})), says("Done"))
    await talk.say("And?", calls(("find_tasks", {})), says("Milk"))
    made = calls_made(tmp_path)

    recording = await replays()

    assert calls_made(tmp_path) == made
    assert [tool.name for tool in recording.other_tools] == [
        "fail",
        "look",
        "other_find_tasks",
        "put",
    ]
    assert [len(turn.others) for turn in recording.turns] == [3, 1, 0]
    assert recording.turns[1].others[0].arguments == {"text": "it there"}


async def changed(database: Database, fresh_database: Database, *changes: tuple[str, str]) -> Any:
    """What a replay finds different when the recording's text is changed."""
    text = (await export_thread(database, "thread")).to_json()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    recording = Recording.from_json(text)
    replayed: Replayed = await replay(recording, fresh_database)
    return {(one.where, one.what): one for one in compare(recording, replayed)}


async def test_a_call_with_other_arguments_is_a_difference_that_names_both(
    talk: Talk, database: Database, fresh_database: Database
) -> None:
    request = calls(("look", {"text": "here"}))
    await talk.say("Look", request, says("Seen"))

    # The first is what the agent asks for when it is replayed.
    found = await changed(
        database,
        fresh_database,
        ('"text": "here"\n          }', '"text": "there"\n          }'),
    )

    difference = found["turn 1, message 2 (tool)", "content"]
    assert '{"text": "here"}' in str(difference.found)
    assert '{"text": "there"}' in str(difference.found)
    assert "look here, said" in str(difference.expected)
    assert found["turn 1, message 2 (tool)", "status"].found == "error"


async def test_a_call_that_is_not_recorded_is_a_difference_that_says_so(
    talk: Talk, database: Database, fresh_database: Database
) -> None:
    await talk.say("Look", calls(("look", {"text": "here"})), says("Seen"))
    parts = json.loads((await export_thread(database, "thread")).to_json())
    del parts["turns"][0]["others"]
    recording = Recording.from_json(json.dumps(parts))

    found = compare(recording, await replay(recording, fresh_database))

    assert "no call with this id" in str(found[0])


async def test_our_own_tools_are_compared_as_ever(
    talk: Talk, database: Database, fresh_database: Database
) -> None:
    await talk.say("Look", calls(("look", {"text": "here"})), says("Seen"))
    await talk.say("Add", adds("Milk"), says("Done"))

    found = await changed(
        database, fresh_database, ('\\"title\\":\\"Milk\\"', '\\"title\\":\\"Oat milk\\"')
    )

    assert "Oat milk" in str(found["turn 2, message 2 (tool)", "content"].expected)


async def test_calls_that_a_person_edits_or_rejects(talk: Talk, replays: Replays) -> None:
    request = calls(("put", {"text": "it here"}), ("put", {"text": "more"}), ("look", {"text": ""}))
    await talk.say("Put it", request, approval="writes")
    edited = {"name": "put", "args": {"text": "it there"}}
    decisions = [
        {"type": "edit", "edited_action": edited},
        {"type": "reject", "message": "not now"},
    ]
    messages = await talk.say(
        None, says("Put it there"), given=Command(resume={"decisions": decisions})
    )
    assert "put it there, said" in str(messages[2].text)
    await talk.say("And paint", calls(("paint", {"text": "red"})), approval="writes")
    await talk.say("No, don't", says("I don't"))

    recording = await replays()

    assert [tool.name for tool in recording.other_tools] == ["look", "paint", "put"]
    assert recording.turns[0].others[0].arguments == {"text": "it there"}


async def test_calls_that_have_no_answer(talk: Talk, replays: Replays) -> None:
    request = calls(("look", {"text": "here"}), ("put", {"text": "it there"}))
    await talk.say("Look and put", request, interrupt_before=["tools"])
    messages = await talk.say("Well?", says("I don't know"))
    assert "only reads" in str(messages[2].text)
    assert "not known" in str(messages[3].text)

    recording = await replays()

    assert [(tool.name, tool.only_reads) for tool in recording.other_tools] == [("look", True)]


async def test_a_tool_that_there_never_was(talk: Talk, replays: Replays) -> None:
    messages = await talk.say("Fly", calls(("fly", {"where": "up"})), says("I can't"))
    assert "look" in str(messages[2].text)

    recording = await replays()

    assert [tool.name for tool in recording.other_tools] == ["fly"]


async def test_without_other_servers_the_agent_says_itself_that_there_is_no_such_tool(
    talk: Talk, database: Database, fresh_database: Database
) -> None:
    tools = TaskTools(lambda: database, clock=call_time, origin=task_origin)
    alone = Talk(database, tools, TickingClock())
    try:
        answer: AIMessage = calls(("fly", {"where": "up"}))
        await alone.say("Fly", answer, says("I can't"))
    finally:
        await tools.aclose()

    recording = await export_thread(database, "thread")

    assert recording.other_tools == []
    assert not recording.turns[0].others
    assert not compare(recording, await replay(recording, fresh_database))
