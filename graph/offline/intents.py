"""What a message can mean to the offline model."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Priority = Literal["low", "normal", "high", "urgent"]
State = Literal["open", "completed", "all"]


@dataclass(frozen=True)
class Reference:
    """The task a command is about, as the user named it."""

    #: The task's number in digits, or words of its title; empty for a pronoun.
    words: str
    kind: Literal["number", "name", "pronoun"] = "name"
    #: Whether the words can't be anything but a task: "3", "the dentist one", "'buy milk'".
    unmistakable: bool = False


@dataclass(frozen=True)
class Add:
    """A new task."""

    title: str
    due: str | None = None
    priority: Priority | None = None
    notes: str | None = None
    repeats: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Show:
    """A look at the list."""

    state: State = "open"
    text: str | None = None
    due: str | None = None
    priority: Priority | None = None
    labels: tuple[str, ...] = ()
    #: Whether the user asked for when tasks were done, which the list can't be narrowed to.
    wider: bool = False


@dataclass(frozen=True)
class Look:
    """A look at one task."""

    task: Reference


@dataclass(frozen=True)
class Update:
    """A change to a task; an empty string in `notes` or `due` takes them away."""

    task: Reference
    title: str | None = None
    notes: str | None = None
    priority: Priority | None = None
    due: str | None = None


@dataclass(frozen=True)
class AddNote:
    """One more note on a task, whose other notes are to stay."""

    task: Reference
    note: str


@dataclass(frozen=True)
class Complete:
    """A task that is done."""

    task: Reference


@dataclass(frozen=True)
class Reopen:
    """A task that is not done after all."""

    task: Reference


@dataclass(frozen=True)
class Undo:
    """What was changed last, to be taken back."""


@dataclass(frozen=True)
class Delete:
    """A task to be forgotten."""

    task: Reference


class Topic(StrEnum):
    """What the model talks about when no tool is to be called."""

    HELLO = "hello"
    HELP = "help"
    THANKS = "thanks"
    STOP = "stop"
    UNDO = "undo"
    REOPEN = "reopen"
    EVERYTHING = "everything"
    WHICH = "which"
    WHAT_TO_ADD = "what to add"
    WHAT_NOTE = "what note"
    UNTIL_WHEN = "until when"
    TOO_LONG = "too long"
    TOO_MANY = "too many"
    UNSTORABLE = "unstorable"


@dataclass(frozen=True)
class Talk:
    """Words that call for an answer, but for no tool."""

    topic: Topic


@dataclass(frozen=True)
class NotUnderstood:
    """Words that mean nothing to the model, or not surely enough to act on."""

    text: str


Command = Add | Show | Look | Update | AddNote | Complete | Reopen | Delete | Undo
Intent = Command | Talk | NotUnderstood
