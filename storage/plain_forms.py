"""What a payload looks like of which a message can be made without its class.

Its every field is what the class would leave as it is. Here is said what that is, class by class;
of a class that is not here, no message is made so.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
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
_INT = frozenset({int})


class Form:
    """What the fields of a class's messages look like where the class leaves them as they are."""

    def __init__(
        self,
        kind: type[BaseMessage],
        more: Mapping[str, frozenset[type]] = MappingProxyType({}),
        holds: Callable[[Fields], bool] | None = None,
    ) -> None:
        self.kind = kind
        #: What the serialiser writes before the fields.
        self.begins = b"\x94" + ormsgpack.packb(kind.__module__) + ormsgpack.packb(kind.__name__)
        self.names = tuple(kind.model_fields)
        self.given = set(self.names)
        self._type = kind.model_fields["type"].default
        self._holds = holds
        types = {**_TYPES, **more}
        #: The types that the values of the fields may have, each combination of them.
        self._types = frozenset(product(*(types[name] for name in self.names)))

    def holds(self, fields: Fields) -> bool:
        return (
            tuple(map(type, fields.values())) in self._types
            and fields["type"] == self._type
            and (type(content := fields["content"]) is str or _are_blocks(content))
            and (self._holds is None or self._holds(fields))
        )


def _are_blocks(blocks: Any) -> bool:
    return all(type(block) in (str, dict) for block in blocks)


def _is_ai(fields: Fields) -> bool:
    calls, usage = fields["tool_calls"], fields["usage_metadata"]
    return (
        not fields["invalid_tool_calls"]
        # From additional_kwargs, the class takes calls that were left unread.
        and (
            all(map(_is_call, calls)) if calls else "tool_calls" not in fields["additional_kwargs"]
        )
        and (usage is None or _is_usage(usage))
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


def _is_usage(usage: Fields) -> bool:
    if tuple(usage) not in _USAGES:
        return False
    for name, value in usage.items():
        forms = _DETAILS.get(name)
        if forms is None:
            if type(value) is not int:
                return False
        elif value is not None and not (
            type(value) is dict
            and tuple(value) in forms
            and _INT.issuperset(map(type, value.values()))
        ):
            return False
    return True


def _is_tool(fields: Fields) -> bool:
    return fields["status"] in ("success", "error")


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
    Form(AIMessage, _OF_AI, _is_ai),
    Form(ToolMessage, _OF_TOOL, _is_tool),
    Form(SystemMessage),
]
