"""How a question of the agent's is decided: by the person at the terminal, or for one who isn't."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .parts import Action, Question
from .terminal import console, json_to_edit, printable

#: What a client sends back about a call: see `graph.decisions`, which takes seconds to import.
Decision = Mapping[str, Any]
Decide = Callable[[Question], Sequence[Decision]]

APPROVE: Decision = {"type": "approve"}
NOBODY_THERE = (
    "Nobody could be asked: this conversation comes through a pipe. Say what you would have done, "
    "and that it needs a person's approval."
)


def approve_all(question: Question) -> list[Decision]:
    """For whoever has said beforehand that everything may be done."""
    return [APPROVE for _ in question.actions]


def reject_all(question: Question) -> list[Decision]:
    """For a program, which can't be asked; told on standard error."""
    names = ", ".join(dict.fromkeys(action.tool for action in question.actions))
    console(error=True).print(
        f"Not done: {printable(names)} needs approval, and through a pipe nobody can be asked. "
        "With --approve it is carried out.",
        style="yellow",
    )
    return [{"type": "reject", "message": NOBODY_THERE} for _ in question.actions]


def ask_person(question: Question) -> list[Decision]:
    """Each call in turn.

    Raises:
        EOFError: the person left; nothing is decided then.
    """
    return [_ask(action) for action in question.actions]


def _ask(action: Action) -> Decision:
    out = console()
    out.print(printable(action.description), style="bold")
    while True:
        match input("[a]pprove, [e]dit or [r]eject? ").strip().lower():
            case "a" | "approve" | "y" | "yes":
                return APPROVE
            case "r" | "reject" | "n" | "no":
                reason = input("Why? (may be empty) ").strip()
                return {"type": "reject", "message": reason} if reason else {"type": "reject"}
            case "e" | "edit":
                edited = _edited(action)
                if edited is not None:
                    return {
                        "type": "edit",
                        "edited_action": {"name": action.tool, "args": edited},
                    }


def _edited(action: Action) -> dict[str, Any] | None:
    """The arguments as the person wants them; none if they thought better of it."""
    out = console()
    written = json_to_edit(action.arguments)
    while True:
        with _already_typed(written):
            written = input("Arguments: ").strip()
        if not written:
            return None
        try:
            arguments = json.loads(written)
        except ValueError as error:
            out.print(f"That is not JSON: {error}. An empty line goes back.", style="yellow")
            continue
        if isinstance(arguments, dict):
            return arguments
        out.print('It has to be an object, such as {"tasks": ["3"]}.', style="yellow")


@contextmanager
def _already_typed(text: str) -> Iterator[None]:
    """At the next prompt the text stands there to be changed, where Python can do that."""
    with suppress(ImportError):
        import readline

        readline.set_startup_hook(lambda: readline.insert_text(text))
        try:
            yield
        finally:
            readline.set_startup_hook(None)
        return
    yield
