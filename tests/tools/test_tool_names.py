"""No two tools have the same name, and a name never means another tool."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tools.client.names import Names

Asked = list[tuple[str, str]]


def given_names(asked: Asked, *reserved: str) -> list[str]:
    names = Names()
    for name in reserved:
        names.reserve(name)
    return [names.of(server, tool) for server, tool in asked]


def test_a_name_is_the_tools_own_unless_an_earlier_tool_has_it() -> None:
    asked = [("web", "search"), ("files", "read"), ("files", "search"), ("files", "find_tasks")]
    assert given_names(asked, "find_tasks") == [
        *("search", "read", "files_search", "files_find_tasks"),
    ]


def test_a_name_stays_that_of_its_tool() -> None:
    names = Names()
    assert names.of("files", "search") == "search"
    assert names.of("web", "search") == "web_search"
    assert names.of("files", "search") == "search"


def test_what_model_apis_do_not_take_is_replaced() -> None:
    first, second, long, other = given_names(
        [("a", "files.read"), ("io.example/b c", "files/read"), ("a", "x" * 80), ("a", "x" * 81)]
    )
    assert (first, second) == ("files_read", "io_example_b_c_files_read")
    assert len(long) == len(other) == 64
    assert long != other


@given(
    st.lists(st.tuples(st.text(max_size=70), st.text(min_size=1, max_size=70)), unique=True),
    st.sets(st.text(alphabet="ab_", min_size=1, max_size=4)),
)
def test_names_are_different_fit_and_are_the_same_the_next_time(
    asked: Asked, reserved: set[str]
) -> None:
    found = given_names(asked, *sorted(reserved))
    assert len({*found, *reserved}) == len(found) + len(reserved)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in found)
    assert given_names(asked, *sorted(reserved)) == found


@given(st.lists(st.tuples(st.sampled_from("ab_."), st.text("ab_.", min_size=1, max_size=3))))
def test_names_of_few_letters_are_different_too(asked: Asked) -> None:
    found = dict(zip(asked, given_names(asked), strict=True))
    assert len(set(found.values())) == len(found)
