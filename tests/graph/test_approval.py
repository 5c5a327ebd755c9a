"""A person's approval before tools act."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.types import Command

from graph.context import Context
from graph.decisions import read_decisions
from graph.settings import AgentSettings, Approval
from replay.scripted import ScriptedModel
from storage.database import Database
from tests.graph.shed import APPROVE, REJECT, Shed, answered, asked, decide, edit, question, resume
from tests.graph.support import agent, calling, say
from tests.storage.support import active_branch, assert_rows_are_the_state, on, texts

REMOVE = ("remove", {"thing": "ladder"})
PUT_IN = ("put_in", {"thing": "rake"})
LOOK: tuple[str, dict[str, Any]] = ("look", {})
SHAKE: tuple[str, dict[str, Any]] = ("shake", {})
SAW = calling(("remove", {"thing": "saw"}), ids="saw")


async def test_what_destroys_waits_until_it_is_approved(database: Database) -> None:
    shed = Shed()
    async with agent(database, calling(REMOVE), AIMessage("Gone."), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        assert shed.done == []
        assert await asked(graph) == ["remove"]
        messages = await decide(graph, APPROVE)
        await assert_rows_are_the_state(database, graph, "t")
    assert shed.done == ["removed ladder"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert texts(messages)[2:] == ["removed ladder", "Gone."]


async def test_the_question_has_the_form_that_langchains_clients_show(database: Database) -> None:
    script = calling(REMOVE, ("remove", {"thing": "ladder", "nonsense": 1}))
    async with agent(database, script, toolbox=Shed()) as graph:
        await say(graph, "throw the ladder away")
        waiting = await question(graph)
    assert waiting is not None
    assert json.loads(json.dumps(waiting)) == waiting
    assert waiting["action_requests"] == [
        {
            "name": "remove",
            "args": arguments,
            "description": f"remove waits for your approval.\n\nArguments: {json.dumps(arguments)}",
        }
        for arguments in ({"thing": "ladder"}, {"thing": "ladder", "nonsense": 1})
    ]
    assert waiting["review_configs"] == 2 * [
        {"action_name": "remove", "allowed_decisions": ["approve", "edit", "reject"]}
    ]


MODES: list[tuple[Approval, list[str]]] = [
    ("off", []),
    ("deletes", ["remove"]),
    ("writes", ["remove", "put_in", "shake"]),
]


@pytest.mark.parametrize(("mode", "wait"), MODES)
@pytest.mark.parametrize("by", ["settings", "context"])
async def test_each_mode_asks_about_its_calls(
    database: Database, mode: Approval, wait: list[str], by: str
) -> None:
    other: Approval = "off" if mode == "writes" else "writes"
    settings = AgentSettings(approval=mode if by == "settings" else other)
    context = Context(approval=mode) if by == "context" else None
    script = (calling(LOOK, REMOVE, PUT_IN, SHAKE), AIMessage("Done."))
    shed = Shed()
    async with agent(database, *script, toolbox=shed, settings=settings) as graph:
        await say(graph, "everything at once", context=context)
        assert await asked(graph) == wait
        assert shed.done == ([] if wait else ["removed ladder", "put in rake", "shaken"])


async def test_tools_that_the_settings_name_wait_too_unless_approval_is_off(
    database: Database,
) -> None:
    settings = AgentSettings(approval_tools="look, shake,", time_zone="UTC")
    script = [calling(LOOK, PUT_IN), AIMessage("Done."), calling(LOOK, ids="more")]
    async with agent(database, *script, toolbox=Shed(), settings=settings) as graph:
        await say(graph, "look", context=Context(approval="off"))
        assert await asked(graph) == []
        await say(graph, "look")
        assert await asked(graph) == ["look"]


def test_a_mode_that_does_not_exist_is_refused() -> None:
    assert Context.model_validate({"approval": ""}) == Context()
    for model in (Context, AgentSettings):
        with pytest.raises(ValueError, match="deletes"):
            model.model_validate({"approval": "sometimes"})


async def test_calls_of_one_step_are_decided_together_and_made_in_their_order(
    database: Database,
) -> None:
    script = calling(PUT_IN, REMOVE, LOOK, ("remove", {"thing": "saw"}), ("remove", {"thing": "x"}))
    shed = Shed()
    async with agent(database, script, AIMessage("Done."), toolbox=shed) as graph:
        await say(graph, "a lot")
        # What needs no approval waits with the others.
        assert shed.done == []
        assert await asked(graph) == ["remove", "remove", "remove"]
        messages = await decide(
            graph, APPROVE, {"type": "reject", "message": "I need it"}, edit("put_in", thing="y")
        )
    assert shed.done == ["put in rake", "removed ladder", "put in y"]
    assert answered(messages) == [
        ("call_0", "success"),
        ("call_1", "success"),
        ("call_2", "success"),
        ("call_3", "error"),
        ("call_4", "success"),
    ]


async def test_a_rejection_reaches_the_model_with_its_reason_as_the_persons_words(
    database: Database,
) -> None:
    model = ScriptedModel([calling(REMOVE, REMOVE), AIMessage("I leave it.")])
    shed = Shed()
    async with agent(database, model=model, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        messages = await decide(graph, {"type": "reject", "message": "take the saw"}, REJECT)
    assert shed.done == []
    first, second = (message for message in messages if isinstance(message, ToolMessage))
    assert "rejected" in first.text
    assert "take the saw" in first.text
    assert "not executed" in second.text
    assert "[data" not in str(model.asked[1].prompt[-2].text)
    assert first.additional_kwargs["decision"] == {"type": "reject", "message": "take the saw"}


async def test_an_edited_call_is_made_in_place_of_the_models_and_recorded_as_it_was_made(
    database: Database,
) -> None:
    model = ScriptedModel([calling(REMOVE), AIMessage("Done.")])
    shed = Shed()
    async with agent(database, model=model, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        messages = await decide(graph, edit("remove", thing="saw"))
        await assert_rows_are_the_state(database, graph, "t")
    assert shed.done == ["removed saw"]
    # What the model asked for stays as it was.
    assert isinstance(messages[1], AIMessage)
    assert messages[1].tool_calls[0]["args"] == {"thing": "ladder"}
    shown = str(model.asked[1].prompt[-1].text)
    assert 'remove({"thing": "saw"})' in shown.partition("[data")[0]
    asked_for, record = [row["tool_calls"] for row in (await active_branch(database, "t"))[1:3]]
    assert asked_for[0]["arguments"] == {"thing": "ladder"}
    assert (record[0]["tool"], record[0]["arguments"]) == ("remove", {"thing": "saw"})
    assert record[0]["decision"] == edit("remove", thing="saw")


BAD_ANSWERS: list[tuple[Any, str]] = [
    ("yes", '"yes"'),
    (7, "7"),
    (True, "true"),
    ([APPROVE, APPROVE], "decisions"),
    ({"decisions": "approve"}, "decisions"),
    ({"decisions": []}, "is 0, but 2"),
    ({"decisions": [APPROVE]}, "is 1, but 2"),
    ({"decisions": [APPROVE] * 3}, "is 3, but 2"),
    ({"decisions": [APPROVE, "approve"]}, 'Decision 2 is "approve"'),
    ({"decisions": [APPROVE, None]}, "Decision 2 is null"),
    ({"decisions": [APPROVE, {"type": "respond", "message": "42"}]}, "approve, edit, reject"),
    ({"decisions": [APPROVE, {"type": ["approve"]}]}, "approve, edit, reject"),
    ({"decisions": [{"type": "edit"}, APPROVE]}, "edited_action"),
    ({"decisions": [{"type": "edit", "edited_action": {"name": "look"}}, APPROVE]}, "args"),
    ({"decisions": [edit("fly"), APPROVE]}, 'a tool "fly", which does not exist'),
    ({"decisions": [edit("remove"), APPROVE]}, '"thing" is missing'),
    ({"decisions": [edit("remove", thing="a", all=True), APPROVE]}, 'no "all"'),
    ({"decisions": [{"type": "reject", "message": 3}, APPROVE]}, "has to be text"),
    ({"decisions": [{"x" * 5000: 1}, APPROVE]}, "x…"),
    ([], "is [], but"),
    ("", 'is "", but'),
    (0, "is 0, but"),
    (False, "is false, but"),
    ({}, "without an answer"),
    ({"0" * 32: {"decisions": [APPROVE, APPROVE]}}, "without an answer"),
]


@pytest.mark.parametrize(("answer", "words"), BAD_ANSWERS)
async def test_an_answer_that_cannot_be_used_is_told_and_leaves_the_question_open(
    database: Database, answer: Any, words: str
) -> None:
    shed = Shed()
    script = (calling(REMOVE, REMOVE), AIMessage("Done."))
    async with agent(database, *script, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        plain = await question(graph)
        for _ in range(2):
            await resume(graph, answer)
            again = await question(graph)
            assert again is not None
            for action in again["action_requests"]:
                assert words in action["description"]
                assert len(action["description"]) < 1000
                assert "decide again" in action["description"]
        assert shed.done == []
        assert plain is not None
        assert again is not None
        assert again["review_configs"] == plain["review_configs"]
        await decide(graph, APPROVE, APPROVE)
        assert await question(graph) is None
    assert shed.done == ["removed ladder", "removed ladder"]


async def test_an_answer_that_is_null_is_told_when_it_names_the_question_and_when_the_run_goes_on(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, calling(REMOVE), AIMessage("Done."), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        (waiting,) = (await graph.aget_state(on("t"))).interrupts
        for given, words in (
            (Command(resume={waiting.id: None}), "The answer is null"),
            # What the server makes of a null without an id.
            (None, "without an answer"),
        ):
            await graph.ainvoke(given, on("t"))
            again = await question(graph)
            assert again is not None
            assert words in again["action_requests"][0]["description"]
        assert shed.done == []
        await decide(graph, APPROVE)
    assert shed.done == ["removed ladder"]


async def test_langgraph_itself_refuses_null_and_the_question_stays(database: Database) -> None:
    """Before any node is asked; when it no longer does, this has to be told like other answers."""
    shed = Shed()
    async with agent(database, calling(REMOVE), AIMessage("Done."), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        plain = await question(graph)
        with pytest.raises(UnboundLocalError):
            await resume(graph, None)
        assert await question(graph) == plain
        await decide(graph, APPROVE)
    assert shed.done == ["removed ladder"]


async def test_a_question_that_is_asked_for_the_first_time_has_no_reason_to_tell(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, calling(REMOVE), AIMessage("Done."), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        plain = await question(graph)
        said = [HumanMessage("away with it"), calling(REMOVE, ids="written")]
        await graph.aupdate_state(on("u"), {"messages": said}, as_node="agent")
        await graph.ainvoke(None, on("u"))
        assert await question(graph, "u") == plain
        # Nor has one that somebody goes back to.
        state = await graph.aget_state(on("t"))
        await graph.ainvoke(None, state.config)
        assert await question(graph) == plain


async def test_a_question_is_answered_in_the_mode_in_which_it_was_asked(
    database: Database,
) -> None:
    shed = Shed()
    script = (calling(PUT_IN), AIMessage("I leave it."))
    async with agent(database, *script, toolbox=shed) as graph:
        await say(graph, "put the rake in", context=Context(approval="writes"))
        # Studio doesn't send the context along.
        await decide(graph, REJECT)
    assert shed.done == []


async def test_an_answer_sent_again_changes_nothing(database: Database) -> None:
    shed = Shed()
    script = (calling(REMOVE), AIMessage("Gone."), SAW)
    async with agent(database, *script, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        messages = await decide(graph, APPROVE)
        for _ in range(3):
            assert await decide(graph, APPROVE) == messages
        assert shed.done == ["removed ladder"]
        # And none of them is left over for what is asked next.
        await say(graph, "the saw too")
        assert await asked(graph) == ["remove"]
    assert shed.done == ["removed ladder"]


async def test_an_answer_to_another_question_by_its_id_is_not_taken_for_this_one(
    database: Database,
) -> None:
    shed = Shed()
    script = (calling(REMOVE), AIMessage("Gone."), SAW, AIMessage("Gone."))
    async with agent(database, *script, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        (first,) = (await graph.aget_state(on("t"))).interrupts
        by_id = {first.id: {"decisions": [APPROVE]}}
        await resume(graph, by_id)
        await say(graph, "the saw too")
        await resume(graph, by_id)
        (second,) = (await graph.aget_state(on("t"))).interrupts
        (action,) = second.value["action_requests"]
        assert action["args"] == {"thing": "saw"}
        assert "without an answer" in action["description"]
        assert shed.done == ["removed ladder"]
        await resume(graph, {second.id: {"decisions": [APPROVE]}})
    assert shed.done == ["removed ladder", "removed saw"]


@pytest.mark.parametrize("id_", [None, "", "same"])
async def test_a_decision_is_about_one_call_whatever_ids_somebody_has_written(
    database: Database, id_: str | None
) -> None:
    shed = Shed()
    written = calling(REMOVE, ("remove", {"thing": "saw"}))
    calls = [{**call, "id": id_} for call in written.tool_calls]
    async with agent(database, AIMessage("Well."), toolbox=shed) as graph:
        said = [HumanMessage("away with it"), AIMessage("", tool_calls=calls)]
        await graph.aupdate_state(on("t"), {"messages": said}, as_node="agent")
        await graph.ainvoke(None, on("t"))
        assert await asked(graph) == (["remove"] if id_ else [])
        if id_:
            await decide(graph, APPROVE)
    assert shed.done == (["removed ladder"] if id_ else [])


INBOX_ANSWERS: list[tuple[dict[str, Any], list[str], str]] = [
    ({"type": "accept", "args": {"action": "remove", "args": {}}}, ["removed ladder"], ""),
    (
        {"type": "edit", "args": {"action": "remove", "args": {"thing": "saw"}}},
        ["removed saw"],
        "",
    ),
    ({"type": "response", "args": "I need it"}, [], "Their reason: I need it"),
    ({"type": "ignore", "args": None}, [], "rejected"),
]


@pytest.mark.parametrize(("answer", "done", "words"), INBOX_ANSWERS)
async def test_an_answer_of_agent_inbox_is_understood(
    database: Database, answer: dict[str, Any], done: list[str], words: str
) -> None:
    shed = Shed()
    async with agent(database, calling(REMOVE), AIMessage("Well."), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        messages = await resume(graph, [answer])
        assert await asked(graph) == []
    assert shed.done == done
    assert words in messages[2].text


async def test_agent_inbox_which_shows_one_action_is_told_that_there_are_more(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, calling(REMOVE, REMOVE), toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await resume(graph, [{"type": "accept", "args": None}])
        waiting = await question(graph)
    assert waiting is not None
    assert "is 1, but 2 are needed" in waiting["action_requests"][0]["description"]
    assert shed.done == []


async def test_what_was_typed_into_a_text_field_is_read_as_what_the_tool_takes(
    database: Database,
) -> None:
    """As agent-chat-ui sends an edit: each field that was touched is text."""
    milk = {"tasks": [{"title": "milk"}, {"title": "bread"}]}
    script = (
        calling(("add_tasks", milk), ids="add"),
        AIMessage("Added."),
        calling(("delete_tasks", {"tasks": ["1"]}), ids="delete"),
        AIMessage("Well."),
    )
    async with agent(database, *script) as graph:
        await say(graph, "add both")
        await say(graph, "delete the milk")
        messages = await decide(graph, edit("delete_tasks", tasks='["2"]'))
    assert json.loads(messages[-2].text)["results"][0]["task"]["title"] == "bread"
    assert messages[-2].additional_kwargs["decision"] == edit("delete_tasks", tasks=["2"])


def test_only_what_is_not_text_is_read_from_text() -> None:
    def everything(text: str, many: list[str], count: int, sure: bool, any_: str | int) -> None:
        """Takes anything."""

    tool = StructuredTool.from_function(everything)
    given = {"text": "[1]", "many": '["a"]', "count": "3", "sure": "true", "any_": "4"}
    (call,) = calling(("everything", {})).tool_calls

    def read(**arguments: Any) -> dict[str, Any]:
        answer = {"decisions": [edit("everything", **{**given, **arguments})]}
        (decision,) = read_decisions(answer, [call], {"everything": tool})
        return decision["edited_action"]["args"]

    meant = {"text": "[1]", "many": ["a"], "count": 3, "sure": True, "any_": "4"}
    assert read() == meant
    # What is nothing of the kind is for the tool to judge.
    for wrong in ({"many": "a, b"}, {"many": "3"}, {"count": "true"}, {"count": "three"}):
        assert read(**wrong) == meant | wrong
