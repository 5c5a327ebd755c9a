from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from replay.edits import edit_between
from replay.history import Step, episodes_of
from tests.replay.support import NOON, calls

Transcript = list[BaseMessage]

transcripts = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz")).map(
    lambda words: [HumanMessage(text, id=name) for name, text in words.items()]
)


@given(transcripts, transcripts)
def test_an_edit_makes_any_transcript_of_any_other(before: Transcript, after: Transcript) -> None:
    edit = edit_between(before, after)

    assert add_messages(list(before), list(edit)) == after  # type: ignore[arg-type]


def test_an_edit_holds_no_more_than_has_changed() -> None:
    a, b, c = (HumanMessage(name, id=name) for name in "abc")
    changed = HumanMessage("changed", id="b")

    assert edit_between([a, b], [a, b, c]) == [c]
    assert edit_between([a, b, c], [a, changed, c]) == [changed]
    assert edit_between([a, b, c], [a, c]) == [RemoveMessage(id="b")]
    assert edit_between([a, b], [a, b]) == []


def test_another_order_is_written_anew() -> None:
    a, b = (HumanMessage(name, id=name) for name in "ab")

    assert edit_between([a, b], [b, a]) == [RemoveMessage(id=REMOVE_ALL_MESSAGES), b, a]


def step(
    name: str,
    parent: str | None,
    source: str,
    number: int,
    messages: Transcript,
    *then: str,
) -> Step:
    return Step(
        id=name,
        parent_id=parent,
        source=source,
        number=number,
        at=NOON + timedelta(seconds=number),
        next=then,
        messages=messages,
    )


hello, hi = HumanMessage("Hello", id="1"), AIMessage("Hi", id="2")
thanks, welcome = HumanMessage("Thanks", id="3"), AIMessage("Welcome", id="4")
TURN = [
    step("a", None, "input", -1, [], "__start__"),
    step("b", "a", "loop", 0, [hello], "agent"),
    step("c", "b", "loop", 1, [hello, hi]),
]


def test_a_run_is_what_was_sent_and_what_was_added() -> None:
    [episode] = episodes_of(TURN)

    assert (episode.kind, episode.start_id) == ("run", None)
    assert episode.input == [hello]
    assert episode.added == [hi]
    assert not episode.unfinished


def test_a_run_that_ended_before_its_input_was_merged_is_left_out() -> None:
    stillborn = step("d", "c", "input", 2, [hello, hi], "__start__")
    after = [
        step("e", "d", "input", 3, [hello, hi], "__start__"),
        step("f", "e", "loop", 4, [hello, hi, thanks], "agent"),
        step("g", "f", "loop", 5, [hello, hi, thanks, welcome]),
    ]

    first, second = episodes_of([*TURN, stillborn, *after])

    assert second.input == [thanks]
    assert second.start_id is None
    assert episodes_of([*TURN, stillborn])[0].added == first.added


def test_a_run_that_waits_for_its_input_to_be_merged_is_gone_on_with() -> None:
    after = [
        step("d", "c", "input", 2, [hello, hi], "__start__"),
        step("e", "d", "loop", 3, [hello, hi, thanks], "agent"),
    ]

    _, second = episodes_of([*TURN, *after])

    assert second.input == [thanks]
    assert second.unfinished


def test_a_run_from_a_checkpoint_that_is_not_the_latest_names_it() -> None:
    fork = [
        step("d", "b", "fork", 1, [hello], "agent"),
        step("e", "d", "loop", 2, [hello, AIMessage("Hey", id="5")]),
    ]

    _, second = episodes_of([*TURN, *fork])

    assert (second.kind, second.start_id, second.input) == ("run", "b", None)


def test_a_run_that_leaves_one_checkpoint_is_taken_apart_at_the_first_answer() -> None:
    whole = step("a", None, "loop", 1, [hello, hi])
    more = step("b", "a", "loop", 4, [hello, hi, thanks, welcome])

    first, second = episodes_of([whole, more])

    assert (first.input, first.added) == ([hello], [hi])
    assert (second.input, second.added) == ([thanks], [welcome])


def test_an_update_is_made_in_the_name_of_a_node_that_leads_where_it_led() -> None:
    request = calls(("find_tasks", {}))
    asked = step("d", "c", "update", 2, [hello, hi, request], "tools")
    sent = step("e", "d", "update", 3, [hello, hi, request, thanks], "agent")
    cleared = step("f", "e", "update", 4, [hello, hi, request])

    episodes = episodes_of([*TURN, asked, sent, cleared])

    assert [episode.as_node for episode in episodes] == [None, "agent", "tools", "agent"]


def test_what_was_to_be_done_next_is_cleared_without_an_edit() -> None:
    request = calls(("find_tasks", {}))
    asked = step("d", "c", "update", 2, [hello, hi, request], "tools")
    cleared = step("e", "d", "update", 3, [hello, hi, request])

    assert episodes_of([*TURN, asked, cleared])[-1].as_node == "__end__"


def test_a_copied_checkpoint_is_a_copy_of_its_sibling() -> None:
    copy = step("d", "b", "fork", 2, [hello, hi])

    _, second = episodes_of([*TURN, copy])

    assert (second.as_node, second.start_id) == ("__copy__", "c")


def test_a_checkpoint_whose_parent_is_gone_is_taken_as_it_is() -> None:
    first = step("x", "gone", "loop", 7, [hello, hi])
    lost = step("y", "gone-too", "loop", 9, [hello, hi, thanks], "agent")

    given, later = episodes_of([first, lost])

    assert (given.kind, given.input, given.as_node) == ("update", [hello, hi], "agent")
    assert (later.kind, later.input, later.as_node) == ("update", [thanks], "tools")
