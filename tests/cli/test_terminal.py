"""What people see is what there is, whoever has written it."""

import json

import pytest

from server.terminal import json_to_edit, printable

OBEYED = [
    "\x1b",
    "\x07",
    "\x7f",
    "\x9b",
    "\ud800",
    "\u202e",
    "\u202a",
    "\u2066",
    "\u2069",
    "\u202c",
]


@pytest.mark.parametrize("mark", OBEYED)
def test_what_a_terminal_obeys_is_shown_as_a_mark_and_edited_as_an_escape(mark: str) -> None:
    assert printable(f"a{mark}b") == "a\ufffdb"
    title = {"title": f"a{mark}b"}
    shown = json_to_edit(title)
    assert printable(shown) == shown
    assert json.loads(shown) == title


@pytest.mark.parametrize(
    "text", ["a\n\tb", "Zürich ☂ 🧑‍🌾", "שלום, world", "مرحبا", "\u200f", "日本"]
)
def test_what_people_write_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert json_to_edit(text) == json.dumps(text, ensure_ascii=False)
