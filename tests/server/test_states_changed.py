"""States edited, forked, imported, interrupted and streamed in a real `langgraph dev`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph_sdk.schema import Durability

from tests.server.rows import PATIENCE, Rows, messages_of, text_of, together
from tests.server.support import config_with_test_graphs, langgraph_dev
from tests.server.talk import NESTED, SPOKEN, STEPS, Talk, new_talk, saying, turn_of

AGENT = "task_agent"


def texts(values: Any) -> list[str]:
    """What was said, in a state that the API showed."""
    return [text_of(message) for message in messages_of(values)]


@pytest.mark.timeout(600)
async def test_rows_are_the_state_after_states_are_changed(
    database_url: str, tmp_path: Path
) -> None:
    rows = Rows(database_url)
    with langgraph_dev(database_url, tmp_path, config_with_test_graphs(tmp_path)) as served:
        async with served.connect() as client:

            async def talk(first: str | None = "one", graph: str = STEPS) -> Talk:
                return await new_talk(client, rows, first, graph)

            async def messages_edited() -> None:
                it = await talk()
                first, second, third = await rows.are_the_state(client, it.thread_id)
                await client.threads.update_state(
                    it.thread_id, {"messages": [{**second, "content": "edited"}]}
                )
                assert await it.said() == ["one", "edited", "done: one"]
                remove = {"type": "remove", "content": "", "id": first["id"]}
                await client.threads.update_state(it.thread_id, {"messages": [remove]})
                assert await it.said() == ["edited", "done: one"]
                everything = {"type": "remove", "content": "", "id": REMOVE_ALL_MESSAGES}
                await client.threads.update_state(
                    it.thread_id, {"messages": [everything, first, second, third]}
                )
                assert await it.said() == turn_of("one")
                await client.threads.update_state(it.thread_id, {"messages": [everything]})
                assert await it.said() == []
                assert rows.conversation(it.thread_id)["leaf_id"] is None
                await it.turn("two")
                assert await it.said() == turn_of("two")

            async def states_set_as_nodes() -> None:
                it = await talk(None)
                await client.threads.update_state(
                    it.thread_id, saying("from outside"), as_node="__start__"
                )
                assert await it.said() == ["from outside"]
                await client.runs.wait(it.thread_id, STEPS, input=None)
                assert await it.said() == turn_of("from outside")
                await client.threads.update_state(
                    it.thread_id,
                    {"messages": [{"role": "ai", "content": "I had begun"}]},
                    as_node="begin",
                )
                await client.runs.wait(it.thread_id, STEPS, input=None)
                assert (await it.said())[-2:] == ["I had begun", "done: from outside"]
                await client.threads.update_state(it.thread_id, {"notes": ["n"]}, as_node="work")
                assert (await it.said())[-1] == "done: from outside"
                assert (await it.notes())[-1] == "n"

            async def replays_and_forks_from_any_checkpoint() -> None:
                it = await talk()
                await it.turn("two")
                history = await client.threads.get_history(it.thread_id, limit=100)
                assert len(history) == 8
                for old in history:
                    before = texts(old["values"])
                    await client.runs.wait(
                        it.thread_id, STEPS, input=None, checkpoint=old["checkpoint"]
                    )
                    said = await it.said()
                    assert said[: len(before)] == before
                    await it.turn("forked", checkpoint=old["checkpoint"])
                    said = await it.said()
                    assert said[: len(before)] == before
                    assert said[-1] == "done: forked"
                    fork: Any = await client.threads.update_state(
                        it.thread_id, saying("set"), checkpoint=old["checkpoint"], as_node="work"
                    )
                    assert await it.said() == [*before, "set"]
                    state = await client.threads.get_state(it.thread_id, fork["checkpoint"])
                    assert texts(state["values"]) == [*before, "set"]

            async def supersteps_imported() -> None:
                source = await talk()
                await source.turn("two")
                history = await client.threads.get_history(source.thread_id, limit=100)
                steps: list[Any] = [
                    {"updates": [{"values": saying("one"), "as_node": "__start__"}]},
                    {"updates": [{"values": saying("uno"), "as_node": "begin"}]},
                    {
                        "updates": [
                            {
                                "values": {"messages": messages_of(history[0]["values"])},
                                "as_node": "work",
                            }
                        ]
                    },
                ]
                thread = await client.threads.create(graph_id=STEPS, supersteps=steps)
                it = Talk(client, rows, thread["thread_id"])
                whole = ["one", "uno", *turn_of("one"), *turn_of("two")]
                assert await it.said() == whole
                assert rows.conversation(it.thread_id)["title"] == "one"
                await it.turn("three")
                assert await it.said() == [*whole, *turn_of("three")]
                # An input alone, for a run to go on with.
                steps = [{"updates": [{"values": saying("one"), "as_node": "__input__"}]}]
                thread = await client.threads.create(graph_id=STEPS, supersteps=steps)
                it = Talk(client, rows, thread["thread_id"])
                assert await it.said() == []
                await client.runs.wait(it.thread_id, STEPS, input=None)
                assert await it.said() == turn_of("one")

            async def interrupts() -> None:
                it = await talk()
                await it.turn("ask me")
                asked = [*turn_of("one"), "ask me", "begun: ask me"]
                assert await it.said() == asked
                state = await client.threads.get_state(it.thread_id)
                assert state["next"] == ["work"]
                # An edit while the question is open.
                await client.threads.update_state(
                    it.thread_id,
                    {"messages": [{"role": "ai", "content": "well?"}]},
                    as_node="begin",
                )
                assert await it.said() == [*asked, "well?"]
                await client.runs.wait(it.thread_id, STEPS, input=None)
                await client.runs.wait(it.thread_id, STEPS, command={"resume": "this"})
                assert await it.said() == [*asked, "well?", "heard: this"]
                # Left open, and something else said.
                await it.turn("ask again")
                await it.turn("two")
                assert (await it.said())[-3:] == turn_of("two")
                await it.turn("three", interrupt_before=["work"])
                assert (await it.said())[-1] == "begun: three"
                await client.runs.wait(
                    it.thread_id,
                    STEPS,
                    command={"goto": "work", "update": {"messages": [("ai", "by command")]}},
                )
                assert (await it.said())[-2:] == ["by command", "done: three"]

            async def sub_graphs() -> None:
                it = await talk("one", NESTED)
                # Each sub-graph hands back what it said, and the second one keeps its own.
                assert (await it.said())[:3] == turn_of("one")
                run = await client.runs.create(it.thread_id, NESTED, input=saying("ask me"))
                await client.runs.join(it.thread_id, run["run_id"])
                state = await client.threads.get_state(it.thread_id, subgraphs=True)
                (task,) = state["tasks"]
                assert task["state"] is not None
                inner: Any = task["state"]
                assert texts(inner["values"])[-1] == "begun: ask me"
                # The sub-graph's words are no part of the conversation yet.
                assert (await it.said())[-1] == "ask me"
                namespaces = rows.select(
                    "SELECT DISTINCT checkpoint_ns FROM checkpoints WHERE thread_id = %s",
                    it.thread_id,
                )
                assert len(namespaces) == 4
                await client.threads.update_state(
                    it.thread_id,
                    {"messages": [{"role": "ai", "content": "told inside"}]},
                    checkpoint=inner["checkpoint"],
                    as_node="begin",
                )
                assert (await it.said())[-1] == "ask me"
                for answer in ("first", "second"):
                    await client.runs.wait(it.thread_id, NESTED, command={"resume": answer})
                assert (await it.said())[-1] in ("heard: second", "begun: ask me")
                await client.runs.delete(it.thread_id, run["run_id"])
                await it.said()

            async def in_each_durability(durability: Durability, checkpoints: int) -> None:
                it = await talk(None)
                await it.turn("one", durability=durability)
                assert await it.said() == turn_of("one")
                assert len(await client.threads.get_history(it.thread_id)) == checkpoints
                await it.turn("fail", durability=durability, raise_error=False)
                assert (await it.said())[-2:] == ["fail", "begun: fail"]
                await it.turn("ask", durability=durability)
                assert (await it.said())[-2:] == ["ask", "begun: ask"]
                await client.runs.wait(
                    it.thread_id, STEPS, command={"resume": "this"}, durability=durability
                )
                assert (await it.said())[-1] == "heard: this"
                for _ in range(3):
                    await it.turn("more", durability=durability)
                assert (await it.said())[-9:] == 3 * turn_of("more")

            async def event_stream() -> None:
                async with client.threads.stream(assistant_id=SPOKEN) as stream:
                    await stream.run.start(input=saying("one"))
                    values = await stream.output.with_timeout(PATIENCE)
                it = Talk(client, rows, stream.thread_id, SPOKEN)
                first = await rows.are_the_state(client, it.thread_id)
                assert first == messages_of(values)
                # What a model says is stored in blocks when it is streamed like this.
                assert isinstance(first[1]["content"], list)
                assert text_of(first[1]).strip() == "I heard: one"
                await it.turn("two")
                both = await rows.are_the_state(client, it.thread_id)
                assert both[:2] == first
                assert isinstance(both[3]["content"], str)

            async def event_stream_of_the_agent() -> None:
                async with client.threads.stream(assistant_id=AGENT) as stream:
                    await stream.run.start(input=saying("add water the plants"))
                    await stream.output.with_timeout(PATIENCE)
                messages = await rows.are_the_state(client, stream.thread_id)
                assert [message["type"] for message in messages] == ["human", "ai", "tool", "ai"]

            async def stateless_runs() -> None:
                answer: Any = await client.runs.wait(None, STEPS, input=saying("stateless"))
                assert texts(answer) == turn_of("stateless")
                assert rows.select("SELECT 1 FROM messages WHERE content = 'stateless'") == []
                kept = await client.runs.create(
                    None, STEPS, input=saying("kept"), on_completion="keep"
                )
                await client.runs.join(kept["thread_id"], kept["run_id"])
                it = Talk(client, rows, kept["thread_id"])
                assert await it.said() == turn_of("kept")

            async def runs_joined() -> None:
                it = await talk()
                run_id = await it.start("two", stream_resumable=True)
                streamed = [
                    part
                    async for part in client.runs.join_stream(
                        it.thread_id, run_id, stream_mode="values"
                    )
                    if part.event == "values"
                ]
                assert texts(streamed[-1].data) == await it.said()
                joined = await client.runs.join(it.thread_id, run_id)
                assert texts(joined) == [*turn_of("one"), *turn_of("two")]
                streamed = [
                    part
                    async for part in client.runs.stream(
                        it.thread_id, STEPS, input=saying("three"), stream_mode=["values", "debug"]
                    )
                    if part.event == "values"
                ]
                assert texts(streamed[-1].data) == await it.said()

            async def threads_described() -> None:
                it = await talk()
                before = rows.conversation(it.thread_id)
                await client.threads.update(it.thread_id, metadata={"colour": "green"})
                (found,) = await client.threads.search(metadata={"colour": "green"})
                assert texts(found["values"]) == turn_of("one")
                assert rows.conversation(it.thread_id) == before
                await it.turn("two")
                assert await it.said() == [*turn_of("one"), *turn_of("two")]
                history = await client.threads.get_history(it.thread_id, limit=2)
                older = await client.threads.get_history(
                    it.thread_id, before=history[-1]["checkpoint"]
                )
                assert len(older) == 6
                inputs = await client.threads.get_history(
                    it.thread_id, metadata={"source": "input"}
                )
                assert [texts(entry["values"]) for entry in inputs] == [turn_of("one"), []]

            async def many_words_at_once() -> None:
                threads = [await talk(None) for _ in range(5)]
                await asyncio.gather(
                    *(
                        it.turn(f"{number} {turn}")
                        for number, it in enumerate(threads)
                        for turn in range(3)
                    )
                )
                for number, it in enumerate(threads):
                    said = await it.said()
                    assert len(said) == 9
                    assert all(f"{number} " in text for text in said)

            await together(
                messages_edited(),
                states_set_as_nodes(),
                replays_and_forks_from_any_checkpoint(),
                supersteps_imported(),
                interrupts(),
                sub_graphs(),
                in_each_durability("sync", 4),
                in_each_durability("async", 4),
                in_each_durability("exit", 1),
                event_stream(),
                event_stream_of_the_agent(),
                stateless_runs(),
                runs_joined(),
                threads_described(),
                many_words_at_once(),
            )
