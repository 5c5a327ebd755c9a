"""Conversations in which a person decided, exported and run again."""

from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langgraph.types import Command

from tests.replay.support import Replays, Talk, calls, says

ADD = {"tasks": [{"title": "milk"}]}
APPROVE = {"type": "approve"}
REJECT = {"type": "reject", "message": "I need it"}


def edit(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "edit", "edited_action": {"name": name, "args": arguments}}


def deletes(*numbers: str) -> Any:
    return calls(*(("delete_tasks", {"tasks": [number]}) for number in numbers))


async def ask(talk: Talk, *, numbers: tuple[str, ...] = ("1",)) -> None:
    """A conversation that has come to a question."""
    adds = [("add_tasks", {"tasks": [{"title": title}]}) for title in ("milk", "bread", "eggs")]
    await talk.say("Add", calls(*adds), says("Added"))
    await talk.say("Delete", deletes(*numbers), approval="deletes")


async def decide(talk: Talk, *decisions: Any, then: str = "Done", at: str | None = None) -> None:
    await answer(talk, {"decisions": list(decisions)}, says(then), at=at)


async def answer(talk: Talk, given: Any, *answers: Any, at: str | None = None) -> Any:
    return await talk.say(None, *answers, given=Command(resume=given), approval="deletes", at=at)


async def test_decisions_of_every_kind(talk: Talk, replays: Replays) -> None:
    await ask(talk, numbers=("1", "2", "3"))
    await decide(talk, APPROVE, REJECT, edit("complete_tasks", tasks=["3"]))
    await talk.say("List", calls(("find_tasks", {"state": "all"})), says("Two"))

    recording = await replays()

    asked = recording.turns[1]
    assert len(asked.asked) == 3
    assert asked.answers == [[APPROVE, REJECT, edit("complete_tasks", tasks=["3"])]]
    results = [row.tool_calls[0] for row in recording.rows if row.role == "tool" and row.tool_calls]
    assert [result["tool"] for result in results[3:6]] == [
        "delete_tasks", "delete_tasks", "complete_tasks",
    ]  # fmt: skip


async def test_several_questions_in_one_turn(talk: Talk, replays: Replays) -> None:
    await ask(talk)
    await answer(talk, {"decisions": [APPROVE]}, deletes("2"))
    await answer(talk, {"decisions": [REJECT]}, says("Kept"))

    recording = await replays()

    assert recording.turns[1].answers == [[APPROVE], [REJECT]]


async def test_answers_that_could_not_be_used(talk: Talk, replays: Replays) -> None:
    await ask(talk)
    for _ in range(2):
        await answer(talk, "yes")
    await decide(talk, APPROVE)
    old = await talk.checkpoint("Done")
    await talk.say("List", calls(("find_tasks", {})), says("Two"))
    await talk.say("And now?", says("Nothing"), at=old)

    recording = await replays()

    assert recording.turns[1].answers == [None, None, [APPROVE]]


async def test_a_question_that_nobody_answered(talk: Talk, replays: Replays) -> None:
    await ask(talk)

    recording = await replays()

    assert recording.turns[1].unfinished
    assert recording.turns[1].answers == []


async def test_new_words_in_place_of_an_answer(talk: Talk, replays: Replays) -> None:
    await ask(talk)
    messages = await talk.say("Never mind", says("All right"), approval="deletes")
    assert isinstance(messages[-3], ToolMessage)

    recording = await replays()

    assert recording.turns[1].unfinished
    assert recording.turns[1].asked == [messages[-3].tool_call_id]


async def test_going_back_to_a_question(talk: Talk, replays: Replays) -> None:
    await ask(talk)
    (state,) = (await talk.checkpoints())[-1:]
    asked_at = state.config["configurable"]["checkpoint_id"]
    await decide(talk, REJECT)
    # Asked anew, and answered otherwise.
    await talk.say(None, at=asked_at, approval="deletes")
    await decide(talk, APPROVE)
    # The answer is sent there again, is asked about, and answered.
    await answer(talk, {"decisions": [APPROVE]}, at=asked_at)
    await decide(talk, REJECT)

    recording = await replays()

    assert [turn.begins_with_answer for turn in recording.turns] == [False, False, False, True]
    assert [turn.answers for turn in recording.turns[1:]] == [
        [[REJECT]], [[APPROVE]], [None, [REJECT]],
    ]  # fmt: skip


async def test_calls_that_were_never_made_or_whose_answer_was_late(
    talk: Talk, replays: Replays
) -> None:
    await talk.say("Add", calls(("add_tasks", ADD)), interrupt_before=["tools"])
    await talk.say("Well?", calls(("find_tasks", {})), says("None"))
    await talk.say("List", calls(("find_tasks", {})), interrupt_before=["tools"])
    await talk.say("Well?", calls(("add_tasks", ADD)), says("Added"))

    recording = await replays()

    assert [turn.unfinished for turn in recording.turns] == [True, False, True, False]


@pytest.mark.parametrize("approval", ["writes", "off"])
async def test_the_mode_of_each_run_is_kept_by_what_was_asked(
    talk: Talk, replays: Replays, approval: Any
) -> None:
    asks = approval == "writes"
    request = calls(("add_tasks", ADD), ("find_tasks", {}))
    await talk.say("Add", request, *([] if asks else [says("Added")]), approval=approval)
    if asks:
        await decide(talk, APPROVE)

    recording = await replays()

    assert len(recording.turns[0].asked) == asks


async def test_a_thread_with_one_checkpoint_for_each_run(talk: Talk, replays: Replays) -> None:
    await talk.say("Add", calls(("add_tasks", ADD)), says("Added"), durability="exit")
    await talk.say("Delete", deletes("1"), approval="deletes", durability="exit")
    await talk.say(
        None,
        says("Done"),
        given=Command(resume={"decisions": [APPROVE]}),
        approval="deletes",
        durability="exit",
    )

    recording = await replays()

    assert recording.turns[1].answers == [[APPROVE]]
