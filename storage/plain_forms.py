"""What a payload looks like of which a message can be made without its class.

Its every field is what the class would leave as it is. Here is said what that is, class by class;
of a class that is not here, no message is made so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, combinations
from types import MappingProxyType
from typing import Any

import ormsgpack
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

Fields = dict[str, Any]
#: The values of each field, message by message.
Columns = Mapping[str, Sequence[Any]]

_TOOL_CALL = ("name", "args", "id", "type")
_USAGE = ("input_tokens", "output_tokens", "total_tokens")


def _subsets(names: Iterable[str]) -> list[tuple[str, ...]]:
    names = tuple(names)
    return [some for size in range(len(names) + 1) for some in combinations(names, size)]


#: In which order the class leaves the parts of a usage's details, of which any may be missing.
_DETAILS = {
    "input_token_details": frozenset(_subsets(("audio", "cache_creation", "cache_read"))),
    "output_token_details": frozenset(_subsets(("audio", "reasoning"))),
}
#: And those of the usage.
_USAGES = frozenset((*_USAGE, *some) for some in _subsets(_DETAILS))
_INT: frozenset[type] = frozenset({int})
_DICT: frozenset[type] = frozenset({dict})
_STATUSES = frozenset({"success", "error"})


class Form:
    """What the fields of a class's messages look like where the class leaves them as they are."""

    def __init__(
        self,
        kind: type[BaseMessage],
        more: Mapping[str, frozenset[type]] = MappingProxyType({}),
        holds: Callable[[Columns], bool] | None = None,
    ) -> None:
        self.kind = kind
        #: What the serialiser writes before the fields.
        self.begins = b"\x94" + ormsgpack.packb(kind.__module__) + ormsgpack.packb(kind.__name__)
        self.names = tuple(kind.model_fields)
        self.given = set(self.names)
        self._type = kind.model_fields["type"].default
        self._holds = holds
        types = {**_TYPES, **more}
        #: The types that the values of each field may have.
        self._types = [types[name] for name in self.names]

    def holds(self, messages: Sequence[Any]) -> bool:
        """Whether each of these is the fields of such a message.

        They are looked at field by field, not message by message, which is far quicker.
        """
        if not (
            _DICT.issuperset(map(type, messages)) and {self.names}.issuperset(map(tuple, messages))
        ):
            return False
        columns = list(zip(*map(dict.values, messages), strict=True))
        if not all(
            types.issuperset(map(type, column))
            for types, column in zip(self._types, columns, strict=True)
        ):
            return False
        fields = dict(zip(self.names, columns, strict=True))
        return (
            {self._type}.issuperset(fields["type"])
            and all(_are_blocks(content) for content in fields["content"] if type(content) is list)
            and (self._holds is None or self._holds(fields))
        )


def _are_blocks(blocks: Any) -> bool:
    return all(type(block) in (str, dict) for block in blocks)


def _are_ai(fields: Columns) -> bool:
    return (
        not any(fields["invalid_tool_calls"])
        and all(map(_is_call, chain.from_iterable(fields["tool_calls"])))
        # From additional_kwargs, the class takes calls that were left unread.
        and not any(
            "tool_calls" in more and not calls
            for more, calls in zip(fields["additional_kwargs"], fields["tool_calls"], strict=True)
        )
        and _are_usages([usage for usage in fields["usage_metadata"] if usage is not None])
    )


def _is_call(call: object) -> bool:
    return (
        type(call) is dict
        and tuple(call) == _TOOL_CALL
        and type(call["name"]) is str
        and type(call["args"]) is dict
        and all(type(name) is str for name in call["args"])
        and (call["id"] is None or type(call["id"]) is str)
        and call["type"] == "tool_call"
    )


def _are_usages(usages: Sequence[Fields]) -> bool:
    shapes = set(map(tuple, usages))
    return shapes <= _USAGES and all(
        _are_parts(name, column)
        for shape in shapes
        for name, column in zip(
            shape,
            zip(*(usage.values() for usage in usages if tuple(usage) == shape), strict=True),
            strict=True,
        )
    )


def _are_parts(name: str, values: Sequence[Any]) -> bool:
    """Whether these can be what usages have under a name."""
    shapes = _DETAILS.get(name)
    if shapes is None:
        return _INT.issuperset(map(type, values))
    details = [value for value in values if value is not None]
    return (
        _DICT.issuperset(map(type, details))
        and shapes.issuperset(map(tuple, details))
        and _INT.issuperset(map(type, chain.from_iterable(map(dict.values, details))))
    )


def _are_tools(fields: Columns) -> bool:
    return _STATUSES.issuperset(fields["status"])


_NONE: type = type(None)
_TEXT: frozenset[type] = frozenset({str})
_MAYBE_TEXT: frozenset[type] = frozenset({str, _NONE})
#: The types of what is in the fields of all messages.
_TYPES = {
    "content": frozenset({str, list}),
    "additional_kwargs": frozenset({dict}),
    "response_metadata": frozenset({dict}),
    "type": _TEXT,
    "name": _MAYBE_TEXT,
    "id": _MAYBE_TEXT,
}
_OF_AI = {
    "tool_calls": frozenset({list}),
    "invalid_tool_calls": frozenset({list}),
    "usage_metadata": frozenset({dict, _NONE}),
}
_OF_TOOL = {
    "tool_call_id": _TEXT,
    "artifact": frozenset({str, int, float, bool, list, dict, bytes, _NONE}),
    "status": _TEXT,
}
FORMS = [
    Form(HumanMessage),
    Form(AIMessage, _OF_AI, _are_ai),
    Form(ToolMessage, _OF_TOOL, _are_tools),
    Form(SystemMessage),
]
