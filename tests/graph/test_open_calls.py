"""Calls that a crash, a cancel or new words left without an answer: real tools, real rows."""

import json
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.types import Command

from replay.scripted import ScriptedModel
from storage.database import Database
from tests.graph.shed import APPROVE, REJECT, Shed, asked, decide, edit
from tests.graph.support import Agent, agent, calling, say
from tests.storage.support import active_branch, assert_rows_are_the_state, count, fetch, on, texts

TASKS = "SELECT title FROM tasks ORDER BY number"
MILK = ("add_tasks", {"tasks": [{"title": "milk"}]})
BREAD = ("add_tasks", {"tasks": [{"title": "bread"}]})
DELETE = ("delete_tasks", {"tasks": ["1"]})
I_SEE = AIMessage("I see.")


def answers(messages: list[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


async def titles(database: Database) -> list[str]:
    return [row["title"] for row in await fetch(database, TASKS)]


async def stop_before(graph: Agent, node: str, words: str) -> None:
    """A run that is cut off before a node does its work."""
    await graph.ainvoke({"messages": [("user", words)]}, on("t"), interrupt_before=[node])


async def lose_results(database: Database) -> None:
    """From now on nothing that a tool answers can be stored."""
    async with database.pool.connection() as connection:
        await connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$"
        )
        await connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON checkpoint_writes FOR EACH ROW"
            " WHEN (NEW.channel = 'messages' AND position('result-'::bytea IN NEW.blob) > 0)"
            " EXECUTE FUNCTION refuse()"
        )
        await connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW"
            " WHEN (NEW.role = 'tool') EXECUTE FUNCTION refuse()"
        )


async def keep_results(database: Database) -> None:
    """Nothing is lost any more."""
    async with database.pool.connection() as connection:
        await connection.execute("DROP FUNCTION refuse CASCADE")


async def say_and_lose(database: Database, graph: Agent, given: Any, **more: Any) -> None:
    """A run that crashes when its tools have acted, and before that is stored."""
    await lose_results(database)
    with pytest.raises(psycopg.errors.RaiseException):
        await graph.ainvoke(given, on("t"), durability="sync", **more)
    await keep_results(database)


async def test_a_call_that_was_carried_out_gets_the_answer_that_it_had(database: Database) -> None:
    model = ScriptedModel([calling(MILK), I_SEE])
    async with agent(database, model=model) as graph:
        await say_and_lose(database, graph, {"messages": [("user", "add milk")]})
        assert await titles(database) == ["milk"]
        messages = await say(graph, "did it work?")
        await assert_rows_are_the_state(database, graph, "t")
    assert [message.type for message in messages] == ["human", "ai", "tool", "human", "ai"]
    (found,) = answers(messages)
    assert found.status == "success"
    assert json.loads(found.text)["results"][0]["task"]["title"] == "milk"
    # The model sees the same.
    assert [message.type for message in model.asked[-1].prompt] == [
        "system", "human", "ai", "tool", "human",
    ]  # fmt: skip
    assert found.text in str(model.asked[-1].prompt[3].text)
    assert await titles(database) == ["milk"]
    (record,) = (await active_branch(database, "t"))[2]["tool_calls"]
    assert (record["tool"], record["status"]) == ("add_tasks", "success")


async def test_a_call_that_was_not_carried_out_is_said_to_be_so_and_never_will_be(
    database: Database,
) -> None:
    async with agent(database, calling(MILK), I_SEE, I_SEE) as graph:
        await stop_before(graph, "tools", "add milk")
        (old,) = [state async for state in graph.aget_state_history(on("t"), limit=1)]
        messages = await say(graph, "well?")
        (found,) = answers(messages)
        assert found.status == "error"
        assert found.text.startswith("Not executed:")
        # Somebody goes back to before it; what was said of it stays true.
        await graph.ainvoke(None, old.config)
    assert await titles(database) == []


async def test_the_branch_that_was_left_stays(database: Database) -> None:
    async with agent(database, calling(MILK), I_SEE, I_SEE) as graph:
        await stop_before(graph, "tools", "add milk")
        await say(graph, "well?")
        rows = await count(database, "messages")
        assert len(await active_branch(database, "t")) == 5
        assert rows == 6  # "well?" stands on two branches.
        await say(graph, "go on")
        assert await count(database, "messages") == rows + 2


async def test_calls_in_the_middle_of_a_conversation_are_answered_in_their_places(
    database: Database,
) -> None:
    model = ScriptedModel([I_SEE])
    async with agent(database, model=model) as graph:
        await graph.aupdate_state(
            on("t"),
            {
                "messages": [
                    HumanMessage("add both", id="1"),
                    calling(MILK, BREAD, ids="first"),
                    HumanMessage("and this", id="2"),
                    calling(MILK, ids="second"),
                    HumanMessage("well?", id="3"),
                ]
            },
            as_node="__start__",
        )
        result = await graph.ainvoke(None, on("t"))
        await assert_rows_are_the_state(database, graph, "t")
    kinds = ["human", "ai", "tool", "tool", "human", "ai", "tool", "human"]
    assert [message.type for message in result["messages"]] == [*kinds, "ai"]
    assert [message.type for message in model.asked[0].prompt] == ["system", *kinds]
    assert [found.tool_call_id for found in answers(result["messages"])] == [
        "first_0", "first_1", "second_0",
    ]  # fmt: skip


async def test_what_only_reads_is_not_read_for_it(database: Database) -> None:
    async with agent(database, calling(("find_tasks", {})), I_SEE) as graph:
        await stop_before(graph, "tools", "list")
        (found,) = answers(await say(graph, "well?"))
    assert found.status == "error"
    assert "only reads" in found.text


async def test_of_a_tool_that_records_nothing_it_is_not_known_and_it_is_not_called(
    database: Database,
) -> None:
    shed = Shed()
    calls = calling(("put_in", {"thing": "rake"}), ("fly", {}))
    async with agent(database, calls, I_SEE, toolbox=shed) as graph:
        await stop_before(graph, "tools", "put the rake in")
        found = answers(await say(graph, "well?"))
    assert ["not known" in answer.text for answer in found] == [True, True]
    assert shed.done == []


async def test_new_words_while_a_question_waits_leave_its_calls_undone(database: Database) -> None:
    shed = Shed()
    calls = calling(("put_in", {"thing": "rake"}), ("remove", {"thing": "saw"}))
    async with agent(database, calls, I_SEE, toolbox=shed) as graph:
        await say(graph, "rake in, saw out")
        assert await asked(graph) == ["remove"]
        messages = await say(graph, "never mind")
        assert await asked(graph) == []
        await assert_rows_are_the_state(database, graph, "t")
        # Too late.
        assert await decide(graph, APPROVE) == messages
    assert [answer.text.partition(":")[0] for answer in answers(messages)] == 2 * ["Not executed"]
    assert shed.done == []


@pytest.mark.parametrize(
    ("decision", "titles_after", "words"),
    [
        (APPROVE, ["bread"], '"deleted"'),
        (edit("delete_tasks", tasks=["2"]), ["milk"], '"deleted"'),
        ({**REJECT, "message": "I need it"}, ["milk", "bread"], "I need it"),
    ],
)
async def test_a_decided_call_whose_answer_was_lost_gets_the_true_one(
    database: Database, decision: dict[str, Any], titles_after: list[str], words: str
) -> None:
    script = (calling(MILK, BREAD, ids="add"), I_SEE, calling(DELETE), I_SEE)
    async with agent(database, *script) as graph:
        await say(graph, "add both")
        await say(graph, "delete one")
        assert await asked(graph) == ["delete_tasks"]
        await say_and_lose(database, graph, Command(resume={"decisions": [decision]}))
        messages = await say(graph, "well?")
        await assert_rows_are_the_state(database, graph, "t")
    assert words in answers(messages)[-1].text
    assert await titles(database) == titles_after


async def test_a_conversation_in_which_nothing_is_missing_is_not_written_again(
    database: Database,
) -> None:
    async with agent(database, calling(MILK), I_SEE, I_SEE) as graph:
        await say(graph, "add milk")
        messages = await say(graph, "thanks")
        assert await count(database, "messages") == len(messages) == 6


async def test_after_a_question_was_dismissed_the_conversation_goes_on(database: Database) -> None:
    """As agent-chat-ui's “mark as resolved” does it."""
    shed = Shed()
    async with agent(database, calling(("remove", {"thing": "saw"})), I_SEE, toolbox=shed) as graph:
        await say(graph, "saw out")
        await graph.ainvoke(Command(goto="__end__"), on("t"))
        messages = await say(graph, "well?")
        await assert_rows_are_the_state(database, graph, "t")
    assert [message.type for message in messages] == ["human", "ai", "tool", "human", "ai"]
    assert texts(messages)[-1] == "I see."
    assert shed.done == []


@pytest.mark.parametrize("ids", [[None], [""], [None, ""], ["a", "a"], ["a", None, "a"]])
@pytest.mark.parametrize("as_node", ["__start__", "agent"])
async def test_calls_without_an_id_of_their_own_are_answered_for_what_is_known(
    database: Database, ids: list[str | None], as_node: str
) -> None:
    """As somebody else may have written them."""
    written = calling(*(("add_tasks", {"tasks": [{"title": str(at)}]}) for at in range(len(ids))))
    calls = [{**call, "id": id_} for call, id_ in zip(written.tool_calls, ids, strict=True)]
    written = AIMessage("", tool_calls=calls)
    model = ScriptedModel([I_SEE])
    async with agent(database, model=model) as graph:
        await graph.aupdate_state(
            on("t"), {"messages": [HumanMessage("add"), written]}, as_node=as_node
        )
        messages = await say(graph, "well?")
        await assert_rows_are_the_state(database, graph, "t")
    prompt = model.asked[-1].prompt
    made = [call for one in prompt if isinstance(one, AIMessage) for call in one.tool_calls]
    assert [one.type for one in prompt] == [
        "system",
        "human",
        "ai",
        *(["tool"] * len(ids)),
        "human",
    ]
    assert [one.tool_call_id for one in prompt if isinstance(one, ToolMessage)] == [
        call["id"] for call in made
    ]
    assert len({call["id"] for call in made} - {None, ""}) == len(ids)
    first, *more = answers(messages)
    assert first.text.startswith("Not executed" if ids[0] else "This call has no answer")
    assert all("not known" in answer.text for answer in more)
    assert await titles(database) == []


@pytest.mark.parametrize("id_", [None, ""])
async def test_a_call_that_the_model_gave_no_id_can_be_asked_after(
    database: Database, id_: str | None
) -> None:
    (call,) = calling(MILK).tool_calls
    given = AIMessage("", tool_calls=[{**call, "id": id_}])
    async with agent(database, given, I_SEE) as graph:
        await say_and_lose(database, graph, {"messages": [("user", "add milk")]})
        messages = await say(graph, "did it work?")
    (found,) = answers(messages)
    assert found.status == "success"
    assert await titles(database) == ["milk"]
