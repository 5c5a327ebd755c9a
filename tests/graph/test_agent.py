"""The agent's graph: a scripted model, real tools, real rows."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool, tool
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from graph.context import Context
from graph.errors import (
    ModelNotConfiguredError,
    ModelRefusedError,
    ModelUnavailableError,
    NoMessageError,
)
from graph.model import ConfiguredModels
from graph.nodes import EMPTY_MESSAGE, OUT_OF_STEPS
from graph.settings import AgentSettings
from replay.scripted import ScriptedModel
from storage.database import Database
from tests.graph.support import added, agent, calling, results, say
from tests.storage.support import active_branch, assert_rows_are_the_state, fetch, on, texts

TASKS = "SELECT number, title FROM tasks ORDER BY number"


class FixedClock:
    """It is always half past eight on a Sunday."""

    def now(self, call_id: str | None = None) -> datetime:
        return datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


async def test_a_turn_changes_the_task_and_keeps_every_word(database: Database) -> None:
    script = (calling(("add_tasks", {"tasks": [{"title": "Buy milk"}]})), AIMessage("Added."))
    async with agent(database, *script) as graph:
        messages = await say(graph, "add milk")
        await assert_rows_are_the_state(database, graph, "t")
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert added(messages)[0]["title"] == "Buy milk"
    assert await fetch(database, TASKS) == [{"number": 1, "title": "Buy milk"}]
    (record,) = (await active_branch(database, "t"))[2]["tool_calls"]
    assert (record["tool"], record["arguments"], record["status"]) == (
        "add_tasks",
        {"tasks": [{"title": "Buy milk"}]},
        "success",
    )
    assert record["result"]["results"][0]["task"]["number"] == 1


async def test_calls_of_one_step_are_made_in_their_order_and_each_once(database: Database) -> None:
    titles = [f"task {number}" for number in range(1, 9)]
    script = (
        calling(*(("add_tasks", {"tasks": [{"title": title}]}) for title in titles)),
        AIMessage("Added."),
    )
    async with agent(database, *script) as graph:
        messages = await say(graph, "add eight")
    assert [task["title"] for task in added(messages)] == titles
    assert [row["title"] for row in await fetch(database, TASKS)] == titles


async def test_a_call_whose_arguments_are_cut_off_is_not_made_but_sent_back(
    database: Database,
) -> None:
    cut = AIMessage(
        "",
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "name": "add_tasks",
                "args": '{"title": "Buy milk and',
                "id": "call_cut",
                "error": None,
            }
        ],
    )
    model = ScriptedModel(
        [cut, calling(("add_tasks", {"tasks": [{"title": "Buy milk"}]})), AIMessage("Added.")]
    )
    async with agent(database, model=model) as graph:
        messages = await say(graph, "add milk")
        await assert_rows_are_the_state(database, graph, "t")
    answer = messages[2]
    assert isinstance(answer, ToolMessage)
    assert (answer.status, answer.tool_call_id) == ("error", "call_cut")
    assert "not a complete JSON object" in answer.text
    assert answer.text in model.asked[1].prompt[-1].text
    assert await fetch(database, TASKS) == [{"number": 1, "title": "Buy milk"}]
    (asked,) = (await active_branch(database, "t"))[1]["tool_calls"]
    assert asked["arguments"] == '{"title": "Buy milk and'


async def test_a_tool_that_does_not_exist_is_an_error_for_the_model(database: Database) -> None:
    async with agent(database, calling(("fly", {})), AIMessage("I can't.")) as graph:
        messages = await say(graph, "fly")
    assert isinstance(messages[2], ToolMessage)
    assert messages[2].status == "error"
    assert "add_tasks" in messages[2].text


async def test_a_call_id_that_was_used_before_does_not_hide_the_call(database: Database) -> None:
    add = calling(("add_tasks", {"tasks": [{"title": "Buy milk"}]}))
    script = (add, AIMessage("Added."), add, AIMessage("Added again."))
    async with agent(database, *script) as graph:
        await say(graph, "add milk")
        messages = await say(graph, "add milk again")
    assert [task["number"] for task in added(messages)] == [1, 2]
    answered = [m.tool_call_id for m in messages if isinstance(m, ToolMessage)]
    asked = [call["id"] for m in messages if isinstance(m, AIMessage) for call in m.tool_calls]
    assert answered == asked
    assert len(set(asked)) == 2


async def test_a_change_is_made_once_when_its_step_has_to_be_run_again(database: Database) -> None:
    script = (calling(("add_tasks", {"tasks": [{"title": "Buy milk"}]})), AIMessage("Added."))
    async with agent(database, *script) as graph:
        async with database.pool.connection() as connection:
            await connection.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$"
            )
            # The tool has run, and what it answered can't be stored.
            await connection.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON checkpoint_writes FOR EACH ROW"
                " WHEN (NEW.channel = 'messages'"
                " AND position('result-call_0'::bytea IN NEW.blob) > 0)"
                " EXECUTE FUNCTION refuse()"
            )
            await connection.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW"
                " WHEN (NEW.role = 'tool') EXECUTE FUNCTION refuse()"
            )
        with pytest.raises(psycopg.errors.RaiseException):
            await graph.ainvoke({"messages": [("user", "add milk")]}, on("t"), durability="sync")
        assert await fetch(database, TASKS) == [{"number": 1, "title": "Buy milk"}]
        async with database.pool.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE")
        result = await graph.ainvoke(None, on("t"))
        await assert_rows_are_the_state(database, graph, "t")
    assert texts(result["messages"])[-1] == "Added."
    assert added(result["messages"])[0]["number"] == 1
    assert await fetch(database, TASKS) == [{"number": 1, "title": "Buy milk"}]


async def test_a_model_that_could_not_answer_is_asked_again(database: Database) -> None:
    script = (ModelUnavailableError("overloaded"), AIMessage("Here I am."))
    async with agent(database, *script) as graph:
        messages = await say(graph, "hello")
    assert texts(messages) == ["hello", "Here I am."]


async def test_a_model_that_refuses_is_not_asked_again_and_no_word_is_lost(
    database: Database,
) -> None:
    model = ScriptedModel([ModelRefusedError("wrong key"), AIMessage("Hello.")])
    async with agent(database, model=model) as graph:
        with pytest.raises(ModelRefusedError):
            await say(graph, "hello")
        assert len(model.asked) == 1
        assert [row["content"] for row in await active_branch(database, "t")] == ["hello"]
        # The conversation can go on.
        assert texts(await say(graph, "hello?")) == ["hello", "hello?", "Hello."]


async def test_a_run_that_takes_too_many_steps_stops_and_says_so(database: Database) -> None:
    script = [calling(("find_tasks", {}), ids=f"call{number}") for number in range(20)]
    async with agent(database, *script) as graph:
        result = await graph.ainvoke(
            {"messages": [("user", "go")]}, {**on("t"), "recursion_limit": 7}
        )
    assert texts(result["messages"])[-1] == OUT_OF_STEPS
    assert len([m for m in result["messages"] if isinstance(m, ToolMessage)]) == 2
    # No call is left without its answer, which a provider would refuse ever after.
    asked = [c["id"] for m in result["messages"] if isinstance(m, AIMessage) for c in m.tool_calls]
    assert asked == [m.tool_call_id for m in result["messages"] if isinstance(m, ToolMessage)]


async def test_a_tool_that_does_not_answer_in_time_is_an_error_for_the_model(
    database: Database,
) -> None:
    @tool
    async def wait_for_ever() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return "never"

    @tool
    async def break_down() -> str:
        """Break."""
        raise ConnectionError("the server is gone")

    class Slow:
        async def tools(self) -> list[BaseTool]:
            return [wait_for_ever, break_down]

    script = (calling(("wait_for_ever", {}), ("break_down", {})), AIMessage("It took too long."))
    settings = AgentSettings(tool_timeout=0.5)
    async with agent(database, *script, toolbox=Slow(), settings=settings) as graph:
        messages = await say(graph, "wait")
    late, broken = messages[2:4]
    assert isinstance(late, ToolMessage)
    assert isinstance(broken, ToolMessage)
    assert (late.status, broken.status) == ("error", "error")
    assert "0.5 seconds" in late.text
    assert "the server is gone" in broken.text


async def test_an_empty_message_is_answered_without_asking_the_model(database: Database) -> None:
    model = ScriptedModel([])
    async with agent(database, model=model) as graph:
        assert texts(await say(graph, "  \n ")) == ["  \n ", EMPTY_MESSAGE]
    assert model.asked == []


async def test_an_input_without_a_message_is_refused(database: Database) -> None:
    async with agent(database) as graph:
        with pytest.raises(NoMessageError):
            await graph.ainvoke({"messages": []}, on("t"))


@pytest.mark.parametrize("text", ["nul \x00 byte", "x" * 1_000_000])
async def test_text_that_is_hard_to_store_reaches_the_model_and_the_rows(
    database: Database, text: str
) -> None:
    model = ScriptedModel([AIMessage("I see.")])
    async with agent(database, model=model) as graph:
        messages = await say(graph, text)
        await assert_rows_are_the_state(database, graph, "t")
    assert messages[0].content == text
    assert model.asked[0].prompt[1].content == text


async def test_times_are_understood_in_the_runs_zone(database: Database) -> None:
    script = (
        calling(("add_tasks", {"tasks": [{"title": "Call", "due": "tomorrow at 9"}]})),
        AIMessage("Added."),
    )
    model = ScriptedModel(script)
    async with agent(database, model=model, clock=FixedClock()) as graph:
        messages = await say(graph, "call tomorrow", context=Context(time_zone="Asia/Tokyo"))
    assert added(messages)[0]["due"] == "2026-11-23T09:00:00+09:00"
    prompt = model.asked[0].prompt[0]
    assert isinstance(prompt, SystemMessage)
    assert "Sunday, 22 November 2026, 17:30 (Asia/Tokyo)" in prompt.text
    # The task, its audit record and the answer all have the time of the call.
    (record,) = (await active_branch(database, "t"))[2]["tool_calls"]
    assert record["timestamp"] == "2026-11-22T08:30:00+00:00"
    assert await fetch(database, "SELECT created_at FROM tasks") == [
        {"created_at": datetime(2026, 11, 22, 8, 30, tzinfo=UTC)}
    ]


def test_a_zone_that_does_not_exist_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        Context(time_zone="Mars/Olympus")
    assert Context(time_zone="", model="") == Context()


async def test_a_model_that_is_not_configured_is_an_error_and_no_word_is_lost(
    database: Database,
) -> None:
    models = ConfiguredModels(AgentSettings())
    async with agent(database, models=models) as graph:
        with pytest.raises(ModelNotConfiguredError, match="gpt-x"):
            await say(graph, "hello", context=Context(model="gpt-x"))
        assert [row["content"] for row in await active_branch(database, "t")] == ["hello"]


async def test_two_users_do_not_see_each_others_tasks(database: Database) -> None:
    script: list[Any] = []
    for _ in range(2):
        script += [
            calling(("add_tasks", {"tasks": [{"title": "secret"}]}), ("find_tasks", {})),
            AIMessage("Done."),
        ]
    async with agent(database, *script) as graph:
        await say(graph, "add", thread_id="a", langgraph_auth_user_id="anna")
        messages = await say(graph, "add", thread_id="b", langgraph_auth_user_id="ben")
    _, listed = results(messages)
    assert added(messages)[0]["number"] == 1
    assert listed["total"] == 1
    owners = await fetch(
        database, "SELECT u.subject FROM tasks t JOIN users u ON u.id = t.user_id ORDER BY 1"
    )
    assert owners == [{"subject": "anna"}, {"subject": "ben"}]


async def test_the_model_is_offered_the_tools_always_in_the_same_order(database: Database) -> None:
    model = ScriptedModel([AIMessage("Hello."), AIMessage("Hello.")])
    async with agent(database, model=model) as graph:
        await say(graph, "hello")
        await say(graph, "hello")
    first, second = (asked.tools for asked in model.asked)
    assert first == second
    assert first[:2] == ["add_tasks", "find_tasks"]


async def test_the_answer_is_streamed_in_pieces(database: Database) -> None:
    words = "Here is a longer answer, which comes in several pieces."
    async with agent(database, AIMessage(words)) as graph:
        pieces = [
            str(piece.text)
            async for piece, _ in graph.astream(
                {"messages": [("user", "hello")]}, on("t"), stream_mode="messages"
            )
            if isinstance(piece, AIMessageChunk)
        ]
    assert len(pieces) > 2
    assert "".join(pieces) == words


@pytest.mark.parametrize("as_node", [None, "agent", "tools"])
async def test_all_messages_may_be_removed_right_after_a_run(
    database: Database, as_node: str | None
) -> None:
    async with agent(database, AIMessage("Hello."), AIMessage("Hello again.")) as graph:
        await say(graph, "hello")
        remove = {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]}
        await graph.aupdate_state(on("t"), remove, as_node=as_node)
        assert (await graph.aget_state(on("t"))).values["messages"] == []
        await assert_rows_are_the_state(database, graph, "t")
        assert texts(await say(graph, "hello")) == ["hello", "Hello again."]
