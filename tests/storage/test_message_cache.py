"""What is kept in memory: recognised, copied, bounded, and let go of."""

import gc
import operator
import tracemalloc
import weakref
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import Field, PrivateAttr

from storage.cached_message import LONG, OVERHEAD, Node, node_of
from storage.cached_thread import LISTS, CachedThread
from storage.decoding import BLOCK
from storage.message_cache import MessageCache
from storage.message_copies import copy_message, what_to_copy


class Letter(StrEnum):
    A = "a"


SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)


def digest(number: int) -> bytes:
    return number.to_bytes(32)


def node(message: BaseMessage, parent: bytes | None = None) -> Node:
    return node_of(parent, SERDE, *SERDE.dumps_typed(message))


def twin(message: BaseMessage) -> BaseMessage:
    """An equal message, which is another object."""
    return copy_message(message, what_to_copy(message))


def conversation(length: int, thread: CachedThread) -> list[BaseMessage]:
    """A thread with so many messages cached; copies of them, as a caller gets them."""
    for number in range(length):
        # Every third message is of a kind that is copied, and not made anew.
        extra = {} if number % 3 else {"long": "x" * LONG}
        message = HumanMessage(f"message {number}", additional_kwargs={"n": [number], **extra})
        thread.add(digest(number), node(message, digest(number - 1) if number else None))
    return thread.hand_out([digest(length - 1)])[digest(length - 1)]


def test_what_was_handed_out_is_recognised_up_to_the_first_new_message() -> None:
    thread = CachedThread()
    messages = conversation(5, thread)
    assert thread.recognise([*messages, AIMessage("new")]) == [digest(n) for n in range(5)]
    assert thread.recognise([AIMessage("new"), *messages]) == []


def test_an_equal_message_that_is_another_object_is_not_recognised() -> None:
    thread = CachedThread()
    messages = conversation(3, thread)
    messages[1] = twin(messages[1])
    assert thread.recognise(messages) == [digest(0)]


def test_an_object_of_another_class_with_the_same_fields_is_not_recognised() -> None:
    """As there may be where an object was that is gone: a number is not one object's for good."""

    class Other(HumanMessage):
        pass

    thread = CachedThread()
    messages = conversation(6, thread)
    assert type(messages[4]) is HumanMessage
    other = Other.model_construct(**messages[4].__dict__)
    # The same number would be a matter of luck.
    thread._lists[0].ids[4] = id(other)
    assert thread.recognise([*messages[:4], other]) == [digest(n) for n in range(4)]


@pytest.mark.parametrize("gone", [0, 1])
def test_a_message_after_another_one_than_before_is_not_recognised(gone: int) -> None:
    thread = CachedThread()
    messages = conversation(3, thread)
    del messages[gone]
    assert thread.recognise(messages) == [digest(n) for n in range(gone)]


def test_a_changed_message_is_not_recognised_however_deep_the_change() -> None:
    thread = CachedThread()
    messages = conversation(3, thread)
    messages[1].additional_kwargs["n"].append(0)
    assert thread.recognise(messages) == [digest(0)]


@pytest.mark.parametrize(
    ("stored", "changed"),
    [
        pytest.param(1, True, id="a number"),
        pytest.param([{"a": 1}], [{"a": 1.0}], id="deep in it"),
        pytest.param(0.0, -0.0, id="a sign"),
        pytest.param({1: "a"}, {True: "a"}, id="a key"),
        pytest.param("a", Letter.A, id="a class"),
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("x"),
        HumanMessage("x" * LONG),
        AIMessage("", invalid_tool_calls=[invalid_tool_call(name="f", args="{")]),
        AIMessageChunk(content="x"),
    ],
    ids=["plain", "long", "with a call that can't be read", "of another class"],
)
def test_a_change_to_an_equal_value_of_another_type_is_not_overlooked(
    message: BaseMessage, stored: Any, changed: Any
) -> None:
    thread = CachedThread()
    message = message.model_copy(update={"additional_kwargs": {"n": stored}})
    thread.add(digest(0), node(message))
    messages = thread.hand_out([digest(0)])[digest(0)]
    assert thread.recognise(messages) == [digest(0)]
    messages[0].additional_kwargs["n"] = changed
    assert thread.recognise(messages) == []


def test_the_cache_does_not_keep_what_it_handed_out_alive() -> None:
    thread = CachedThread()
    messages = conversation(3, thread)
    references = [weakref.ref(message) for message in messages]
    del messages
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_what_is_remembered_of_lists_has_a_bound() -> None:
    thread = CachedThread()
    messages = conversation(10, thread)
    others = []
    for _ in range(LISTS - 1):
        others.append(thread.hand_out([digest(9)]))
        assert len(thread.recognise(messages)) == 10
    for _ in range(1_000):
        # Nobody keeps these, so they drive nothing out.
        thread.hand_out([digest(9)])
    assert len(thread._lists) <= LISTS
    assert len(thread.recognise(messages)) == 10


def test_lists_of_several_graphs_are_recognised_each() -> None:
    thread = CachedThread()
    lists = [conversation(5, thread), *(thread.hand_out([digest(4)])[digest(4)] for _ in range(3))]
    for messages in lists + lists[::-1]:
        assert len(thread.recognise([*messages, AIMessage("new")])) == 5


def test_what_was_stored_is_recognised_from_then_on_and_so_is_a_branch_of_it() -> None:
    thread = CachedThread()
    messages = conversation(2, thread)
    new = [AIMessage("two"), AIMessage("three")]
    for number, message in enumerate(new, start=2):
        thread.add(digest(number), node(message, digest(number - 1)))
    whole = [digest(number) for number in range(4)]
    thread.remember([*messages, *new], whole)
    assert thread.recognise([*messages, *new, AIMessage("four")]) == whole
    branch = AIMessage("another two")
    thread.add(digest(20), node(branch, digest(1)))
    thread.remember([*messages, branch], [*whole[:2], digest(20)])
    assert thread.recognise([*messages, branch]) == [*whole[:2], digest(20)]
    assert thread.recognise([*messages, *new]) == whole


def test_paths_that_are_handed_out_together_share_their_messages() -> None:
    thread = CachedThread()
    conversation(5, thread)
    lists = thread.hand_out([digest(4), digest(2)])
    assert lists[digest(2)] == lists[digest(4)][:3]
    assert all(map(operator.is_, lists[digest(2)], lists[digest(4)]))
    assert len(thread.recognise(lists[digest(4)])) == 5


def test_a_number_that_another_object_has_now_is_not_taken_for_the_old_one() -> None:
    thread = CachedThread()
    messages = conversation(2, thread)
    for _ in range(100):
        messages = [HumanMessage("message 0", additional_kwargs={"n": [0]})]
        assert thread.recognise(messages) == []


def test_a_path_with_a_message_missing_is_no_path() -> None:
    thread = CachedThread()
    thread.add(digest(2), node(HumanMessage("late"), digest(1)))
    assert thread.path(digest(2)) is None
    assert thread.path(digest(9)) is None


def test_threads_leave_least_recently_used_first_when_the_bound_is_reached() -> None:
    cache = MessageCache(max_bytes=2 * (OVERHEAD + node(HumanMessage("x" * 100)).size))
    for name in "abc":
        cache.thread(name).add(digest(1), node(HumanMessage("x" * 100)))
        cache.trim(name)
        if name == "b":
            cache.thread("a")
    assert cache.thread("a").path(digest(1)) is not None
    assert cache.thread("b").path(digest(1)) is None
    assert cache.thread("c").path(digest(1)) is not None


@pytest.mark.parametrize("kind", ["plain", "of other kinds", "long"])
def test_the_memory_that_is_taken_stays_within_the_bound(kind: str) -> None:
    bound = 4 * 2**20
    cache = MessageCache(bound)
    serde = SERDE

    def said(number: int) -> BaseMessage:
        metadata = {"token_usage": {"total": number, "details": {"cached": 0}}, "id": f"{number}"}
        match kind:
            case "plain":
                return AIMessage(f"answer {number} " * 20, response_metadata=metadata)
            case "long":
                return HumanMessage("x" * LONG)
            case _:
                return AIMessageChunk(content=f"answer {number} " * 20, response_metadata=metadata)

    def fill(threads: int) -> None:
        for name in range(threads):
            thread, parent = cache.thread(str(name)), None
            for number in range(20):
                entry = node_of(parent, serde, *serde.dumps_typed(said(number)))
                parent = digest(name * 1_000 + number)
                thread.add(parent, entry)
            # As after a turn: it was read, and compared with what came back.
            assert parent is not None
            assert len(thread.recognise(thread.hand_out([parent])[parent])) == 20
            cache.trim(str(name))

    fill(3)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        fill(600)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is counted is an estimate, which must not be far below the truth.
    assert after - before < 1.1 * bound
    assert cache.size > 0.8 * bound


def test_what_is_kept_to_be_compared_is_counted_and_let_go_of() -> None:
    cache = MessageCache(10**9)
    thread = cache.thread("t")
    count = 3 * BLOCK + 1
    for number in range(count):
        message = HumanMessage("x" * 1_000)
        thread.add(digest(number), node(message, digest(number - 1) if number else None))
    cache.trim("t")
    before = cache.size
    messages = thread.hand_out([digest(count - 1)])[digest(count - 1)]
    assert len(thread.recognise(messages)) == count
    cache.trim("t")
    # Blocks that are full, since the last one is going to grow.
    assert cache.size - before > 3 * BLOCK * 1_000
    thread.let_go()
    cache.trim("t")
    assert cache.size == before
    # It can still be compared.
    assert len(thread.recognise(messages)) == count


@given(
    bound=st.integers(0, 20 * OVERHEAD),
    steps=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.booleans()), max_size=60
    ),
)
def test_the_bound_holds_whatever_is_added_and_forgotten(
    bound: int, steps: list[tuple[str, int, bool]]
) -> None:
    cache = MessageCache(bound)
    for number, (name, count, forget) in enumerate(steps):
        for extra in range(count):
            cache.thread(name).add(digest(number * 10 + extra), node(HumanMessage("x")))
        cache.trim(name)
        if forget:
            cache.forget(name)
        assert 0 <= cache.size <= bound
        assert cache.size == sum(thread.counted for thread in cache._threads.values())


class Custom(HumanMessage):
    """A message class of somebody else's, with what messages seldom have."""

    extra_field: dict[str, Any] = Field(default_factory=dict)
    _private: list[int] = PrivateAttr(default_factory=lambda: [1])


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("hi", id="1", name="me"),
        HumanMessage([{"type": "text", "text": "hi"}, "there"]),
        AIMessage(
            "",
            tool_calls=[{"name": "t", "args": {"deep": [{"er": [1]}]}, "id": "1"}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            response_metadata={"a": (1, 2)},
        ),
        ToolMessage("x", tool_call_id="1", artifact={"structured_content": {"set": {1}}}),
        Custom("hi", extra_field={"a": []}, unknown=[1]),  # type: ignore[call-arg]
    ],
)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(message: BaseMessage) -> None:
    copy = twin(message)
    assert copy == message
    assert type(copy) is type(message)
    assert copy.model_dump() == message.model_dump()

    def containers(value: Any) -> set[int]:
        if isinstance(value, dict):
            return {id(value)}.union(*(containers(item) for item in value.values()))
        if isinstance(value, (list, set)):
            return {id(value)}.union(*(containers(item) for item in value))
        return set()

    parts = [
        (copy.__dict__, message.__dict__),
        (copy.__pydantic_extra__, message.__pydantic_extra__),
        (copy.__pydantic_private__, message.__pydantic_private__),
    ]
    for ours, theirs in parts:
        assert containers(ours).isdisjoint(containers(theirs))


@pytest.mark.parametrize("where", [0, 3, 4])
def test_a_list_that_was_recognised_before_is_compared_anew_each_time(where: int) -> None:
    thread = CachedThread()
    messages = conversation(5, thread)
    whole = [digest(n) for n in range(5)]
    assert thread.recognise(messages) == thread.recognise([*messages, AIMessage("new")]) == whole
    assert thread.recognise(messages[:2]) == whole[:2]
    assert thread.recognise(messages) == whole
    messages[where].additional_kwargs["n"].append(1)
    assert thread.recognise(messages) == whole[:where]
    messages[where].additional_kwargs["n"].pop()
    assert thread.recognise(messages) == whole
    messages[where] = twin(messages[where])
    assert thread.recognise(messages) == whole[:where]
