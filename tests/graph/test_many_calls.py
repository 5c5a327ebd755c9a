"""Many tool calls in one message of the model."""

from langchain_core.messages import AIMessage, ToolMessage

from storage.database import Database
from tests.graph.support import agent, calling, results, say

CALLS = 32


async def test_32_calls_in_one_message_are_carried_out_in_the_order_in_which_they_were_made(
    database: Database,
) -> None:
    calls = [("add_tasks", {"tasks": [f"{number} a", f"{number} b"]}) for number in range(CALLS)]
    async with agent(database, calling(*calls), AIMessage("Added.")) as graph:
        messages = await say(graph, "add all of these")
    answered = [one.tool_call_id for one in messages if isinstance(one, ToolMessage)]
    assert answered == [f"call_{number}" for number in range(CALLS)]
    added = [
        (item["task"]["number"], item["task"]["title"])
        for answer in results(messages)
        for item in answer["results"]
    ]
    titles = [f"{number} {part}" for number in range(CALLS) for part in "ab"]
    assert added == list(enumerate(titles, start=1))
