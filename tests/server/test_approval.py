"""Approval in a real `langgraph dev`, as Studio, agent-chat-ui and other SDK clients do it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from tests.graph.provider import Provider, calls, serving, words
from tests.server.rows import Rows, messages_of, until
from tests.server.support import Served, langgraph_dev
from tests.server.talk import Talk

AGENT = "task_agent"
APPROVE = {"type": "approve"}
REJECT = {"type": "reject", "message": "I still need it"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
def served(database_url: str, tmp_path: Path, provider: Provider) -> Iterator[Served]:
    provider.answers.clear()
    with langgraph_dev(
        database_url,
        tmp_path,
        OPENAI_BASE_URL=provider.url,
        TASK_AGENT_MODEL="test",
    ) as served:
        yield served


class Waiting(Talk):
    """A thread of the task agent's, whose model answers as a test tells it to."""

    def __init__(self, client: LangGraphClient, rows: Rows, thread_id: str) -> None:
        super().__init__(client, rows, thread_id, AGENT)

    async def answer(self, answer: Any, **more: Any) -> None:
        """Resume, as clients do it."""
        await self.client.runs.wait(self.thread_id, AGENT, command={"resume": answer}, **more)

    async def decide(self, *decisions: Any, **more: Any) -> None:
        await self.answer({"decisions": list(decisions)}, **more)

    async def question(self) -> dict[str, Any] | None:
        """What the thread shows to be asked."""
        thread = await self.client.threads.get(self.thread_id)
        state = await self.client.threads.get_state(self.thread_id)
        interrupts: list[Any] = [one for many in thread["interrupts"].values() for one in many]
        assert [one["value"] for one in interrupts] == [one["value"] for one in state["interrupts"]]
        assert (thread["status"] == "interrupted") == bool(interrupts)
        if not interrupts:
            return None
        (one,) = interrupts
        value: dict[str, Any] = one["value"]
        return value

    async def asked(self) -> list[dict[str, Any]]:
        """The arguments of the calls that wait."""
        value = await self.question()
        return [] if value is None else [action["args"] for action in value["action_requests"]]

    def tasks(self) -> list[str]:
        return [row["title"] for row in self.rows.select("SELECT title FROM tasks ORDER BY number")]

    async def results(self) -> list[str]:
        """What the tools' messages say, each in a word or two."""
        values = (await self.client.threads.get_state(self.thread_id))["values"]
        return [
            f"{message['tool_call_id']} {message['status']}"
            for message in messages_of(values)
            if message["type"] == "tool"
        ]


@asynccontextmanager
async def waiting(
    served: Served, database_url: str, provider: Provider, *titles: str
) -> AsyncIterator[Waiting]:
    """A thread on which tasks with these titles have been added."""
    rows = Rows(database_url)
    async with served.connect() as client:
        thread = await client.threads.create(graph_id=AGENT)
        it = Waiting(client, rows, thread["thread_id"])
        tasks = {"tasks": [{"title": title} for title in titles]}
        provider.answers += [calls(("add_tasks", tasks), ids="add"), words("Added.")]
        await it.turn("add them")
        assert it.tasks() == list(titles)
        yield it


def delete(*numbers: str, ids: str = "delete") -> Any:
    return calls(*(("delete_tasks", {"tasks": [number]}) for number in numbers), ids=ids)


async def test_a_question_is_shown_and_answered_through_the_api(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk", "bread", "eggs") as it:
        provider.answers += [delete("1", "2", "3"), words("Done.")]
        await it.turn("delete some")
        assert await it.asked() == [{"tasks": ["1"]}, {"tasks": ["2"]}, {"tasks": ["3"]}]
        assert it.tasks() == ["milk", "bread", "eggs"]
        edited = {"name": "complete_tasks", "args": {"tasks": ["3"]}}
        await it.decide(APPROVE, REJECT, {"type": "edit", "edited_action": edited})
        assert await it.question() is None
        assert it.tasks() == ["bread", "eggs"]
        completed = "SELECT title FROM tasks WHERE completed_at IS NOT NULL"
        assert [row["title"] for row in it.rows.select(completed)] == ["eggs"]
        assert (await it.results())[1:] == [
            "delete_0 success", "delete_1 error", "delete_2 success",
        ]  # fmt: skip
        assert (await it.said())[-1] == "Done."


async def test_bad_answers_are_told_and_the_question_stays(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk") as it:
        provider.answers += [delete("1"), words("Done.")]
        await it.turn("delete it")
        bad: list[tuple[Any, str]] = [
            ("yes", '"yes"'),
            ({"decisions": [APPROVE, APPROVE]}, "is 2, but 1"),
            ({"decisions": [{"type": "accept"}]}, "approve, edit, reject"),
            (
                {"decisions": [{"type": "edit", "edited_action": {"name": "fly", "args": {}}}]},
                '"fly"',
            ),
        ]
        for answer, told in bad:
            await it.answer(answer)
            value = await it.question()
            assert value is not None
            assert told in value["action_requests"][0]["description"]
        assert it.tasks() == ["milk"]
        await it.decide(APPROVE)
        assert it.tasks() == []
        await it.said()


async def test_a_second_click_does_not_approve_what_is_asked_next(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk", "bread") as it:
        provider.answers += [delete("1"), delete("2", ids="next"), words("Done.")]
        await it.turn("delete both, one after the other")
        answer: Any = {"resume": {"decisions": [APPROVE]}}
        for _ in range(2):
            await it.client.runs.create(
                it.thread_id, AGENT, command=answer, multitask_strategy="enqueue"
            )
        await it.idle()
        assert it.tasks() == ["bread"]
        value = await it.question()
        assert value is not None
        assert value["action_requests"][0]["args"] == {"tasks": ["2"]}
        assert "before this was asked" in value["action_requests"][0]["description"]
        await it.decide(APPROVE)
        assert it.tasks() == []
        # One more, when all is done.
        said = await it.said()
        await it.decide(APPROVE)
        assert await it.said() == said


async def test_an_answer_to_an_old_checkpoint_carries_nothing_out_again(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk", "bread") as it:
        provider.answers += [delete("1"), words("Done."), words("Once more.")]
        await it.turn("delete the first")
        state = await it.client.threads.get_state(it.thread_id)
        await it.decide(APPROVE)
        assert it.tasks() == ["bread"]
        # Studio sends the checkpoint along.
        await it.decide(APPROVE, checkpoint=state["checkpoint"])
        assert await it.asked() == [{"tasks": ["1"]}]
        await it.decide(REJECT)
        assert it.tasks() == ["bread"]
        history = await it.client.threads.get_history(it.thread_id, limit=100)
        (approved,) = [
            entry["checkpoint"]
            for entry in history
            if entry["next"] == ["tools"] and "delete_0" in str(entry["tasks"])
        ][-1:]
        provider.answers += [words("And from here.")]
        await it.client.runs.wait(it.thread_id, AGENT, input=None, checkpoint=approved)
        assert it.tasks() == ["bread"]
        # What it did then is known, and so it is told.
        assert (await it.results())[-1] == "delete_0 success"
        await it.said()


async def test_new_words_take_the_place_of_an_answer(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk") as it:
        provider.answers += [delete("1"), words("All right.")]
        await it.turn("delete it")
        await it.turn("never mind")
        assert await it.question() is None
        assert it.tasks() == ["milk"]
        assert (await it.results())[-1] == "delete_0 error"
        # The provider has seen a conversation that it accepts.
        roles = [message["role"] for message in provider.requests[-1]["messages"]]
        assert roles[-4:] == ["user", "assistant", "tool", "user"]
        said = await it.said()
        await it.decide(APPROVE)
        assert await it.said() == said
        assert it.tasks() == ["milk"]


async def test_a_run_that_is_cancelled_while_it_acts_leaves_a_conversation_that_goes_on(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk") as it:
        provider.answers += [delete("1"), words("All right."), words("It is gone.")]
        await it.turn("delete it")
        answer: Any = {"resume": {"decisions": [APPROVE]}}
        run = await it.client.runs.create(it.thread_id, AGENT, command=answer)
        await until(lambda: it.tasks() == [])
        # It may just have ended.
        with suppress(APIStatusError):
            await it.client.runs.cancel(it.thread_id, run["run_id"], wait=True)
        await it.idle()
        await it.turn("is it gone?")
        # Whenever the cancel came, what was done is told as done.
        assert (await it.results())[-1] == "delete_0 success"
        await it.said()


async def test_a_runs_context_decides_what_waits(
    served: Served, database_url: str, provider: Provider
) -> None:
    async with waiting(served, database_url, provider, "milk") as it:
        add = {"tasks": [{"title": "bread"}]}
        provider.answers += [delete("1"), words("Done.")]
        await it.turn("delete it", context={"approval": "off"})
        assert it.tasks() == []
        provider.answers += [calls(("add_tasks", add), ids="more"), words("Left.")]
        await it.turn("add bread", context={"approval": "writes"})
        assert await it.asked() == [add]
        # Answered without the context, as Studio does it.
        await it.decide(REJECT)
        assert it.tasks() == []
        assert (await it.said())[-1] == "Left."


async def test_the_event_stream_asks_and_is_answered(
    served: Served, database_url: str, provider: Provider
) -> None:
    """LangGraph's second streaming protocol, which newer clients speak."""
    async with waiting(served, database_url, provider, "milk") as it:
        provider.answers += [delete("1"), words("Done.")]
        async with it.client.threads.stream(it.thread_id, assistant_id=AGENT) as stream:
            await stream.run.start(input={"messages": [{"role": "user", "content": "delete it"}]})
            await it.idle()
            (one,) = (await it.client.threads.get_state(it.thread_id))["interrupts"]
            await stream.run.respond({"decisions": [APPROVE]}, interrupt_id=one["id"])
            await until(lambda: it.tasks() == [])
            await it.idle()
        assert (await it.said())[-1] == "Done."
