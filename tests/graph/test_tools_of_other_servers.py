"""A call comes to the tool that it was made for, and to no other that has got its name."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.types import Command

from storage.database import Database
from tests.graph.shed import APPROVE, Shed, asked, decide, edit
from tests.graph.support import agent, calling, say
from tests.storage.support import on
from tools.client.toolbox import SERVER

CALL = calling(("put_in", {"thing": "rake"}), ("remove", {"thing": "saw"}))
I_SEE = AIMessage("I see.")


class ServersShed(Shed):
    """A shed whose tools come from an MCP server, as long as it is there."""

    def __init__(self, server: str | None) -> None:
        super().__init__()
        self.server = server
        self.is_there = True

    async def tools(self) -> list[BaseTool]:
        more = {} if self.server is None else {SERVER: self.server}
        return [
            tool.model_copy(update={"metadata": {**(tool.metadata or {}), **more}})
            for tool in await super().tools()
            if self.is_there
        ]


@pytest.mark.parametrize(("then", "now"), [("a", "b"), ("a", None), (None, "b")])
async def test_what_was_approved_for_one_servers_tool_is_not_done_by_anothers(
    database: Database, then: str | None, now: str | None
) -> None:
    before, after = ServersShed(then), ServersShed(now)
    async with agent(database, CALL, toolbox=before) as graph:
        await say(graph, "rake in, saw out")
        assert await asked(graph) == ["remove"]
    # The agent is started anew, and the first server doesn't answer: its names are free.
    async with agent(database, I_SEE, toolbox=after) as graph:
        messages = await decide(graph, APPROVE)
    assert before.done == after.done == []
    made = [message for message in messages if isinstance(message, ToolMessage)]
    assert [message.text.partition(":")[0] for message in made] == ["Not executed"] * 2


async def test_a_call_that_was_edited_comes_to_the_tool_that_has_the_name_then(
    database: Database,
) -> None:
    before, after = ServersShed("a"), ServersShed("b")
    async with agent(database, CALL, toolbox=before) as graph:
        await say(graph, "rake in, saw out")
    async with agent(database, I_SEE, toolbox=after) as graph:
        await decide(graph, edit("remove", thing="axe"))
    assert after.done == ["removed axe"]


async def test_what_was_approved_is_done_when_the_same_server_is_back(database: Database) -> None:
    shed = ServersShed("a")
    async with agent(database, CALL, toolbox=shed) as graph:
        await say(graph, "rake in, saw out")
    async with agent(database, I_SEE, toolbox=shed) as graph:
        await decide(graph, APPROVE)
    assert shed.done == ["put in rake", "removed saw"]


async def test_a_call_whose_server_is_gone_when_it_is_approved_is_answered(
    database: Database,
) -> None:
    shed = ServersShed("a")
    async with agent(database, CALL, I_SEE, toolbox=shed) as graph:
        await say(graph, "rake in, saw out")
        shed.is_there = False
        messages = await decide(graph, APPROVE)
        assert [message.type for message in messages[-3:]] == ["tool", "tool", "ai"]
        # The approval is used: it isn't done later.
        shed.is_there = True
        await graph.ainvoke(None, on("t"))
    assert shed.done == []


async def test_a_tool_that_comes_while_its_call_is_looked_at_is_not_called_unasked(
    database: Database,
) -> None:
    class Late(ServersShed):
        """Whose tools come in the middle of a step."""

        async def tools(self) -> list[BaseTool]:
            found = await super().tools()
            task = asyncio.current_task()
            self.is_there = self.is_there or (task is not None and "tools" in looked)
            return found

    looked: list[str] = []
    shed = Late("a")
    shed.is_there = False
    async with agent(database, calling(("remove", {"thing": "saw"})), I_SEE, toolbox=shed) as graph:
        async for update in graph.astream(
            {"messages": [("user", "saw out")]}, on("t"), stream_mode="debug"
        ):
            if update["type"] == "task":
                looked.append(update["payload"]["name"])
    assert shed.done == []


@pytest.mark.parametrize("repeatable", [False, True])
async def test_a_call_that_an_agent_may_have_made_before_it_ended_is_not_made_again(
    database: Database, repeatable: bool
) -> None:
    """Nobody has recorded it, and what was approved was approved once."""

    class Repeatable(Shed):
        async def tools(self) -> list[BaseTool]:
            hints = {"idempotentHint": repeatable}
            return [
                tool.model_copy(update={"metadata": {**(tool.metadata or {}), **hints}})
                for tool in await super().tools()
            ]

    shed = Repeatable()
    config = on("t")
    config["configurable"]["run_id"] = str(uuid4())
    async with agent(database, CALL, toolbox=shed) as graph:
        await say(graph, "rake in, saw out")
        approved: Command[Any] = Command(resume={"decisions": [APPROVE]})
        # Here it is killed.
        await graph.ainvoke(approved, config, interrupt_before=["tools"])
    async with agent(database, I_SEE, toolbox=shed) as graph:
        messages = (await graph.ainvoke(None, config))["messages"]
    assert shed.done == (["put in rake", "removed saw"] if repeatable else [])
    made = [message for message in messages if isinstance(message, ToolMessage)]
    assert ["not known" in message.text for message in made] == [not repeatable] * 2
