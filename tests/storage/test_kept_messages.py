"""What was handed out is handed out again, but never while anybody can still see it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.cached_message import LONG, node_of
from storage.cached_thread import CachedThread
from storage.message_cache import MessageCache

SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)
LENGTH = 4


def digest(number: int) -> bytes:
    return number.to_bytes(32)


def message(number: int) -> BaseMessage:
    if number % 2:
        calls = [{"name": "find", "args": {"words": ["a", {"b": [1]}]}, "id": str(number)}]
        return AIMessage("", tool_calls=calls, response_metadata={"usage": {"tokens": [1, 2]}})
    return HumanMessage([{"type": "text", "text": f"message {number}"}], id=str(number))


def fill(thread: CachedThread, length: int) -> None:
    for number in range(length):
        parent = digest(number - 1) if number else None
        thread.add(digest(number), node_of(parent, SERDE, *SERDE.dumps_typed(message(number))))


def read(thread: CachedThread, length: int = LENGTH) -> list[BaseMessage]:
    leaf = digest(length - 1)
    return thread.hand_out([leaf])[leaf]


@pytest.fixture
def thread() -> CachedThread:
    """A thread that was read before, so that it keeps what it hands out."""
    thread = CachedThread()
    fill(thread, LENGTH + 2)
    read(thread)
    return thread


def objects(thread: CachedThread, length: int = LENGTH) -> list[int]:
    """The numbers of the objects that a reader gets who lets go of them."""
    return list(map(id, read(thread, length)))


def test_who_reads_again_gets_the_same_objects_if_nobody_has_them(thread: CachedThread) -> None:
    first = objects(thread)
    assert objects(thread) == first
    assert read(thread) == [message(number) for number in range(LENGTH)]


def test_a_longer_list_begins_with_the_objects_of_the_shorter_one(thread: CachedThread) -> None:
    first = objects(thread)
    longer = read(thread, LENGTH + 2)
    assert list(map(id, longer[:LENGTH])) == first
    assert longer == [message(number) for number in range(LENGTH + 2)]
    assert thread.recognise(longer) == [digest(number) for number in range(LENGTH + 2)]


@pytest.mark.parametrize("place", range(LENGTH))
def test_a_message_that_somebody_has_is_not_given_to_anybody_else(
    thread: CachedThread, place: int
) -> None:
    objects(thread)
    held = read(thread)[place]
    other = read(thread)
    assert all(held is not given for given in other)
    assert other == [message(number) for number in range(LENGTH)]


PARTS: list[Callable[[list[BaseMessage]], Any]] = [
    lambda messages: messages[0].content,
    lambda messages: messages[0].content[0],
    lambda messages: messages[0].__dict__,
    lambda messages: messages[1].tool_calls,  # type: ignore[attr-defined]
    lambda messages: messages[1].tool_calls[0]["args"],  # type: ignore[attr-defined]
    lambda messages: messages[1].tool_calls[0]["args"]["words"][1]["b"],  # type: ignore[attr-defined]
    lambda messages: messages[1].response_metadata["usage"]["tokens"],
    lambda messages: messages[2].additional_kwargs,
    lambda messages: messages[3].invalid_tool_calls,  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("reads", [0, 1, 2])
def test_a_part_of_a_message_that_somebody_has_is_not_seen_by_anybody_else(
    thread: CachedThread, part: Callable[[list[BaseMessage]], Any], reads: int
) -> None:
    for _ in range(reads):
        objects(thread)
    held = part(read(thread))
    other = read(thread)
    if isinstance(held, dict):
        held["changed"] = True
    else:
        held.append("changed")
    assert other == [message(number) for number in range(LENGTH)]
    assert read(thread) == other


CHANGES: list[Callable[[list[BaseMessage]], Any]] = [
    lambda messages: setattr(messages[0], "content", "changed"),
    lambda messages: messages[0].additional_kwargs.update(changed=True),
    lambda messages: messages[1].tool_calls[0]["args"].pop("words"),  # type: ignore[attr-defined]
    lambda messages: messages[1].response_metadata["usage"].update(tokens=(1, 2)),
    lambda messages: setattr(messages[1], "response_metadata", {"usage": {"tokens": [True, 2]}}),
    lambda messages: setattr(messages[2], "added", 1),
    lambda messages: setattr(messages[3], "usage_metadata", {}),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_message_that_was_changed_is_made_anew(
    thread: CachedThread, change: Callable[[list[BaseMessage]], Any]
) -> None:
    objects(thread)
    change(read(thread))
    assert read(thread) == [message(number) for number in range(LENGTH)]


def test_an_equal_value_put_in_the_place_of_another_is_not_shared(thread: CachedThread) -> None:
    objects(thread)
    put = {"usage": {"tokens": [1, 2]}}
    read(thread)[1].response_metadata = put
    other = read(thread)
    put["usage"]["tokens"].append(3)
    assert other == [message(number) for number in range(LENGTH)]


def test_a_conversation_that_is_read_once_keeps_nothing() -> None:
    thread = CachedThread()
    fill(thread, LENGTH)
    read(thread)
    assert thread.kept_size == 0
    read(thread)
    assert thread.kept_size > 0


def test_only_half_of_the_cache_is_for_messages_that_are_kept() -> None:
    one = CachedThread()
    fill(one, 2)
    read(one, 2)
    read(one, 2)
    cache = MessageCache(max_bytes=2 * 4 * one.kept_size)
    for number in range(6):
        thread = cache.thread(str(number))
        fill(thread, 2)
        for _ in range(2):
            read(thread, 2)
            cache.trim(str(number))
        assert cache.size <= cache.max_bytes
        kept = [cache.thread(str(n)).kept_size for n in range(number + 1) if str(n) in cache]
        assert sum(kept) <= cache.max_bytes // 2
        assert kept[-1] == one.kept_size
    assert cache.thread("0").kept_size == 0


def test_a_long_message_between_them_is_a_copy_each_time() -> None:
    thread = CachedThread()
    contents = ["hi", "x" * LONG, "how are you?"]
    said = [HumanMessage(content, id=str(place)) for place, content in enumerate(contents)]
    for place, one in enumerate(said):
        parent = digest(place - 1) if place else None
        thread.add(digest(place), node_of(parent, SERDE, *SERDE.dumps_typed(one)))
    read(thread, 3)
    first = read(thread, 3)
    long, numbers = first[1], list(map(id, first))
    del first
    again = read(thread, 3)
    assert [id(again[0]), id(again[2])] == [numbers[0], numbers[2]]
    assert again[1] is not long
    assert again == said
    assert thread.recognise(again) == [digest(place) for place in range(3)]
    again[1].content = "changed"
    assert thread.recognise(again) == [digest(0)]


#: The rows of a tree with branches, by the leaf of each: 0-1-2-3-4-5, 1-6-7, 3-8.
PATHS = {
    2: [0, 1, 2],
    4: [0, 1, 2, 3, 4],
    5: [0, 1, 2, 3, 4, 5],
    7: [0, 1, 6, 7],
    8: [0, 1, 2, 3, 8],
}
STEPS = st.sampled_from(["read", "hold", "drop", "change", "go on", "all"])


@given(st.lists(st.tuples(STEPS, st.sampled_from(list(PATHS)))), st.sets(st.integers(0, 8)))
def test_whatever_readers_hold_and_change_others_get_what_is_stored(
    steps: list[tuple[str, int]], long: set[int]
) -> None:
    stored = {number: message(number) for path in PATHS.values() for number in path}
    for number in long:
        stored[number].response_metadata["long"] = "x" * LONG
    thread = CachedThread()
    for path in PATHS.values():
        for parent, number in zip([None, *path], path, strict=False):
            above = None if parent is None else digest(parent)
            thread.add(digest(number), node_of(above, SERDE, *SERDE.dumps_typed(stored[number])))
    held: list[list[BaseMessage]] = []
    for step, leaf in steps:
        if step == "drop":
            held[:1] = []
        elif step == "change" and held:
            held[-1][0].additional_kwargs["changed"] = True
        elif step == "all":
            found = thread.hand_out([digest(one) for one in PATHS])
            for one, path in PATHS.items():
                assert found[digest(one)] == [stored[number] for number in path]
        else:
            path = PATHS[leaf]
            messages = thread.hand_out([digest(leaf)])[digest(leaf)]
            assert messages == [stored[number] for number in path]
            digests = [digest(number) for number in path]
            assert thread.recognise(messages) == digests
            if step == "hold":
                held.append(messages)
            elif step == "go on":
                # As a graph does, with an object of its own.
                thread.remember([*messages[:-1], stored[path[-1]].model_copy()], digests)


@pytest.mark.parametrize("at", [0, 1])
def test_what_somebody_put_into_a_message_in_place_of_an_equal_is_handed_out_to_nobody(
    thread: CachedThread, at: int
) -> None:
    """Who keeps both makes the counts what they were."""
    objects(thread)
    objects(thread)
    messages = read(thread)
    before: dict[str, Any]
    mine: dict[str, Any]
    if at:
        before, mine = messages[1].response_metadata, {"usage": {"tokens": [1, 2]}}
        messages[1].response_metadata = mine
    else:
        before, mine = messages[1].response_metadata["usage"], {"tokens": [1, 2]}
        messages[1].response_metadata["usage"] = mine
    assert before == mine
    del messages
    others = read(thread)
    mine["more"] = [3]
    assert others[1] == message(1)


def test_who_holds_the_further_fields_of_a_message_shares_them_with_nobody(
    thread: CachedThread,
) -> None:
    objects(thread)
    objects(thread)
    further = read(thread)[0].model_extra
    assert further is not None
    others = read(thread)
    further["mine"] = 1
    assert others[0] == message(0)
