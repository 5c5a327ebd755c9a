"""Approval in a real `langgraph dev`, as Studio, agent-chat-ui and other SDK clients do talk."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from langgraph_sdk.client import LangGraphClient

from tests.cloning import cloned
from tests.graph.provider import Provider, calls, serving, words
from tests.server.rows import Rows, messages_of, until
from tests.server.support import Served, langgraph_dev
from tests.server.talk import Talk

AGENT = "task_agent"
APPROVE = {"type": "approve"}
REJECT = {"type": "reject", "message": "I still need it"}
#: Somebody waits for a lock in this database.
WAITING = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture(scope="module")
def database_of_module(server_uri: str, template: str) -> Iterator[str]:
    """The database of the one server that all these tests talk to."""
    with cloned(server_uri, template) as uri:
        yield uri


@pytest.fixture(scope="module")
def served(
    database_of_module: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with langgraph_dev(
        database_of_module,
        tmp_path_factory.mktemp("server"),
        OPENAI_BASE_URL=provider.url,
        TASK_AGENT_MODEL="test",
    ) as served:
        yield served


@pytest.fixture
async def talk(
    served: Served, database_of_module: str, provider: Provider
) -> AsyncIterator["Waiting"]:
    """A new thread; there are three tasks and no others."""
    rows = Rows(database_of_module)
    with psycopg.connect(database_of_module) as connection:
        connection.execute("DELETE FROM tasks")
    provider.answers.clear()
    async with served.connect() as client:
        thread = await client.threads.create(graph_id=AGENT)
        talk = Waiting(client, rows, thread["thread_id"])
        tasks = {"tasks": [{"title": title} for title in ("milk", "bread", "eggs")]}
        provider.answers += [calls(("add_tasks", tasks), ids="add"), words("Added.")]
        await talk.turn("add them")
        assert talk.tasks() == ["milk", "bread", "eggs"]
        yield talk


class Waiting(Talk):
    """A thread of the task agent's, whose model answers as a test tells it to."""

    def __init__(self, client: LangGraphClient, rows: Rows, thread_id: str) -> None:
        super().__init__(client, rows, thread_id, AGENT)

    async def answer(self, answer: Any, **more: Any) -> None:
        """Resume, as clients do talk."""
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


def delete(*titles: str, ids: str = "delete") -> Any:
    return calls(*(("delete_tasks", {"tasks": [title]}) for title in titles), ids=ids)


async def test_a_question_is_shown_and_answered_through_the_api(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk", "bread", "eggs"), words("Done.")]
    await talk.turn("delete some")
    assert await talk.asked() == [{"tasks": ["milk"]}, {"tasks": ["bread"]}, {"tasks": ["eggs"]}]
    assert talk.tasks() == ["milk", "bread", "eggs"]
    edited = {"name": "complete_tasks", "args": {"tasks": ["eggs"]}}
    await talk.decide(APPROVE, REJECT, {"type": "edit", "edited_action": edited})
    assert await talk.question() is None
    assert talk.tasks() == ["bread", "eggs"]
    completed = "SELECT title FROM tasks WHERE completed_at IS NOT NULL"
    assert [row["title"] for row in talk.rows.select(completed)] == ["eggs"]
    assert (await talk.results())[1:] == [
        "delete_0 success", "delete_1 error", "delete_2 success",
    ]  # fmt: skip
    assert (await talk.said())[-1] == "Done."


async def test_bad_answers_are_told_and_the_question_stays(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), words("Done.")]
    await talk.turn("delete it")
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
        await talk.answer(answer)
        value = await talk.question()
        assert value is not None
        assert told in value["action_requests"][0]["description"]
    assert talk.tasks() == ["milk", "bread", "eggs"]
    await talk.decide(APPROVE)
    assert talk.tasks() == ["bread", "eggs"]
    await talk.said()


async def test_answers_with_nothing_in_them_are_told_and_the_question_stays(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), words("Done.")]
    await talk.turn("delete it")
    empty: list[tuple[Any, str]] = [
        ({}, "without an answer"),
        # The SDK leaves it out, and the run goes on with no input.
        (None, "without an answer"),
        ({"0" * 32: {"decisions": [APPROVE]}}, "without an answer"),
        ([], "The answer is []"),
        ("", 'The answer is ""'),
        (0, "The answer is 0"),
        (False, "The answer is false"),
    ]
    for answer, told in empty:
        await talk.answer(answer)
        value = await talk.question()
        assert value is not None
        assert told in value["action_requests"][0]["description"]
    # As clients do that leave nothing out: it fails before the agent comes to see it.
    failed = await talk.client.http.post(
        f"/threads/{talk.thread_id}/runs/wait",
        json={"assistant_id": AGENT, "command": {"resume": None}},
    )
    assert "__error__" in failed
    state = await talk.client.threads.get_state(talk.thread_id)
    assert [one["value"] for one in state["interrupts"]] == [value]
    assert talk.tasks() == ["milk", "bread", "eggs"]
    await talk.decide(APPROVE)
    assert talk.tasks() == ["bread", "eggs"]
    await talk.said()


async def test_a_null_by_the_questions_id_is_told_on_the_event_stream(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), words("Done.")]
    async with talk.client.threads.stream(talk.thread_id, assistant_id=AGENT) as stream:
        await stream.run.start(input={"messages": [{"role": "user", "content": "delete it"}]})
        await talk.idle()
        for answer, told in ((None, "is null"), ({}, "is {}"), ([], "is []")):
            (one,) = (await talk.client.threads.get_state(talk.thread_id))["interrupts"]
            await stream.run.respond(answer, interrupt_id=one["id"])

            async def asked_again(told: str = told) -> bool:
                state = await talk.client.threads.get_state(talk.thread_id)
                return any(told in str(one["value"]) for one in state["interrupts"])

            await until(asked_again)
            await talk.idle()
    assert talk.tasks() == ["milk", "bread", "eggs"]


async def test_a_second_click_does_not_approve_what_is_asked_next(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), delete("bread", ids="next"), words("Done.")]
    await talk.turn("delete both, one after the other")
    answer: Any = {"resume": {"decisions": [APPROVE]}}
    for _ in range(2):
        await talk.client.runs.create(
            talk.thread_id, AGENT, command=answer, multitask_strategy="enqueue"
        )
    await talk.idle()
    assert talk.tasks() == ["bread", "eggs"]
    value = await talk.question()
    assert value is not None
    assert value["action_requests"][0]["args"] == {"tasks": ["bread"]}
    assert "before this was asked" in value["action_requests"][0]["description"]
    await talk.decide(APPROVE)
    assert talk.tasks() == ["eggs"]
    # One more, when all is done.
    said = await talk.said()
    await talk.decide(APPROVE)
    assert await talk.said() == said


async def test_an_answer_to_an_old_checkpoint_carries_nothing_out_again(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), words("Done."), words("Once more.")]
    await talk.turn("delete the first")
    state = await talk.client.threads.get_state(talk.thread_id)
    await talk.decide(APPROVE)
    assert talk.tasks() == ["bread", "eggs"]
    # Studio sends the checkpoint along.
    await talk.decide(APPROVE, checkpoint=state["checkpoint"])
    assert await talk.asked() == [{"tasks": ["milk"]}]
    await talk.decide(REJECT)
    assert talk.tasks() == ["bread", "eggs"]
    history = await talk.client.threads.get_history(talk.thread_id, limit=100)
    (approved,) = [
        entry["checkpoint"]
        for entry in history
        if entry["next"] == ["tools"] and "delete_0" in str(entry["tasks"])
    ][-1:]
    provider.answers += [words("And from here.")]
    await talk.client.runs.wait(talk.thread_id, AGENT, input=None, checkpoint=approved)
    assert talk.tasks() == ["bread", "eggs"]
    # What it did then is known, and so it is told.
    assert (await talk.results())[-1] == "delete_0 success"
    await talk.said()


async def test_new_words_take_the_place_of_an_answer(talk: Waiting, provider: Provider) -> None:
    provider.answers += [delete("milk"), words("All right.")]
    await talk.turn("delete it")
    await talk.turn("never mind")
    assert await talk.question() is None
    assert talk.tasks() == ["milk", "bread", "eggs"]
    assert (await talk.results())[-1] == "delete_0 error"
    # The provider has seen a conversation that it accepts.
    roles = [message["role"] for message in provider.requests[-1]["messages"]]
    assert roles[-4:] == ["user", "assistant", "tool", "user"]
    said = await talk.said()
    await talk.decide(APPROVE)
    assert await talk.said() == said
    assert talk.tasks() == ["milk", "bread", "eggs"]


async def test_a_run_that_is_cancelled_while_it_acts_leaves_a_conversation_that_goes_on(
    talk: Waiting, provider: Provider
) -> None:
    provider.answers += [delete("milk"), words("I see.")]
    await talk.turn("delete it")
    answer: Any = {"resume": {"decisions": [APPROVE]}}
    with psycopg.connect(talk.rows.url) as lock:
        lock.execute("SELECT FROM users WHERE subject = 'local' FOR NO KEY UPDATE")
        run = await talk.client.runs.create(talk.thread_id, AGENT, command=answer)
        await until(lambda: bool(talk.rows.select(WAITING)))
        await talk.client.runs.cancel(talk.thread_id, run["run_id"], wait=True)
    await talk.idle()
    await talk.turn("is it gone?")
    # The server had the call already. Whether it was in time or not, what is told is true.
    told = (await talk.results())[-1]
    assert told == ("delete_0 error" if "milk" in talk.tasks() else "delete_0 success")
    await talk.said()


async def test_a_runs_context_decides_what_waits(talk: Waiting, provider: Provider) -> None:
    add = {"tasks": [{"title": "butter"}]}
    provider.answers += [delete("milk"), words("Done.")]
    await talk.turn("delete it", context={"approval": "off"})
    assert talk.tasks() == ["bread", "eggs"]
    provider.answers += [calls(("add_tasks", add), ids="more"), words("Left.")]
    await talk.turn("add butter", context={"approval": "writes"})
    assert await talk.asked() == [add]
    # Answered without the context, as Studio does it.
    await talk.decide(REJECT)
    assert talk.tasks() == ["bread", "eggs"]
    assert (await talk.said())[-1] == "Left."


async def test_the_event_stream_asks_and_is_answered(talk: Waiting, provider: Provider) -> None:
    """LangGraph's second streaming protocol, which newer clients speak."""
    provider.answers += [delete("milk"), words("Done.")]
    async with talk.client.threads.stream(talk.thread_id, assistant_id=AGENT) as stream:
        await stream.run.start(input={"messages": [{"role": "user", "content": "delete it"}]})
        await talk.idle()
        (one,) = (await talk.client.threads.get_state(talk.thread_id))["interrupts"]
        await stream.run.respond({"decisions": [APPROVE]}, interrupt_id=one["id"])
        await until(lambda: talk.tasks() == ["bread", "eggs"])
        await talk.idle()
    assert (await talk.said())[-1] == "Done."
