"""The arguments of the tools. Their types become the schemas, which don't say who the user is.

Each item of a list is checked by itself: one that is wrong becomes a `BadItem`, and the others are
done all the same. Where a schema asks for a list, a single item will do, too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ..texts import quoted
from .views import Priority, State

#: Items in one call.
ITEMS_MAX = 50
#: Of what is wrong with an item, as much is told.
ERRORS_MAX = 5
#: Steps of the way to an error that name a member of a union, and no argument.
KINDS = frozenset(("str", "int"))


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item of a call that doesn't fit its schema."""

    error: str


def explained(error: ValidationError) -> str:
    """What is wrong, in one line, without the words of a program."""
    wrong = []
    for found in error.errors(include_url=False, include_input=False)[:ERRORS_MAX]:
        place = ".".join(str(part) for part in found["loc"] if part not in KINDS)
        what = _what(found)
        wrong.append(f"{quoted(place)}: {what}" if place else what)
    return "; ".join(dict.fromkeys(wrong))


def _what(found: ErrorDetails) -> str:
    match found["type"], found.get("ctx", {}):
        case "extra_forbidden", _:
            return "is none of its arguments"
        case "too_long", {"max_length": most, "actual_length": int(given)}:
            return f"{given} items are too many; split them into calls of at most {most}"
        case _:
            return found["msg"]


def _each(value: Any, check: Callable[[Any], Any]) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        return BadItem(f"It was not understood: {explained(error)}. Put it right and call again.")


def _listed(value: Any) -> Any:
    """A single item as a list of it, and a list that was written as JSON in a text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    return value if isinstance(value, list) else [value]


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


_EACH = WrapValidator(_each)
_MANY = (BeforeValidator(_listed), Field(min_length=1, max_length=ITEMS_MAX))

Reference = Annotated[str | StrictInt, Field(description='"3", or words of the title.')]
Title = Annotated[str, Field(description="What is to be done, in a few words.")]
Notes = Annotated[str | None, Field(description="Anything else worth keeping.")]
AnyPriority = Annotated[Priority, BeforeValidator(_lower)]
Labels = Annotated[
    list[str] | None,
    BeforeValidator(lambda value: value if value is None else _listed(value)),
]
Due = Annotated[
    str | None,
    Field(
        description=(
            'The user\'s words ("tomorrow at 9", "next friday", "in 3 weeks") or ISO 8601. A day '
            "without a time means all day."
        )
    ),
]
Starts = Annotated[
    str | None, Field(description="The day before which it can't be begun, in words or ISO.")
]
Repeats = Annotated[
    str | None,
    Field(
        description=(
            'How it repeats: "every second tuesday", "every 3 days after completion", or an RRULE.'
        )
    ),
]
ListName = Annotated[str | None, Field(description='A list\'s name; "Inbox" for none.')]
Parent = Annotated[str | StrictInt | None, Field(description="The task that it is a part of.")]


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, value: Any) -> Any:
        # Models write null for what they leave out.
        if isinstance(value, dict):
            return {name: given for name, given in value.items() if given is not None}
        return value


class NewTask(_Item):
    """A task to be added."""

    title: Title
    notes: Notes = None
    priority: AnyPriority = "normal"
    labels: Labels = None
    due: Due = None
    starts: Starts = None
    repeats: Repeats = None
    list: ListName = None
    parent: Parent = None

    @model_validator(mode="before")
    @classmethod
    def _title_alone(cls, value: Any) -> Any:
        return {"title": value} if isinstance(value, str) else value


class TaskChange(_Item):
    """What is to be changed of a task. What is not given stays as it is."""

    task: Reference
    title: Annotated[str | None, Field(description="The new title.")] = None
    notes: Annotated[str | None, Field(description='The new notes; "none" for none.')] = None
    priority: Annotated[Priority | None, BeforeValidator(_lower)] = None
    labels: Annotated[
        Labels,
        Field(description='All its labels from now on; or "+x" to add x, "-x" to take x away.'),
    ] = None
    repeats: Annotated[
        str | None, Field(description='As in add_tasks; "none" for never again.')
    ] = None
    list: ListName = None
    parent: Annotated[
        str | StrictInt | None,
        Field(description='The task that it becomes a part of; "none" for none.'),
    ] = None
    place: Annotated[
        str | None,
        Field(description='Where among its like: "top", "bottom", "before 4" or "after 4".'),
    ] = None
    archived: Annotated[
        bool | None, Field(description="true puts it away, false takes it back.")
    ] = None


class NewDue(_Item):
    """When a task is due instead."""

    task: Reference
    due: Annotated[
        str,
        Field(
            description=(
                'As in add_tasks; a day alone keeps the time of day, a time alone the day; "none" '
                "for none."
            )
        ),
    ]
    starts: Annotated[str | None, Field(description='The new start day; "none" for none.')] = None


class ListChange(_Item):
    """A list to be made, renamed, put away or taken back."""

    name: Annotated[str | None, Field(description="The name, or the new name.")] = None
    list: Annotated[str | None, Field(description="The list to change; none to make one.")] = None
    archived: Annotated[
        bool | None,
        Field(description="true puts it away with its tasks, false takes it back."),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


NewTasks = Annotated[list[Annotated[NewTask, _EACH]], *_MANY]
TaskChanges = Annotated[list[Annotated[TaskChange, _EACH]], *_MANY]
NewDues = Annotated[list[Annotated[NewDue, _EACH]], *_MANY]
References = Annotated[
    list[Annotated[str | StrictInt, _EACH]],
    *_MANY,
    Field(description='Each its number ("3") or words of its title ("the milk").'),
]
ListChanges = Annotated[list[Annotated[ListChange, _EACH]], *_MANY]
ListNames = Annotated[list[Annotated[str, _EACH]], *_MANY, Field(description="Their names.")]
AnyState = Annotated[State, BeforeValidator(_lower)]
