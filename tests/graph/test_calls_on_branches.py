"""Calls of two branches of a conversation, from a model that numbers the calls of every answer."""

import json

from langchain_core.messages import AIMessage, ToolMessage

from storage.database import Database
from tests.graph.shed import APPROVE, decide
from tests.graph.support import Agent, agent, calling, say
from tests.storage.support import fetch, on

ADD = ("add_tasks", {"tasks": [{"title": "milk"}]})
DELETE = calling(("delete_tasks", {"tasks": ["1"]}), ids="delete")
I_SEE = AIMessage("I see.")


async def answer_anew(graph: Agent) -> ToolMessage:
    """Have the first message answered once more; what the tool answers then."""
    *_, first, _ = [state async for state in graph.aget_state_history(on("t"))]
    assert first.next == ("agent",)
    messages = (await graph.ainvoke(None, first.config))["messages"]
    answer = messages[-2]
    assert isinstance(answer, ToolMessage)
    return answer


async def titles(database: Database) -> list[str]:
    return [row["title"] for row in await fetch(database, "SELECT title FROM tasks")]


async def test_a_call_is_not_taken_for_the_same_one_on_another_branch(database: Database) -> None:
    script = (calling(ADD), I_SEE, DELETE, I_SEE, calling(ADD), I_SEE)
    async with agent(database, *script) as graph:
        await say(graph, "add milk")
        await say(graph, "delete it")
        await decide(graph, APPROVE)
        assert await titles(database) == []
        answer = await answer_anew(graph)
    assert json.loads(answer.text)["results"][0]["task"]["number"] == 2
    assert await titles(database) == ["milk"]


async def test_a_call_is_made_though_on_another_branch_it_was_said_not_to_be(
    database: Database,
) -> None:
    async with agent(database, calling(ADD), I_SEE, calling(ADD), I_SEE) as graph:
        said = {"messages": [("user", "add milk")]}
        await graph.ainvoke(said, on("t"), interrupt_before=["tools"])
        messages = await say(graph, "well?")
        assert "Not executed" in str(messages[2].text)
        answer = await answer_anew(graph)
    assert answer.status == "success"
    assert await titles(database) == ["milk"]
