"""An approval counts once: for the question that it answers, in the run that it was given to."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.utils.uuid import uuid7
from langgraph.types import Command

from graph.context import Context
from storage.database import Database
from tests.graph.shed import APPROVE, REJECT, Shed, asked, decide, question
from tests.graph.support import Agent, agent, calling, say
from tests.storage.support import assert_rows_are_the_state, on

LADDER = calling(("remove", {"thing": "ladder"}), ids="ladder")
SAW = calling(("remove", {"thing": "saw"}), ids="saw")
GONE = AIMessage("Gone.")


def run_at(seconds: float) -> str:
    """The id of a run that the server accepted so many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return str(uuid7(int(moment.timestamp() * 1e9)))


async def checkpoint_before(graph: Agent, node: str) -> str:
    """The id of the latest checkpoint after which a node was to run."""
    async for state in graph.aget_state_history(on("t")):
        if state.next == (node,):
            return str(state.config["configurable"]["checkpoint_id"])
    raise AssertionError(f"nothing was to be done by {node}")


async def go(
    graph: Agent,
    given: Any = None,
    at: str | None = None,
    context: Context | None = None,
    run_id: str | None = None,
) -> list[BaseMessage]:
    """A run, from the latest checkpoint or from an older one."""
    config = on("t")
    if at is not None:
        config["configurable"] |= {"checkpoint_ns": "", "checkpoint_id": at}
    if run_id is not None:
        config["configurable"]["run_id"] = run_id
    result = await graph.ainvoke(given, config, context=context)
    messages: list[BaseMessage] = result["messages"]
    return messages


def resuming(*decisions: Any) -> Command[Any]:
    return Command(resume={"decisions": list(decisions)})


async def test_an_answer_sent_before_the_question_was_asked_is_not_one(database: Database) -> None:
    shed = Shed()
    async with agent(database, LADDER, SAW, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away, then the saw")
        # Somebody clicks twice. While the first answer is carried out the second one waits.
        first, second = run_at(1), run_at(-30)
        await decide(graph, APPROVE, run_id=first)
        assert shed.done == ["removed ladder"]
        await decide(graph, APPROVE, run_id=second)
        assert shed.done == ["removed ladder"]
        waiting = await question(graph)
        assert waiting is not None
        assert waiting["action_requests"][0]["args"] == {"thing": "saw"}
        assert "before this was asked" in waiting["action_requests"][0]["description"]
        await decide(graph, APPROVE, run_id=run_at(1))
    assert shed.done == ["removed ladder", "removed saw"]


@pytest.mark.parametrize("run_id", ["mine", str(UUID(int=0))])
async def test_a_run_whose_name_tells_no_time_is_believed(database: Database, run_id: str) -> None:
    shed = Shed()
    async with agent(database, LADDER, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await decide(graph, APPROVE, run_id=run_id)
    assert shed.done == ["removed ladder"]


async def test_going_back_to_a_question_asks_it_anew(database: Database) -> None:
    shed = Shed()
    async with agent(database, LADDER, GONE, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await decide(graph, APPROVE)
        old = await checkpoint_before(graph, "approval")
        await go(graph, at=old)
        assert await asked(graph) == ["remove"]
        assert shed.done == ["removed ladder"]
        await decide(graph, REJECT)
        assert shed.done == ["removed ladder"]
        await assert_rows_are_the_state(database, graph, "t")


@pytest.mark.parametrize("then", [APPROVE, REJECT])
async def test_an_answer_sent_again_to_the_question_that_it_answered_asks_anew(
    database: Database, then: dict[str, Any]
) -> None:
    """As Studio sends it, with the checkpoint that the question was asked at."""
    shed = Shed()
    async with agent(database, LADDER, GONE, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        old = await checkpoint_before(graph, "approval")
        await go(graph, resuming(APPROVE), at=old)
        assert shed.done == ["removed ladder"]
        for _ in range(2):
            await go(graph, resuming(then), at=old)
            assert await asked(graph) == ["remove"]
        assert shed.done == ["removed ladder"]
        await decide(graph, REJECT)
        assert await asked(graph) == []
    assert shed.done == ["removed ladder"]


@pytest.mark.parametrize("empty", [{}, {"0" * 32: {"decisions": [APPROVE]}}])
@pytest.mark.parametrize("by_id", [True, False])
async def test_an_answer_to_nothing_does_not_use_the_one_that_was_given_before(
    database: Database, empty: dict[str, Any], by_id: bool
) -> None:
    """LangGraph takes it for answers by the ids of questions, and hands out the one it has."""
    shed = Shed()
    async with agent(database, LADDER, GONE, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        old = await checkpoint_before(graph, "approval")
        (waiting,) = (await graph.aget_state(on("t"))).interrupts
        answer = {"decisions": [APPROVE]}
        await go(graph, Command(resume={waiting.id: answer} if by_id else answer), at=old)
        assert shed.done == ["removed ladder"]
        await go(graph, Command(resume=empty), at=old)
        assert shed.done == ["removed ladder"]
        assert await asked(graph) == ["remove"]
        await decide(graph, REJECT)
    assert shed.done == ["removed ladder"]


async def test_going_back_to_what_was_approved_carries_nothing_out_again(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, LADDER, GONE, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await decide(graph, APPROVE, run_id=run_at(1))
        old = await checkpoint_before(graph, "tools")
        messages = await go(graph, at=old, run_id=run_at(2))
    assert shed.done == ["removed ladder"]
    assert isinstance(messages[2], ToolMessage)
    assert messages[2].status == "error"
    assert "not known" in messages[2].text


async def test_the_run_in_which_it_was_approved_may_go_on_after_a_crash(
    database: Database,
) -> None:
    shed = Shed()
    run_id = run_at(1)
    config = on("t")
    config["configurable"]["run_id"] = run_id
    async with agent(database, LADDER, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await graph.ainvoke(resuming(APPROVE), config, interrupt_before=["tools"])
        assert shed.done == []
        await go(graph, run_id=run_id)
    assert shed.done == ["removed ladder"]


async def test_a_copy_of_a_thread_cannot_use_what_was_approved_on_the_thread(
    database: Database,
) -> None:
    shed = Shed()
    config = on("t")
    config["configurable"]["run_id"] = run_at(1)
    async with agent(database, LADDER, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        await graph.ainvoke(resuming(APPROVE), config, interrupt_before=["tools"])
        await graph.checkpointer.acopy_thread("t", "copy")  # type: ignore[union-attr]
        copy = on("copy")
        copy["configurable"]["run_id"] = run_at(2)
        await graph.ainvoke(None, copy)
    assert shed.done == []


async def test_calls_sent_to_their_tools_with_approval_off_are_not_made_with_approval_on(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, LADDER, GONE, GONE, toolbox=shed) as graph:
        config = on("t")
        off = Context(approval="off")
        await graph.ainvoke(
            {"messages": [("user", "away")]}, config, context=off, interrupt_before=["tools"]
        )
        await go(graph)
        assert shed.done == []
        await go(graph, at=await checkpoint_before(graph, "tools"), context=off)
    assert shed.done == ["removed ladder"]


async def test_a_call_written_into_the_state_waits_like_one_of_the_models(
    database: Database,
) -> None:
    shed = Shed()
    async with agent(database, GONE, toolbox=shed) as graph:
        await graph.aupdate_state(
            on("t"), {"messages": [("user", "away"), LADDER]}, as_node="agent"
        )
        await go(graph)
        assert await asked(graph) == ["remove"]
        assert shed.done == []
        await decide(graph, APPROVE)
    assert shed.done == ["removed ladder"]


async def test_a_crash_after_the_answer_came_uses_it_when_the_run_is_tried_again(
    database: Database,
) -> None:
    class Broken(Shed):
        broken = True

        async def tools(self) -> Any:
            if self.broken and self.done == ["asked"]:
                raise ZeroDivisionError
            return await super().tools()

    shed = Broken()
    async with agent(database, LADDER, GONE, toolbox=shed) as graph:
        await say(graph, "throw the ladder away")
        shed.done.append("asked")
        run_id = run_at(1)
        with pytest.raises(ZeroDivisionError):
            await go(graph, resuming(APPROVE), run_id=run_id)
        shed.broken = False
        await go(graph, resuming(APPROVE), run_id=run_id)
    assert shed.done == ["asked", "removed ladder"]
