"""Values that Postgres, JSON or the serialiser can't hold: kept, or refused before anything is
written, in words that say what it was."""

import math
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint

from storage.checkpointer import TranscriptSaver
from storage.database import Database
from storage.refusing import UnstorableError
from storage.transcript import storable
from tests.storage.speaking import another_process, both_show, graph_of
from tests.storage.support import (
    TABLES,
    active_branch,
    count,
    fetch,
    on,
)

NUL, SURROGATE = "a\x00b", "a\ud83db"


# Text


texts = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("\x00\x01\x7f\ud800\udbff\udc00\udfff\uffff")
    ),
    max_size=12,
)
keys = st.text(st.characters(codec="utf-8"), max_size=5)
values = st.recursive(
    st.one_of(
        texts,
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.binary(max_size=5),
        st.decimals(allow_nan=False),
        st.datetimes(),
        st.uuids(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
calls = st.fixed_dictionaries(
    {"name": texts, "args": st.dictionaries(keys, values, max_size=3), "id": texts}
)
blocks = st.lists(
    texts
    | st.fixed_dictionaries({"type": st.just("text"), "text": texts})
    | st.fixed_dictionaries({"type": texts, "more": values})
    | st.dictionaries(keys, values, max_size=2),
    max_size=4,
)
content = texts | blocks
messages = st.one_of(
    st.builds(HumanMessage, content, name=texts, id=texts),
    st.builds(SystemMessage, content, id=texts),
    st.builds(ChatMessage, content, role=texts, id=texts),
    st.builds(
        AIMessage, content, id=texts, tool_calls=st.lists(calls, max_size=3), name=texts,
        additional_kwargs=st.dictionaries(keys, values, max_size=2),
    ),
    st.builds(
        ToolMessage, content, id=texts, tool_call_id=texts, name=texts,
        artifact=values | st.fixed_dictionaries({"structured_content": values}),
        additional_kwargs=st.fixed_dictionaries({}, optional={"executed_at": values}),
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(messages, max_size=4), beside=values)
async def test_any_message_comes_back_as_the_memory_saver_gives_it_back(
    database: Database, said: list[BaseMessage], beside: Any
) -> None:
    await both_show(database, *said, beside=beside, thread_id=uuid4().hex)


async def test_columns_show_a_substitute_for_what_postgres_cannot_hold(database: Database) -> None:
    asked = AIMessage(
        NUL, id=NUL, name=NUL, tool_calls=[{"name": NUL, "args": {NUL: [SURROGATE]}, "id": "c"}]
    )
    did = ToolMessage(
        SURROGATE, id="did", tool_call_id="c", artifact={"structured_content": {NUL: math.nan}}
    )
    values = await both_show(database, HumanMessage(NUL + SURROGATE, id="h"), asked, did)
    # The message itself keeps a NUL; for half of a surrogate pair LangGraph writes a "?".
    assert [message.content for message in values["messages"][1:4]] == [NUL + "a?b", NUL, "a?b"]
    assert (values["messages"][2].id, values["messages"][2].name) == (NUL, NUL)
    rows = await active_branch(database, "t")
    assert [row["content"] for row in rows[1:4]] == ["a\ufffdba?b", "a\ufffdb", "a?b"]
    assert rows[2]["tool_calls"] == [
        {"id": "c", "tool": "a\ufffdb", "arguments": {"a\ufffdb": ["a?b"]}}
    ]
    assert rows[3]["tool_calls"][0]["result"] == {"a\ufffdb": "nan"}


@pytest.mark.parametrize("said", [NUL, SURROGATE, NUL * 300, "\x00", "\ud83d"])
async def test_a_title_is_made_of_any_words(database: Database, said: str) -> None:
    graph = graph_of(TranscriptSaver(database.pool))
    await graph.ainvoke({"messages": [HumanMessage(said, id="h")]}, on("t"))
    (row,) = await fetch(database, "SELECT title FROM conversations")
    assert row["title"] in (storable(said), storable(said)[:199] + "…")


# Names


@pytest.mark.parametrize("name", [NUL, SURROGATE])
async def test_a_thread_is_refused_whose_name_postgres_cannot_hold(
    database: Database, name: str
) -> None:
    saver = TranscriptSaver(database.pool)
    graph = graph_of(saver)
    with pytest.raises(UnstorableError, match="thread"):
        await graph.ainvoke({"messages": [HumanMessage("hi")]}, on(name))
    for refused in (
        graph.aget_state(on(name)),
        saver.adelete_thread(name),
        saver.acopy_thread("t", name),
        saver.aprune([name], strategy="delete"),
    ):
        with pytest.raises(UnstorableError, match="thread"):
            await refused
    assert {table: await count(database, table) for table in TABLES} == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("name", [NUL, SURROGATE])
async def test_a_user_is_refused_whose_name_would_become_another_users(
    database: Database, name: str
) -> None:
    graph = graph_of(TranscriptSaver(database.pool))
    with pytest.raises(UnstorableError, match="user"):
        await graph.ainvoke(
            {"messages": [HumanMessage("hi")]}, on("t", langgraph_auth_user_id=name)
        )
    assert await count(database, "users") == await count(database, "checkpoints") == 0


async def test_metadata_show_a_substitute_and_are_found_by_it(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    metadata: Any = {"source": "input", "of": {NUL: [SURROGATE, math.inf, 1.5]}}
    await saver.aput(on("t", checkpoint_ns="", half=SURROGATE), empty_checkpoint(), metadata, {})
    (found,) = [item async for item in saver.alist(None, filter={"of": {NUL: [SURROGATE]}})]
    of: Any = found.metadata
    assert of["of"] == {"a\ufffdb": ["a?b", "inf", 1.5]}
    assert of["half"] == "a?b"
    assert [item async for item in saver.alist(None, filter={"of": NUL})] == []


async def test_metadata_of_no_kind_that_json_has_are_refused(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    metadata: Any = {"who": uuid4()}
    with pytest.raises(TypeError, match="UUID"):
        await saver.aput(on("t", checkpoint_ns=""), empty_checkpoint(), metadata, {})
    assert await count(database, "conversations") == 0


# Other values


@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, NUL, 2**63, "", -0.0, 1e22, 5e-324, 1.0, True]
)
async def test_a_channel_beside_the_messages_holds_any_plain_value(
    database: Database, value: Any
) -> None:
    assert repr((await both_show(database, beside=value))["beside"]) == repr(value)


async def test_messages_may_hold_what_cannot_be_compared(database: Database) -> None:
    arrays = {"array": np.arange(3), "not a number": Decimal("sNaN")}
    said = ToolMessage("saw", tool_call_id="c", id="t", artifact=arrays)
    values = await both_show(database, said, AIMessage("so it is", id="a"))
    assert values["messages"][1].artifact["array"].tolist() == [0, 1, 2]
    # Not a row twice, though each step has to serialise it again to know it.
    assert await count(database, "messages") == 4


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"in": value}
    return value


async def test_deeply_nested_arguments_are_kept(database: Database) -> None:
    asked = AIMessage("", id="a", tool_calls=[{"name": "n", "args": nested(200), "id": "c"}])
    await both_show(database, asked, ToolMessage("did", id="t", tool_call_id="c"))
    rows = await active_branch(database, "t")
    assert rows[2]["tool_calls"][0]["arguments"] == nested(200)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (2**64, "64-bit"),
        (object(), "object"),
        ({SURROGATE: 1}, "surrogates"),
        (nested(400), "depth|Recursion"),
        ({"here": [0, 1j]}, r"\['here'\]\[1\].*complex"),
    ],
)
async def test_what_the_serialiser_has_no_form_for_is_refused_by_its_place(
    database: Database, value: Any, named: str
) -> None:
    saver = TranscriptSaver(database.pool)
    wrong = AIMessage("", id="a", tool_calls=[{"name": "n", "args": {"v": value}, "id": "c"}])
    with pytest.raises(UnstorableError, match=rf"(?s)tool_calls\[0\]\['args'\]\['v'\].*{named}"):
        await graph_of(saver, wrong).ainvoke({"messages": [HumanMessage("hi", id="h")]}, on("t"))
    with pytest.raises(UnstorableError, match=f"(?s)beside.*{named.rpartition(']')[2]}"):
        await graph_of(saver, beside=value).ainvoke({"messages": []}, on("u"))
    # What was said before it is there, and the thread goes on.
    fine = graph_of(another_process(database), AIMessage("fine", id="f"))
    state = await fine.aget_state(on("t"))
    assert [message.id for message in state.values["messages"]] == ["h"]
    await fine.ainvoke({"messages": [HumanMessage("again", id="h2")]}, on("t"))
    assert [row["content"] for row in await active_branch(database, "t")] == ["hi", "again", "fine"]


async def test_a_subgraphs_checkpoint_holds_metadata_that_jsonb_cannot(database: Database) -> None:
    saver = TranscriptSaver(database.pool)
    config: RunnableConfig = {
        "configurable": {"thread_id": "t", "checkpoint_ns": "inner", "checkpoint_id": None}
    }
    metadata: Any = {"source": "loop", "step": 1, "parents": {}, "note": "a\ud800b"}
    for namespace in ("", "inner"):
        config["configurable"]["checkpoint_ns"] = namespace
        stored = await saver.aput(config, empty_checkpoint(), metadata, {})
        found = await saver.aget_tuple(stored)
        assert found is not None
        assert found.metadata["note"] == "a?b"  # type: ignore[typeddict-item]
